"""Similarities and the random order: against naive loops, and by hand."""

import numpy as np
import oracles
import pytest
import scipy.sparse as sp
import torch
from explaining import assert_close, make

import lxr

SIMILARITIES = {
    "jaccard": oracles.jaccard,
    "cosine": oracles.cosine,
    "tf-idf": oracles.tf_idf,
    "popularity": oracles.popularity,
}


@pytest.mark.parametrize("name", SIMILARITIES)
def test_similarity_equals_the_naive_loop(name, model, train_matrix, history, untrained_item):
    target = lxr.top_item(model, history)
    target[0] = int((history[0] == 0).nonzero()[0])
    assert history[-1, untrained_item] == 1
    found = make(name, model, train_matrix).explain(history, target)
    train, users = train_matrix.toarray().tolist(), zip(history.tolist(), target.tolist(), strict=True)
    assert_close(found, [oracles.similarity_scores(SIMILARITIES[name], train, *user) for user in users])


def test_similarities_equal_those_by_hand(model):
    # Items 0 and 1 share one of three users; item 2 has the user of item 1 alone, who consumes three items.
    train = np.zeros((3, 20), dtype=np.float32)
    train[[0, 1], 0], train[[1, 2], 1], train[2, 2], train[2, 3] = 1, 1, 1, 1
    history, target = torch.zeros(1, 20), torch.tensor([1])
    history[0, [0, 2]] = 1
    expected = {"jaccard": [1 / 3, 1 / 2], "cosine": [1 / 2, 1 / np.sqrt(2)], "popularity": [2, 1]}
    middle, last = np.log(21 / 3) + 1, np.log(21 / 4) + 1  # the users 1 and 2, of two and three items
    first = np.log(21 / 2) + 1  # the user 0, of one item
    of_target = np.hypot(middle, last)
    expected["tf-idf"] = [middle**2 / (of_target * np.hypot(first, middle)), last / of_target]
    for name, values in expected.items():
        found = lxr.EXPLAINERS[name](model, sp.csr_matrix(train)).explain(history, target)
        assert_close(found[0, [0, 2]], values)


def test_random_scores_are_uniform_and_differ_between_users(model, train_matrix, histories):
    history = histories([10] * 400)
    target = (history == 0).int().argmax(dim=1)
    found = make("random", model, train_matrix).explain(history, target)[history > 0]
    assert found.min() >= 0
    assert found.max() < 1
    assert abs(float(found.mean()) - 0.5) < 0.02  # 4000 draws of standard deviation 0.29: four standard errors
    assert len(found.unique()) > 3900


def test_similarities_do_not_depend_on_the_type_or_order_of_the_matrix():
    data = lxr.load_dataset("synthetic").matrix
    model, matrix = lxr.MF(data.shape[1], n_factors=4), data[:40]
    target = lxr.top_item(model, matrix)
    expected = lxr.EXPLAINERS["cosine"](model, data).explain(matrix, target)
    for kind in (bool, "int8", "float64"):
        other = lxr.EXPLAINERS["cosine"](model, data.astype(kind)).explain(matrix, target)
        np.testing.assert_allclose(other.toarray(), expected.toarray(), rtol=1e-5)
    backwards = matrix.copy()
    for begin, end in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        backwards.indices[begin:end] = matrix.indices[begin:end][::-1]
    backwards.has_sorted_indices = False
    other = lxr.EXPLAINERS["cosine"](model, data).explain(backwards, target)
    np.testing.assert_allclose(other.toarray(), expected.toarray(), rtol=1e-5)
