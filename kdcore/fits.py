"""What goes with what, asked by the engine and by the pages alike."""

from __future__ import annotations


def refusal(
    title: str, kinds: tuple[str, ...], smallest: int, kind: str, input_shape: tuple[int, ...]
) -> str | None:
    """Why an architecture cannot take input of that kind and shape, or None where it can.

    smallest: pixels that the shorter side of a picture (C, H, W) must have.
    """
    if kind not in kinds:
        return f"{title} takes {' or '.join(kinds)} input, not {kind}"
    if kind == "image" and min(input_shape[1:]) < smallest:
        height, width = input_shape[1:]
        return f"{title} takes pictures from {smallest}×{smallest} pixels up, not {height}×{width}"
    return None
