"""Histories as lists of entries: against Python's lists, user by user."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

import lxr
from lxr import EntryLists, Histories

N_COLUMNS = 7
ITEMS = st.lists(st.integers(0, N_COLUMNS - 1), max_size=6)
REPEATING = st.lists(ITEMS, min_size=1, max_size=4)
DISTINCT = st.lists(ITEMS.map(lambda items: list(dict.fromkeys(items))), min_size=1, max_size=4)


def scattered(lists, seed=0, **options) -> Histories:
    """The same entries in the same order, with padding of any item in between and at both ends."""
    generator = np.random.default_rng(seed)
    width = max(map(len, lists)) + 3
    items, real = generator.integers(0, N_COLUMNS, (len(lists), width)), np.zeros((len(lists), width), dtype=bool)
    for row, each in enumerate(lists):
        place = np.sort(generator.choice(width, len(each), replace=False))
        items[row, place], real[row, place] = each, True
    return Histories(torch.from_numpy(items), torch.from_numpy(real), N_COLUMNS, **options)


def both(lists) -> list[Histories]:
    """Entries with their padding at the end, and anywhere."""
    return [Histories.of_lists(lists, N_COLUMNS), scattered(lists)]


def numbers(histories: Histories, seed=0) -> torch.Tensor:
    """Numbers (B, L) without meaning, at the padding too."""
    return torch.rand(histories.shape, generator=torch.Generator().manual_seed(seed))


def entries(histories: Histories, values: torch.Tensor) -> list[list[tuple]]:
    """Item and value (B, L) of each entry of each user."""
    parts = zip(histories.items, values, histories.real, strict=True)
    return [list(zip(items[here].tolist(), row[here].tolist(), strict=True)) for items, row, here in parts]


@given(REPEATING)
def test_lists_come_back(lists):
    for histories in both(lists):
        assert [items.tolist() for items in histories.lists()] == lists
        assert histories.lengths.tolist() == list(map(len, lists))
        assert len(histories) == len(lists) and histories.shape == histories.real.shape


@given(REPEATING, st.integers(0, 5))
def test_what_is_kept_closes_up_in_its_order(lists, seed):
    for histories in both(lists):
        histories = Histories(
            histories.items, histories.real, N_COLUMNS, times=numbers(histories), weights=numbers(histories, 1)
        )
        stays = numbers(histories, seed + 2) < 0.5
        rest = histories.keep(stays)
        for name in ("times", "weights"):
            expected = entries(Histories(histories.items, histories.real & stays), getattr(histories, name))
            assert entries(rest, getattr(rest, name)) == expected
        assert rest.shape[1] == max(1, int(rest.lengths.max()))
        assert rest.real.int().diff(dim=1).le(0).all()  # padding comes last
        assert rest.n_columns == N_COLUMNS


@given(REPEATING)
def test_dense_rows_are_sums_of_weights(lists):
    for histories in both(lists):
        weights, keep = numbers(histories), numbers(histories, 1)
        weighted = Histories(histories.items, histories.real, N_COLUMNS, weights=weights)
        for found, values in (
            (histories.dense(), torch.ones(histories.shape)),
            (histories.dense(keep=keep), keep),
            (histories.dense(keep=keep < 0.5), (keep < 0.5).float()),
            (weighted.dense(), weights),
            (weighted.dense(keep=keep), keep * weights),
        ):
            expected = np.zeros((len(lists), N_COLUMNS))
            for row, pairs in enumerate(entries(histories, values)):
                for item, value in pairs:
                    expected[row, item] += value
            np.testing.assert_allclose(found, expected, rtol=1e-6)
            assert found.dtype == torch.float32


@given(DISTINCT)
def test_sparse_rows_are_the_dense_ones(lists):
    for histories in both(lists):
        play_counts = 1 + histories.items
        weighted = Histories(histories.items, histories.real, N_COLUMNS, weights=play_counts)
        soft = numbers(histories)
        for each in (histories, weighted):
            for keep in (None, soft, soft < 0.5, (soft < 0.5).int()):
                dense, rows = each.dense(keep=keep), each.rows(N_COLUMNS, keep)
                assert rows.shape == (len(rows), N_COLUMNS) == dense.shape
                assert rows.weights is None or rows.weights.dtype == torch.float32
                for found, expected in ((rows, dense), (rows.normalized(), torch.nn.functional.normalize(dense, dim=1))):
                    torch.testing.assert_close(written_out(found), expected)


def written_out(rows) -> torch.Tensor:
    """Rows (B, I) with their zeros."""
    weights = torch.ones(len(rows.items)) if rows.weights is None else rows.weights
    ends = [*rows.start.tolist()[1:], len(rows.items)]
    found = torch.zeros(rows.shape)
    for row, (start, end) in enumerate(zip(rows.start.tolist(), ends, strict=True)):
        found[row, rows.items[start:end]] = weights[start:end]
    return found


@given(DISTINCT)
def test_values_go_between_entries_and_rows(lists):
    for histories in both(lists):
        values, row = numbers(histories), torch.rand(len(lists), N_COLUMNS)
        there = histories.dense() > 0
        assert torch.equal(histories.at(histories.spread(values, N_COLUMNS)), values.masked_fill(~histories.real, 0))
        assert torch.equal(histories.spread(histories.at(row), N_COLUMNS), row.masked_fill(~there, 0))
        assert torch.equal(histories.padded(values[histories.real]), values.masked_fill(~histories.real, 0))


@given(REPEATING)
def test_what_is_unseen_and_what_is_seen_again(lists):
    for histories in both(lists):
        assert [set(row.nonzero().ravel().tolist()) for row in histories.unseen(N_COLUMNS)] == [
            set(range(N_COLUMNS)) - set(items) for items in lists
        ]
        first = [[(item, item not in items[:place]) for place, item in enumerate(items)] for items in lists]
        assert entries(histories, histories.first_times) == first
        assert not (histories.first_times & ~histories.real).any()
        assert histories.repeats == any(len(set(items)) < len(items) for items in lists)


@given(DISTINCT)
def test_matrices_and_dense_histories_are_lists_by_ascending_item(lists):
    ascending = [sorted(items) for items in lists]
    dense = Histories.of_lists(lists, N_COLUMNS).dense()
    for histories in (Histories.of_dense(dense), Histories.of_matrix(sp.csr_matrix(dense.numpy()))):
        assert [items.tolist() for items in histories.lists()] == ascending
        assert histories.n_columns == N_COLUMNS and histories.distinct and not histories.repeats
        assert torch.equal(histories.dense(), dense)


def test_a_matrix_keeps_its_own_order():
    matrix = sp.csr_matrix((np.ones(3), np.array([5, 0, 2]), np.array([0, 2, 3])), shape=(2, N_COLUMNS))
    assert [items.tolist() for items in Histories.of_matrix(matrix).lists()] == [[5, 0], [2]]


def test_others_join_after_the_padding():
    histories, others = Histories.of_lists([[4, 1], [3]], N_COLUMNS), Histories.of_lists([[0], [5, 6]], N_COLUMNS)
    together = histories.joined(others)
    assert [items.tolist() for items in together.lists()] == [[4, 1, 0], [3, 5, 6]]
    assert together.shape == (2, 4) and together.n_columns == N_COLUMNS and together.weights is None
    weighted = Histories(histories.items, histories.real, N_COLUMNS, weights=torch.full((2, 2), 3.0))
    assert weighted.joined(others).dense().tolist() == (3 * histories.dense() + others.dense()).tolist()
    assert others.joined(weighted).dense().tolist() == (3 * histories.dense() + others.dense()).tolist()
    timed = Histories(
        histories.items, histories.real, N_COLUMNS, times=torch.tensor([[5.0, 6], [7, 0]], dtype=torch.float64)
    )
    assert [items.tolist() for items in timed.joined(others).lists()] == [[4, 1, 0], [3, 5, 6]]
    for joined, known in ((timed.joined(others), slice(2)), (others.joined(timed), slice(2, 4))):
        assert torch.equal(joined.times[:, known], timed.times)  # the others have none
        assert joined.times.isnan().sum() == 4 and joined.weights is None
    assert timed.joined(timed).times.tolist() == [[5, 6, 5, 6], [7, 0, 7, 0]]


def test_users_are_taken_and_split_into_batches():
    histories = Histories.of_lists([[1], [2, 3], [4, 5, 6]], N_COLUMNS)
    assert [items.tolist() for items in histories[torch.tensor([2, 0])].lists()] == [[4, 5, 6], [1]]
    assert [items.tolist() for items in histories[torch.tensor([False, True, False])].lists()] == [[2, 3]]
    parts = histories.split(2)
    assert [len(part) for part in parts] == [2, 1] and parts[0].shape == (2, 3)
    assert parts[0].trimmed().shape == (2, 2) and parts[1].trimmed() is parts[1]
    assert histories.to("cpu").lists()[1].tolist() == [2, 3]


def test_trimming_takes_no_entry():
    left = Histories(torch.tensor([[0, 0, 5, 0], [0, 0, 0, 0]]), torch.tensor([[0, 0, 1, 0], [0, 0, 0, 0]]).bool())
    assert left.trimmed().shape == (2, 3) and left.trimmed().lists()[0].tolist() == [5]


def test_no_users_and_empty_histories_are_allowed():
    nobody, nothing = Histories.of_lists([], N_COLUMNS), Histories.of_lists([[]], N_COLUMNS)
    assert len(nobody) == 0 and nobody.lists() == [] and nobody.dense().shape == (0, N_COLUMNS)
    assert nothing.shape == (1, 1) and not nothing.real.any() and not nothing.dense().any()
    assert nothing.keep(nothing.real).shape == (1, 1) and nothing.rows(N_COLUMNS).items.tolist() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"items": torch.zeros(3, dtype=torch.int64)}, r"items \(B, L\), \(3,\), found \(3,\)"),
        ({"real": torch.ones(2, 4).bool()}, r"^real: expected the shape of items \(B, L\), \(2, 3\), found \(2, 4\)"),
        ({"times": torch.ones(2)}, r"^times: expected the shape of items .* found \(2,\)"),
        ({"weights": torch.ones(3, 2)}, r"^weights: expected the shape of items .* found \(3, 2\)"),
        (
            {"items": torch.ones(2, 3)},
            "^items, real: expected torch.int64 and torch.bool, found torch.float32 and torch.bool",
        ),
        (
            {"real": torch.ones(2, 3)},
            "^items, real: expected torch.int64 and torch.bool, found torch.int64 and torch.float32",
        ),
    ],
)
def test_other_tensors_are_refused(change, message):
    good = {"items": torch.zeros(2, 3, dtype=torch.int64), "real": torch.ones(2, 3).bool()}
    with pytest.raises(ValueError, match=message):
        lxr.Histories(**good | change)


# --- entries of many users -------------------------------------------------------------------------------------------


def listed(lists, **options) -> EntryLists:
    """Entries of users, given by their lists of items."""
    indptr = np.append(0, np.cumsum([len(items) for items in lists]))
    return EntryLists(np.array([item for items in lists for item in items], dtype=int), indptr, N_COLUMNS, **options)


@given(REPEATING, st.data())
def test_entries_of_many_users_are_those_of_each(lists, data):
    entries = listed(lists)
    assert len(entries) == len(lists) and entries.lengths.tolist() == list(map(len, lists))
    assert entries.users.tolist() == [user for user, items in enumerate(lists) for _ in items]
    users = data.draw(st.lists(st.integers(0, len(lists) - 1), min_size=1))
    for part in (entries[np.array(users)].batch(), entries.batch(np.array(users))):
        assert [items.tolist() for items in part.lists()] == [lists[user] for user in users]
        assert part.n_columns == N_COLUMNS
    expected = Histories.of_lists(lists, N_COLUMNS).dense() > 0
    assert torch.equal(torch.tensor(entries.matrix().toarray()), expected.float())


def test_times_and_weights_follow_their_entries():
    entries = listed([[4, 1], [], [4, 4, 0]], times=np.arange(5.0), weights=np.arange(5))
    part = entries[np.array([2, 0])]
    assert part.items.tolist() == [4, 4, 0, 4, 1] and part.indptr.tolist() == [0, 3, 5]
    assert part.times.tolist() == [2, 3, 4, 0, 1] and part.weights.tolist() == [2, 3, 4, 0, 1]
    batch = entries.batch(slice(1, 3))
    assert batch.times.tolist() == [[0, 0, 0], [2, 3, 4]] and batch.weights is None


@pytest.mark.parametrize("integers", [np.int32, np.int64])
def test_the_matrix_of_entries_leaves_them_unchanged(integers):
    items, indptr = np.array([2, 2, 1, 0], dtype=integers), np.array([0, 2, 4], dtype=integers)
    assert EntryLists(items, indptr, 3).matrix().toarray().tolist() == [[0, 0, 1], [1, 1, 0]]
    assert items.tolist() == [2, 2, 1, 0] and indptr.tolist() == [0, 2, 4]


def test_entries_of_a_matrix():
    matrix = sp.csr_matrix(np.array([[1, 0, 1], [0, 0, 0]], dtype=np.float32))
    entries = EntryLists.of_matrix(matrix)
    assert entries.items.tolist() == [0, 2] and entries.indptr.tolist() == [0, 2, 2] and entries.n_columns == 3
    assert (entries.matrix() != matrix).nnz == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"items": np.array([2, 7, 1])}, "^items: expected items from 0 to 6, found 7"),
        ({"items": np.array([2, 0, -1])}, "^items: expected items from 0 to 6, found -1"),
        ({"indptr": np.array([0, 2, 4])}, "^indptr: expected ascending numbers from 0 to 3"),
        ({"indptr": np.array([1, 2, 3])}, "^indptr: expected ascending numbers from 0 to 3"),
        ({"indptr": np.array([0, 4, 3])}, "^indptr: expected ascending numbers from 0 to 3"),
        ({"times": np.zeros(2)}, r"^times: expected 3 numbers, one per entry, found shape \(2,\)"),
        ({"weights": np.zeros((3, 1))}, r"^weights: expected 3 numbers, one per entry, found shape \(3, 1\)"),
    ],
)
def test_other_arrays_are_refused(change, message):
    good = {"items": np.array([2, 0, 1]), "indptr": np.array([0, 2, 3]), "n_columns": N_COLUMNS}
    with pytest.raises(ValueError, match=message):
        EntryLists(**good | change)


def test_rows_of_an_unknown_width_are_refused():
    with pytest.raises(ValueError, match=r"^n_columns: expected the number of items, found none"):
        Histories.of_lists([[1]]).dense()
    assert Histories.of_lists([[1]]).dense(3).tolist() == [[0, 1, 0]]
