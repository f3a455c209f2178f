"""Intervals of means and of differences over users; tests of difference and of equivalence between explainers."""

import numpy as np

from lxr.utils.checks import check_numbers, check_positive, check_positive_numbers, check_seed


def bootstrap_interval(
    values: np.ndarray, *, level: float = 0.95, n_resamples: int = 1000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Bias-corrected and accelerated (BCa) bootstrap interval of the mean of each column; rows (users) are resampled.

    Args:
        values: (n_users, n_columns).
        level: confidence level.
        n_resamples: bootstrap samples.
        seed: seed of the resampling; every column uses the same resamples.

    Returns:
        Lower and upper limits, (n_columns,) each. A column without spread, or with a single user, has its mean as both.

    Source: Efron, JASA 1987; computed by ``scipy.stats.bootstrap``.

    Example:
        >>> ranks = np.random.default_rng(0).normal([0.5, 0.7], 0.1, size=(200, 2))
        >>> low, high = bootstrap_interval(ranks)
        >>> low.round(2), high.round(2)
        (array([0.48, 0.69]), array([0.5 , 0.72]))
    """
    from scipy import stats  # takes a second to import, and only an evaluation needs it

    check_numbers("a number between 0 and 1", lambda value: 0 < value < 1, level=level)
    check_positive(n_resamples=n_resamples)
    mean = values.mean(axis=0)
    low, high = mean.copy(), mean.copy()
    spread = np.ptp(values, axis=0) > 1e-12
    if spread.any():
        interval = stats.bootstrap(
            (values[:, spread].T,),
            np.mean,
            axis=-1,
            batch=50,  # bounds the memory
            confidence_level=level,
            n_resamples=n_resamples,
            rng=np.random.default_rng(check_seed(seed)),
        ).confidence_interval
        low[spread], high[spread] = interval
    return low, high


def sign_flip_test(values: np.ndarray, *, n_permutations: int = 10_000, seed: int = 0, batch_size: int = 1000) -> np.ndarray:
    """Paired two-sided permutation test of equal means, between every two columns; rows (users) are the pairs.

    Under the null hypothesis the difference of a user between two explainers is as likely to have the other sign. So signs
    are flipped at random, and p is the share of flips (with the observed data as one of them) whose mean difference is at
    least as far from 0 as the observed one.

    Args:
        values: (n_users, n_columns), the same users in every column.
        n_permutations: random sign flips, the same for all pairs; the smallest possible p is 1 / (n_permutations + 1).
        seed: seed of the flips.
        batch_size: flips at a time; bounds the memory.

    Returns:
        (n_columns, n_columns) symmetric p-values, 1 on the diagonal and wherever two columns are equal.

    Source: Fisher, The Design of Experiments, 1935, section 21; Smucker, Allan, Carterette, CIKM 2007, for evaluations.

    Example:
        >>> values = np.array([[0.1, 0.2, 0.9], [0.2, 0.1, 0.8], [0.3, 0.4, 0.9], [0.1, 0.1, 0.7], [0.2, 0.1, 0.9]])
        >>> sign_flip_test(values).round(2)  # five users tell no difference at 5 %: the least p is 2 / 2^5
        array([[1.  , 1.  , 0.07],
               [1.  , 1.  , 0.07],
               [0.07, 0.07, 1.  ]])
    """
    check_positive(n_permutations=n_permutations, batch_size=batch_size)
    generator = np.random.default_rng(check_seed(seed))
    observed = _pairwise(values.sum(axis=0))
    tolerance = 1e-9 * max(1.0, np.abs(values).sum(axis=0).max())  # sums of equal values in another order are equal
    exceeding = np.ones_like(observed)
    for start in range(0, n_permutations, batch_size):
        signs = generator.integers(0, 2, (min(batch_size, n_permutations - start), len(values))) * 2.0 - 1
        exceeding += (np.abs(_pairwise(signs @ values)) >= np.abs(observed) - tolerance).sum(axis=0)
    return exceeding / (n_permutations + 1)


def difference_interval(
    values: np.ndarray, *, level: float = 0.95, n_resamples: int = 2000, seed: int = 0, batch_size: int = 1000
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile bootstrap interval of the difference of means, between every two columns; rows (users) are resampled.

    An interval that contains 0 does not show that two columns are equal: its limits bound the difference.

    Args:
        values: (n_users, n_columns), the same users in every column.
        level: confidence level.
        n_resamples: bootstrap samples, the same for all pairs.
        seed: seed of the resampling.
        batch_size: samples at a time; bounds the memory.

    Returns:
        Lower and upper limits, (n_columns, n_columns) each: entry (a, b) is for the mean of column a minus the mean of
        column b.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.

    Example:
        >>> values = np.random.default_rng(0).normal([0.5, 0.7], 0.1, size=(200, 2))
        >>> low, high = difference_interval(values)
        >>> low.round(2)[0, 1], high.round(2)[0, 1]
        (np.float64(-0.23), np.float64(-0.19))
    """
    check_numbers("a number between 0 and 1", lambda value: 0 < value < 1, level=level)
    check_positive(n_resamples=n_resamples, batch_size=batch_size)
    generator = np.random.default_rng(check_seed(seed))
    n = len(values)
    sizes = [min(batch_size, n_resamples - start) for start in range(0, n_resamples, batch_size)]
    means = np.concatenate([generator.multinomial(n, np.full(n, 1 / n), size) @ values / n for size in sizes])
    tails = (0.5 - level / 2, 0.5 + level / 2)
    limits = [np.quantile(means - column[:, None], tails, axis=0) for column in means.T]  # of every column minus this one
    low, high = np.stack(limits, axis=-1)
    return low, high


def equivalence_test(
    values: np.ndarray, margin: float, *, n_permutations: int = 10_000, seed: int = 0, batch_size: int = 1000
) -> np.ndarray:
    """Paired permutation test that two means differ by less than a margin, between every two columns; rows are the pairs.

    The null hypothesis is that they differ by the margin or more, in either direction. Two one-sided sign-flip tests, of
    the differences shifted by the margin, must both be rejected: p is the larger of the two. A small p says "as good as";
    a large p of :func:`sign_flip_test` does not.

    Args:
        values: (n_users, n_columns), the same users in every column.
        margin: the smallest difference of means that matters, above 0; state it before looking.
        n_permutations: random sign flips, the same for all pairs; the smallest possible p is 1 / (n_permutations + 1).
        seed: seed of the flips.
        batch_size: flips at a time; bounds the memory.

    Returns:
        (n_columns, n_columns) symmetric p-values.

    Raises:
        ValueError: the margin is not positive.

    Source: Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 1987 (two one-sided tests). The flips are exact
    for differences that are symmetric about their mean, and approximate for others.

    Example:
        >>> values = np.array([[0.30, 0.31], [0.20, 0.19], [0.40, 0.40], [0.10, 0.10], [0.25, 0.26], [0.35, 0.34]])
        >>> equivalence_test(values, margin=0.05).round(2)[0, 1]  # six users: about 1 / 2^6, the least p
        np.float64(0.02)
        >>> equivalence_test(values, margin=0.001).round(1)[0, 1]
        np.float64(0.3)
    """
    check_positive_numbers(margin=margin)
    check_positive(n_permutations=n_permutations, batch_size=batch_size)
    generator = np.random.default_rng(check_seed(seed))
    above = margin * len(values) + _pairwise(values.sum(axis=0))  # sums of the differences, shifted up by the margin
    tolerance = 1e-9 * max(1.0, np.abs(values).sum(axis=0).max())
    exceeding = np.ones_like(above)
    for start in range(0, n_permutations, batch_size):
        signs = generator.integers(0, 2, (min(batch_size, n_permutations - start), len(values))) * 2.0 - 1
        flipped = margin * signs.sum(axis=1)[:, None, None] + _pairwise(signs @ values)
        exceeding += (flipped >= above - tolerance).sum(axis=0)
    p = exceeding / (n_permutations + 1)
    return np.maximum(p, p.T)  # (b, a) shifts the differences of (a, b) down


def check_permutations(n_permutations: int, n_tests: int) -> None:
    """Refuse too few permutations: no p corrected for all tests could be below 5 %."""
    check_positive(n_permutations=n_permutations)
    if n_tests > 0.05 * n_permutations:
        raise ValueError(f"n_permutations: expected at least 20 for each of {n_tests} pairs, found {n_permutations}")


def _pairwise(values: np.ndarray) -> np.ndarray:
    """All differences of the last axis: (…, n) → (…, n, n)."""
    return values[..., :, None] - values[..., None, :]


def holm(p: np.ndarray) -> np.ndarray:
    """Holm-adjusted p-values (m,): rejecting all below α makes any error with probability at most α.

    This holds for any dependence between the tests.

    Args:
        p: (m,) p-values.

    Returns:
        (m,) adjusted p-values, at most 1.

    Source: Holm, Scandinavian Journal of Statistics 1979.

    Example:
        >>> holm(np.array([0.01, 0.04, 0.03])).round(2)
        array([0.03, 0.06, 0.06])
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    result = np.empty_like(adjusted)
    result[order] = adjusted
    return result
