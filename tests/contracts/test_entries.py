"""One contract for histories as entries: every recommender answers them as their dense rows, every metric judges them so."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import N_ITEMS, WRAPPED, small, with_biases

import lxr
from lxr import EntryLists, Histories
from lxr.counterfactuals import smallest_prefix

N_FEATURES = 2
LISTS = [[7, 2, 11], [], [4], [19, 0, 5, 3, 12, 9], [6, 18]]
MAKERS = {
    "mf": lambda train_matrix: with_biases(small("mf")),
    "vae": lambda train_matrix: with_biases(small("vae")),
    "ncf": lambda train_matrix: with_biases(small("ncf")),
    "gmf": lambda train_matrix: with_biases(small("ncf", branches="gmf")),
    "mlp": lambda train_matrix: with_biases(small("ncf", branches="mlp")),
    "mf with features": lambda train_matrix: with_biases(small("mf", n_features=N_FEATURES)),
    "vae with features": lambda train_matrix: with_biases(small("vae", n_features=N_FEATURES)),
    "popularity": lxr.Popularity,
} | {name: lambda train_matrix, make=make: make() for name, make in WRAPPED.items()}


@pytest.fixture(params=MAKERS)
def recommender(request, train_matrix):
    """Every kind of recommender."""
    return MAKERS[request.param](train_matrix)


@pytest.fixture
def entries(recommender):
    """Users with many, few and no entries; with a feature if the recommender has some."""
    feature = [recommender.n_items + 1] if recommender.n_features else []
    return Histories.of_lists([*LISTS, [8, *feature, 1]], recommender.n_columns)


def shares(histories: Histories) -> torch.Tensor:
    """Shares (B, L) that stay of every entry, some of them 0 or 1."""
    drawn = torch.rand(histories.shape, generator=torch.Generator().manual_seed(0))
    return (1.5 * drawn - 0.25).clamp(0, 1)


def shuffled(histories: Histories, *values: torch.Tensor) -> list:
    """The same entries and their values (B, L) in another order, with padding in between."""
    order = torch.rand(histories.shape, generator=torch.Generator().manual_seed(1)).argsort(dim=1)
    return [histories.mapped(lambda each: each.gather(1, order)), *(each.gather(1, order) for each in values)]


def test_entries_are_answered_as_their_dense_rows(recommender, entries):
    expected = recommender(entries.dense())
    for keep in (None, entries.real, torch.ones(entries.shape), torch.ones(entries.shape, dtype=torch.int64)):
        found = recommender.logits(entries, keep)
        torch.testing.assert_close(found, expected)
        assert found.dtype == torch.float32


def test_what_is_kept_is_what_is_left_after_deletion(recommender, entries):
    stays = shares(entries) > 0.5
    expected = recommender.logits(entries.keep(stays))
    assert 0 < (stays & entries.real).sum() < entries.real.sum()
    torch.testing.assert_close(recommender(entries.keep(stays).dense()), expected)
    for found in (
        recommender.logits_after_deletion(entries, stays),
        recommender.logits(entries, stays),
        recommender.logits(entries, stays.float()),
    ):
        torch.testing.assert_close(found, expected)


def test_a_share_is_the_weight_of_a_dense_row(recommender, entries):
    target = torch.arange(len(entries))
    keep, point = shares(entries).requires_grad_(), entries.dense(keep=shares(entries)).requires_grad_()
    found, expected = recommender.logits(entries, keep), recommender(point)
    torch.testing.assert_close(found, expected)
    of_target = recommender.log_prob_of(entries, target, keep)
    torch.testing.assert_close(of_target, recommender.log_prob(point)[target, target])
    if recommender.differentiable:
        filled = entries.lengths > 0  # where nothing is left, a normalising recommender has no gradient
        (slope,) = torch.autograd.grad(of_target[filled].sum(), keep)
        (dense,) = torch.autograd.grad(recommender.target_log_prob(expected, target)[filled].sum(), point)
        torch.testing.assert_close(slope, entries.at(dense))
        assert slope.any()


def test_candidates_are_columns_of_the_whole(recommender, entries):
    generator = torch.Generator().manual_seed(2)
    candidates = torch.randint(recommender.n_columns, (len(entries), 4), generator=generator)
    candidates[:, 0] = recommender.n_columns - 1  # a feature, if there are some
    for keep in (None, shares(entries), shares(entries) > 0.5):
        expected = recommender.logits(entries, keep).gather(1, candidates)
        torch.testing.assert_close(recommender.logits(entries, keep, candidates), expected)
    stays = shares(entries) > 0.5
    torch.testing.assert_close(recommender.logits_after_deletion(entries, stays, candidates), expected)


def test_the_order_of_entries_does_not_matter(recommender, entries):
    keep = shares(entries)
    other, moved = shuffled(entries, keep)
    assert [items.tolist() for items in other.lists()] != [items.tolist() for items in entries.lists()]
    torch.testing.assert_close(recommender.logits(other), recommender.logits(entries))
    torch.testing.assert_close(recommender.logits(other, moved), recommender.logits(entries, keep))


def test_a_batch_of_entries_equals_one_user_at_a_time(recommender, entries):
    keep, singles = shares(entries), entries.split(1)
    alone = torch.cat([recommender.logits(one.trimmed()) for one in singles])
    torch.testing.assert_close(alone, recommender.logits(entries))
    alone = torch.cat([recommender.logits(one, share) for one, share in zip(singles, keep.split(1), strict=True)])
    torch.testing.assert_close(alone, recommender.logits(entries, keep))


def test_without_an_entry_all_logits_are_finite(recommender, entries):
    nothing = Histories.of_lists([[], []], recommender.n_columns)
    deleted = recommender.logits_after_deletion(entries, torch.zeros_like(entries.real))
    for logits in (recommender.logits(nothing), deleted, recommender.logits(entries, torch.zeros(entries.shape))):
        assert recommender.of_items(logits).isfinite().all()
        torch.testing.assert_close(logits, recommender(torch.zeros(len(logits), recommender.n_columns)))


def test_an_item_that_comes_twice_weighs_twice(recommender):
    twice = Histories.of_lists([[3, 5, 3], [1]], recommender.n_columns)
    row = torch.zeros(2, recommender.n_columns)
    row[0, 3], row[0, 5], row[1, 1] = 2, 1, 1
    torch.testing.assert_close(recommender.logits(twice), recommender(row))
    weighted = Histories(*(getattr(twice, name)[:, :2] for name in ("items", "real")), weights=torch.tensor([[2, 1]] * 2))
    row[1, 1] = 2
    torch.testing.assert_close(recommender.logits(weighted), recommender(row))


# --- metrics ---------------------------------------------------------------------------------------------------------


def whole_numbers() -> lxr.MF:
    """A recommender of whole numbers, whose sums are exact in every order, with many equal logits."""
    model, generator = small("mf"), torch.Generator().manual_seed(3)
    weights = model.state_dict().items()
    model.load_state_dict({name: torch.randint(-2, 3, value.shape, generator=generator).float() for name, value in weights})
    return model


EXACT = whole_numbers()
ITEMS = st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=9, unique=True)
USER = ITEMS.flatmap(
    lambda items: st.tuples(
        st.just(items),
        st.sampled_from(sorted(set(range(N_ITEMS)) - set(items))),
        st.lists(st.integers(-2, 2), min_size=len(items), max_size=len(items)),
    )
)


def forms(users) -> list[tuple]:
    """Histories, targets and scores of users (items, target, score of each item): in five forms of the same meaning."""
    lists, target, scores = zip(*users, strict=True)
    history, importance = np.zeros((2, len(users), N_ITEMS), dtype=np.float32)
    for row, (items, values) in enumerate(zip(lists, scores, strict=True)):
        history[row, items], importance[row, items] = 1, values
    matrix = sp.csr_matrix(history)
    ascending, listed = Histories.of_matrix(matrix), Histories.of_lists(lists)
    # Ties go to the first entry: among those in another order, to the lower item.
    flat = np.concatenate([np.array(values) - np.array(items) / 100 for items, values in zip(lists, scores, strict=True)])
    indptr = np.append(0, np.cumsum([len(items) for items in lists]))
    return [
        (torch.tensor(history), torch.tensor(target), torch.tensor(importance)),
        (matrix, target, importance),
        (ascending, target, ascending.at(torch.tensor(importance))),
        (listed, target, listed.padded(torch.from_numpy(flat))),
        (EntryLists(np.concatenate(lists), indptr, N_ITEMS), target, flat),
    ]


def same(found: dict, expected: dict) -> bool:
    """Equal arrays of equal names."""
    return found.keys() == expected.keys() and all(np.array_equal(found[name], expected[name]) for name in found)


@settings(max_examples=12, deadline=None)
@given(st.lists(USER, min_size=1, max_size=4), st.integers(1, 6))
def test_fidelity_is_that_of_the_dense_rows(users, steps):
    expected, *others = (
        lxr.evaluate_fidelity(
            EXACT, *form, steps=steps, cutoffs=(1, 3), lengths=(1, 4), log_odds=True, batch_size=7, users_per_batch=2
        )
        for form in forms(users)
    )
    for found in others:
        assert same(found.curves, expected.curves) and same(found.fixed, expected.fixed)
        assert np.array_equal(found.rank, expected.rank) and np.array_equal(found.history_length, expected.history_length)


@settings(max_examples=12, deadline=None)
@given(st.lists(USER, min_size=1, max_size=4))
def test_prefixes_are_those_of_the_dense_rows(users):
    expected, *others = (smallest_prefix(EXACT, *form, batch_size=7) for form in forms(users))
    for found in others:
        assert found.found.tolist() == expected.found.tolist() and found.size.tolist() == expected.size.tolist()
        assert found.replacement.tolist() == expected.replacement.tolist()
        assert [items.tolist() for items in found.removed] == [items.tolist() for items in expected.removed]
