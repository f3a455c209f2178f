"""Other targets: the items of each rank, and what is measured of them, against slow loops."""

import numpy as np
import oracles
import pytest
import scipy.sparse as sp
import torch

import lxr
from lxr.evaluation import target_of_rank, target_table


@pytest.mark.parametrize("users_per_batch", [1, 3, 512])
def test_the_target_of_a_rank_has_that_many_better_items(any_model, histories, users_per_batch):
    history = histories([1, 3, 7, 10])
    matrix = sp.csr_matrix(history.numpy())
    for rank in (1, 2, 5):
        found = target_of_rank(any_model, matrix, rank, users_per_batch=users_per_batch)
        for row, item in zip(history.tolist(), found.tolist(), strict=True):
            logits = oracles.logits_at(any_model, row)
            unseen = [other for other in range(any_model.n_items) if row[other] == 0]
            assert item == sorted(unseen, key=lambda other: (-logits[other], other))[rank - 1]


def test_rank_one_is_the_explained_item(any_model, history):
    matrix = sp.csr_matrix(history.numpy())
    np.testing.assert_array_equal(target_of_rank(any_model, matrix, 1), lxr.top_item(any_model, matrix))


def test_a_rank_that_a_user_has_not_is_refused(model, history):
    with pytest.raises(ValueError, match="rank: expected at least 3 items outside every history"):
        target_of_rank(model, history, 3)  # the last user has consumed all but two
    with pytest.raises(ValueError, match="rank"):
        target_of_rank(model, history, 0)


def test_metrics_of_other_targets_equal_the_naive_loop(any_model, histories):
    history = histories([4, 7, 10])
    importance = torch.rand(history.shape, generator=torch.Generator().manual_seed(1))
    ranks = (1, 2, 7)
    targets = {rank: target_of_rank(any_model, history, rank) for rank in ranks}
    results = {
        rank: {"one": lxr.evaluate_fidelity(any_model, history, target, importance)} for rank, target in targets.items()
    }
    table = target_table(results, ["POS@5", "POS@10", "relative NDCG", "relative CDCG@Ke=2", "DEL"]).set_index("rank")
    assert np.isnan(table.loc[7, "POS@5"]) and table.drop(columns=["POS@5", "explainer"]).notna().all(axis=None)
    for rank in ranks:
        relative, short, pos = [], [], []
        for row, item, scores in zip(history.tolist(), targets[rank].tolist(), importance.tolist(), strict=True):
            curves = oracles.curve_metrics(any_model, row, item, scores, 10, (10,))
            fixed = oracles.fixed_metrics(any_model, row, item, scores, (2,), ())
            whole = curves["NDCG"][0]
            relative.append(sum(value / whole for value in curves["NDCG"]) / 11)
            short.append(fixed["CDCG"][0] / whole)
            pos.append(sum(curves["POS@10"]) / 11)
        expected = [sum(values) / 3 for values in (pos, relative, short)]
        found = table.loc[rank, ["POS@10", "relative NDCG", "relative CDCG@Ke=2"]].tolist()
        assert found == pytest.approx(expected, abs=1e-9)
