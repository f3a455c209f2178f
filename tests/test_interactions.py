"""Ratings → histories: threshold, k-core, ids and titles on frames whose answer is known; files; splits."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import lxr
from lxr.interactions import batches, k_core, load_split
from lxr.ranking import hide_one_item, hide_share
from lxr.storage import atomic_path


def frame(*rows: tuple) -> pd.DataFrame:
    """Ratings of (user, item) or (user, item, rating); the rating is 5 where none is given."""
    return pd.DataFrame([(*row, 5)[:3] for row in rows], columns=["user", "item", "rating"])


def pairs_of(data: lxr.Interactions) -> list[tuple]:
    """The (user, item) pairs by their original ids, row by row."""
    users, items = data.matrix.nonzero()
    return list(zip(data.user_ids[users].tolist(), data.item_ids[items].tolist(), strict=True))


# Users 1, 2, 3 and items 10, 20, 30 are dense; user 4 has 30 and 40, and falls once item 40 has.
CHAIN = frame((1, 10), (1, 20), (2, 10), (2, 20), (2, 30), (3, 20), (3, 30), (4, 30), (4, 40))


# --- prepare ---------------------------------------------------------------------------------------------------------


def test_the_threshold_keeps_ratings_that_reach_it():
    ratings = frame((1, 10, 4), (1, 20, 3.9), (2, 10, 5), (2, 20, 4.0), (3, 20, 1))
    data = lxr.prepare(ratings, min_rating=4, min_items_per_user=1, min_users_per_item=1)
    assert pairs_of(data) == [(1, 10), (2, 10), (2, 20)]
    everything = lxr.prepare(ratings, min_rating=-np.inf, min_items_per_user=1, min_users_per_item=1)
    assert everything.matrix.nnz == 5


def test_the_core_is_repeated_until_nothing_changes():
    data = lxr.prepare(CHAIN)
    assert pairs_of(data) == [(1, 10), (1, 20), (2, 10), (2, 20), (2, 30), (3, 20), (3, 30)]
    assert data.user_ids.tolist() == [1, 2, 3] and data.item_ids.tolist() == [10, 20, 30]


def test_a_long_chain_falls_link_by_link():
    # A path user 0 – item 0 – user 1 – item 1 – …: its end falls, then the next, …, up to the square to which it is tied.
    n = 12
    path = [(user, item) for user in range(n) for item in (user - 1, user) if item >= 0]
    square = [(100, 200), (100, 201), (101, 200), (101, 201)]
    assert pairs_of(lxr.prepare(frame(*path, *square, (n - 1, 200)))) == square


def test_users_and_items_have_thresholds_of_their_own():
    ratings = frame((1, 10), (1, 20), (1, 30), (2, 10), (2, 20), (3, 10))
    by_users = lxr.prepare(ratings, min_items_per_user=3, min_users_per_item=1)
    assert pairs_of(by_users) == [(1, 10), (1, 20), (1, 30)]
    by_items = lxr.prepare(ratings, min_items_per_user=1, min_users_per_item=3)
    assert pairs_of(by_items) == [(1, 10), (2, 10), (3, 10)]


def test_ids_are_numbered_in_the_order_of_the_sorted_originals():
    data = lxr.prepare(frame((70, 9), (-3, 1000), (70, 1000), (-3, 9), (8, 9), (8, 1000), (8, 11), (-3, 11)))
    assert data.user_ids.tolist() == [-3, 8, 70] and data.item_ids.tolist() == [9, 11, 1000]
    assert data.matrix.toarray().tolist() == [[1, 1, 1], [1, 1, 1], [1, 0, 1]]


def test_the_order_of_rows_does_not_matter():
    shuffled = CHAIN.sample(frac=1, random_state=0)
    assert (lxr.prepare(shuffled).matrix != lxr.prepare(CHAIN).matrix).nnz == 0


def test_the_matrix_is_csr_float32_ones_with_sorted_indices():
    generator = np.random.default_rng(0)
    pairs = np.unique(generator.integers(0, 30, (300, 2)), axis=0)
    data = lxr.prepare(frame(*generator.permutation(pairs).tolist()))
    assert sp.issparse(data.matrix) and data.matrix.format == "csr"
    assert data.matrix.dtype == np.float32 and (data.matrix.data == 1).all()
    assert data.matrix.shape == (len(data.user_ids), len(data.item_ids))
    for row in np.split(data.matrix.indices, data.matrix.indptr[1:-1]):
        assert (np.diff(row) > 0).all()


def test_of_duplicates_the_last_counts():
    ratings = frame((1, 10, 5), (1, 20, 5), (2, 10, 1), (2, 20, 5), (1, 10, 2), (2, 10, 4), (2, 10, 5))
    with pytest.warns(UserWarning, match="3 duplicate"):
        data = lxr.prepare(ratings, min_items_per_user=1, min_users_per_item=1)
    assert pairs_of(data) == [(1, 20), (2, 10), (2, 20)]
    assert data.n_duplicates == 3 and (data.matrix.data == 1).all()


def test_without_duplicates_there_is_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert lxr.prepare(CHAIN).n_duplicates == 0


def test_the_argument_is_not_modified():
    ratings = pd.concat([CHAIN, CHAIN.head(2)]).set_index(pd.Index(range(50, 61)))
    ratings.attrs = {"titles": {10: "Ten"}}
    before, attributes = ratings.copy(deep=True), {"titles": {10: "Ten"}}
    with pytest.warns(UserWarning):
        lxr.prepare(ratings)
    pd.testing.assert_frame_equal(ratings, before)
    assert ratings.attrs == attributes


def test_titles_and_groups_follow_the_items():
    ratings = CHAIN.sample(frac=1, random_state=1)
    ratings.attrs = {"titles": {30: "Thirty", 10: "Ten", 40: "Forty"}, "groups": {10: 1, 20: 0, 30: 2, 40: 3}}
    data = lxr.prepare(ratings)
    assert data.item_titles.tolist() == ["Ten", "20", "Thirty"]  # an item without a title is called by its id
    assert data.item_groups.tolist() == [1, 0, 2]
    assert lxr.prepare(CHAIN).item_titles is None and lxr.prepare(CHAIN).item_groups is None


def test_ids_may_be_strings():
    ratings = frame(("zoe", "b"), ("zoe", "a"), ("ann", "a"), ("ann", "b"), ("bob", "a"))
    ratings.attrs["titles"] = {"a": "First", "b": "Second"}
    data = lxr.prepare(ratings)
    assert data.user_ids.tolist() == ["ann", "zoe"] and data.item_ids.tolist() == ["a", "b"]
    assert data.item_titles.tolist() == ["First", "Second"]


BAD_RATINGS = {
    "no rating column": (CHAIN.drop(columns="rating"), r"columns user, item, rating, found \['user', 'item'\]"),
    "another name": (CHAIN.rename(columns={"item": "movie"}), r"user, item, rating, found \['user', 'movie', 'rating'\]"),
    "no rows": (CHAIN.head(0), "ratings: expected at least one row, found none"),
    "NaN": (frame((1, 1), (1, 2, np.nan), (2, 1)), "ratings, row 1: expected a number as rating, found nan"),
    "infinite": (frame((1, 1), (1, 2), (2, 1, np.inf)), "ratings, row 2: expected a number as rating, found inf"),
    "a word": (frame((1, 1), (1, 2, "good"), (2, 1)), "ratings, row 1: expected a number as rating, found 'good'"),
    "numbers as text": (frame((1, 1, "5"), (1, 2, "4")), "ratings, row 0: expected a number as rating, found '5'"),
    "None": (frame((1, 1), (1, 2, None), (2, 1)), "ratings, row 1: expected a number as rating, found (nan|None)"),
    "user missing": (frame((1, 1), (np.nan, 2), (2, 1)), "ratings, row 1: the user is missing"),
    "item missing": (frame(("a", "x"), ("a", "y"), ("b", None)), "ratings, row 2: the item is missing"),
    "ids of two kinds": (frame(("a", 1), ("a", 2), (3, 1), (3, 2)), "user"),
}


@pytest.mark.parametrize("ratings, message", BAD_RATINGS.values(), ids=BAD_RATINGS)
def test_bad_ratings_are_refused(ratings, message):
    with pytest.raises(lxr.DataError, match=message):
        lxr.prepare(ratings)


def test_bad_rows_are_counted_from_the_top_whatever_the_index():
    ratings = frame((1, 1), (1, 2, np.nan), (2, 1)).set_index(pd.Index([7, 7, 5]))
    with pytest.raises(lxr.DataError, match="row 1: expected a number as rating, found nan"):
        lxr.prepare(ratings)


@pytest.mark.parametrize(
    "options",
    [
        {"min_rating": 6},
        {"min_rating": 4, "min_items_per_user": 4},
        {"min_rating": 1, "min_items_per_user": 1, "min_users_per_item": 5},
    ],
    ids=str,
)
def test_nothing_left_is_refused_naming_the_parameters(options):
    with pytest.raises(lxr.DataError) as caught:
        lxr.prepare(CHAIN, **options)
    for name, value in ({"min_rating": 4, "min_items_per_user": 2, "min_users_per_item": 2} | options).items():
        assert f"{name}={value}" in str(caught.value)
    assert "9 ratings (from 5 to 5)" in str(caught.value)


def peeled(pairs: set[tuple], per_user: int, per_item: int, generator: np.random.Generator) -> set[tuple]:
    """The k-core by removing one poor user or item at a time, in a random order."""
    while True:
        users, items = {user for user, _ in pairs}, {item for _, item in pairs}
        poor = [("user", user) for user in sorted(users) if sum(pair[0] == user for pair in pairs) < per_user]
        poor += [("item", item) for item in sorted(items) if sum(pair[1] == item for pair in pairs) < per_item]
        if not poor:
            return pairs
        kind, name = poor[generator.integers(len(poor))]
        pairs = {pair for pair in pairs if pair[kind == "item"] != name}


@pytest.mark.parametrize("per_user, per_item", [(1, 1), (2, 2), (3, 2), (2, 4), (4, 4)])
def test_the_core_equals_the_naive_loop(per_user, per_item):
    generator = np.random.default_rng(per_user * 10 + per_item)
    sizes = set()
    for _ in range(12):
        share = generator.uniform(0.1, 0.35)
        pairs = np.argwhere(generator.random((14, 12)) < share)
        kept = k_core(pd.DataFrame(pairs, columns=["user", "item"]), per_user, per_item)
        found = set(map(tuple, kept.to_numpy().tolist()))
        assert found == peeled(set(map(tuple, pairs.tolist())), per_user, per_item, generator)
        again = k_core(kept, per_user, per_item)
        pd.testing.assert_frame_equal(again, kept)
        sizes.add(len(found) / len(pairs))
    assert max(sizes) > 0 and ((per_user, per_item) == (1, 1) or min(sizes) < 1)  # cores of many sizes were seen


def test_the_core_is_the_largest():
    generator = np.random.default_rng(5)
    for _ in range(15):
        present = generator.random((5, 4)) < 0.5
        kept = k_core(pd.DataFrame(np.argwhere(present), columns=["user", "item"]), 2, 2)
        in_core = np.zeros_like(present)
        in_core[kept["user"], kept["item"]] = True
        for users, items in itertools.product(*(itertools.product([False, True], repeat=n) for n in present.shape)):
            part = present & np.outer(users, items)
            if (part.sum(axis=1)[list(users)] >= 2).all() and (part.sum(axis=0)[list(items)] >= 2).all():
                assert (in_core | ~part).all(), "a part in which everybody has two partners is not in the core"


def test_load_dataset_follows_the_registered_rule():
    data, rule = lxr.load_dataset("synthetic"), lxr.DATASETS["synthetic"]
    by_hand = lxr.prepare(lxr.load_ratings("synthetic"), rule.min_rating, rule.min_items_per_user, rule.min_users_per_item)
    assert (data.matrix != by_hand.matrix).nnz == 0
    assert data.item_titles.tolist() == by_hand.item_titles.tolist()


# --- files -----------------------------------------------------------------------------------------------------------


def assert_same_data(found: lxr.Interactions, expected: lxr.Interactions) -> None:
    """Equal in every attribute."""
    assert found.matrix.dtype == np.float32 and found.matrix.shape == expected.matrix.shape
    assert found.matrix.toarray().tolist() == expected.matrix.toarray().tolist()
    for name in ("user_ids", "item_ids", "item_titles", "item_groups"):
        values, wanted = getattr(found, name), getattr(expected, name)
        assert (values is None) == (wanted is None)
        assert wanted is None or values.tolist() == wanted.tolist()
    assert found.n_duplicates == expected.n_duplicates


def with_titles() -> pd.DataFrame:
    ratings = CHAIN.copy()
    ratings.attrs = {"titles": {10: "Misérables", 20: "愛", 30: "Net"}, "groups": {10: 0, 20: 1, 30: 0}}
    return ratings


SAVED = {
    "integer ids": lambda: CHAIN,
    "titles": with_titles,
    "string ids": lambda: CHAIN.astype({"user": str, "item": str}),
    "duplicates": lambda: pd.concat([CHAIN, CHAIN.head(3)]),
}


@pytest.mark.filterwarnings("ignore:.*duplicate")
@pytest.mark.parametrize("ratings", SAVED.values(), ids=SAVED)
def test_what_is_saved_is_loaded(tmp_path, ratings):
    data = lxr.prepare(ratings())
    data.save(tmp_path / "below" / "interactions.npz")
    assert_same_data(lxr.Interactions.load(tmp_path / "below" / "interactions.npz"), data)


@pytest.fixture
def saved(tmp_path):
    """(path, data): interactions in a file."""
    data = lxr.prepare(with_titles())
    data.save(tmp_path / "interactions.npz")
    return tmp_path / "interactions.npz", data


def test_a_missing_file_is_named(tmp_path):
    for load in (lxr.Interactions.load, load_split):
        with pytest.raises(lxr.DataError, match=r"none\.npz is missing"):
            load(tmp_path / "none.npz")


def test_a_truncated_file_is_refused(saved):
    path, _ = saved
    content = path.read_bytes()
    for length in range(0, len(content), 37):
        path.write_bytes(content[:length])
        with pytest.raises(lxr.DataError, match=r"interactions\.npz is damaged"):
            lxr.Interactions.load(path)


def test_a_damaged_byte_never_goes_unnoticed(saved):
    path, data = saved
    content = path.read_bytes()
    refused = 0
    for position in range(0, len(content), 5):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
        try:
            found = lxr.Interactions.load(path)
        except lxr.DataError as error:
            assert "interactions.npz" in str(error)
            refused += 1
        else:  # time stamps and the like
            assert_same_data(found, data)
    assert refused > 50


def write_npy(path):
    with path.open("wb") as file:
        np.save(file, np.arange(3))


OTHER_FILES = {
    "text": lambda path: path.write_text("user,item\n1,2\n"),
    "empty": lambda path: path.write_bytes(b""),
    "a single array": write_npy,
    "other arrays": lambda path: np.savez(path, scores=np.arange(3)),
    "a directory": lambda path: (path.unlink(), path.mkdir()),
    "pointers that do not fit": lambda path: np.savez(
        path, indices=[0], indptr=[0, 1, 4], user_ids=[1], item_ids=[1], n_duplicates=0
    ),
}


@pytest.mark.parametrize("overwrite", OTHER_FILES.values(), ids=OTHER_FILES)
def test_another_file_is_refused(saved, overwrite):
    path, _ = saved
    overwrite(path)
    with pytest.raises(lxr.DataError, match=r"interactions\.npz"):
        lxr.Interactions.load(path)


@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()], ids=repr)
def test_an_interrupted_save_leaves_the_old_file(saved, monkeypatch, error):
    path, data = saved

    def half(file, **arrays):
        file.write(b"half of it")
        raise error

    monkeypatch.setattr(np, "savez_compressed", half)
    with pytest.raises(type(error)):
        lxr.prepare(CHAIN).save(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["interactions.npz"]
    assert_same_data(lxr.Interactions.load(path), data)


def test_an_atomic_path_is_whole_or_absent(tmp_path):
    path = tmp_path / "new" / "table.csv"
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        assert temporary.parent == path.parent and temporary.suffix == ".csv"
        _ = 1 / 0
    assert list(path.parent.iterdir()) == []
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert [entry.name for entry in path.parent.iterdir()] == ["table.csv"] and path.read_text() == "whole"


def test_a_split_is_saved_and_loaded(tmp_path):
    parts = lxr.split_users(20)
    lxr.save_split(tmp_path / "split.npz", *parts)
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
    first = lxr.split_users(200)
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


@pytest.fixture
def histories() -> sp.csr_matrix:
    """Random histories of 1 to 12 of 30 items."""
    generator = np.random.default_rng(3)
    matrix = np.zeros((60, 30), dtype=np.float32)
    for row in matrix:
        row[generator.choice(30, generator.integers(1, 13), replace=False)] = 1
    assert (matrix.sum(axis=1) == 1).any()
    return sp.csr_matrix(matrix)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 1.0])
def test_hidden_and_rest_are_the_history(histories, share):
    before = histories.copy()
    rest, hidden = hide_share(histories, share=share, seed=0)
    eligible = histories[np.diff(histories.indptr) >= 2].toarray()
    assert (rest.toarray() + hidden.toarray() == eligible).all()
    assert rest.nnz + hidden.nnz == eligible.sum()  # no stored zeros
    expected = [min(max(int(share * n), 1), n - 1) for n in eligible.sum(axis=1).astype(int)]
    assert np.diff(hidden.indptr).tolist() == expected
    assert (histories != before).nnz == 0 and (histories.data == 1).all()


def test_one_hidden_item_and_the_rest_are_the_history(histories):
    rest, hidden = hide_one_item(histories, seed=0)
    eligible = histories[np.diff(histories.indptr) >= 2].toarray()
    assert rest.nnz == eligible.sum() - len(eligible)
    restored = rest.toarray()
    assert (restored[np.arange(len(hidden)), hidden] == 0).all()
    restored[np.arange(len(hidden)), hidden] = 1
    assert (restored == eligible).all()
    assert (histories.data == 1).all()


def test_what_is_hidden_is_a_function_of_the_seed(histories):
    assert hide_one_item(histories, seed=1)[1].tolist() == hide_one_item(histories, seed=1)[1].tolist()
    assert hide_one_item(histories, seed=1)[1].tolist() != hide_one_item(histories, seed=2)[1].tolist()
    first, again, other = (hide_share(histories, 0.3, seed)[1] for seed in (1, 1, 2))
    assert (first != again).nnz == 0 and (first != other).nnz > 0


def test_every_item_of_a_history_can_be_hidden():
    history = sp.csr_matrix(np.array([[1, 0, 1, 1, 0, 1]], dtype=np.float32))
    assert {int(hide_one_item(history, seed)[1][0]) for seed in range(60)} == {0, 2, 3, 5}
    assert {int(hide_share(history, 0.25, seed)[1].indices[0]) for seed in range(60)} == {0, 2, 3, 5}


def test_nothing_can_be_hidden_of_single_items():
    with pytest.raises(ValueError, match="at least one user with two or more items"):
        hide_one_item(sp.csr_matrix(np.eye(4, dtype=np.float32)), seed=0)


def test_dense_batches_are_the_matrix(histories):
    parts = [lxr.dense(histories[users]) for users in batches(60, 7)]
    assert [len(part) for part in parts] == [7] * 8 + [4]
    assert all(part.dtype == torch.float32 for part in parts)
    assert torch.equal(torch.cat(parts), torch.from_numpy(histories.toarray()))
    order = np.random.default_rng(0).permutation(60)
    assert np.concatenate(list(batches(60, 7, order))).tolist() == order.tolist()
