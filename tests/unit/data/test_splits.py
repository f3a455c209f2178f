"""Splits of users, and hidden items."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import lxr
from lxr.data import EntryLists, load_split
from lxr.recommenders.ranking import hide_one_item, hide_share


def test_a_split_is_saved_and_loaded(tmp_path):
    parts = lxr.split_users(20, seed=42)
    lxr.data.save_split(*parts, tmp_path / "split.npz")
    for found, expected in zip(load_split(tmp_path / "split.npz"), parts, strict=True):
        assert found.tolist() == expected.tolist()


# --- splits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "n_users, options, sizes",
    [
        (6037, {}, (4225, 604, 1208)),
        (942, {}, (658, 95, 189)),
        (10, {}, (7, 1, 2)),
        (3, {}, (1, 1, 1)),
        (100, {"validation": 0.25, "test": 0.5}, (25, 25, 50)),
        (11, {"validation": 0.01, "test": 0.01}, (9, 1, 1)),
    ],
)
def test_split_users_is_disjoint_and_complete(n_users, options, sizes):
    parts = lxr.split_users(n_users, **options)
    assert tuple(len(part) for part in parts) == sizes
    assert sorted(np.concatenate(parts).tolist()) == list(range(n_users))
    for part in parts:
        assert np.issubdtype(part.dtype, np.integer) and (np.diff(part) > 0).all()


def test_split_users_is_a_function_of_its_seed():
    np.random.seed(1)
    first = lxr.split_users(200, seed=42)
    np.random.seed(2)
    for found, expected in zip(lxr.split_users(200, seed=42), first, strict=True):
        assert found.tolist() == expected.tolist()
    assert lxr.split_users(200, seed=43)[2].tolist() != first[2].tolist()
    # Every user has its turn: the test part is not a stretch of the ids.
    assert set(range(200)) == set(np.concatenate([lxr.split_users(200, seed=seed)[2] for seed in range(60)]).tolist())


@pytest.mark.parametrize("name", ["validation", "test"])
@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, np.nan])
def test_bad_shares_are_refused(name, share):
    with pytest.raises(ValueError, match=f"{name}: expected a share between 0 and 1, found {share}"):
        lxr.split_users(100, **{name: share})


@pytest.mark.parametrize("n_users, options", [(0, {}), (1, {}), (2, {}), (100, {"validation": 0.5, "test": 0.5})])
def test_a_split_without_training_users_is_refused(n_users, options):
    with pytest.raises(ValueError, match=f"no training user is left of {n_users} with validation=0.*, test=0"):
        lxr.split_users(n_users, **options)


BAD_SPLITS = [
    *(("n_users", value) for value in (10.5, np.nan, "10", None, True, [10])),
    *(("validation", value) for value in ("a", None, True, [0.1])),
    *(("test", value) for value in ("0.2", 1j)),
    *(("seed", value) for value in (-1, 1.5, "1", None, True)),
]


@pytest.mark.parametrize(("name", "value"), BAD_SPLITS, ids=str)
def test_bad_arguments_of_a_split_are_refused(name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected .*, found "):
        lxr.split_users(**{"n_users": 100, name: value})


# --- the last entry --------------------------------------------------------------------------------------------------


def test_the_last_entry_of_every_user_is_held_out():
    entries = lxr.EntryLists(
        np.array([4, 0, 2, 1, 3, 3, 0]), np.array([0, 3, 5, 7]), 5, times=np.arange(7.0), weights=np.arange(7.0) ** 2
    )
    rest, last = lxr.split_last(entries)
    assert last.tolist() == [2, 3, 0]
    assert rest.items.tolist() == [4, 0, 1, 3] and rest.indptr.tolist() == [0, 2, 3, 4] and rest.n_columns == 5
    assert rest.times.tolist() == [0, 1, 3, 5] and rest.weights.tolist() == [0, 1, 9, 25]
    assert entries.items.tolist() == [4, 0, 2, 1, 3, 3, 0]


def test_the_newest_item_is_held_out_and_may_be_a_repeated_one():
    plays = pd.DataFrame({"user": 1, "item": [10, 20, 10], "timestamp": [3, 2, 1]})
    data = lxr.prepare(plays, min_users_per_item=1, repeats="keep")
    rest, last = lxr.split_last(data.histories())
    assert data.item_ids[last].tolist() == [10] and data.item_ids[rest.items].tolist() == [10, 20]


@pytest.mark.parametrize("lengths", [[2, 1, 2], [3, 0], [1]], ids=str)
def test_a_user_with_fewer_than_two_entries_is_named(lengths):
    entries = lxr.EntryLists(np.zeros(sum(lengths), np.int64), np.append(0, np.cumsum(lengths)), 1)
    row = 0 if lengths == [1] else 1
    with pytest.raises(ValueError, match=f"^entries, row {row}: expected at least two entries, found {lengths[row]}$"):
        lxr.split_last(entries)


def test_only_entries_have_a_last_one():
    with pytest.raises(ValueError, match=r"^entries: expected entries, as data\.histories"):
        lxr.split_last(sp.csr_matrix(np.eye(2)))


# --- hidden items ----------------------------------------------------------------------------------------------------


@pytest.fixture
def histories() -> sp.csr_matrix:
    """Random histories of 1 to 12 of 30 items."""
    generator = np.random.default_rng(3)
    matrix = np.zeros((60, 30), dtype=np.float32)
    for row in matrix:
        row[generator.choice(30, generator.integers(1, 13), replace=False)] = 1
    assert (matrix.sum(axis=1) == 1).any()
    return sp.csr_matrix(matrix)


def hidden_share(matrix, share, seed):
    """Rest and hidden items of a matrix, as matrices."""
    return tuple(part.matrix() for part in hide_share(EntryLists.of_matrix(matrix), share, seed))


def hidden_item(matrix, seed):
    """Rest as a matrix, and the hidden items."""
    rest, hidden = hide_one_item(EntryLists.of_matrix(matrix), seed)
    return rest.matrix(), hidden


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 1.0])
def test_hidden_and_rest_are_the_history(histories, share):
    rest, hidden = hidden_share(histories, share, seed=0)
    eligible = histories[np.diff(histories.indptr) >= 2].toarray()
    assert (rest.toarray() + hidden.toarray() == eligible).all()
    assert rest.nnz + hidden.nnz == eligible.sum()
    expected = [min(max(int(share * n), 1), n - 1) for n in eligible.sum(axis=1).astype(int)]
    assert np.diff(hidden.indptr).tolist() == expected


def test_one_hidden_item_and_the_rest_are_the_history(histories):
    rest, hidden = hidden_item(histories, seed=0)
    eligible = histories[np.diff(histories.indptr) >= 2].toarray()
    assert rest.nnz == eligible.sum() - len(eligible)
    restored = rest.toarray()
    assert (restored[np.arange(len(hidden)), hidden] == 0).all()
    restored[np.arange(len(hidden)), hidden] = 1
    assert (restored == eligible).all()


def test_what_is_hidden_is_a_function_of_the_seed(histories):
    assert hidden_item(histories, seed=1)[1].tolist() == hidden_item(histories, seed=1)[1].tolist()
    assert hidden_item(histories, seed=1)[1].tolist() != hidden_item(histories, seed=2)[1].tolist()
    first, again, other = (hidden_share(histories, 0.3, seed)[1] for seed in (1, 1, 2))
    assert (first != again).nnz == 0 and (first != other).nnz > 0


def test_every_item_of_a_history_can_be_hidden():
    history = sp.csr_matrix(np.array([[1, 0, 1, 1, 0, 1]], dtype=np.float32))
    assert {int(hidden_item(history, seed)[1][0]) for seed in range(60)} == {0, 2, 3, 5}
    assert {int(hidden_share(history, 0.25, seed)[1].indices[0]) for seed in range(60)} == {0, 2, 3, 5}


def test_the_rest_keeps_its_order_and_user_features():
    lists = EntryLists(np.array([6, 4, 1, 3, 0, 2, 5, 1]), np.array([0, 4, 5, 8]), n_columns=7)  # 5 and 6 are features
    rest, hidden = hide_one_item(lists, seed=0, n_features=2, last=True)
    assert rest.items.tolist() == [6, 4, 1, 2, 5] and rest.lengths.tolist() == [3, 2] and hidden.tolist() == [3, 1]
    rest, hidden = hide_share(lists, 0.5, seed=0, n_features=2)
    assert rest.lengths.tolist() == [3, 2] and hidden.lengths.tolist() == [1, 1]
    assert [item for item in [6, 4, 1, 3] if item in rest.items[:3]] == rest.items[:3].tolist()
    rest, hidden = hide_share(lists, 0.7, seed=0, n_features=2, last=True)
    assert rest.items.tolist() == [6, 4, 2, 5] and hidden.items.tolist() == [1, 3, 1] and hidden.lengths.tolist() == [2, 1]


def test_nothing_can_be_hidden_of_single_items():
    with pytest.raises(ValueError, match="at least one user with two or more items"):
        hidden_item(sp.csr_matrix(np.eye(4, dtype=np.float32)), seed=0)
