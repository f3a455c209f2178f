"""Checks of explanations: meaningless recommenders, unrelated items, true reasons, agreement of orders."""

import naive
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score

import lxr
from lxr.evaluation.sanity import _without_items
from lxr.metrics import (
    agreement_table,
    area_under_roc,
    ground_truth_table,
    positions,
    precision,
    rank_biased_overlap,
    rank_correlation,
    top_overlap,
)
from lxr.metrics.agreement import average_ranks
from lxr.reporting.plots import plot_agreement, plot_sanity


def scores_of(*users) -> sp.csr_matrix:
    """CSR scores of users who are given by their lists of scores; item i is the i-th of a list."""
    lengths = [len(user) for user in users]
    indices = np.concatenate([np.arange(length) for length in lengths])
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return sp.csr_matrix((np.concatenate(users).astype(np.float32), indices, indptr), shape=(len(users), max(lengths)))


def lists_of(scores: sp.csr_matrix) -> list[np.ndarray]:
    """Scores of each user, by ascending item."""
    return np.split(scores.data, scores.indptr[1:-1])


@pytest.fixture
def matrix(history):
    return sp.csr_matrix(history.numpy())


@pytest.fixture
def drawn(matrix):
    """Two explanations of the same histories: small integers, so that many are equal, and negative ones."""
    generator = np.random.default_rng(3)
    return [
        sp.csr_matrix((generator.integers(-2, 3, matrix.nnz).astype(np.float32), matrix.indices, matrix.indptr))
        for _ in range(2)
    ]


@pytest.fixture
def trained(planted):
    """An MF trained on planted tastes."""
    model = lxr.MF(20, n_factors=8)
    lxr.fit(model, *planted, epochs=60, batch_size=20, learning_rate=0.02)
    return model


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
    np.testing.assert_array_equal(average_ranks(drawn[0]), expected)


# --- rank-biased overlap


def test_rank_biased_overlap_by_hand():
    a, b = scores_of([2, 1], [3, 2, 1], [3, 2, 1], [5]), scores_of([1, 2], [1, 2, 3], [9, 8, 7], [1])
    # Two items reversed: p² + (1 − p) p. Three: overlaps 0, 1/2, 1, hence p³ + (1 − p) (p / 2 + p²).
    np.testing.assert_allclose(rank_biased_overlap(a, b, p=0.9), [0.9, 0.729 + 0.1 * (0.45 + 0.81), 1, 1])


@pytest.mark.parametrize("p", [0.5, 0.9])
def test_rank_biased_overlap_equals_the_naive_loop_over_depths(matrix, drawn, p):
    importance = [scores.toarray() for scores in drawn]
    expected = [
        naive.rank_biased_overlap(naive.ordered_items(row, x), naive.ordered_items(row, y), p)
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
    texts = [text.get_text() for text in plot_agreement(table).axes[0].texts]
    assert texts == [f"{value:.2f}" for value in table.to_numpy().ravel()]


@pytest.mark.parametrize("compare", [rank_correlation, rank_biased_overlap, precision, area_under_roc])
def test_scores_of_other_items_are_refused(compare):
    options = (1,) if compare is precision else ()
    with pytest.raises(ValueError, match=r"(b|truth): expected scores of the same 3 history items"):
        compare(scores_of([1, 2, 3]), scores_of([1, 2], [3]), *options)


@pytest.mark.parametrize("p", [0, 1, -0.5, np.nan])
def test_a_persistence_outside_the_unit_interval_is_refused(drawn, p):
    with pytest.raises(ValueError, match="p: expected a number between 0 and 1"):
        rank_biased_overlap(*drawn, p=p)


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
        change = naive.leave_one_out(model, row, item, naive.log_odds)
        expected.append(min(naive.items_of(row), key=lambda i: abs(change[i])))
    assert lxr.evaluation.least_influential_item(model, matrix, target).tolist() == expected


def test_of_equally_little_influence_the_lowest_item_is_taken(linear):
    weights = np.zeros((5, 5))
    weights[:, 4] = [3, -1, 2, 1, 0]
    matrix = sp.csr_matrix(np.array([[1, 1, 1, 1, 0], [1, 0, 1, 0, 0]], dtype=np.float32))
    assert lxr.evaluation.least_influential_item(linear(weights), matrix, np.array([4, 4])).tolist() == [1, 2]


def test_one_entry_of_each_row_is_taken_out():
    scores = scores_of([0, 2, 3], [7], [0, 0])
    rest = _without_items(scores, np.array([1, 0, 1]))
    assert rest.indptr.tolist() == [0, 2, 2, 3]
    assert rest.indices.tolist() == [0, 2, 0]
    assert rest.data.tolist() == [0, 3, 0]


def test_top_overlap_by_hand():
    a, b = scores_of([9, 8, 7, 1, 0], [2, 1], [5]), scores_of([9, 0, 7, 1, 8], [1, 2], [0])
    np.testing.assert_allclose(top_overlap(a, b, 3), [2 / 3, 1, 1])
    np.testing.assert_allclose(top_overlap(a, b, 1), [1, 0, 1])


class Parity(lxr.Explainer):
    """Lower items first where the history has an even number of items, else higher items."""

    def importance(self, history, target):
        ascending = torch.arange(history.shape[1]).expand_as(history).float()
        return torch.where(history.sum(dim=1, keepdim=True) % 2 == 0, -ascending, ascending)


def test_stability_by_hand(linear):
    model = linear(np.eye(8))
    matrix = sp.csr_matrix(np.array([[1, 1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0, 0, 0], [1] + [0] * 7], dtype=np.float32))
    target, explainer = np.full(3, 7), Parity(model)
    scores = explainer.explain(matrix, target)
    found = lxr.evaluation.stability(explainer, scores, target, removed=np.array([0, 1, 0]), count=3)
    # The first user keeps items 1 to 5: {1, 2, 3} before and {3, 4, 5} after. The second has two items left. The third none.
    np.testing.assert_allclose(found, [1 / 3, 1, np.nan])


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


# --- true reasons


def test_true_reasons_are_the_items_of_the_targets_group():
    matrix = sp.csr_matrix(np.array([[1, 1, 0, 1], [0, 1, 1, 0]], dtype=np.float32))
    truth = lxr.metrics.true_reasons(matrix, target=np.array([2, 3]), groups=np.array([0, 1, 0, 1]))
    assert truth.indices.tolist() == matrix.indices.tolist()
    assert truth.data.tolist() == [1, 0, 0, 1, 0]


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


@pytest.fixture
def tastes(trained, planted):
    """Two tastes, even and odd items: (validation histories, targets of the trained MF, true reasons)."""
    _, matrix = planted
    target = lxr.top_item(trained, matrix)
    return matrix, target, lxr.metrics.true_reasons(matrix, target, groups=np.arange(20) % 2)


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


# --- figure


def test_the_sanity_figure_shows_every_value():
    table = pd.DataFrame(
        {"output": [0.5, 1.0], "input": [0.1, 1.0], "shuffled": [0.2, 1.0], "other seed": [0.9, 1.0]}, ["lxr", "jaccard"]
    )
    left, right = plot_sanity(table, ["output", "input"], {"shuffled": "full", "other seed": "none"}).axes
    assert {line.get_label(): line.get_ydata().tolist() for line in left.lines} == {
        "lxr": [1, 0.5, 0.1],
        "jaccard": [1, 1, 1],
    }
    assert [line.get_xdata().item() for line in right.lines] == [0.2, 0.9, 1, 1]
    assert [label.get_text() for label in left.get_xticklabels()] == ["none", "+ output", "+ input"]
    assert [line.get_fillstyle() for line in right.lines] == ["full", "none"] * 2
    assert right.get_title() == "shuffled (●), other seed (○)"
