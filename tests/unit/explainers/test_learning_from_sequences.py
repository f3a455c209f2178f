"""Explainers that are made of entries: the order counts for recommenders that use it, and for no others."""

import dataclasses

import numpy as np
import pytest
import torch
from toys import N_ITEMS, Fading

import lxr
from lxr.explainers import LIRE, ExplainerNetwork, GradientPath, LeaveOneOut, RankMargin, SoftRank
from lxr.explainers.base import training_lists
from lxr.explainers.gradients import gradient, gradient_at_rest
from lxr.explainers.learned.lxr_network import AGES, age_classes
from lxr.explainers.learned.lxr_path_signals import SingleDeletions

QUICK = {"epochs": 2, "hidden_size": 8}
NAMES = ["lxr", "lxr-path-rank", "lxr-path-pure-rank", "lire", "spinrec", "cosine"]


class Newest(lxr.SequentialRecommender):
    """Every item is followed by the next one, and only the newest item counts."""

    def forward(self, items, keep):
        """Map items (B, L), oldest first, and their kept shares (B, L) to logits (B, I)."""
        newer = 1 - keep.flip(1).cumsum(dim=1).flip(1) + keep
        counts = keep * newer.clamp(min=0)
        return torch.zeros(len(items), self.n_items).scatter_add(1, (items + 1) % self.n_items, 3 * counts)


class FromTheFirst(Fading):
    """A soft mask leaves a gap where a deletion closes up: entries count by their place from the oldest one."""

    def forward(self, items, keep):
        """Map items (B, L), oldest first, and their kept shares (B, L) to logits (B, I)."""
        share = keep * 0.7 ** torch.arange(items.shape[1])
        return share[:, None].bmm(self.table[items]).squeeze(1).tanh()


def sequences(n_users, seed, n_items=N_ITEMS) -> lxr.EntryLists:
    """Histories of four to nine distinct items in random order."""
    generator = np.random.default_rng(seed)
    lists = [generator.choice(n_items, generator.integers(4, 10), replace=False) for _ in range(n_users)]
    return lxr.EntryLists(np.concatenate(lists), np.append(0, np.cumsum(list(map(len, lists)))), n_items, distinct=True)


@pytest.mark.parametrize("name", NAMES)
def test_without_an_order_entries_and_rows_make_the_same_explainer(name, planted):
    model, options = lxr.MF(N_ITEMS, n_factors=4), QUICK if name.startswith("lxr") else {}
    generator = np.random.default_rng(3)
    shuffled = [lxr.EntryLists.of_matrix(matrix) for matrix in planted]
    for lists in shuffled:
        for start, stop in zip(lists.indptr[:-1], lists.indptr[1:], strict=True):
            generator.shuffle(lists.items[start:stop])
    target = lxr.top_item(model, planted[1])
    by_rows, by_entries = (
        lxr.EXPLAINERS[name](model, *users, seed=1, **options).explain(planted[1], target) for users in (planted, shuffled)
    )
    assert np.array_equal(by_rows.data, by_entries.data)


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_refused_for_a_recommender_that_uses_the_order(name, planted):
    message = (
        r"train_matrix: Fading uses the order of entries: expected data.histories\(rows\), lxr.EntryLists, found csr_mat"
    )
    with pytest.raises(ValueError, match=message):
        lxr.EXPLAINERS[name](Fading(), *planted)
    if name.startswith("lxr"):
        with pytest.raises(ValueError, match="validation_matrix: Fading uses the order of entries"):
            lxr.EXPLAINERS[name](Fading(), sequences(9, seed=0), planted[1])
    with pytest.raises(ValueError, match="train_matrix: expected users of 20 items, found 9 users of 19 items"):
        lxr.EXPLAINERS[name](Fading(), sequences(9, seed=0, n_items=19))


def test_weights_are_left_out_and_times_are_not():
    lists = sequences(5, seed=0)
    numbers = np.arange(len(lists.items), dtype=float)
    found = training_lists(Fading(), train_matrix=dataclasses.replace(lists, weights=numbers, times=numbers))
    assert found.weights is None and found.times is numbers and found.items is lists.items


def test_ages_are_classes_of_a_logarithmic_scale():
    found = age_classes(torch.tensor([1000, 2]))
    assert found[-2:].tolist() == [2, 0] and found[:1000].flip(0)[:8].tolist() == [0, 2, 3, 4, 4, 5, 5, 6]
    assert (found[:1000].diff() <= 0).all() and found.max() == AGES - 1


def test_only_with_an_order_the_network_has_ages():
    free, ordered = (ExplainerNetwork(N_ITEMS, 4, is_ordered=is_ordered) for is_ordered in (False, True))
    assert ordered.state_dict().keys() - free.state_dict().keys() == {"ages"}
    assert all(torch.equal(weight, ordered.state_dict()[name]) for name, weight in free.state_dict().items())
    histories, target = lxr.Histories.of_lists([[3, 5, 8], [5, 3]], N_ITEMS), torch.tensor([1, 1])
    with torch.no_grad():
        assert torch.equal(free(histories, target), ordered(histories, target))  # before the training
        ordered.ages[:, -1] = torch.arange(AGES)
        assert (ordered(histories, target) - free(histories, target)).round().tolist() == [[3, 2, 0], [2, 0, 0]]


@pytest.fixture(scope="module")
def newest():
    """LXR of the recommender in which only the newest item counts, and test users with their targets."""
    model, test = Newest(N_ITEMS), sequences(40, seed=3)
    options = {"epochs": 30, "hidden_size": 8, "criterion": "POS@1", "learning_rate": 0.02}
    explainer = lxr.EXPLAINERS["lxr"](model, sequences(150, seed=1), sequences(30, seed=2), **options)
    return explainer, test, lxr.top_item(model, test)


def test_lxr_learns_that_the_newest_entry_decides(newest):
    explainer, test, target = newest
    scores = explainer.explain(test, target)
    first = [part.argmax() == len(part) - 1 for part in np.split(scores, test.indptr[1:-1])]
    assert np.mean(first) > 0.9
    with torch.no_grad():
        explainer.network.ages.zero_()  # without ages it knows no order
    blind = explainer.explain(test, target)
    assert np.mean([part.argmax() == len(part) - 1 for part in np.split(blind, test.indptr[1:-1])]) < 0.6


@pytest.mark.parametrize("name", ["lxr", "lxr-path-rank", "lxr-path-pure-rank"])
def test_learned_explainers_of_a_sequence_beat_random_order(name, tmp_path):
    model = Fading()
    train, validation, test = sequences(120, seed=1), sequences(30, seed=2), sequences(60, seed=3)
    options = {"epochs": 10, "hidden_size": 16, "learning_rate": 0.01, "criterion": "NDCG"}
    explainer = lxr.EXPLAINERS[name](model, train, validation, **options)
    found, chance = (
        lxr.explainers.mean_fidelity(each, test, metric="NDCG")
        for each in (explainer, lxr.EXPLAINERS["random"](model, None))
    )
    assert found < chance - 0.05
    explainer.save(tmp_path / "explainer.pt")
    again, target = type(explainer).load(tmp_path / "explainer.pt", model), lxr.top_item(model, test)
    assert np.array_equal(again.explain(test, target), explainer.explain(test, target))


def test_a_path_of_gradients_deletes_what_it_has_taken():
    model, histories = FromTheFirst(), sequences(5, seed=4).batch()
    target, g = lxr.top_item(model, histories), lxr.OBJECTIVES["logit"]
    stays = histories.real & (torch.rand(histories.shape, generator=torch.Generator().manual_seed(0)) < 0.6)
    found, rest = gradient_at_rest(g, model, histories, stays, target), histories.keep(stays)
    assert torch.equal(found[stays], gradient(g, model, rest, rest.real, target)[rest.real])
    assert not found[~stays].any()
    assert not torch.allclose(found[stays], gradient(g, model, histories, stays, target)[stays])
    order = GradientPath(model, objective="logit", singles=20).explain(histories, target)
    for user, first in enumerate(order.argmax(dim=1).tolist()):
        left = histories.real.clone()
        left[user, first] = False
        again = gradient_at_rest(g, model, histories, left, target)[user].masked_fill(~left[user], -torch.inf)
        assert order[user, again.argmax()] == histories.lengths[user] - 1


def test_signals_of_single_deletions_are_leave_one_out():
    model, histories = FromTheFirst(), sequences(4, seed=5).batch()
    target, signals = lxr.top_item(model, histories), SingleDeletions(N_ITEMS, rivals=(5,), batch_size=3)
    assert signals.names == ("log-prob", "lead of 5", "rank")
    for column, objective in zip(signals(model, histories, target).T, ("log-prob", RankMargin(5), SoftRank()), strict=True):
        expected = LeaveOneOut(model, objective=objective).explain(histories, target)[histories.real]
        torch.testing.assert_close(column, expected)


def test_neighbours_keep_their_order():
    lists = lxr.EntryLists(np.array([7, 2, 9, 2, 4, 1]), np.array([0, 5, 6]), N_ITEMS)
    _, added = LIRE(Fading(), lists, n_samples=1, n_neighbours=1).neighborhood(np.array([2]), 9, np.random.default_rng(0))
    assert added.indices.tolist() == [7, 4]


def test_an_onnx_file_has_no_order(newest, tmp_path):
    from lxr.delivery import to_onnx

    with pytest.raises(ValueError, match="Newest uses the order of entries, but the file would take rows"):
        to_onnx(newest[0], tmp_path / "lxr.onnx")
