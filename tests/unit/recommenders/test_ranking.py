"""Ranking quality: against the naive loop, and by hand."""

import numpy as np
import oracles
import pytest
import scipy.sparse as sp
import torch
from toys import N_ITEMS, Fading

import lxr
from lxr.recommenders.ranking import hide_one_item


def test_rank_quality_equals_the_naive_loop(any_model, train_matrix):
    for seed in (0, 1):
        rest, hidden = hide_one_item(lxr.EntryLists.of_matrix(train_matrix), seed)
        expected = oracles.rank_quality(any_model, rest.matrix().toarray().tolist(), hidden.tolist())
        assert lxr.rank_quality(any_model, train_matrix, seed=seed) == pytest.approx(expected)


def test_hidden_item_is_one_of_the_history(train_matrix):
    matrix = sp.vstack([train_matrix, sp.csr_matrix(np.eye(3, N_ITEMS, dtype=np.float32))]).tocsr()  # and three of one item
    before = matrix.copy()
    rest, hidden = hide_one_item(lxr.EntryLists.of_matrix(matrix), seed=0)
    restored = rest.matrix().toarray()
    assert restored.shape == train_matrix.shape
    assert (restored[np.arange(60), hidden] == 0).all()
    restored[np.arange(60), hidden] = 1
    np.testing.assert_array_equal(restored, train_matrix.toarray())
    np.testing.assert_array_equal(matrix.toarray(), before.toarray())


def test_the_hidden_item_does_not_depend_on_the_order_of_entries(train_matrix):
    ascending = lxr.EntryLists.of_matrix(train_matrix)
    users = ascending.users
    shuffled = np.lexsort((np.random.default_rng(0).random(len(users)), users))
    entries = lxr.EntryLists(ascending.items[shuffled], ascending.indptr, ascending.n_columns)
    assert (entries.items != ascending.items).any()
    (rest, hidden), (rest_of_entries, hidden_of_entries) = (hide_one_item(lists, seed=1) for lists in (ascending, entries))
    np.testing.assert_array_equal(hidden_of_entries, hidden)
    np.testing.assert_array_equal(rest_of_entries.matrix().toarray(), rest.matrix().toarray())


def test_rank_quality_by_hand(linear):
    # One user of the items 0 and 1; whichever is hidden, 8 of the 18 others score higher and 2 as high: the tenth place.
    bias = [5.0, 5.0, *[9.0] * 8, *[5.0] * 2, *[1.0] * 8]
    matrix = sp.csr_matrix(np.eye(1, N_ITEMS, dtype=np.float32) + np.eye(1, N_ITEMS, 1, dtype=np.float32))
    quality = lxr.rank_quality(linear(np.zeros((N_ITEMS, N_ITEMS)), bias=bias), matrix)
    assert quality == pytest.approx(
        {"HR@10": 1, "HR@50": 1, "HR@100": 1, "NDCG@10": 0.2890648, "MRR": 0.1, "MPR": 0.5}, abs=1e-6
    )


def test_constant_scores_are_worth_a_random_order(linear, train_matrix):
    assert lxr.rank_quality(linear(np.zeros((N_ITEMS, N_ITEMS))), train_matrix)["MPR"] == 0.5


def test_rank_quality_leaves_everything_alone(model, train_matrix, unchanged_model, untouched_rng):
    before = train_matrix.copy()
    with unchanged_model(model), untouched_rng():
        lxr.rank_quality(model, train_matrix)
    assert train_matrix.nnz == before.nnz
    np.testing.assert_array_equal(train_matrix.toarray(), before.toarray())


def test_rank_quality_needs_a_user_of_two_items(linear):
    with pytest.raises(ValueError, match="matrix: expected at least one user with two or more items"):
        lxr.rank_quality(linear(np.eye(N_ITEMS)), sp.csr_matrix(np.eye(N_ITEMS, dtype=np.float32)))


def test_sequential_recommenders_are_judged_on_ordered_histories():
    model, lists = Fading(), lxr.EntryLists(np.array([4, 0, 9, 3, 1, 0]), np.array([0, 3, 6]), N_ITEMS)
    for rest, hidden in (([4, 0], 9), ([3, 1], 0)):
        logits = model.logits(lxr.Histories.of_lists([rest]))[0].masked_fill(torch.eye(N_ITEMS)[rest].sum(0) > 0, -torch.inf)
        rank = 1 + int((logits > logits[hidden]).sum())
        alone = lxr.EntryLists(np.array([*rest, hidden]), np.array([0, 3]), N_ITEMS)
        assert lxr.rank_quality(model, alone, last=True)["MRR"] == pytest.approx(1 / rank)
    backwards = lxr.EntryLists(lists.items[::-1], lists.indptr, N_ITEMS)
    assert lxr.rank_quality(model, lists) != lxr.rank_quality(model, backwards)
    with pytest.raises(ValueError, match=r"last: expected lxr\.EntryLists, which have an order, found csr_matrix"):
        lxr.rank_quality(model, lists.matrix(), last=True)


def test_a_repeated_item_is_hidden_and_ranked():
    lists = lxr.EntryLists(np.array([2, 1, 2]), np.array([0, 3]), n_columns=4)
    popular = lxr.Popularity(sp.csr_matrix([[1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]], dtype=np.float32))
    quality = lxr.rank_quality(popular, lists, last=True)  # 2 among 0, 2 and 3
    assert quality["MRR"] == 0.5 and quality["MPR"] == 0.5
