"""Intervals of means over users."""

import numpy as np


def bootstrap_interval(
    values: np.ndarray, level: float = 0.95, n_resamples: int = 1000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Bias-corrected and accelerated (BCa) bootstrap interval of the mean of each column; rows (users) are resampled.

    Args:
        values: (n_users, n_columns).
        level: confidence level.
        n_resamples: bootstrap samples.
        seed: of the resampling; every column uses the same resamples.

    Returns:
        Lower and upper limits, (n_columns,) each. A column without spread, or with a single user, has its mean as both.

    Source: Efron, JASA 1987; computed by ``scipy.stats.bootstrap``.
    """
    from scipy import stats  # takes a second to import, and only an evaluation needs it

    mean = values.mean(axis=0)
    low, high = mean.copy(), mean.copy()
    for column in np.flatnonzero(np.ptp(values, axis=0) > 1e-12):
        interval = stats.bootstrap(
            (values[:, column],),
            np.mean,
            confidence_level=level,
            n_resamples=n_resamples,
            rng=np.random.default_rng(seed),
        ).confidence_interval
        low[column], high[column] = interval
    return low, high
