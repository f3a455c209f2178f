"""LightGCN: dense propagation by hand, users outside the training, and the end of the training."""

import itertools

import numpy as np
import pytest
import torch
from toys import random_lists, small

import lxr
from lxr.counterfactuals import LeavesTop, smallest_set

N_ITEMS = 12


def by_hand(vectors, matrix, history, n_layers) -> np.ndarray:
    """Logits (B, I) of histories (B, I), from all layers of the graph as dense matrices."""
    of_user, of_item = (matrix.sum(axis=axis).clip(min=1) for axis in (1, 0))
    graph = matrix / np.sqrt(of_user)[:, None] / np.sqrt(of_item)
    layers = [vectors]
    for _ in range(n_layers):
        layers.append(graph.T @ (graph @ layers[-1]))
    mean = np.mean(layers, axis=0)
    scale = np.sqrt(matrix.sum(axis=0).mean() / of_item)
    user = (history * scale) @ mean / np.sqrt(history.sum(axis=1, keepdims=True).clip(min=1))
    return np.log((matrix.sum(axis=0) + 1) / (len(matrix) + 1)) + user @ mean.T


@pytest.mark.parametrize("n_layers", [0, 1, 3])
def test_logits_are_those_of_the_dense_graph(n_layers):
    model, lists = lxr.LightGCN(N_ITEMS, n_factors=3, n_layers=n_layers), random_lists(30, N_ITEMS - 1)
    lists = lxr.EntryLists(lists.items, lists.indptr, N_ITEMS)  # the last item has no training user
    histories = random_lists(6, N_ITEMS, seed=1).batch()
    vectors, matrix = model.vectors.detach().numpy().astype(float), lists.matrix().toarray().astype(float)
    expected = by_hand(vectors, matrix, histories.dense().numpy(), n_layers)
    with model.training_on(lists):
        np.testing.assert_allclose(model.logits(histories).detach(), expected, atol=1e-5)
    assert model.graph is None  # the propagated vectors are the weights
    np.testing.assert_allclose(model.logits(histories).detach(), expected, atol=1e-5)
    nothing = model(torch.zeros(1, N_ITEMS)).detach()
    np.testing.assert_allclose(nothing[0].exp() * 31 - 1, matrix.sum(axis=0), atol=1e-4)


def test_an_interrupted_training_leaves_a_recommender_without_a_graph():
    model, lists = small("lightgcn"), random_lists(30)

    def stop(epoch, value):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lxr.fit(model, lists, lists, report=stop)
    assert model.graph is None and "graph" not in model.state_dict()
    with pytest.raises(ValueError, match=r"model: LightGCN learns within model\.training_on"):
        model.loss(lists.batch(), torch.Generator(), step=0)


def test_only_hidden_items_are_learned():
    model, lists = small("lightgcn", dropout=0.0), random_lists(30)
    with model.training_on(lists):
        assert model.loss(lists.batch(), torch.Generator(), step=0) == 0  # no item is hidden
        model.dropout = 0.999999
        loss = model.loss(lists.batch(), torch.Generator().manual_seed(0), step=0)
    item = torch.from_numpy(lists.items)
    assert float(loss.detach()) == pytest.approx(-float(model.log_prob(torch.zeros(1, 20))[0, item].mean()), rel=1e-5)


def test_smallest_sets_are_proven_by_its_layers():
    model, lists = small("lightgcn"), random_lists(40)
    with torch.no_grad():
        model.vectors.mul_(5)
    lxr.fit(model, lists, lists, epochs=3, learning_rate=0.1)
    for row in range(6):
        items = lists[[row]].items
        histories = lists[[row]].batch()
        target, sizes = int(lxr.top_item(model, histories)[0]), []
        for size in range(1, len(items) + 1):
            for removed in itertools.combinations(range(len(items)), size):
                stays = torch.ones(1, len(items), dtype=torch.bool)
                stays[0, list(removed)] = False
                logits = model.logits_after_deletion(histories, stays)[0].index_fill(0, torch.from_numpy(items), -torch.inf)
                sizes += [size] if logits.argmax() != target else []
        found = smallest_set(model, histories, target, LeavesTop(1), time_limit=60)
        assert found.size == min(sizes, default=None) and found.certificate == ("optimal" if sizes else "none")
