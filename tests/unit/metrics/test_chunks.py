"""Ranks in chunks of items: equal to those of all logits at once, ties included, and never of the whole catalogue."""

import oracles
import pytest
import torch

import lxr
from lxr import Histories
from lxr.evaluation.cost import measure_cost
from lxr.metrics import chunks
from lxr.metrics.trajectory import target_rank

N_ITEMS, N_FEATURES = 23, 2
HISTORIES = Histories.of_lists([[3, 9], [24, 0, 22], [7, 8, 6, 5, 1]], N_ITEMS + N_FEATURES)
TARGETS = torch.tensor([22, 1, 0])


@pytest.fixture(params=[1, 4, 7, 22, 23, 100])
def width(request, monkeypatch):
    """Number of items in a chunk, for every number of logits."""
    monkeypatch.setattr(chunks, "LOGITS_AT_ONCE", 0)
    monkeypatch.setattr(chunks, "chunk_width", lambda n_rows, device: request.param)
    return request.param


def tied_model(seed: int) -> lxr.MF:
    """MF of small integers: many items have the same logit, exactly."""
    model = lxr.MF(N_ITEMS, n_factors=3, n_features=N_FEATURES)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in model.parameters():
            weights.copy_(torch.randint(-1, 2, weights.shape, generator=generator))
    return model.eval()


def stood(model, histories, stays, target, **options):
    """Ranks and logits by :func:`standing`."""
    found = []

    def use(score):
        found.extend(chunks.standing(model, score, target, histories, **options))
        return found[0]

    model.use_scores(histories, stays, use)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_ties_are_not_above_the_target(width, seed):
    model, stays = tied_model(seed), HISTORIES.items % 3 != 0
    rank, logits = stood(model, HISTORIES, stays, TARGETS)
    whole = model.logits_after_deletion(HISTORIES, stays)
    assert (model.of_items(whole) == whole.gather(1, TARGETS[:, None])).sum() > len(TARGETS)  # there are ties
    users = zip(whole.tolist(), TARGETS.tolist(), HISTORIES.lists(), strict=True)
    expected = [oracles.target_rank(*user) for user in users]
    assert rank.tolist() == expected == target_rank(whole, TARGETS, HISTORIES).tolist()
    assert torch.equal(logits[:, 0], whole.gather(1, TARGETS[:, None])[:, 0])


def test_the_other_items_count_as_one(width):
    model = lxr.VAE(N_ITEMS, n_hidden=4, n_latent=2, n_features=N_FEATURES)
    model.output.bias.data[5] = -torch.inf  # an item that is never recommended
    _, logits = stood(model, HISTORIES, HISTORIES.real, TARGETS)
    whole, zeros = model.logits(HISTORIES), torch.zeros_like(TARGETS)
    for measure in (model.target_log_prob, model.target_log_odds):
        torch.testing.assert_close(measure(logits, zeros), measure(whole, TARGETS))


def test_a_logit_that_is_not_a_number_is_named(width):
    model = lxr.VAE(N_ITEMS, n_hidden=4, n_latent=2, n_features=N_FEATURES)
    model.output.bias.data[13] = torch.nan
    with pytest.raises(ValueError, match="model: the logit of item 13 in row 0 is not a number"):
        lxr.evaluate_fidelity(model, HISTORIES, TARGETS, torch.zeros(HISTORIES.shape))


def test_the_whole_catalogue_is_never_scored(monkeypatch):
    model, asked = tied_model(0), []
    monkeypatch.setattr(model, "logits_after_deletion", None)
    monkeypatch.setattr(chunks, "LOGITS_AT_ONCE", 100)
    monkeypatch.setitem(chunks.LOGITS_PER_CHUNK, "cpu", 20)
    check = model._checked
    monkeypatch.setattr(model, "_checked", lambda logits, *rest: asked.append(logits.shape) or check(logits, *rest))
    options = {"steps": 2, "lengths": (1,), "batch_size": 5}
    with measure_cost(model) as cost:
        result = lxr.evaluate_fidelity(model, HISTORIES, TARGETS, torch.zeros(HISTORIES.shape), **options)
    assert result.rank.shape == (3,)
    assert max(rows for rows, _ in asked) == 5 and max(rows * columns for rows, columns in asked) <= 20
    distinct = {"from the first on": 3 + 3 + 5, "only the first": 2 + 2 + 2, "none": 3}
    assert 0 < cost.n_scored <= sum(distinct.values())  # every masked history once, not once per chunk


def test_which_recommenders_score_parts_of_the_catalogue():
    histories = Histories.of_lists([[1, 2]], 5)
    named = {name for name in lxr.RECOMMENDERS if lxr.RECOMMENDERS[name](5).can_slice(histories)}
    assert named == lxr.RECOMMENDERS.keys() - {"ease"}  # whose weights bound its catalogue
    assert not lxr.MF(5).can_slice(Histories.of_lists([[1, 1]], 5))
    assert lxr.GRU4Rec(5).can_slice(Histories.of_lists([[1, 1]], 5))


def test_a_recommender_with_its_own_forward_scores_all_items():
    class Other(lxr.MF):
        def forward(self, history):
            return super().forward(history) * 2

    assert not Other(5).can_slice(Histories.of_lists([[1, 2]], 5))
