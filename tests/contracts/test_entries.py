"""One contract for entries: recommenders of rows answer them as their dense rows, and metrics judge them so."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from every_recommender import OF_ROWS, entries_of, shares
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import N_ITEMS, small

import lxr
from lxr import EntryLists, Histories
from lxr.counterfactuals import smallest_prefix


@pytest.fixture(params=OF_ROWS)
def recommender(request):
    """Every kind of recommender of rows."""
    return OF_ROWS[request.param]()


@pytest.fixture
def entries(recommender):
    """Users with many, few and no entries."""
    return entries_of(recommender)


def test_entries_are_answered_as_their_dense_rows(recommender, entries):
    expected = recommender(entries.dense())
    for keep in (None, entries.real, torch.ones(entries.shape), torch.ones(entries.shape, dtype=torch.int64)):
        found = recommender.logits(entries, keep)
        torch.testing.assert_close(found, expected)
        assert found.dtype == torch.float32


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
