"""Intervals and paired tests: right where the answer is known, equal to SciPy's, and honest under the null hypothesis."""

import itertools

import numpy as np
import pytest
from scipy import stats

from lxr.metrics import bootstrap_interval, difference_interval, equivalence_test, holm, sign_flip_test

# --- intervals


def test_a_column_without_spread_has_its_mean_as_both_limits():
    generator = np.random.default_rng(0)
    values = np.column_stack([np.full(50, 0.3), generator.random(50), np.zeros(50)])
    low, high = bootstrap_interval(values, n_resamples=200)
    mean = values.mean(axis=0)
    assert low[0] == high[0] == mean[0] == pytest.approx(0.3) and low[2] == high[2] == 0
    assert low[1] < mean[1] < high[1]


def test_a_spread_below_rounding_is_none():
    values = np.array([[1.0], [1 + 2**-52], [1.0], [1.0]])
    low, high = bootstrap_interval(values)
    np.testing.assert_allclose([low, high], 1, rtol=1e-12)


def test_a_single_user_has_its_values_as_limits():
    values = np.array([[0.25, 1.0, -3.0]])
    low, high = bootstrap_interval(values)
    assert low.tolist() == high.tolist() == values[0].tolist()


def test_limits_are_a_function_of_the_seed():
    values = np.random.default_rng(1).normal(size=(60, 3))
    np.random.seed(1)
    first = bootstrap_interval(values, n_resamples=300, seed=4)
    np.random.seed(2)
    again, other = (bootstrap_interval(values, n_resamples=300, seed=seed) for seed in (4, 5))
    np.testing.assert_array_equal(again, first)
    assert (np.array(other) != np.array(first)).any()
    twice = bootstrap_interval(np.column_stack([values, values[:, 0]]), n_resamples=300, seed=4)
    np.testing.assert_array_equal(np.array(twice)[:, :3], first)  # a column does not depend on its neighbours
    np.testing.assert_array_equal(np.array(twice)[:, 3], np.array(first)[:, 0])


def test_a_higher_level_is_a_wider_interval():
    values = np.random.default_rng(2).exponential(size=(80, 1))
    widths = [np.subtract(*bootstrap_interval(values, level=level)[::-1])[0] for level in (0.5, 0.9, 0.99)]
    assert 0 < widths[0] < widths[1] < widths[2]


def test_the_interval_has_the_width_of_theory():
    values = np.random.default_rng(3).normal(5, 2, size=(400, 1))
    low, high = bootstrap_interval(values, n_resamples=2000)
    expected = values.mean() + np.array([-1.96, 1.96]) * values.std() / np.sqrt(400)
    np.testing.assert_allclose([low[0], high[0]], expected, atol=0.03)


def test_the_interval_of_a_skewed_sample_is_bias_corrected():
    # The percentile interval of a right-skewed sample is too far left: BCa moves both limits to the right.
    values = np.random.default_rng(4).lognormal(sigma=1.2, size=(60, 1))
    low, high = bootstrap_interval(values, n_resamples=2000)
    resamples = np.random.default_rng(5).choice(values[:, 0], (2000, 60)).mean(axis=1)
    percentile = np.quantile(resamples, [0.025, 0.975])
    assert low[0] > percentile[0] and high[0] > percentile[1] + 0.05


def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    values = np.random.default_rng(6).normal(3.0, 1.0, size=(80, 200))  # 200 experiments with 80 users each
    low, high = bootstrap_interval(values, n_resamples=300)
    assert 0.9 <= np.mean((low <= 3) & (high >= 3)) <= 0.99
    low, high = bootstrap_interval(values, level=0.5, n_resamples=300)
    assert 0.4 <= np.mean((low <= 3) & (high >= 3)) <= 0.6


# --- paired tests


def shifted(n_users, shifts, seed=0):
    """Users' values of several explainers: shared noise, separate noise, and a shift (n_explainers,)."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n_users, 1)) + 0.3 * generator.normal(size=(n_users, len(shifts))) + np.array(shifts)


def test_all_sign_flips_of_few_users_are_counted_alike():
    values = np.array([[1.0, 0.0], [2.0, 0.5], [0.5, 0.0], [1.0, 2.0]])
    difference = values[:, 0] - values[:, 1]
    flips = [
        abs(np.dot(signs, difference)) >= abs(difference.sum()) - 1e-12 for signs in itertools.product((1, -1), repeat=4)
    ]
    assert sign_flip_test(values, n_permutations=40_000)[0, 1] == pytest.approx(np.mean(flips), abs=0.01)


def test_the_test_agrees_with_scipy():
    values = shifted(60, [0.0, 0.02, 0.1])
    found = sign_flip_test(values, n_permutations=20_000)
    for first, second in itertools.combinations(range(3), 2):
        expected = stats.permutation_test(
            (values[:, first] - values[:, second],), np.mean, permutation_type="samples", n_resamples=20_000, rng=1
        ).pvalue
        assert found[first, second] == found[second, first] == pytest.approx(expected, abs=0.015)


def test_identical_explainers_are_never_called_different():
    values = shifted(50, [0.0, 0.0, 0.4])
    values[:, 1] = values[:, 0]
    rounded = np.column_stack([values, values[:, 0] * (1 + 1e-15)])
    p = sign_flip_test(rounded, n_permutations=500)
    assert p[0, 1] == p[0, 3] == 1
    assert (np.diag(p) == 1).all()
    assert p[0, 2] < 0.01


def test_under_the_null_hypothesis_the_test_errs_as_often_as_it_says():
    # 60 experiments of 10 explainers without any difference: 5 independent pairs of columns each.
    p = [
        sign_flip_test(shifted(40, [0.0] * 10, seed), n_permutations=400)[np.arange(0, 10, 2), np.arange(1, 10, 2)]
        for seed in range(60)
    ]
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.09
    assert 0.4 <= np.mean(np.array(p) <= 0.5) <= 0.6


def test_after_the_correction_an_error_among_all_pairs_is_rare():
    pairs = np.triu_indices(6, k=1)
    errors = [
        (holm(sign_flip_test(shifted(40, [0.0] * 6, seed), n_permutations=999)[pairs]) < 0.05).any() for seed in range(100)
    ]
    assert np.mean(errors) <= 0.1


def test_a_difference_is_found_through_noise_that_both_share():
    values = shifted(100, [0.0, 0.15])
    assert sign_flip_test(values, n_permutations=2000)[0, 1] < 0.01
    (low, high) = bootstrap_interval(values)
    assert low[1] < high[0]  # though the intervals overlap


def test_the_smallest_p_and_the_seed():
    values = shifted(100, [0.0, 5.0, 0.01])
    first = sign_flip_test(values, n_permutations=199, seed=3)
    assert first[0, 1] == 1 / 200
    np.testing.assert_array_equal(sign_flip_test(values, n_permutations=199, seed=3, batch_size=7), first)
    assert (sign_flip_test(values, n_permutations=199, seed=4) != first).any()


def test_corrected_p_values_equal_those_by_hand():
    # 3 · 0.01, max(0.03, 2 · 0.02), max(0.04, 0.03), back in the order of the tests.
    np.testing.assert_allclose(holm(np.array([0.03, 0.01, 0.02])), [0.04, 0.03, 0.04])
    assert holm(np.array([0.9, 0.8])).tolist() == [1, 1]


# --- intervals of differences


def test_the_interval_of_a_difference_is_that_of_the_paired_differences():
    values = np.random.default_rng(0).normal([0.4, 0.5, 0.5], 0.2, size=(300, 3)) + np.linspace(0, 5, 300)[:, None]
    low, high = difference_interval(values, n_resamples=4000)
    for first, second in itertools.combinations(range(3), 2):
        difference = values[:, first] - values[:, second]
        expected = difference.mean() + np.array([-1.96, 1.96]) * difference.std() / np.sqrt(300)
        np.testing.assert_allclose([low[first, second], high[first, second]], expected, atol=0.003)
    np.testing.assert_allclose(low, -high.T)
    assert (low.diagonal() == 0).all() and (high.diagonal() == 0).all()


def test_the_interval_of_a_constant_difference_is_that_constant():
    values = np.random.default_rng(1).random((20, 1)) + np.array([[0.0, 0.25]])
    low, high = difference_interval(values, n_resamples=50)
    np.testing.assert_allclose([low[1, 0], high[1, 0], low[0, 1], high[0, 1]], [0.25, 0.25, -0.25, -0.25])


def test_the_interval_of_a_difference_is_the_same_in_batches_and_for_a_seed():
    values = np.random.default_rng(2).random((40, 2))
    whole = difference_interval(values, n_resamples=90, seed=3)
    np.testing.assert_allclose(difference_interval(values, n_resamples=90, seed=3, batch_size=7), whole)
    assert (difference_interval(values, n_resamples=90, seed=4)[0] != whole[0]).any()
    with pytest.raises(ValueError, match="level"):
        difference_interval(values, level=1.5)


# --- equivalence


def every_flip(differences, margin):
    """The two one-sided p by all 2^n sign flips: the larger one."""
    flips = np.array(list(itertools.product([-1, 1], repeat=len(differences))))
    shifted_both = (margin + differences, margin - differences)
    return max((flips @ shifted >= shifted.sum() - 1e-9).mean() for shifted in shifted_both)


@pytest.mark.parametrize("margin", [0.01, 0.05, 0.2])
def test_equivalence_is_that_of_all_sign_flips(margin):
    values = np.random.default_rng(5).normal([0.5, 0.52], 0.05, size=(10, 2))
    p = equivalence_test(values, margin, n_permutations=40_000)
    assert p[0, 1] == p[1, 0] == pytest.approx(every_flip(values[:, 0] - values[:, 1], margin), abs=0.01)


def test_no_evidence_of_a_difference_is_no_evidence_of_equality():
    few = np.random.default_rng(6).normal(0.5, 0.2, size=(8, 2))
    assert sign_flip_test(few)[0, 1] > 0.05 and equivalence_test(few, 0.02)[0, 1] > 0.05
    many = np.tile(few[:, :1], (100, 2)) + np.random.default_rng(7).normal(0, 0.01, size=(800, 2))
    assert equivalence_test(many, 0.02)[0, 1] < 0.001


def test_at_the_margin_equivalence_is_found_as_rarely_as_it_says():
    found = []
    for seed in range(300):
        values = np.random.default_rng(seed).normal([0.0, 0.1], 0.3, size=(60, 2))
        found.append(equivalence_test(values, 0.1, n_permutations=400, seed=seed)[0, 1] < 0.05)
    assert 0.01 < np.mean(found) < 0.09  # five in a hundred are expected


@pytest.mark.parametrize("margin", [0, -0.1, float("nan")])
def test_a_margin_that_is_not_positive_is_refused(margin):
    with pytest.raises(ValueError, match="margin"):
        equivalence_test(np.zeros((3, 2)), margin)
