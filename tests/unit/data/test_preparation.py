"""Ratings become histories: threshold, k-core, ids and titles on frames whose answer is known."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from toy_ratings import CHAIN, frame

import lxr
from lxr.data.preparation import check_candidates, k_core

NO_CORE = {"min_items_per_user": 1, "min_users_per_item": 1}


def pairs_of(data: lxr.Interactions) -> list[tuple]:
    """The (user, item) pairs by their original ids, row by row."""
    users, items = data.matrix.nonzero()
    return list(zip(data.user_ids[users].tolist(), data.item_ids[items].tolist(), strict=True))


# --- prepare ---------------------------------------------------------------------------------------------------------


def test_the_threshold_keeps_ratings_that_reach_it():
    ratings = frame((1, 10, 4), (1, 20, 3.9), (2, 10, 5), (2, 20, 4.0), (3, 20, 1))
    data = lxr.prepare(ratings, min_rating=4, **NO_CORE)
    assert pairs_of(data) == [(1, 10), (2, 10), (2, 20)]
    everything = lxr.prepare(ratings, min_rating=-np.inf, **NO_CORE)
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
        data = lxr.prepare(ratings, **NO_CORE)
    assert pairs_of(data) == [(1, 20), (2, 10), (2, 20)]
    assert data.n_duplicates == 3 and (data.matrix.data == 1).all()


PLAYS = frame((1, 10, 2), (1, 20, 5), (2, 10, 3), (1, 10, 1), (2, 20, 5), (1, 10, 2))


@pytest.mark.parametrize(
    ("repeats", "min_rating", "kept"),
    [
        ("sum", 5, [(1, 10), (1, 20), (2, 20)]),
        ("sum", 3, [(1, 10), (1, 20), (2, 10), (2, 20)]),
        ("last", 3, [(1, 20), (2, 10), (2, 20)]),
        ("first", 2, [(1, 10), (1, 20), (2, 10), (2, 20)]),
        (None, 2, [(1, 10), (1, 20), (2, 10), (2, 20)]),
    ],
)
@pytest.mark.filterwarnings("ignore:2 duplicate")
def test_repeats_are_added_or_one_of_them_counts(repeats, min_rating, kept):
    data = lxr.prepare(PLAYS, min_rating=min_rating, **NO_CORE, repeats=repeats)
    assert pairs_of(data) == kept and data.n_duplicates == 2


def test_what_is_asked_for_is_no_reason_to_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for repeats in ("sum", "last", "first"):
            assert lxr.prepare(PLAYS, min_rating=1, repeats=repeats).n_duplicates == 2
        assert lxr.prepare(PLAYS, min_rating=1, repeats="keep").n_duplicates == 0


def test_ratings_that_suffice_together_only_are_asked_about():
    message = "row 0: user 1 and item 10 are there 3 times, with the ratings 2, 1, 2, which reach min_rating=4 only together"
    with pytest.raises(lxr.DataError, match=f"ratings, {message}.*repeats='sum'.*repeats='last'"):
        lxr.prepare(PLAYS, min_rating=4)
    with pytest.raises(lxr.DataError, match="only together"):  # times say nothing of plays
        lxr.prepare(PLAYS.assign(timestamp=range(6)), min_rating=4)


def test_a_log_of_single_plays_is_added():
    log = frame((1, 10, 1), (1, 20, 1), (1, 10, 1), (2, 10, 1), (2, 20, 1), (2, 20, 1), (1, 20, 1), (1, 20, 1))
    with pytest.warns(UserWarning, match="4 duplicate .*added their ratings"):
        assert pairs_of(lxr.prepare(log, min_rating=2, **NO_CORE)) == [(1, 10), (1, 20), (2, 20)]


TIMES = {
    "numbers": [30, 10, 20, 5],
    "numbers with fractions": [0.3, 0.1, 0.2, 0.05],
    "dates": list(pd.to_datetime(["2026-03-01", "2026-01-01", "2026-02-01", "2025-01-01"])),
    "dates in zones": list(pd.to_datetime(["2026-03-01", "2026-01-01", "2026-02-01", "2025-01-01"], utc=True)),
    "text": ["2026-03-01", "2026-01-01", "2026-02-01", "2025-01-01"],
}


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_of_re_ratings_the_newest_counts_in_whatever_order_they_come(times):
    ratings = frame((1, 10, 5), (1, 10, 4), (1, 10, 1), (1, 20, 5)).assign(timestamp=times)
    for order in list(itertools.permutations(range(4)))[::5]:
        with pytest.warns(UserWarning, match="2 duplicate .*kept the newest of each"):
            assert pairs_of(lxr.prepare(ratings.iloc[list(order)], **NO_CORE)) == [(1, 10), (1, 20)]
        # The first is that of the second row, which is 4.
        first = lxr.prepare(ratings.iloc[list(order)], min_rating=5, **NO_CORE, repeats="first")
        assert pairs_of(first) == [(1, 20)]


def test_of_equal_times_the_last_row_counts():
    ratings = frame((1, 10, 5), (1, 20, 5), (1, 10, 1), (2, 20, 5)).assign(timestamp=7)
    assert pairs_of(lxr.prepare(ratings, min_rating=4, **NO_CORE, repeats="last")) == [(1, 20), (2, 20)]
    assert pairs_of(lxr.prepare(ratings, min_rating=4, **NO_CORE, repeats="first")) == [(1, 10), (1, 20), (2, 20)]


def test_implicit_data_needs_no_ratings():
    pairs = [(1, 10), (1, 20), (2, 10), (2, 30)]
    implicit = pd.DataFrame(pairs, columns=["user", "item"])
    for ratings in (implicit, implicit.assign(timestamp=5)):
        assert pairs_of(lxr.prepare(ratings, min_rating=99, **NO_CORE)) == pairs
    with pytest.warns(UserWarning, match="1 duplicate"):
        assert lxr.prepare(pd.concat([implicit, implicit.head(1)]), min_users_per_item=1).n_duplicates == 1
    with pytest.raises(lxr.DataError, match=r"no interaction is left of 4 ratings with min_rating"):
        lxr.prepare(implicit, min_items_per_user=3)


# --- users who have every item ---------------------------------------------------------------------------------------


def shop(n_full: int) -> pd.DataFrame:
    """Six users with three of six items each, in a ring; some others, "full-1" and so on, with all of them."""
    pairs = [(f"u{user}", (user + step) % 6) for user in range(6) for step in range(3)]
    return frame(*pairs, *((f"full-{number}", item) for number in range(n_full) for item in range(6)))


@pytest.mark.parametrize("n_full", [1, 2, 12])
def test_users_who_have_every_item_are_left_out_and_named(n_full):
    with pytest.warns(UserWarning, match=rf"left out.*: {n_full} users? \('full-0'.*"):
        data = lxr.prepare(shop(n_full))
    assert data.user_ids.tolist() == [f"u{user}" for user in range(6)] and data.item_ids.tolist() == list(range(6))
    assert set(data.complete_users) == {f"full-{number}" for number in range(n_full)}
    check_candidates(data)


def test_nobody_is_left_out_of_other_data():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert lxr.prepare(shop(0)).complete_users == ()


def test_leaving_out_goes_on_until_nothing_changes():
    # Without user 9, item 5 has a single user and falls; then user 8 has every item that is left, and so on.
    ratings = pd.concat(
        [shop(0), frame(*((9, item) for item in range(7)), *((8, item) for item in range(6)), (7, 6), (7, 0))]
    )
    ratings["user"] = ratings["user"].astype(str)
    with pytest.warns(UserWarning, match=r"2 users \('8', '9'\)"):
        data = lxr.prepare(ratings)
    assert data.complete_users == ("8", "9") and data.item_ids.tolist() == list(range(6))
    assert (np.diff(data.matrix.indptr) < 6).all() and (data.matrix.sum(axis=0) >= 2).all()


def test_if_nobody_would_be_left_all_stay_and_a_run_is_told_so():
    data = lxr.prepare(CHAIN)
    assert data.complete_users == () and data.matrix.shape == (3, 3)
    with pytest.raises(lxr.DataError, match=r"nothing is left to recommend to 1 user \(2\) of 3, who have every item"):
        check_candidates(data)


def test_features_are_nothing_to_recommend():
    ratings = shop(1)
    ratings.attrs["user_features"] = {"u0": {"age": "25–34"}}
    with pytest.warns(UserWarning, match="full-0"):
        data = lxr.prepare(ratings)
    check_candidates(data)
    with pytest.raises(lxr.DataError, match="nothing is left"):
        check_candidates(lxr.prepare(frame(("u0", 1), ("u0", 2)), min_rating=4, **NO_CORE))


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
    "another name for ratings": (CHAIN.rename(columns={"rating": "stars"}), r"rating, found \['user', 'item', 'stars'\]"),
    "another name": (CHAIN.rename(columns={"item": "movie"}), r"user, item, rating, found \['user', 'movie', 'rating'\]"),
    "no rows": (CHAIN.head(0), "ratings: expected at least one row, found none"),
    "NaN": (frame((1, 1), (1, 2, np.nan), (2, 1)), "ratings, row 1: expected a number as rating, found nan"),
    "infinite": (frame((1, 1), (1, 2), (2, 1, np.inf)), "ratings, row 2: expected a number as rating, found inf"),
    "a word": (frame((1, 1), (1, 2, "good"), (2, 1)), "ratings, row 1: expected a number as rating, found 'good'"),
    "numbers as text": (frame((1, 1, "5"), (1, 2, "4")), "ratings, row 0: expected a number as rating, found '5'"),
    "None": (frame((1, 1), (1, 2, None), (2, 1)), "ratings, row 1: expected a number as rating, found (nan|None)"),
    "user missing": (frame((1, 1), (np.nan, 2), (2, 1)), "ratings, row 1: expected an id of the user, found none"),
    "item missing": (frame(("a", "x"), ("a", "y"), ("b", None)), "ratings, row 2: expected an id of the item, found none"),
    "ids of two kinds": (frame(("a", 1), ("a", 2), (3, 1), (3, 2)), "user"),
}


BAD_RATINGS |= {
    "nothing": (None, "ratings: expected a frame with the columns user, item, rating, found NoneType"),
    "a series": (CHAIN["user"], "ratings: expected a frame .* found Series"),
    "an array": (CHAIN.to_numpy(), "ratings: expected a frame .* found ndarray"),
    "a column twice": (CHAIN[["user", "item", "rating", "item"]], "ratings: expected one column item, found 2"),
    "two levels of columns": (pd.concat({"a": CHAIN}, axis=1), "ratings: expected the columns user, item, rating"),
    "complex": (CHAIN.assign(rating=5j), "ratings, row 0: expected a number as rating, found 5j"),
    "dates": (
        CHAIN.assign(rating=pd.Timestamp("2026-01-01")),
        "ratings, row 0: expected a number as rating, found Timestamp",
    ),
    "ids that are booleans": (CHAIN.assign(user=True), "ratings, row 0: expected an integer or text as user"),
    "ids that are not exact": (CHAIN.assign(user=[*range(8), 2.0**60]), "ratings, row 8: expected an integer below"),
    "ids with fractions": (CHAIN.assign(item=CHAIN["item"] + 0.5), r"ratings, row 0: expected an integer .* found 10\.5"),
    "ids that are dates": (CHAIN.assign(user=pd.Timestamp("2026-01-01")), "ratings, row 0: expected an integer or text"),
    "an id of blanks": (frame(("a", 1), (" ", 2)), "ratings, row 1: expected an id of the user, found none"),
    "an id with NUL": (frame(("a", 1), ("a\0", 2)), "ratings, row 1: expected an id of the user without NUL"),
}


@pytest.mark.parametrize("ratings, message", BAD_RATINGS.values(), ids=BAD_RATINGS)
def test_bad_ratings_are_refused(ratings, message):
    with pytest.raises(lxr.DataError, match=message):
        lxr.prepare(ratings)


def test_a_rating_may_be_true_or_false():
    # Right to accept: True and False are 1 and 0, one to one, as in a column "liked"; the threshold then has to be 1.
    ratings = frame((1, 10), (1, 20), (2, 10), (2, 30)).assign(rating=[True, True, False, True])
    assert pairs_of(lxr.prepare(ratings, min_rating=1, **NO_CORE)) == [(1, 10), (1, 20), (2, 30)]
    with pytest.raises(lxr.DataError, match=r"from 0 to 1"):
        lxr.prepare(ratings)


def test_a_title_may_be_missing():
    # Right to accept: as with items that are not named at all, the id takes the place of the title.
    ratings = frame((1, 10), (1, 20), (2, 10), (2, 30))
    ratings.attrs["titles"] = {10: None, 20: float("nan"), 30: "Thirty"}
    assert lxr.prepare(ratings, min_rating=1, **NO_CORE).item_titles.tolist() == ["10", "20", "Thirty"]


BAD_ATTRIBUTES = {
    "titles in a list": ({"titles": ["a"]}, r"ratings.attrs\['titles'\]: expected a dictionary of item ids, found list"),
    "groups in an array": ({"groups": np.zeros(2)}, r"ratings.attrs\['groups'\]: expected a dictionary"),
    "a title that is a list": ({"titles": {10: [5]}}, r"ratings.attrs\['titles'\], item 10: expected text .* found \[5\]"),
    "a title with NUL": ({"titles": {10: "a\0"}}, "item 10: expected text without NUL"),
}


@pytest.mark.parametrize(("attributes", "message"), BAD_ATTRIBUTES.values(), ids=BAD_ATTRIBUTES)
def test_bad_attributes_are_refused(attributes, message):
    ratings = CHAIN.copy()
    ratings.attrs = attributes
    with pytest.raises(lxr.DataError, match=message):
        lxr.prepare(ratings)


@pytest.mark.parametrize(
    "ids", [["a", "b"], [1.0, 2.0], np.array([1, 2], np.uint8), pd.array([1, 2]), pd.Categorical([1, 2])]
)
def test_ids_of_every_exact_type_are_kept(ids):
    first, second = ids[0], ids[1]
    ratings = pd.DataFrame({"user": pd.Series(ids).repeat(2), "item": [1, 2, 1, 3], "rating": 5})
    assert lxr.prepare(ratings, min_rating=4, **NO_CORE).user_ids.tolist() == [first, second]


BAD_RULES = [
    *(("min_rating", value) for value in (np.nan, "4", None, True, [4])),
    *(("min_items_per_user", value) for value in (0, -1, 2.5, 2.0, "2", np.nan, None, True)),
    *(("min_users_per_item", value) for value in (0, -1, 2.5, "2", np.inf)),
    *(("repeats", value) for value in ("mean", "", 1, True, ["sum"])),
]


@pytest.mark.parametrize(("name", "value"), BAD_RULES, ids=str)
def test_a_bad_rule_is_refused_before_the_ratings_are_looked_at(name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected .*, found "):
        lxr.prepare(None, **{name: value})


def test_numbers_of_numpy_are_a_rule():
    data = lxr.prepare(CHAIN, min_rating=np.float32(4), min_items_per_user=np.int64(2), min_users_per_item=np.int32(2))
    assert (data.matrix != lxr.prepare(CHAIN).matrix).nnz == 0


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


def core_of(pairs: np.ndarray, shape: tuple[int, int], per_user: int, per_item: int) -> np.ndarray:
    """The pairs (n, 2) of the k-core; further rows that do not count are no part of it."""
    further = np.array([(user, item) for user in (0, 1) for item in range(shape[1])])
    rows = np.append(pairs, further, axis=0)
    users, items = k_core(*rows.T, shape, np.arange(len(rows)) < len(pairs), per_user, per_item)
    return pairs[users[pairs[:, 0]] & items[pairs[:, 1]]]


@pytest.mark.parametrize("per_user, per_item", [(1, 1), (2, 2), (3, 2), (2, 4), (4, 4)])
def test_the_core_equals_the_naive_loop(per_user, per_item):
    generator = np.random.default_rng(per_user * 10 + per_item)
    sizes = set()
    for _ in range(12):
        share = generator.uniform(0.1, 0.35)
        pairs = np.argwhere(generator.random((14, 12)) < share)
        kept = core_of(pairs, (14, 12), per_user, per_item)
        found = set(map(tuple, kept.tolist()))
        assert found == peeled(set(map(tuple, pairs.tolist())), per_user, per_item, generator)
        assert core_of(kept, (14, 12), per_user, per_item).tolist() == kept.tolist()
        sizes.add(len(found) / len(pairs))
    assert max(sizes) > 0 and ((per_user, per_item) == (1, 1) or min(sizes) < 1)  # cores of many sizes were seen


def test_the_core_is_the_largest():
    generator = np.random.default_rng(5)
    for _ in range(15):
        present = generator.random((5, 4)) < 0.5
        in_core = np.zeros_like(present)
        in_core[tuple(core_of(np.argwhere(present), present.shape, 2, 2).T)] = True
        for users, items in itertools.product(*(itertools.product([False, True], repeat=n) for n in present.shape)):
            part = present & np.outer(users, items)
            if (part.sum(axis=1)[list(users)] >= 2).all() and (part.sum(axis=0)[list(items)] >= 2).all():
                assert (in_core | ~part).all(), "a part in which everybody has two partners is not in the core"


def test_load_dataset_follows_the_registered_rule():
    data, rule = lxr.load_dataset("synthetic"), lxr.DATASETS["synthetic"]
    thresholds = {name: getattr(rule, name) for name in ("min_rating", "min_items_per_user", "min_users_per_item")}
    by_hand = lxr.prepare(lxr.load_ratings("synthetic"), **thresholds)
    assert (data.matrix != by_hand.matrix).nnz == 0
    assert data.item_titles.tolist() == by_hand.item_titles.tolist()
