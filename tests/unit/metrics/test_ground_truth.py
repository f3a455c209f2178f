"""True reasons: who finds them, and the precision and area of those who do."""

import numpy as np
import pytest
import scipy.sparse as sp
from explaining import lists_of, scores_of
from sklearn.metrics import roc_auc_score

import lxr
from lxr.metrics import (
    area_under_roc,
    ground_truth_table,
    precision,
)

# --- true reasons


def test_true_reasons_are_the_items_of_the_targets_group():
    matrix = sp.csr_matrix(np.array([[1, 1, 0, 1], [0, 1, 1, 0]], dtype=np.float32))
    truth = lxr.metrics.true_reasons(matrix, target=np.array([2, 3]), groups=np.array([0, 1, 0, 1]))
    assert truth.indices.tolist() == matrix.indices.tolist()
    assert truth.data.tolist() == [1, 0, 0, 1, 0]


def test_the_latest_reason_is_the_newest_item_of_the_targets_series():
    groups = np.array([0, 1, 0, 1, 0, 1])
    lists = lxr.EntryLists(np.array([4, 1, 2, 3, 1, 0, 5]), np.array([0, 3, 5, 5, 7]), n_columns=6)
    truth = lxr.metrics.latest_reasons(lists, np.array([0, 4, 1, 3]), groups)
    assert truth.toarray().nonzero()[1].tolist() == [2, 5]  # none of the second user's series, no entry of the third
    assert truth.nnz == 7 and truth.has_sorted_indices
    older_first = lxr.metrics.latest_reasons(lxr.EntryLists(np.array([2, 1, 4]), np.array([0, 3]), 6), np.array([0]), groups)
    assert older_first.toarray().nonzero()[1].tolist() == [4]


def test_latest_reasons_need_entries_without_repeats():
    repeated = lxr.EntryLists(np.array([1, 1]), np.array([0, 2]), n_columns=3)
    with pytest.raises(ValueError, match="entries: expected every item of a user once, found repeats"):
        lxr.metrics.latest_reasons(repeated, np.array([2]), np.array([0, 0, 0]))
    with pytest.raises(ValueError, match="expected entries, as data"):
        lxr.metrics.latest_reasons(sp.csr_matrix([[1, 0]]), np.array([1]), np.array([0, 0]))


def test_precision_and_area_by_hand():
    truth = scores_of([1, 0, 1, 0], [0, 1], [1, 1])
    scores = scores_of([4, 3, 2, 1], [2, 1], [1, 2])
    np.testing.assert_allclose(precision(scores, truth, 1), [1, 0, 1])
    np.testing.assert_allclose(precision(scores, truth, 2), [0.5, np.nan, 1])  # the second user has one reason only
    np.testing.assert_allclose(area_under_roc(scores, truth), [0.75, 0, np.nan])


def test_area_equals_scikit_learns(drawn):
    truth = drawn[1].copy()
    truth.data = (truth.data > 0).astype(np.float32)
    expected = [
        roc_auc_score(true, score) if 0 < true.sum() < len(true) else np.nan
        for true, score in zip(lists_of(truth), lists_of(drawn[0]), strict=True)
    ]
    assert np.isfinite(expected).sum() >= 4
    np.testing.assert_allclose(area_under_roc(drawn[0], truth), expected)


def test_perfect_explanations_find_all_reasons_and_reversed_ones_none():
    generator = np.random.default_rng(0)
    truth = scores_of(*[generator.permutation([1] * n_true + [0] * 5) for n_true in (5, 6, 7, 3, 2, 0)], [1])
    opposite = truth.copy()
    opposite.data = -truth.data
    table = ground_truth_table({"lxr": truth, "random": opposite}, truth, cutoffs=(2, 5))
    measures = ["AUC", "AUC low", "AUC high"]
    assert (table.loc["lxr", ["precision@2", "precision@5", *measures]] == 1).all()
    assert (table.loc["random", ["precision@2", "precision@5", *measures]] == 0).all()
    assert table["fails"].to_dict() == {"lxr": False, "random": True}
    assert table.filter(like="users").loc["lxr"].tolist() == [5, 3, 5]


def test_a_random_explainer_fails_and_leave_one_out_does_not(trained, planted):
    train, matrix = planted[0], sp.vstack(planted, format="csr")
    target = lxr.top_item(trained, matrix)
    truth = lxr.metrics.true_reasons(matrix, target, groups=np.arange(20) % 2)  # two tastes, even and odd items
    explainers = {name: lxr.EXPLAINERS[name](trained, train) for name in ("random", "leave-one-out")}
    scores = {name: explainer.explain(matrix, target) for name, explainer in explainers.items()}
    table = ground_truth_table(scores, truth)
    assert table["fails"].to_dict() == {"random": True, "leave-one-out": False}
    assert table.loc["leave-one-out", "AUC"] > 0.9


def test_without_reasons_and_others_there_is_no_truth_to_find():
    with pytest.raises(ValueError, match="truth: expected at least one user with both"):
        ground_truth_table({"lxr": scores_of([1, 2])}, scores_of([1, 1]))
