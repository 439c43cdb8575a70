"""Small dense networks of equal shape as one: batched products, the backward pass written out.

A step of a small network costs what its dozens of calls cost, not its arithmetic; K networks
together make hardly more calls than one. Gradients land in one flat buffer, so that an optimizer
takes all members' steps at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

Layers = list[tuple[Tensor, Tensor]]
"""Each layer's weights (K, out, in) and biases (K, 1, out)."""

ROWS = 4096
"""Of samples times members that are evaluated at once: their activations fit into the cache."""


def linears(network: nn.Module) -> list[nn.Linear] | None:
    """The linear layers of a network that has ReLU between them and nothing else; else None."""
    if type(network) is not nn.Sequential:
        return None
    found, modules = [], list(network)
    if modules and isinstance(modules[0], nn.Flatten):
        modules.pop(0)
    for position, module in enumerate(modules):
        expected = nn.ReLU if position % 2 else nn.Linear
        if type(module) is not expected:
            return None
        if isinstance(module, nn.Linear):
            if module.bias is None or not module.weight.requires_grad:
                return None
            found.append(module)
    return found if len(modules) % 2 else None


class Stack:
    """K dense networks, their weights in one flat buffer `values`, gradients in `slopes`.

    The first layer takes inputs (U, R, D) where U divides K: each sample block is shared by K / U
    members in turn.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        self.networks = [linears(network) or [] for network in networks]
        self.count = len(networks)
        layers = list(zip(*self.networks, strict=True))
        self.shapes = [tuple(same[0].weight.shape) for same in layers]
        parts = [
            torch.stack([getattr(linear, name).detach() for linear in same]).flatten()
            for same in layers
            for name in ("weight", "bias")
        ]
        self.values = torch.cat(parts)
        self.slopes = torch.zeros_like(self.values)
        self.layers, self.gradients = self.parts(self.values), self.parts(self.slopes)

    def parts(self, flat: Tensor) -> Layers:
        """Views into a flat buffer, by layer."""
        count, found, start = self.count, [], 0
        for out, into in self.shapes:
            middle, end = start + count * out * into, start + count * out * (into + 1)
            weight = flat[start:middle].view(count, out, into)
            found.append((weight, flat[middle:end].view(count, 1, out)))
            start = end
        return found

    def spread(self, each: Sequence[float]) -> float | Tensor:
        """One number a member, as an optimizer takes it: the number, or one for each weight."""
        if len(set(each)) == 1:
            return each[0]
        flat = torch.empty_like(self.values)
        column = torch.tensor(each)[:, None, None]
        for weight, bias in self.parts(flat):
            weight.copy_(column)
            bias.copy_(column)
        return flat

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """Inputs (U, R, D), then each layer's output (K, R, width), the last one the logits."""
        outputs = [inputs]
        for number, (weight, bias) in enumerate(self.layers):
            if number:
                product = torch.baddbmm(bias, outputs[-1], weight.mT)
            else:
                product = _shared(inputs, weight, bias)
            outputs.append(product.relu_() if number < len(self.layers) - 1 else product)
        return outputs

    def backward(self, outputs: list[Tensor], slope: Tensor) -> None:
        """Write the gradients, from those of the logits (K, R, C)."""
        for number in reversed(range(len(self.layers))):
            weight, bias = self.gradients[number]
            torch.sum(slope, 1, keepdim=True, out=bias)
            if not number:
                _shared_gradient(outputs[0], slope, weight)
                return
            torch.bmm(slope.mT, outputs[number], out=weight)
            slope = torch.bmm(slope, self.layers[number][0])
            # the gradient of ReLU, by its output
            slope = torch.ops.aten.threshold_backward(slope, outputs[number], 0)

    def norms(self) -> Tensor:
        """Each member's gradient as one vector: its length, (K,)."""
        squares = [part.square().sum((1, 2)) for layer in self.gradients for part in layer]
        return torch.stack(squares).sum(0).sqrt()

    def correct(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Each member's share (K,) of samples (N, D) whose highest logit is the label's (N,)."""
        size = max(1, ROWS // self.count)
        hits = torch.zeros(self.count, dtype=torch.int64)
        for part, told in zip(inputs.split(size), labels.split(size), strict=True):
            hits += (self.forward(part[None])[-1].argmax(2) == told).sum(1)
        return hits.double() / len(labels)

    def copy(self, chosen: Tensor, into: Tensor) -> None:
        """Copy the weights of the members chosen (K,) into a buffer like `values`."""
        mask = chosen[:, None, None]
        for ours, theirs in zip(self.layers, self.parts(into), strict=True):
            for source, target in zip(ours, theirs, strict=True):
                torch.where(mask, source, target, out=target)

    def weights(self, flat: Tensor, member: int) -> list[tuple[Tensor, Tensor]]:
        """A member's weights (out, in) and biases (out,), by layer, of a buffer like `values`."""
        return [(weight[member], bias[member, 0]) for weight, bias in self.parts(flat)]

    def put_back(self, member: int) -> None:
        """Let a member's own network have its weights."""
        pairs = zip(self.networks[member], self.weights(self.values, member), strict=True)
        for linear, (weight, bias) in pairs:
            linear.weight.data.copy_(weight)
            linear.bias.data.copy_(bias)


def _shared(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(U, R, D) through the layers (K, out, D) of each block's members: (K, R, out)."""
    blocks, (members, out, into) = len(inputs), weight.shape
    if blocks == members:
        return torch.baddbmm(bias, inputs, weight.mT)
    wide = torch.bmm(inputs, weight.reshape(blocks, -1, into).mT)
    parted = wide.view(blocks, inputs.shape[1], members // blocks, out).transpose(1, 2)
    return parted.reshape(members, -1, out).add_(bias)


def _shared_gradient(inputs: Tensor, slope: Tensor, into: Tensor) -> None:
    """The gradient (K, out, D) of such layers, from that of their outputs (K, R, out)."""
    blocks, (members, rows, out) = len(inputs), slope.shape
    if blocks == members:
        torch.bmm(slope.mT, inputs, out=into)
        return
    wide = slope.view(blocks, members // blocks, rows, out).transpose(1, 2)
    target = into.view(blocks, -1, into.shape[2])
    torch.bmm(wide.reshape(blocks, rows, -1).mT, inputs, out=target)
