"""SASRec and GRU4Rec: masks, deletion, the window of the newest entries, the loss, and learning an order."""

import numpy as np
import pytest
import torch

import lxr
from lxr import EntryLists, Histories
from lxr.recommenders.built_in.next_item import drawn_windows, unchanged, within

N_ITEMS = 12
LISTS = [[5, 0, 3, 0], [7], [], [9, 1, 2, 4, 6, 11, 3]]
MAKERS = {
    "sasrec": lambda **options: lxr.SASRec(N_ITEMS, **{"n_factors": 8, "n_heads": 2, "max_length": 5} | options),
    "gru4rec": lambda **options: lxr.GRU4Rec(N_ITEMS, **{"n_factors": 8, "max_length": 5} | options),
}


@pytest.fixture(params=MAKERS)
def make(request):
    """Maker of a small model whose weights all matter."""

    def made(**options):
        model = MAKERS[request.param](**options)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(std=0.5, generator=generator)
        return model.eval()

    return made


@pytest.fixture
def model(make):
    """A small model, in double precision."""
    return make().double()


@pytest.fixture
def histories():
    """Histories with a repeated item, of one entry, of none, and longer than five."""
    return Histories.of_lists(LISTS, N_ITEMS)


def stays_of(histories, seed=0) -> torch.Tensor:
    """Random entries (B, L) that stay."""
    return torch.rand(histories.shape, generator=torch.Generator().manual_seed(seed)) < 0.6


def soft(model, histories, keep) -> torch.Tensor:
    """Logits by the soft mask, even where every share is zero or one."""
    return model.logits(histories, keep.double().requires_grad_())


def test_a_full_soft_mask_equals_the_plain_model(model, histories):
    torch.testing.assert_close(soft(model, histories, torch.ones(histories.shape)), model.logits(histories))


@pytest.mark.parametrize("seed", range(5))
def test_leaving_out_entries_equals_deleting_them(model, histories, seed):
    stays = stays_of(histories, seed)
    deleted = torch.cat(
        [
            model.logits(Histories.of_lists([[item for item, stay in zip(items, row, strict=False) if stay]], N_ITEMS))
            for items, row in zip(LISTS, stays.tolist(), strict=True)
        ]
    )
    for found in (
        model.logits_after_deletion(histories, stays),
        model.logits(histories, stays),
        soft(model, histories, stays),
    ):
        torch.testing.assert_close(found, deleted)


def test_an_entry_that_is_left_out_has_no_influence(model, histories):
    stays = stays_of(histories)
    other = Histories(torch.where(stays, histories.items, (histories.items + 5) % N_ITEMS), histories.real, N_ITEMS)
    assert not torch.equal(other.items, histories.items)
    torch.testing.assert_close(soft(model, other, stays), soft(model, histories, stays), rtol=1e-12, atol=1e-12)


def test_a_batch_equals_single_users(model, histories):
    keep = torch.rand(histories.shape, generator=torch.Generator().manual_seed(0))
    for share in (None, keep):
        single = [model.logits(histories[[row]].trimmed(), _part(share, histories, row)) for row in range(len(LISTS))]
        torch.testing.assert_close(model.logits(histories, share), torch.cat(single))


def _part(share, histories, row):
    """Shares (1, L) of one user, without padding."""
    return None if share is None else share[[row], : max(1, int(histories.lengths[row]))]


def test_only_the_newest_entries_count(model):
    long, short = (Histories.of_lists([items], N_ITEMS) for items in (LISTS[3], LISTS[3][-5:]))
    torch.testing.assert_close(model.logits(long), model.logits(short))
    stays = torch.tensor([[True, True, True, False, True, True, True]])  # the second moves into the window
    torch.testing.assert_close(soft(model, long, stays), model.logits(Histories.of_lists([[1, 2, 6, 11, 3]], N_ITEMS)))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_gradients_are_finite_and_those_of_differences(model, histories, share):
    keep = torch.full(histories.shape, share, dtype=torch.double).requires_grad_()
    logit = model.logits(histories, keep)[:, 3].sum()
    (gradient,) = torch.autograd.grad(logit, keep)
    assert gradient.isfinite().all() and (gradient[histories.real] != 0).any() and not gradient[~histories.real].any()
    step = 1e-6 * (1 - 2 * share)  # inwards
    for row, place in ((0, 0), (0, 3), (1, 0)):
        moved = keep.detach().clone()
        moved[row, place] += step
        difference = (model.logits(histories, moved)[:, 3].sum() - logit) / step
        torch.testing.assert_close(gradient[row, place], difference, rtol=1e-3, atol=1e-5)


def test_soft_masks_have_the_gradient_of_finite_differences(model, histories):
    keep = 0.15 + 0.7 * torch.rand(histories.shape, generator=torch.Generator().manual_seed(3)).double()
    assert torch.autograd.gradcheck(lambda share: model.logits(histories, share)[:, :3], keep.requires_grad_())
    assert model.differentiable


def test_the_empty_history_has_a_learned_state(model, histories):
    nothing = model.logits_after_deletion(histories, torch.zeros_like(histories.real))
    assert nothing.isfinite().all()
    torch.testing.assert_close(nothing, model.logits(histories)[[2]].expand_as(nothing))


def test_states_do_not_see_later_items(model):
    items, length = torch.tensor([[5, 0, 3, 7]]), torch.tensor([4])
    states = model.states(items, length, unchanged)
    assert states.shape == (1, 5, 8)
    for place in range(4):
        changed = items.clone()
        changed[0, place] = 11
        found = model.states(changed, length, unchanged)
        torch.testing.assert_close(found[:, : place + 1], states[:, : place + 1])
        assert not torch.allclose(found[:, place + 1 :], states[:, place + 1 :])


def test_the_loss_is_that_of_every_entry_given_those_before_it(model, histories):
    expected = []
    for items in (items for items in LISTS if 0 < len(items) <= 5):
        before, wanted = torch.tensor([items[:-1]], dtype=torch.int64), torch.tensor(items)
        logits = model.item(model.states(before, torch.tensor([before.shape[1]]), unchanged)[0])
        expected.append(torch.nn.functional.cross_entropy(logits, wanted, reduction="none"))
        torch.testing.assert_close(logits[-1:], model.logits(Histories.of_lists([items[:-1]], N_ITEMS)))
    model.dropout = 0.0
    found = model.loss(histories[:3], torch.Generator().manual_seed(0), 0)
    torch.testing.assert_close(found, torch.cat(expected).mean())


def test_a_sampled_loss_estimates_the_whole(make, histories):
    model = make(dropout=0.0, negatives=50_000)
    sampled = model.loss(histories, torch.Generator().manual_seed(0), 0)
    model.negatives = None
    torch.testing.assert_close(sampled, model.loss(histories, torch.Generator().manual_seed(0), 0), rtol=0.02, atol=0)


def test_entries_leave_the_window_little_by_little():
    assert within(torch.ones(1, 4), 2).tolist() == [[0, 0, 1, 1]]
    assert within(torch.tensor([[1.0, 1, 1, 0.25]]), 2).tolist() == [[0, 0.75, 1, 0.25]]
    keep = torch.rand(3, 4)
    assert within(keep, 4) is keep


def test_training_sees_all_parts_of_long_histories():
    histories, generator = Histories.of_lists([[3, 1, 2, 0, 4], [7, 8]], N_ITEMS), torch.Generator().manual_seed(0)
    found = set()
    for _ in range(50):
        windows, is_start = drawn_windows(histories, 3, generator)
        long, short = (each.tolist() for each in windows.lists())
        assert short == [7, 8] and is_start.tolist() == [long[0] == 3, True]
        found.add(tuple(long))
    assert found == {(3, 1, 2), (1, 2, 0), (2, 0, 4)}
    assert drawn_windows(histories, 5, generator)[0].lists()[0].tolist() == [3, 1, 2, 0, 4]


@pytest.mark.parametrize("name", MAKERS)
def test_an_order_is_learned(name):
    generator = np.random.default_rng(0)
    first, length = generator.integers(0, N_ITEMS, 300), generator.integers(3, 8, 300)
    items = np.concatenate([(start + np.arange(n)) % N_ITEMS for start, n in zip(first, length, strict=True)])
    times = np.arange(len(items), dtype=float)
    lists = EntryLists(items, np.append(0, length.cumsum()), N_ITEMS, times)  # after every item the next one
    model = MAKERS[name](n_factors=16, dropout=0.0)
    record = lxr.fit(model, lists[:200], lists[200:], epochs=30, batch_size=20, learning_rate=0.01)
    assert record["loss"].iloc[-1] < record["loss"].iloc[0]
    assert lxr.rank_quality(model, lists[200:], last=True)["MRR"] > 0.95


def test_options_that_do_not_fit_are_refused(make):
    for options, message in (
        ({"n_features": 2}, r"n_features: expected 0, because \w+ takes no user features, found 2"),
        ({"max_length": 0}, "max_length: expected a positive integer, found 0"),
        ({"negatives": 0}, "negatives: expected a positive integer, found 0"),
        ({"dropout": 1.0}, "dropout: expected a share from 0 to below 1"),
    ):
        with pytest.raises(ValueError, match=message):
            make(**options)
    with pytest.raises(ValueError, match="n_heads: expected a divisor of n_factors, 8, found 3"):
        lxr.SASRec(N_ITEMS, n_factors=8, n_heads=3)


def test_a_saved_model_comes_back(make, histories, tmp_path):
    model, path = make(negatives=7), tmp_path / "model.pt"
    model.save(path)
    loaded = lxr.load(path)
    assert type(loaded) is type(model) and loaded.options == model.options
    assert torch.equal(loaded.logits(histories), model.logits(histories))
