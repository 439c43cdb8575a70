"""What a pipeline will give, as far as shapes alone can tell: before anything is trained."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from kdcore.compress.channels import prune_channels
from kdcore.compress.prune import prunable
from kdcore.measure.size import macs, parameters
from kdcore.pipeline import Pipeline, Prune, Quantize, Share, told
from kdcore.setting import Setting
from kdcore.stages.work import check
from kdcore.waterfall import ORIGINAL, Foreseen

FLOAT = 4
"""Bytes of a float32."""


def foreseen(pipeline: Pipeline) -> tuple[Foreseen, ...]:
    """The distilled student, and what is left of it after each stage, of a pipeline without axes.

    Raises RecipeError, as running it would, where a stage cannot be done.
    """
    setting = Setting(pipeline.recipe)
    check(pipeline, setting)
    shape = setting.data.input_shape
    network = setting.build(pipeline.recipe.student, seed=0)
    found = [_of(ORIGINAL, network, shape)]
    for stage in pipeline.stages:
        now = replace(found[-1], name=told(stage))
        match stage:
            case Prune(what="channels"):
                list(prune_channels(network, shape, stage.share, stage.rounds))
                now = _of(now.name, network, shape)
                if found[-1].zeros != 0:  # who knows which of them went with the channels
                    now = replace(now, zeros=None)
            case Prune():
                count = sum(weight.numel() for weight in prunable(network).values())
                before = found[-1].zeros
                gone = round(stage.share * count)
                now = replace(now, zeros=None if before is None else max(before, gone))
            case Quantize():
                # of what is rounded, nobody knows how much becomes zero
                now = replace(now, zeros=None, bytes=_quantized(network, stage))
            case Share():
                # the code's length depends on the weights
                now = replace(now, zeros=None, bytes=None)
            case _:
                pass
        found.append(now)
    return tuple(found)


def _of(name: str, network: nn.Module, shape: tuple[int, ...]) -> Foreseen:
    count = parameters(network)
    return Foreseen(name, count, macs(network, shape), 0, FLOAT * count)


def _quantized(network: nn.Module, stage: Quantize) -> int | None:
    """Bytes of the weights in fewer bits; None where it depends on what is measured."""
    weights = prunable(network)
    names, count = list(weights), parameters(network)
    others = [
        name for name, each in network.named_parameters() if each.dim() > 1 and name not in weights
    ]
    if stage.keep == "sensitive" or others:  # such as attention's, which are not layers
        return None
    modules = {name: network.get_submodule(name.rpartition(".")[0]) for name in names}
    kept = {names[0], names[-1]} if stage.keep == "ends" else set()
    if stage.how == "float16":
        return FLOAT * count - 2 * (count - sum(parameters(modules[name]) for name in kept))
    if stage.how == "dynamic":
        kept |= {name for name in names if not isinstance(modules[name], nn.Linear)}
    return FLOAT * count - 3 * sum(weights[name].numel() for name in names if name not in kept)
