"""Samples in the plane, so that those which a network puts side by side stay there: t-SNE."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLES = 1000
"""That are laid out: of twice as many, it takes twice as long or more."""

PERPLEXITY = 30.0
STEPS = 500


def tsne(features: NDArray[np.floating[Any]], seed: int = 0) -> NDArray[np.float32]:
    """Places (N, 2) of samples by their features (N, D), at least 4 of them; by scikit-learn.

    Near ones stay near; distances between groups, and their sizes, say little. Begun from the first
    two principal components, so that it comes out the same again.
    Source: van der Maaten and Hinton, 2008, "Visualizing Data using t-SNE".
    """
    from sklearn.manifold import TSNE  # late: a second to import

    spread = features.astype(np.float64)
    spread /= spread.std(0).max() or 1.0
    made = TSNE(
        perplexity=min(PERPLEXITY, (len(features) - 1) / 3),
        max_iter=STEPS,
        init="pca" if min(features.shape) > 1 else "random",
        random_state=seed,
        n_jobs=1,
    )
    return np.asarray(made.fit_transform(spread), np.float32)
