"""Entries of prepared ratings: their order, times and weights on frames whose answer is known."""

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from toy_ratings import CHAIN, frame

import lxr

NO_CORE = {"min_items_per_user": 1, "min_users_per_item": 1}


def entries_of(data: lxr.Interactions) -> dict[int, list[tuple]]:
    """User id → (item id or title of a feature, time, weight) of each entry."""
    lists = data.histories()
    names = [*data.item_ids.tolist(), *(data.item_titles[data.n_items :] if data.n_features else ())]
    parts = [[None] * len(lists.items) if values is None else values.tolist() for values in (lists.times, lists.weights)]
    found = list(zip((names[item] for item in lists.items), *parts, strict=True))
    bounds = itertools.pairwise(lists.indptr)
    return {user: found[start:stop] for user, (start, stop) in zip(data.user_ids.tolist(), bounds, strict=True)}


# User 1 has 30 before 10, and then 20 and 40 at the same time.
TIMED = frame((1, 10, 4), (1, 20, 5), (1, 30, 4.5), (1, 40, 5), (2, 20, 5), (2, 10, 4), (2, 30, 1)).assign(
    timestamp=[60, 70, 50, 70, 9, 5, 1]
)
KNOWN = {1: [(30, 50, 4.5), (10, 60, 4), (20, 70, 5), (40, 70, 5)], 2: [(10, 5, 4), (20, 9, 5)]}


def test_entries_are_in_order_of_time_and_then_of_items():
    data = lxr.prepare(TIMED, **NO_CORE)
    assert entries_of(data) == KNOWN
    assert data.matrix.toarray().tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    lists = data.histories()
    assert (lists.items.dtype, lists.times.dtype, lists.weights.dtype) == (np.int64, np.float64, np.float64)


def test_the_order_of_rows_does_not_matter():
    for seed in range(20):
        assert entries_of(lxr.prepare(TIMED.sample(frac=1, random_state=seed), **NO_CORE)) == KNOWN


def test_without_times_entries_are_in_order_of_items():
    for seed in range(5):
        shuffled = CHAIN.sample(frac=1, random_state=seed)
        rated = lxr.prepare(shuffled)
        assert entries_of(rated)[2] == [(10, None, 5), (20, None, 5), (30, None, 5)]
        assert rated.histories().items.tolist() == rated.matrix.indices.tolist()
        assert entries_of(lxr.prepare(shuffled[["user", "item"]]))[3] == [(20, None, None), (30, None, None)]


DATES = ["2025-03-01 00:00:00.5", "2025-01-01", "2025-02-01"]
SECONDS = [1740787200.5, 1735689600, 1738368000]
MOMENTS = {
    "numbers": SECONDS,
    "dates": pd.to_datetime(DATES, format="ISO8601"),
    "dates of a zone": pd.to_datetime(DATES, format="ISO8601", utc=True).tz_convert("Asia/Tokyo"),
    "texts": DATES,
}


@pytest.mark.parametrize("moments", MOMENTS.values(), ids=MOMENTS)
def test_times_are_seconds(moments):
    data = lxr.prepare(frame((1, 10), (1, 20), (1, 30)).assign(timestamp=moments), **NO_CORE)
    assert entries_of(data) == {1: [(20, SECONDS[1], 5), (30, SECONDS[2], 5), (10, SECONDS[0], 5)]}


def test_close_times_are_told_apart_beyond_the_precision_of_seconds():
    nanoseconds = frame((1, 10), (1, 20)).assign(timestamp=[1_700_000_000_000_000_001, 1_700_000_000_000_000_000])
    assert lxr.prepare(nanoseconds, **NO_CORE).histories().items.tolist() == [1, 0]


@pytest.mark.parametrize("bad", [np.nan, "noon", None], ids=str)
def test_a_row_without_a_time_is_refused(bad):
    ratings = frame((1, 10), (1, 20), (2, 10)).assign(timestamp=pd.Series([1, bad, 2], dtype=object))
    with pytest.raises(lxr.DataError, match=r"ratings, row 1: expected a number or a date like .* as timestamp"):
        lxr.prepare(ratings, **NO_CORE)


# --- repeats ---------------------------------------------------------------------------------------------------------

# User 1 plays 10 twice, with 20 in between; user 2 plays 20, and 30 three times.
PLAYS = frame((1, 10, 2), (1, 20, 1), (1, 10, 3), (2, 30, 1), (2, 30, 1), (2, 20, 4), (2, 30, 2)).assign(
    timestamp=[10, 20, 30, 50, 40, 45, 40]
)


@pytest.mark.parametrize(
    ("repeats", "expected"),
    [
        ("last", {1: [(20, 20, 1), (10, 30, 3)], 2: [(20, 45, 4), (30, 50, 1)]}),
        ("first", {1: [(10, 10, 2), (20, 20, 1)], 2: [(30, 40, 1), (20, 45, 4)]}),
        ("sum", {1: [(20, 20, 1), (10, 30, 5)], 2: [(20, 45, 4), (30, 50, 4)]}),
        (
            "keep",
            {1: [(10, 10, 2), (20, 20, 1), (10, 30, 3)], 2: [(30, 40, 1), (30, 40, 2), (20, 45, 4), (30, 50, 1)]},
        ),
    ],
)
def test_entries_of_repeated_pairs(repeats, expected):
    data = lxr.prepare(PLAYS, min_rating=1, **NO_CORE, repeats=repeats)
    assert entries_of(data) == expected
    assert data.matrix.toarray().tolist() == [[1, 1, 0], [0, 1, 1]]
    assert data.n_duplicates == (0 if repeats == "keep" else 3)


def test_every_order_of_rows_gives_the_same_plays():
    expected = lxr.prepare(PLAYS[:4], min_rating=1, **NO_CORE, repeats="keep")
    for order in itertools.permutations(range(4)):
        found = lxr.prepare(PLAYS.iloc[list(order)], min_rating=1, **NO_CORE, repeats="keep")
        assert entries_of(found) == entries_of(expected)


def test_times_of_repeated_pairs_without_ratings():
    pairs = PLAYS.drop(columns="rating")
    newest, oldest = (entries_of(lxr.prepare(pairs, **NO_CORE, repeats=repeats)) for repeats in ("sum", "first"))
    assert newest[1] == [(20, 20, None), (10, 30, None)] and oldest[1] == [(10, 10, None), (20, 20, None)]


def test_minimum_counts_are_of_different_items_and_users():
    # User 2 alone plays item 30, three times; else she plays item 20 only, three times.
    others = [(1, 10), (1, 20), (3, 10), (3, 20), (5, 10), (5, 40), (6, 20), (6, 40)]
    plays = frame(*others, *[(2, 30), (2, 20)] * 3)
    data = lxr.prepare(plays, repeats="keep")
    assert data.user_ids.tolist() == [1, 3, 5, 6] and data.item_ids.tolist() == [10, 20, 40]
    data = lxr.prepare(plays, repeats="keep", min_items_per_user=1)
    assert entries_of(data)[2] == [(20, None, 5)] * 3 and data.item_ids.tolist() == [10, 20, 40]


def test_a_play_below_the_threshold_is_no_entry():
    data = lxr.prepare(PLAYS, min_rating=2, **NO_CORE, repeats="keep")
    assert entries_of(data) == {1: [(10, 10, 2), (10, 30, 3)], 2: [(30, 40, 2), (20, 45, 4)]}


# --- features, and the choice of users -------------------------------------------------------------------------------


def test_features_come_first_without_a_time():
    ratings = TIMED.copy()
    ratings.attrs["user_features"] = {1: {"age": "old", "hand": "left"}, 2: {"hand": "right"}}
    data = lxr.prepare(ratings, **NO_CORE)
    found = entries_of(data)
    assert [entry[0] for entry in found[1][:2]] == ["your age (old)", "your hand (left)"]
    assert np.isnan([found[1][0][1], found[1][1][1], found[2][0][1]]).all()
    assert found[1][0][2] == 1 and found[1][2:] == KNOWN[1] and found[2][1:] == KNOWN[2]
    assert (data.histories().matrix() != data.matrix).nnz == 0
    untimed = lxr.prepare(ratings[["user", "item"]], **NO_CORE)
    assert entries_of(untimed)[2] == [
        ("your hand (right)", None, None),
        (10, None, None),
        (20, None, None),
        (30, None, None),
    ]


def test_histories_of_some_users():
    data = lxr.prepare(TIMED, **NO_CORE)
    for by_hand in (data, lxr.Interactions(data.matrix, data.user_ids, data.item_ids)):
        turned = by_hand.histories([1, 0, 1])
        assert turned.lengths.tolist() == [2, 4, 2] and turned.n_columns == 4
        assert by_hand.histories(1).items.tolist() == [0, 1]
        for bad in ([], [2], [-1], [0.5], [True, False], [[0]]):
            with pytest.raises(ValueError, match=r"^rows: expected "):
                by_hand.histories(bad)
    assert turned.items.tolist() == [0, 1, 0, 1, 2, 3, 0, 1] and turned.times is None
    assert data.histories([1]).times.tolist() == [5, 9] and data.histories([0]).weights.tolist() == [4.5, 4, 5, 5]


def test_entries_of_a_matrix_are_by_ascending_item():
    matrix = sp.csr_matrix((np.ones(3, np.float32), [2, 0, 1], [0, 2, 3]), shape=(2, 3))
    data = lxr.Interactions(matrix, np.array([4, 7]), np.arange(3))
    assert data.histories().items.tolist() == [0, 2, 1] and data.entries is None
    assert matrix.indices.tolist() == [2, 0, 1]


# --- entries in files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("repeats", ["keep", "last"])
@pytest.mark.parametrize("columns", [[], ["rating"], ["timestamp"], ["rating", "timestamp"]], ids=str)
def test_saved_entries_come_back(tmp_path, repeats, columns):
    ratings = PLAYS[["user", "item", *columns]]
    ratings.attrs["user_features"] = {2: {"hand": "left"}}
    data = lxr.prepare(ratings, min_rating=1, **NO_CORE, repeats=repeats)
    data.save(tmp_path / "data.npz")
    again = lxr.Interactions.load(tmp_path / "data.npz")
    for name in ("items", "indptr", "times", "weights"):
        found, expected = getattr(again.entries, name), getattr(data.entries, name)
        assert (found is None) == (expected is None)
        if expected is not None:
            np.testing.assert_array_equal(found, expected, strict=True)
    assert again.entries.n_columns == data.n_columns and (again.matrix != data.matrix).nnz == 0


def test_interactions_without_entries_have_none_in_their_file(tmp_path):
    prepared = lxr.prepare(TIMED, **NO_CORE)
    lxr.Interactions(prepared.matrix, prepared.user_ids, prepared.item_ids).save(tmp_path / "data.npz")
    again = lxr.Interactions.load(tmp_path / "data.npz")
    assert again.entries is None and again.histories().items.tolist() == [0, 1, 2, 3, 0, 1]
