"""Agreement of two orders: by hand, against SciPy and naive loops."""

import numpy as np
import oracles
import pandas as pd
import pytest
from explaining import lists_of, scores_of
from scipy import stats

from lxr.data.histories import EntryLists
from lxr.metrics import (
    agreement_table,
    area_under_roc,
    positions,
    precision,
    rank_biased_overlap,
    rank_correlation,
    top_overlap,
)
from lxr.metrics.agreement import average_ranks, entry_scores
from lxr.reporting.plots import plot_agreement

# --- rank correlation


def test_rank_correlation_by_hand():
    a = scores_of([3, 2, 1], [3, 2, 1], [1, 2, 3, 4], [5], [1, 1, 1])
    b = scores_of([30, 20, 10], [1, 2, 3], [1, 3, 2, 4], [5], [1, 2, 3])
    np.testing.assert_allclose(rank_correlation(a, b), [1, -1, 0.8, np.nan, np.nan])  # 1 − 6 · 2 / (4 · 15)


@pytest.mark.filterwarnings("ignore:An input array is constant", "ignore:One or more sample")
def test_rank_correlation_equals_scipys(drawn):
    pairs = [(x, y) for x, y in zip(*map(lists_of, drawn), strict=True)]
    expected = [stats.spearmanr(x, y).statistic if len(x) > 1 else np.nan for x, y in pairs]
    np.testing.assert_allclose(rank_correlation(*drawn), expected, atol=1e-12)


def test_average_ranks_equal_scipys(drawn):
    expected = np.concatenate([stats.rankdata(user) for user in lists_of(drawn[0])])
    np.testing.assert_array_equal(average_ranks(*entry_scores(None, drawn=drawn[0])), expected)


# --- rank-biased overlap


def test_rank_biased_overlap_by_hand():
    a, b = scores_of([2, 1], [3, 2, 1], [3, 2, 1], [5]), scores_of([1, 2], [1, 2, 3], [9, 8, 7], [1])
    # Two items reversed: p² + (1 − p) p. Three: overlaps 0, 1/2, 1, hence p³ + (1 − p) (p / 2 + p²).
    np.testing.assert_allclose(rank_biased_overlap(a, b, p=0.9), [0.9, 0.729 + 0.1 * (0.45 + 0.81), 1, 1])


@pytest.mark.parametrize("p", [0.5, 0.9])
def test_rank_biased_overlap_equals_the_naive_loop_over_depths(matrix, drawn, p):
    importance = [scores.toarray() for scores in drawn]
    expected = [
        oracles.rank_biased_overlap(oracles.ordered_items(row, x), oracles.ordered_items(row, y), p)
        for row, x, y in zip(matrix.toarray(), *importance, strict=True)
    ]
    np.testing.assert_allclose(rank_biased_overlap(*drawn, p=p), expected)
    np.testing.assert_allclose(agreement_table({"a": drawn[0], "b": drawn[1]}, p=p).loc["a", "b"], np.mean(expected))


def test_positions_put_equal_scores_by_ascending_item():
    assert positions(scores_of([1, 2, 2], [0, 0])).tolist() == [2, 0, 1, 0, 1]


def test_agreement_is_one_with_itself_and_symmetric(drawn):
    table = agreement_table({"lxr": drawn[0], "random": drawn[1]})
    np.testing.assert_allclose(np.diag(table), 1)
    assert table.loc["lxr", "random"] == table.loc["random", "lxr"] < 1
    (image,) = plot_agreement(table).axes[0].images
    np.testing.assert_array_equal(image.get_array(), table)


@pytest.mark.parametrize("compare", [rank_correlation, rank_biased_overlap, precision, area_under_roc])
def test_scores_of_other_items_are_refused(compare):
    options = (1,) if compare is precision else ()
    with pytest.raises(ValueError, match=r"(b|truth): expected scores of the same 3 history items"):
        compare(scores_of([1, 2, 3]), scores_of([1, 2], [3]), *options)


def test_scores_of_entries_in_any_order_compare_like_those_of_rows(matrix, drawn):
    """Entries in an order of their own: the same numbers as for rows, and ties by ascending item."""
    rng, users = np.random.default_rng(3), np.arange(matrix.shape[0]).repeat(np.diff(matrix.indptr))
    order = np.lexsort((rng.random(matrix.nnz), users))
    entries = EntryLists(matrix.indices[order].astype(np.int64), matrix.indptr.astype(np.int64), matrix.shape[1])
    by_rows = drawn[0].copy()
    by_rows.data = (drawn[0].data > np.median(drawn[0].data)).astype(float)
    a, b, truth = (scores.data[order] for scores in (*drawn, by_rows))
    for found, expected in (
        (rank_correlation(a, b, entries), rank_correlation(*drawn)),
        (rank_biased_overlap(a, b, entries), rank_biased_overlap(*drawn)),
        (top_overlap(a, b, 2, entries), top_overlap(*drawn, 2)),
        (positions(a, entries), positions(drawn[0])[order]),
        (precision(b, truth, 1, entries), precision(drawn[1], by_rows, 1)),
        (area_under_roc(b, truth, entries), area_under_roc(drawn[1], by_rows)),
    ):
        np.testing.assert_allclose(found, expected)
    pd.testing.assert_frame_equal(
        agreement_table({"a": a, "b": b}, entries), agreement_table({"a": drawn[0], "b": drawn[1]})
    )
    with pytest.raises(ValueError, match=rf"b: expected {len(a)} scores, one per entry of the histories, found"):
        rank_correlation(a, b[:3], entries)


@pytest.mark.parametrize("p", [0, 1, -0.5, np.nan])
def test_a_persistence_outside_the_unit_interval_is_refused(drawn, p):
    with pytest.raises(ValueError, match="p: expected a number between 0 and 1"):
        rank_biased_overlap(*drawn, p=p)
