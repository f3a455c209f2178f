"""Recommenders that use the order of a history: soft masks, true deletion, and what is refused."""

import numpy as np
import pytest
import torch
from toys import N_ITEMS, Fading

import lxr
from lxr import Histories
from lxr.counterfactuals import smallest_prefix

LISTS = [[5, 0, 3], [7], [9, 1, 2, 4, 6]]


class Places(lxr.SequentialRecommender):
    """The item at place p, counted from the oldest, adds p to the logit of the item after it."""

    def forward(self, items, keep):
        """Map items (B, L) and their kept shares (B, L) to logits (B, I)."""
        place = torch.arange(1, items.shape[1] + 1).expand(items.shape)
        return torch.zeros(len(items), self.n_items).scatter_add(1, (items + 1) % self.n_items, keep * place)


class Successor(lxr.SequentialRecommender):
    """After the newest item the next one; there is nothing to learn."""

    def __init__(self):
        super().__init__(N_ITEMS)
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, items, keep):
        """Map items (B, L) and their kept shares (B, L) to logits (B, I)."""
        newest = keep * torch.exp(1 - keep.flip(1).cumsum(1).flip(1))
        return torch.zeros(len(items), N_ITEMS).scatter_add(1, (items + 1) % N_ITEMS, newest)

    def loss(self, histories, generator, step):
        """A constant."""
        return self.scale * 0


@pytest.fixture
def histories():
    """Three users."""
    return Histories.of_lists(LISTS, N_ITEMS)


def by_hand(items, keep) -> torch.Tensor:
    """Logits (I,) of :class:`Fading`, one item after the other."""
    logits = torch.zeros(N_ITEMS)
    for item, share in zip(items, keep, strict=True):
        logits = logits * 0.7**share + share * Fading().table[item].detach()
    return logits


def test_logits_are_those_of_the_items_in_their_order(histories):
    model, keep = Fading(), torch.rand(histories.shape, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([by_hand(items, [1.0] * len(items)) for items in LISTS])
    torch.testing.assert_close(model.logits(histories), expected)
    torch.testing.assert_close(model.logits(histories, torch.ones(histories.shape).double()), expected)
    expected = torch.stack([by_hand(items, row[: len(items)].tolist()) for items, row in zip(LISTS, keep, strict=True)])
    torch.testing.assert_close(model.logits(histories, keep), expected)
    backwards = Histories.of_lists([items[::-1] for items in LISTS], N_ITEMS)
    assert not torch.allclose(model.logits(backwards)[0], model.logits(histories)[0])


def test_candidates_are_columns_of_the_whole(histories):
    model, candidates = Fading(), torch.tensor([[3, 1], [0, 0], [19, 7]])
    stays = histories.items % 3 > 0
    torch.testing.assert_close(model.logits(histories, candidates=candidates), model.logits(histories).gather(1, candidates))
    torch.testing.assert_close(
        model.logits_after_deletion(histories, stays, candidates),
        model.logits_after_deletion(histories, stays).gather(1, candidates),
    )


def test_deletion_moves_the_later_entries_and_a_mask_does_not():
    histories, stays = Histories.of_lists([[4, 8, 2]], N_ITEMS), torch.tensor([[True, False, True]])
    model = Places(N_ITEMS)
    deleted, masked = model.logits_after_deletion(histories, stays), model.logits(histories, stays)
    assert deleted[0, [5, 9, 3]].tolist() == [1, 0, 2] and masked[0, [5, 9, 3]].tolist() == [1, 0, 3]
    assert torch.equal(deleted, model.logits(Histories.of_lists([[4, 2]], N_ITEMS)))
    target = torch.tensor([3])
    left_out = lxr.EXPLAINERS["leave-one-out"](model, None, objective="logit").explain(histories, target)
    slopes = lxr.EXPLAINERS["gradient"](model, None, objective="logit").explain(histories, target)
    assert left_out.tolist() == [[1, 1, 3]] and slopes.tolist() == [[0, 0, 3]]  # metrics delete, gradients mask


def test_metrics_delete(histories):
    model = Places(N_ITEMS)
    target = lxr.top_item(model, histories)
    assert target.tolist() == [4, 8, 7]
    scores = torch.arange(histories.shape[1]).expand(histories.shape)  # the newest entry matters most
    found = lxr.evaluate_fidelity(model, histories, target, scores, steps=5, log_odds=True)
    logits = found.curves["DEL log-odds"]
    assert logits[2].tolist() == [5, 0, 0, 0, 0, 0] and found.curves["INS log-odds"][2].tolist() == [0, 1, 2, 3, 4, 5]
    assert [items.tolist() for items in smallest_prefix(model, histories, target, scores).removed] == [
        [3],
        [],  # with nothing left, no item is above the target
        [6],
    ]


def test_gradients_are_those_of_finite_differences(histories):
    model, target = Fading().double(), torch.tensor([1, 2, 3])
    keep = (0.2 + 0.6 * torch.rand(histories.shape, generator=torch.Generator().manual_seed(0))).double()

    def g(share):
        return model.log_prob_of(histories, target, share)

    assert torch.autograd.gradcheck(g, keep.requires_grad_())
    assert model.differentiable


def test_without_an_entry_logits_are_finite(histories):
    for model in (Fading(), Places(N_ITEMS)):
        nothing = model.logits_after_deletion(histories, torch.zeros_like(histories.real))
        assert nothing.isfinite().all() and torch.equal(nothing, model.logits(histories, torch.zeros(histories.shape)))


def test_training_stops_by_the_newest_entries():
    runs = torch.arange(4)[:, None] * 3 + torch.arange(6)  # of six entries, the newest is hidden
    lists = lxr.EntryLists(runs.ravel().numpy(), 6 * np.arange(5), N_ITEMS, times=np.arange(24.0))
    assert lxr.fit(Successor(), lists, lists, epochs=1)["NDCG@100"].tolist() == [1.0]


def test_rows_have_no_order(histories):
    model = Fading()
    for call in (lambda: model(histories.dense()), lambda: model.log_prob(histories.dense())):
        with pytest.raises(ValueError, match=r"^history: Fading uses the order of entries: .* found rows \(B, I\)"):
            call()


def test_a_scorer_of_entries_is_wrapped(histories):
    inner = Fading()
    model = lxr.wrap(lambda items, keep: inner.forward(items, keep), N_ITEMS, "softmax", takes="entries")
    assert model.is_ordered and model.activation == "softmax" and not lxr.MF(3).is_ordered
    torch.testing.assert_close(model.logits(histories), inner.logits(histories))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"takes": "sequences"}, "^takes: expected one of rows, entries, found 'sequences'"),
        ({"takes": "entries", "n_features": 2}, "^takes: expected 'rows' for a recommender with user features"),
        ({"takes": "entries", "is_linear": True}, "^takes: expected 'rows' .* with linear logits, found 'entries'"),
    ],
)
def test_other_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        lxr.wrap(Fading().forward, N_ITEMS, "sigmoid", **options)


def test_answers_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"^scorer: expected logits of shape \(\d+, 20\), found \(\d+, \d+\)"):
        lxr.wrap(lambda items, keep: keep[:, :1], N_ITEMS, "sigmoid", takes="entries")
