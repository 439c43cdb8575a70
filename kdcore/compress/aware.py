"""Quantization-aware training: a network that rounds as int8 will, while it learns.

torchao's way through a network's exported graph; what comes out is an ONNX file of the same form
that calibration gives. Source: Jacob et al., 2017, arXiv:1712.05877, section 3.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from kdcore.compress.export import to_onnx
from kdcore.compress.prune import Masks
from kdcore.compress.quantize import Bits
from kdcore.errors import RecipeError
from kdcore.quiet import unlogged, unwarned


class Aware(nn.Module):
    """A network whose weights and activations are rounded in every pass, (N, ...) to (N, classes).

    Gradients pass the rounding as if it were not there. The ranges of activations follow what it is
    trained on, and stay where they are while it is judged.
    """

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, inputs: Tensor) -> Tensor:
        """The graph was read with pictures in rows, and takes no others."""
        outputs: Tensor = self.graph(inputs.contiguous())
        return outputs

    def train(self, mode: bool = True) -> Aware:
        """Let the graph learn, or be judged."""
        from torchao.quantization.pt2e import (
            disable_observer,
            enable_observer,
            move_exported_model_to_eval,
            move_exported_model_to_train,
        )

        self.training = mode
        (move_exported_model_to_train if mode else move_exported_model_to_eval)(self.graph)
        self.graph.apply(enable_observer if mode else disable_observer)
        return self


def aware(network: nn.Module, input_shape: tuple[int, ...], bits: Bits = 7) -> Aware:
    """A copy of a network that rounds; the network itself is left alone.

    bits: of a weight, see `quantize`. Raises RecipeError where its graph cannot be read.
    """
    fresh = copy.deepcopy(network).to(memory_format=torch.contiguous_format).train()
    with unlogged("torch"), unwarned():  # both tell of what is to come in torch
        from torchao.quantization.pt2e.quantize_pt2e import prepare_qat_pt2e

        try:
            graph = torch.export.export(
                fresh,
                (torch.zeros(2, *input_shape),),
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            ).module()
            return Aware(prepare_qat_pt2e(graph, _rules(bits)))
        except (RuntimeError, ValueError, AssertionError, LookupError, AttributeError) as error:
            raise RecipeError(
                f"{type(network).__name__} cannot be trained with int8 in mind: its graph cannot "
                'be read; quantize it after training instead, "static"'
            ) from error


def int8_of(trained: Aware, input_shape: tuple[int, ...]) -> bytes:
    """The ONNX file, in whole numbers, of a network that was trained to round."""
    with unlogged("torch"), unwarned():
        from torchao.quantization.pt2e import allow_exported_model_train_eval
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e

        trained.eval()
        return to_onnx(allow_exported_model_train_eval(convert_pt2e(trained.graph)), input_shape)


def masks_of(masks: Masks) -> Masks:
    """A network's masks, by the names that its weights have in its `Aware`."""
    return {f"graph.{name}": stays for name, stays in masks.items()}


def _rules(bits: Bits) -> Any:
    """What is rounded, and to how many steps: weights by channel, activations to eight bits."""
    from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import (
        X86InductorQuantizer,
        get_default_x86_inductor_quantization_config,
    )

    usual = get_default_x86_inductor_quantization_config(is_qat=True)
    most = 2 ** (bits - 1)
    weight = replace(usual.weight, quant_min=-most, quant_max=most - 1)
    return X86InductorQuantizer().set_global(replace(usual, weight=weight))
