"""Several explainers side by side: inner areas and tests within groups of users, against slow loops and known answers."""

import itertools

import numpy as np
import pytest
import torch

import lxr
from lxr.metrics import HIGHER, LOWER, FidelityResult, comparison_table, direction, inner_area_table, quartiles, strata_table


def result_of(values) -> FidelityResult:
    """A result whose only metric is NDCG, with these means of the users."""
    values = np.asarray(values, dtype=float)
    ones = np.ones(len(values))
    return FidelityResult({"NDCG": values[:, None]}, {}, (), ones, ones, ones, ones)


def test_the_inner_area_leaves_out_both_ends(any_model, history):
    target = lxr.top_item(any_model, history)
    generator = torch.Generator().manual_seed(0)
    results = {
        name: lxr.evaluate_fidelity(any_model, history, target, torch.rand(history.shape, generator=generator))
        for name in ("first", "second")
    }
    table = inner_area_table(results)
    for name, result in results.items():
        assert list(table.columns) == list(result.curves)
        for metric, curve in result.curves.items():
            naive = sum(sum(row[1:10]) / 9 for row in curve.tolist()) / len(curve)
            assert table.loc[name, metric] == pytest.approx(naive, abs=1e-12)
            np.testing.assert_allclose(result.per_user(ends=False)[metric], curve[:, 1:10].mean(axis=1))
    # Both ends are the same for both: differences of the area are 9/11 of those of the inner area.
    whole = {name: result.per_user()[list(table)].mean() for name, result in results.items()}
    difference = table.loc["first"] - table.loc["second"]
    np.testing.assert_allclose(whole["first"] - whole["second"], difference * 9 / 11, atol=1e-6)
    assert difference.abs().max() > 0


def test_metrics_of_fixed_length_have_no_ends(model, history):
    result = lxr.evaluate_fidelity(model, history, lxr.top_item(model, history), torch.ones_like(history))
    fixed = result.per_user().filter(like="Ke=")
    assert fixed.equals(result.per_user(ends=False)[list(fixed)])


def test_one_part_has_no_inner_area(model, history):
    result = lxr.evaluate_fidelity(model, history, lxr.top_item(model, history), torch.ones_like(history), steps=1)
    with pytest.raises(ValueError, match="ends: expected curves of two parts or more"):
        result.per_user(ends=False)


def exact_p(difference) -> float:
    """Share of all sign flips whose sum is at least as far from 0 as the observed one."""
    signs = itertools.product([-1, 1], repeat=len(difference))
    sums = [abs(sum(s * d for s, d in zip(flip, difference, strict=True))) for flip in signs]
    return sum(value >= abs(sum(difference)) - 1e-12 for value in sums) / len(sums)


def test_strata_equal_those_by_hand():
    # Short histories: the first is better for all six users; long ones: no difference in the mean.
    groups = quartiles(np.array([5] * 6 + [10] * 6))
    first = [0.1, 0.2, 0.3, 0.1, 0.2, 0.3] + [0.5, 0.6] * 3
    second = [0.2, 0.4, 0.6, 0.2, 0.4, 0.6] + [0.6, 0.5] * 3
    results = {"first": result_of(first), "second": result_of(second), "third": result_of([0.9] * 12)}
    pairs = [("first", "second"), ("third", "first")]
    table = strata_table(results, groups, pairs, ["NDCG"], n_permutations=20_000)
    assert table["group"].tolist() == ["5–5", "5–5", "10–10", "10–10"]
    assert list(table.pivot_table("p", columns="group", observed=True)) == [
        "5–5",
        "10–10",
    ]  # as they come, not as they are read
    assert table["n_users"].tolist() == [6] * 4
    assert table["explainer"].tolist() == ["first", "third"] * 2 and table["other"].tolist() == ["second", "first"] * 2
    np.testing.assert_allclose(table["difference"], [-0.2, 0.7, 0, 0.35])
    difference = np.subtract(first, second)
    apart = np.subtract(0.9, first)
    exact = [exact_p(part) for part in (difference[:6], apart[:6], difference[6:], apart[6:])]
    assert exact[0] == exact[1] == exact[3] == 2 / 64 and exact[2] == 1
    np.testing.assert_allclose(table["p"], exact, atol=0.005)
    # Holm over the whole family of four: the least p times 4, and no later one below it.
    assert table["p_holm"].to_numpy()[[0, 1, 3]] == pytest.approx([4 * table["p"].min()] * 3, abs=0.02)
    assert table["p_holm"][2] == 1


def test_a_single_stratum_of_all_pairs_is_the_comparison_of_all():
    generator = np.random.default_rng(1)
    results = {name: result_of(generator.random(30)) for name in "abc"}
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    found = strata_table(results, quartiles(np.ones(30, dtype=int)), pairs, ["NDCG"], seed=4)
    expected = comparison_table(results, ["NDCG"], seed=4)
    columns = ["metric", "explainer", "other", "difference", "p", "p_holm"]
    assert found[columns].equals(expected[columns])


def test_too_few_permutations_for_the_family_are_refused():
    results = {name: result_of(np.arange(8) / 8) for name in "ab"}
    with pytest.raises(ValueError, match="n_permutations: expected at least 20 for each of 4 pairs, found 79"):
        strata_table(results, quartiles(np.arange(8)), [("a", "b")], ["NDCG"], n_permutations=79)


def test_new_metrics_have_their_directions():
    assert direction("DEL log-odds") == LOWER == direction("relative CDCG@Ke=5") and direction("INS log-odds") == HIGHER
