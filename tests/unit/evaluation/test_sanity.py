"""Sanity checks: meaningless recommenders, shuffled histories, unrelated items, stability."""

import numpy as np
import oracles
import pytest
import scipy.sparse as sp
import torch
from explaining import scores_of

import lxr
from lxr.metrics import (
    rank_correlation,
    top_overlap,
)

# --- randomised recommenders


def changed_layers(model, other) -> list[str]:
    """Layers of which every parameter differs."""
    parameters = dict(other.named_parameters())
    return [
        name
        for name, layer in model.named_modules()
        if (own := dict(layer.named_parameters(name, recurse=False)))
        and not any(torch.equal(value, parameters[key]) for key, value in own.items())
    ]


def test_the_cascade_goes_from_the_output_to_the_input(model, unchanged_model):
    order = {
        "MF": ["item_encoder", "history_encoder"],
        "VAE": ["output", "decoder", "latent", "encoder"],
        "NCF": [
            "mlp_output",
            "tower.0",
            "first_of_item",
            "first_of_user",
            "mlp_item",
            "mlp_history",
            "gmf_output",
            "gmf_item",
            "gmf_history",
        ],
    }
    layers, copies = [], []
    with unchanged_model(model):
        for layer, copied in lxr.evaluation.randomized(model, seed=0):
            layers.append(layer)
            copies.append(copied)
            assert set(changed_layers(model, copied)) == set(layers)
    assert layers == order[type(model).__name__]
    assert all(not torch.equal(a, b) for a, b in zip(model.parameters(), copies[-1].parameters(), strict=True))
    assert len({id(copied) for copied in copies}) == len(layers)


def test_a_redrawn_parameter_keeps_its_mean_and_deviation():
    model = lxr.MF(2000, n_factors=32)
    with torch.no_grad():
        model.item_encoder.weight.mul_(3).add_(2)
    _, changed = next(lxr.evaluation.randomized(model, seed=0))
    before, after = model.item_encoder.weight, changed.item_encoder.weight
    assert after.mean().item() == pytest.approx(before.mean().item(), rel=0.01)
    assert after.std().item() == pytest.approx(before.std().item(), rel=0.01)
    assert abs(np.corrcoef(before.detach().ravel(), after.detach().ravel())[0, 1]) < 0.02


def test_randomisation_depends_on_its_seed_alone(model, untouched_rng):
    with untouched_rng():
        first, again, other = (
            [copied for _, copied in lxr.evaluation.randomized(model, seed=seed)][-1] for seed in (0, 0, 1)
        )
    history = torch.eye(20)
    assert torch.equal(first(history), again(history))
    assert not torch.equal(first(history), other(history))


def test_layers_of_any_module_are_found():
    module = torch.nn.Sequential(torch.nn.Linear(20, 4), torch.nn.Tanh(), torch.nn.Linear(4, 20))
    layers = [layer for layer, _ in lxr.evaluation.randomized(lxr.wrap(module, 20, "sigmoid"), seed=0)]
    assert layers == ["scorer.2", "scorer.0"]


def test_a_recommender_without_parameters_cannot_be_randomised(train_matrix):
    with pytest.raises(ValueError, match="model: expected a recommender with parameters to randomise, found none in Pop"):
        lxr.evaluation.randomized(lxr.Popularity(train_matrix), seed=0)


def test_only_explainers_that_ask_the_recommender_notice(trained, planted):
    train, matrix = planted
    target = lxr.top_item(trained, matrix)
    *_, (_, meaningless) = lxr.evaluation.randomized(trained, seed=0)

    def correlation(name):
        scores = [lxr.EXPLAINERS[name](model, train).explain(matrix, target) for model in (trained, meaningless)]
        return rank_correlation(*scores)

    np.testing.assert_allclose(correlation("jaccard"), 1)
    assert abs(np.nanmean(correlation("leave-one-out"))) < 0.5


# --- shuffled histories


def test_shuffling_keeps_the_counts_of_users_and_items(untouched_rng):
    matrix = lxr.load_dataset("synthetic").matrix
    with untouched_rng():
        shuffled, again, other = (lxr.evaluation.shuffled_histories(matrix, seed=seed) for seed in (0, 0, 1))
    for axis in (0, 1):
        np.testing.assert_array_equal(shuffled.sum(axis=axis), matrix.sum(axis=axis))
    assert shuffled.has_canonical_format  # sorted, no duplicates
    assert (shuffled.data == 1).all()
    assert (shuffled != again).nnz == 0
    assert (shuffled != other).nnz > 0


def test_shuffling_leaves_no_structure():
    data = lxr.load_dataset("synthetic")
    member = np.equal.outer(data.item_groups, np.unique(data.item_groups)).astype(float)  # (I, groups)

    def same_group(matrix) -> float:
        """Share of the pairs of items of one user that are of one group."""
        count = matrix @ member
        return (count * (count - 1)).sum() / (count.sum(axis=1) * (count.sum(axis=1) - 1)).sum()

    shuffled = lxr.evaluation.shuffled_histories(data.matrix, seed=0)
    assert same_group(data.matrix) > 0.3
    assert same_group(shuffled) == pytest.approx(1 / 8, abs=0.01)
    assert shuffled.multiply(data.matrix).nnz < 0.25 * data.matrix.nnz


def test_entries_are_shuffled_like_their_rows_and_keep_their_places():
    data = lxr.load_dataset("synthetic")
    entries = data.histories()
    shuffled = lxr.evaluation.shuffled_histories(entries, seed=0)
    assert (shuffled.items != entries.items).mean() > 0.9
    np.testing.assert_array_equal(shuffled.indptr, entries.indptr)
    np.testing.assert_array_equal(shuffled.times, entries.times)
    np.testing.assert_array_equal(np.bincount(shuffled.items), np.bincount(entries.items))
    assert len(shuffled.matrix().indices) == len(entries.items)  # no item twice
    ascending = lxr.EntryLists.of_matrix(data.matrix)
    rows = lxr.evaluation.shuffled_histories(data.matrix, seed=0)
    np.testing.assert_array_equal(lxr.evaluation.shuffled_histories(ascending, seed=0).items, rows.indices)


def test_shuffling_ends_where_little_or_nothing_can_be_exchanged():
    everything = sp.csr_matrix(np.ones((4, 5), dtype=np.float32))
    assert (lxr.evaluation.shuffled_histories(everything, seed=0) != everything).nnz == 0
    all_but_one = sp.csr_matrix(1 - np.eye(6, dtype=np.float32))
    for seed in range(5):
        shuffled = lxr.evaluation.shuffled_histories(all_but_one, seed=seed)
        assert (np.asarray(shuffled.sum(axis=0)) == 5).all()
        assert (np.asarray(shuffled.sum(axis=1)) == 5).all()


# --- unrelated items


def test_the_least_influential_item_equals_the_naive_loop(model, history, matrix):
    target = lxr.top_item(model, matrix)
    expected = []
    for row, item in zip(history.tolist(), target.tolist(), strict=True):
        change = oracles.leave_one_out(model, row, item, oracles.log_odds)
        expected.append(min(oracles.items_of(row), key=lambda i: abs(change[i])))
    assert lxr.evaluation.least_influential_item(model, matrix, target).tolist() == expected


def test_of_equally_little_influence_the_lowest_item_is_taken(linear):
    weights = np.zeros((5, 5))
    weights[:, 4] = [3, -1, 2, 1, 0]
    matrix = sp.csr_matrix(np.array([[1, 1, 1, 1, 0], [1, 0, 1, 0, 0]], dtype=np.float32))
    assert lxr.evaluation.least_influential_item(linear(weights), matrix, np.array([4, 4])).tolist() == [1, 2]


def test_top_overlap_by_hand():
    a, b = scores_of([9, 8, 7, 1, 0], [2, 1], [5]), scores_of([9, 0, 7, 1, 8], [1, 2], [0])
    np.testing.assert_allclose(top_overlap(a, b, 3), [2 / 3, 1, 1])
    np.testing.assert_allclose(top_overlap(a, b, 1), [1, 0, 1])


class Parity(lxr.Explainer):
    """Lower items first where the history has an even number of items, else higher items."""

    def importance(self, histories, target):
        ascending = histories.items.float()
        return torch.where(histories.lengths[:, None] % 2 == 0, -ascending, ascending)


def test_stability_equals_that_by_hand(linear):
    model = linear(np.eye(8))
    matrix = sp.csr_matrix(np.array([[1, 1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0, 0, 0], [1] + [0] * 7], dtype=np.float32))
    target, explainer = np.full(3, 7), Parity(model)
    scores = explainer.explain(matrix, target)
    found = lxr.evaluation.stability(explainer, scores, target, removed=np.array([0, 1, 0]), count=3)
    # The first user keeps items 1 to 5: {1, 2, 3} before and {3, 4, 5} after. The second has two items left. The third none.
    np.testing.assert_allclose(found, [1 / 3, 1, np.nan])


def test_an_item_leaves_with_all_of_its_entries(linear):
    weights = np.zeros((6, 6))
    weights[:3, 5] = [1, 2, 2]  # three entries of item 0 count 3 together, one of item 1 counts 2, two of item 2 count 4
    model = linear(weights)
    histories = lxr.EntryLists(np.array([0, 1, 0, 2, 0, 2, 1, 1, 0, 1]), np.array([0, 6, 8, 10]), n_columns=6)
    target = np.array([5, 5, 5])
    removed = lxr.evaluation.least_influential_item(model, histories, target)
    assert removed.tolist() == [1, 1, 0]
    explainer = Parity(model)
    scores = explainer.explain(histories, target)
    found = lxr.evaluation.stability(explainer, scores, target, removed, count=1, histories=histories)
    # The first user has 0, 0, 2, 0, 2 left: 0 leads before, 2 after. The second has nothing left, the third one entry.
    np.testing.assert_allclose(found, [0, np.nan, 1])


def test_an_explainer_that_looks_at_items_one_by_one_is_stable(model, matrix, train_matrix):
    target = lxr.top_item(model, matrix)
    removed = lxr.evaluation.least_influential_item(model, matrix, target)
    shares = {}
    for name in ("jaccard", "random"):
        explainer = lxr.EXPLAINERS[name](model, train_matrix)
        scores = explainer.explain(matrix, target)
        shares[name] = lxr.evaluation.stability(explainer, scores, target, removed, count=3)
        assert np.isnan(shares[name]).tolist() == [True] + [False] * 6  # the first history has one item
    assert (shares["jaccard"][1:] == 1).all()
    assert np.nanmean(shares["random"]) < 0.8


@pytest.fixture
def tastes(trained, planted):
    """Two tastes, even and odd items: (validation histories, targets of the trained MF, true reasons)."""
    _, matrix = planted
    target = lxr.top_item(trained, matrix)
    return matrix, target, lxr.metrics.true_reasons(matrix, target, groups=np.arange(20) % 2)
