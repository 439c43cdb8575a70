"""How three models' right and wrong answers fall together, sample by sample."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Outcome = Literal["fixed", "broke", "copied", "beat"]

Chosen = NDArray[np.int64]


def outcomes(
    labels: Chosen, teacher: Chosen, control: Chosen, distilled: Chosen
) -> dict[Outcome, NDArray[np.bool_]]:
    """Which samples distillation fixed or broke, and where the student copied or beat its teacher.

    All (N,): the true class, and the class that each model chose. fixed: the control is wrong, the
    distilled student right; broke: the other way round; copied: teacher and distilled student
    make the same mistake, and the control does not make it; beat: the teacher is wrong, the
    distilled student right. A sample may be in several.
    """
    right = distilled == labels
    return {
        "fixed": (control != labels) & right,
        "broke": (control == labels) & ~right,
        "copied": (teacher != labels) & (distilled == teacher) & (control != teacher),
        "beat": (teacher != labels) & right,
    }


def mcnemar(one: int, other: int) -> float:
    """Exact two-sided p-value that the two counts of discordant pairs are of one chance.

    one, other: samples that only the first, only the second model got right; samples must be
    independent, so these are of one seed. Returns a number in (0, 1]; 1 where none is discordant.
    Source: McNemar, 1947, "Note on the Sampling Error of the Difference between Correlated
    Proportions or Percentages"; exact by the binomial, as in Dietterich, 1998.
    """
    from scipy.stats import binomtest  # late: half a second to import

    if one + other == 0:
        return 1.0
    return float(binomtest(one, one + other, 0.5).pvalue)
