"""A small vision transformer."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcore.errors import RecipeError
from kdcore.knobs import Choice, Range
from kdcore.models import architecture


@architecture("vit", title="Small ViT", kinds=("image",), smallest=4)
def vit(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    width: Annotated[int, Choice((32, 64, 128, 192, 256), "Numbers a patch is described by.")] = 64,
    layers: Annotated[int, Range(1, 12, 1, "Transformer layers.")] = 4,
    heads: Annotated[int, Choice((1, 2, 4, 8), "Attention heads; they share the width.")] = 4,
) -> nn.Module:
    """The picture cut into patches, which attend to each other; their mean is classified.

    About 7 patches a side; learned positions; normalisation before each part.
    Source: Dosovitskiy et al., 2020, arXiv:2010.11929.
    """
    side = min(input_shape[1:])
    if input_shape[1] != input_shape[2]:
        raise RecipeError(f"the ViT takes square pictures, but these are {input_shape[1:]}")
    patch = max(p for p in range(1, side + 1) if side % p == 0 and (p == 1 or side // p >= 4))
    return VisionTransformer(input_shape, classes, patch, width, layers, heads)


class VisionTransformer(nn.Module):
    """Patches (N, P, width) through pre-norm layers to logits (N, classes)."""

    def __init__(
        self,
        input_shape: tuple[int, ...],
        classes: int,
        patch: int,
        width: int,
        layers: int,
        heads: int,
    ) -> None:
        super().__init__()
        count = (input_shape[1] // patch) * (input_shape[2] // patch)
        self.patches = nn.Conv2d(input_shape[0], width, patch, patch)
        self.positions = nn.Parameter(0.02 * torch.randn(1, count, width))
        self.layers = nn.Sequential(*(Layer(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W) to (N, classes)."""
        tokens = self.patches(pictures).flatten(2).transpose(1, 2) + self.positions
        outputs: Tensor = self.head(self.norm(self.layers(tokens)).mean(1))
        return outputs


class Layer(nn.Module):
    """Attention over the patches, then two linear layers, each added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.mixing = nn.Linear(width, width)
        self.linear_norm = nn.LayerNorm(width)
        self.linear = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, P, width) to the same."""
        _, count, width = tokens.shape
        parts = self.query_key_value(self.attention_norm(tokens))
        query, key, value = parts.view(-1, count, 3, self.heads, width // self.heads).permute(
            2, 0, 3, 1, 4
        )
        # written out, as the fused kernel's products are not counted as MACs
        weights = F.softmax(query @ key.transpose(-2, -1) / (width // self.heads) ** 0.5, dim=-1)
        mixed = (weights @ value).transpose(1, 2).reshape(-1, count, width)
        tokens = tokens + self.mixing(mixed)
        outputs: Tensor = tokens + self.linear(self.linear_norm(tokens))
        return outputs
