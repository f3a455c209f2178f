"""The gate for histories, targets and scores: many forms, one meaning; everything else one clear error."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import lxr
from lxr import EntryLists, Histories
from lxr.data.inputs import (
    as_csr,
    as_entries,
    as_histories,
    as_items,
    as_lists,
    as_matrix,
    as_pair,
    as_scores,
    check_entries,
)

BINARY = arrays.arrays(np.int8, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.integers(0, 1))


def shuffled(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """The same matrix with the entries of each row from right to left."""
    parts = [slice(*ends) for ends in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)]
    order = np.concatenate([np.arange(matrix.nnz)[part][::-1] for part in parts]).astype(int)
    return sp.csr_matrix((matrix.data[order], matrix.indices[order], matrix.indptr), shape=matrix.shape)


def with_zeros(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """The same matrix with an entry in every place, zeros too."""
    dense = matrix.toarray()
    return sp.csr_matrix(
        (dense.ravel(), np.tile(np.arange(dense.shape[1]), len(dense)), np.arange(len(dense) + 1) * dense.shape[1])
    )


def negative_strides(matrix: sp.csr_matrix) -> np.ndarray:
    """The same matrix as a view from right to left and from bottom to top."""
    return np.ascontiguousarray(matrix.toarray()[::-1, ::-1])[::-1, ::-1]


def in_inference_mode(matrix: sp.csr_matrix) -> torch.Tensor:
    """The same matrix as a tensor that autograd may not touch."""
    with torch.inference_mode():
        return torch.from_numpy(matrix.toarray()) * 1


FORMS = {
    "csr": lambda matrix: matrix,
    "unsorted": shuffled,
    "explicit zeros": with_zeros,
    "integers": lambda matrix: matrix.astype(np.int64),
    "booleans": lambda matrix: matrix.astype(bool),
    "sparse array": sp.csr_array,
    "coo": lambda matrix: matrix.tocoo(),
    "lil": lambda matrix: matrix.tolil(),
    "dok": lambda matrix: matrix.todok(),
    "bsr": lambda matrix: matrix.tobsr(),
    "array": lambda matrix: matrix.toarray(),
    "half precision": lambda matrix: matrix.toarray().astype(np.float16),
    "unsigned": lambda matrix: matrix.toarray().astype(np.uint8),
    "Fortran order": lambda matrix: np.asfortranarray(matrix.toarray()),
    "negative strides": negative_strides,
    "matrix": lambda matrix: matrix.todense(),
    "frame": lambda matrix: pd.DataFrame(matrix.toarray()),
    "lists": lambda matrix: matrix.toarray().tolist(),
    "tensor": lambda matrix: torch.from_numpy(matrix.toarray()),
    "bfloat16 tensor": lambda matrix: torch.from_numpy(matrix.toarray()).bfloat16(),
    "strided tensor": lambda matrix: torch.from_numpy(matrix.toarray().T.copy()).T,
    "boolean tensor": lambda matrix: torch.from_numpy(matrix.toarray()) > 0,
    "sparse tensor": lambda matrix: torch.from_numpy(matrix.toarray()).to_sparse(),
    "tensor with gradient": lambda matrix: torch.from_numpy(matrix.toarray()).requires_grad_(),
    "tensor of inference mode": in_inference_mode,
}


@pytest.mark.slow
@pytest.mark.parametrize("form", list(FORMS))
@given(binary=BINARY)
def test_every_form_means_the_same_histories(form, binary):
    expected = sp.csr_matrix(binary.astype(np.float32))
    value = FORMS[form](expected.copy())
    before = as_csr("value", FORMS[form](expected.copy())).toarray()
    matrix = as_matrix(binary.shape[1], matrix=value)
    assert matrix.dtype == np.float32 and matrix.format == "csr" and matrix.has_canonical_format
    np.testing.assert_array_equal(matrix.toarray(), binary)
    assert matrix.nnz == binary.sum()  # no zeros
    history = as_histories(binary.shape[1], value)
    assert history.dtype == torch.float32 and not history.requires_grad and not history.is_inference()
    np.testing.assert_array_equal(history.numpy(), binary)
    np.testing.assert_array_equal(as_csr("value", value).toarray(), before)  # left as it was


@pytest.mark.parametrize("form", list(FORMS))
def test_every_form_is_explained_and_judged_alike(form, train_matrix):
    model, matrix = lxr.MF(20, n_factors=4), train_matrix[:6]
    value = FORMS[form](matrix.copy())
    explainer = lxr.EXPLAINERS["cosine"](model, FORMS[form](train_matrix.copy()))
    target = lxr.top_item(model, matrix)
    found = lxr.top_item(model, value)
    assert isinstance(found, np.ndarray if sp.issparse(value) else torch.Tensor)
    np.testing.assert_array_equal(np.asarray(found), target)
    scores = lxr.EXPLAINERS["cosine"](model, train_matrix).explain(matrix, target)
    found = [explainer.explain(value, each) for each in (target.tolist(), pd.Series(target))]
    for each in found:
        assert sp.issparse(each) == sp.issparse(value)
        np.testing.assert_array_equal(each.toarray() if sp.issparse(each) else each.numpy(), scores.toarray())
        assert not sp.issparse(each) or each.nnz == matrix.nnz  # zeros included
    expected = lxr.evaluate_fidelity(model, matrix, target, scores).summary()
    for importance in (scores, shuffled(scores), scores.tocoo(), scores.toarray(), torch.from_numpy(scores.toarray())):
        pd.testing.assert_frame_equal(lxr.evaluate_fidelity(model, value, target, importance).summary(), expected)
    assert lxr.rank_quality(model, value) == lxr.rank_quality(model, matrix)


ROWS = sp.csr_matrix(np.array([[1, 0, 1, 0], [0, 1, 1, 0]], dtype=np.float32))
BAD_MATRICES = {
    "an item twice": (
        sp.csr_matrix((np.ones(4), [0, 0, 1, 2], [0, 2, 4]), shape=(2, 4)),
        "row 0: expected distinct items, found item 0 more than once",
    ),
    "an item twice, unsorted": (
        sp.csr_matrix((np.ones(5), [0, 2, 3, 1, 3], [0, 2, 5]), shape=(2, 4)),
        "row 1: expected distinct items, found item 3 more than once",
    ),
    "an item twice in a COO": (
        sp.coo_matrix((np.ones(3), ([0, 0, 1], [2, 2, 1])), shape=(2, 4)),
        "row 0: expected distinct items, found item 2",
    ),
    "ratings": (ROWS * 4, "row 0, item 0: expected only ones as entries, found 4.0"),
    "ratings in a frame": (pd.DataFrame([[0, 0, 1, 3]]), "row 0, item 3: expected only ones as entries, found 3"),
    "negative": (-ROWS.toarray(), "row 0, item 0: expected only ones as entries, found -1.0"),
    "not a number": (ROWS * np.nan, "row 0, item 0: expected only ones as entries, found nan"),
    "complex": (ROWS.astype(complex), "expected real numbers, found complex128"),
    "by columns": (ROWS.tocsc(), r"expected a CSR matrix of \(users, items\), as .tocsr\(\) makes it, found csc"),
    "diagonals": (sp.eye(4, format="dia"), "expected a CSR matrix .* found dia"),
    "another catalogue": (ROWS[:, :3], r"expected \(users, 4\) with at least one user, found \(2, 3\)"),
    "nobody": (ROWS[:0], r"expected \(users, 4\) with at least one user, found \(0, 4\)"),
    "flat": ([1, 0, 1, 0], r"expected two dimensions, users and items, found shape \(4,\)"),
    "rows of different lengths": ([[1, 0, 1, 0], [1]], "expected real numbers in rows of one length, found list"),
    "text": ([["1", "0", "1", "0"]], "expected real numbers, found <U1"),
    "objects": (pd.DataFrame([[1, 0, None, "a"]]), "expected real numbers, found DataFrame"),
    "nothing": (None, "expected real numbers, found NoneType"),
    "masked": (np.ma.masked_array([[1, 0, 1, 0]], [[0, 0, 1, 0]]), "expected real numbers, found a masked array"),
    "complex tensor": (torch.ones(2, 4, dtype=torch.complex64), "expected real numbers, found torch.complex64"),
}


@pytest.mark.parametrize("name", list(BAD_MATRICES))
def test_what_is_no_matrix_of_histories_is_refused_at_every_entrance(name):
    value, message = BAD_MATRICES[name]
    model = lxr.MF(4, n_factors=2)
    cosine = lxr.EXPLAINERS["cosine"](model, ROWS)
    calls = {
        "matrix": lambda: lxr.rank_quality(model, value),
        "train_matrix": lambda: lxr.EXPLAINERS["jaccard"](model, value),
        "train_matrix ": lambda: lxr.fit(model, value, ROWS, epochs=1),
        "validation_matrix": lambda: lxr.fit(model, ROWS, value, epochs=1),
        "train_matrix  ": lambda: lxr.train_lxr(model, value, ROWS),
    }
    if sp.issparse(value):
        calls["history"] = lambda: cosine.explain(value, np.array([1, 0]))
    for argument, call in calls.items():
        with pytest.raises(ValueError, match=f"^{argument.strip()}(, row|:) ?{message.removeprefix('row')}"):
            call()
    if sp.issparse(value):
        with pytest.raises(ValueError, match=f"^history(, row|:) ?{message.removeprefix('row')}"):
            lxr.top_item(model, value)


@pytest.mark.parametrize("damage", ["beyond", "negative", "pointers"])
def test_a_matrix_that_points_outside_of_itself_is_refused(damage):
    broken = sp.csr_matrix(ROWS)
    if damage == "pointers":
        broken.indptr = np.array([0, 3, 2], dtype=np.int32)
    else:
        broken.indices = np.array([0, 10**8 if damage == "beyond" else -3, 1, 2], dtype=np.int32)
    with pytest.raises(ValueError, match="train_matrix: expected a valid matrix"):
        as_matrix(4, train_matrix=broken)


BAD_TARGETS = {
    "too few": ([1], r"expected shape \(2,\), found \(1,\)"),
    "a column": (np.array([[1], [0]]), r"expected shape \(2,\), found \(2, 1\)"),
    "floats": ([1.0, 0.0], "expected integer item indices, found float64"),
    "booleans": ([True, False], "expected integer item indices, found bool"),
    "text": (["1", "0"], "expected integer item indices, found <U1"),
    "nothing": (None, "expected integer item indices, found NoneType"),
    "one item": (1, r"expected shape \(2,\), found \(\)"),
    "too high": ([1, 9], "row 1: expected an item from 0 to 3, found 9"),
    "huge": (np.array([1, 2**64 - 1], dtype=np.uint64), "row 1: expected an item index, found 18446744073709551615"),
    "negative": (torch.tensor([-1, 0]), "row 0: expected an item from 0 to 3, found -1"),
    "inside": ([1, 1], "row 1: expected an item outside the history, found 1 inside it"),
}


@pytest.mark.parametrize("name", list(BAD_TARGETS))
def test_what_is_no_target_is_refused_at_every_entrance(name):
    target, message = BAD_TARGETS[name]
    model = lxr.MF(4, n_factors=2)
    explainer = lxr.EXPLAINERS["leave-one-out"](model, ROWS)
    for call in (
        lambda: explainer.explain(ROWS, target),
        lambda: explainer.explain(ROWS.toarray(), target),
        lambda: lxr.evaluate_fidelity(model, ROWS, target, ROWS),
        lambda: lxr.evaluate_fidelity(model, ROWS, target, ROWS),
        lambda: lxr.evaluation.exhaustive_optimum(model, ROWS, target, length=1),
        lambda: lxr.evaluation.greedy_bound(model, ROWS, target),
    ):
        with pytest.raises(ValueError, match=f"^target(: |, ){message}"):
            call()


@given(
    kind=st.sampled_from([np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.uint64]),
    items=st.lists(st.integers(0, 100)),
)
def test_items_may_be_integers_of_any_kind(kind, items):
    if items:
        found = as_items("target", np.array(items, dtype=kind), len(items))
        assert found.tolist() == items and found.dtype == np.int64


@given(binary=BINARY, order=st.randoms(use_true_random=False))
def test_scores_of_other_users_are_refused(binary, order):
    """Whatever the order of rows: only where all histories agree may it go unnoticed."""
    matrix = as_matrix(matrix=binary)
    if not matrix.nnz:
        return
    rows = list(range(matrix.shape[0]))
    order.shuffle(rows)
    permuted = matrix[rows].tocsr()
    if (permuted != matrix).nnz:
        with pytest.raises(
            ValueError, match=r"importance, row .*: expected scores of the history items alone, found one of"
        ):
            as_scores(matrix, importance=permuted)
    else:
        assert (as_scores(matrix, importance=permuted) != matrix).nnz == 0


def test_absent_scores_are_zero_but_not_all_of_them():
    scores = as_scores(ROWS, importance=sp.csr_matrix([[0, 0, 3.0, 0], [0, 2, 0, 0]]))
    assert scores.data.tolist() == [0, 3, 2, 0] and scores.indices.tolist() == ROWS.indices.tolist()
    with pytest.raises(ValueError, match="importance: expected scores of 4 history items, found none"):
        as_scores(ROWS, importance=sp.csr_matrix((2, 4)))
    with pytest.raises(ValueError, match="importance, row 1, item 2: expected a finite score, found inf"):
        as_scores(ROWS, importance=[[1, 0, 2, 0], [0, 1, np.inf, 0]])
    with pytest.raises(ValueError, match=r"importance: expected scores of shape \(2, 4\), found \(2, 3\)"):
        as_scores(ROWS, importance=np.ones((2, 3)))


def test_two_explanations_are_compared_in_one_order():
    a, b = (sp.csr_matrix(np.array([[3.0, 0, 1, 2]])), sp.csr_matrix(np.array([[1.0, 0, 2, 4]])))
    first, second = as_pair(a=a, b=shuffled(b))
    assert first.indices.tolist() == second.indices.tolist() == [0, 2, 3] and second.data.tolist() == [1, 2, 4]
    np.testing.assert_array_equal(lxr.metrics.rank_correlation(a, shuffled(b)), lxr.metrics.rank_correlation(a, b))


def test_stale_flags_of_scipy_are_not_believed():
    """A matrix whose columns were changed in place still says that it is sorted and has no entry twice."""
    matrix = sp.csr_matrix(np.array([[0, 1, 0, 1]], dtype=np.float32))
    assert matrix.has_canonical_format
    matrix.indices[:] = [3, 1]
    assert as_matrix(train_matrix=matrix).indices.tolist() == [1, 3] and matrix.indices.tolist() == [3, 1]
    matrix.indices[:] = [2, 2]
    with pytest.raises(ValueError, match="train_matrix, row 0: expected distinct items, found item 2"):
        as_matrix(train_matrix=matrix)


def test_a_model_or_an_explainer_of_another_kind_is_refused():
    for call in (
        lambda: lxr.top_item(lambda x: x, ROWS),
        lambda: lxr.top_item("mf", ROWS),
        lambda: lxr.fit(None, ROWS, ROWS),
        lambda: lxr.EXPLAINERS["cosine"](torch.nn.Linear(4, 4), ROWS),
        lambda: lxr.evaluate_fidelity(3, ROWS, [1, 0], ROWS),
        lambda: lxr.evaluation.greedy_bound(None, ROWS, [1, 0]),
        lambda: lxr.train_path_lxr(lambda x: x, ROWS),
    ):
        with pytest.raises(ValueError, match=r"^model: expected a recommender \(lxr.wrap makes one\), found "):
            call()
    for explainer in ("cosine", None, lxr.EXPLAINERS["cosine"], lxr.MF(4)):
        with pytest.raises(ValueError, match=r"^explainer: expected an explainer, as lxr.EXPLAINERS\[name\]"):
            lxr.explainers.mean_fidelity(explainer, ROWS)


def accepted() -> dict[str, Callable]:
    """Calls that look bad and are not: each with the reason why it is clear what it means."""
    model, target = lxr.MF(4, n_factors=2), np.array([1, 0])
    cosine = lxr.EXPLAINERS["cosine"](model, ROWS)
    history, scores = ROWS.toarray(), sp.csr_matrix([[0.5, 0, 0.2, 0], [0, 0.1, 0.3, 0]])
    return {
        # Zeros and ones in rows of users have one meaning, whatever holds them.
        "a dense matrix of histories": lambda: lxr.top_item(model, history),
        "dense training users": lambda: lxr.EXPLAINERS["cosine"](model, history),
        "dense training users of a recommender": lambda: lxr.Popularity(history),
        "dense histories to judge by": lambda: lxr.evaluate_fidelity(model, history, target, scores.toarray()),
        # COO says users and items of every entry; only a CSC matrix may have items as rows.
        "a COO matrix": lambda: cosine.explain(ROWS.tocoo(), target),
        # A zero that is stored is as absent as one that is not: a history of one item less, with one score less.
        "a stored zero": lambda: cosine.explain(with_zeros(ROWS), target),
        # Integers are items, however many bits they have; more items than a type can count are not representable in it.
        "a list of targets": lambda: cosine.explain(ROWS, [1, 0]),
        "targets of eight bits": lambda: cosine.explain(ROWS, target.astype(np.uint8)),
        "a list of targets to judge": lambda: lxr.evaluate_fidelity(model, ROWS, [1, 0], scores),
        # Dense scores are read at the history items, where every user has one.
        "dense scores": lambda: lxr.evaluate_fidelity(model, ROWS, target, scores.toarray()),
        "scores in an array": lambda: lxr.evaluate_fidelity(model, ROWS, target, scores.toarray()),
        # A set of items is an importance of two levels.
        "a set as importance": lambda: lxr.evaluate_fidelity(model, ROWS, target, scores.toarray() > 0.15),
        # Many steps are slow, but allowed as long as they fit into memory: steps of no item repeat the last value.
        "more steps than items": lambda: lxr.evaluate_fidelity(model, ROWS, target, scores, steps=10**4),
        # Integers are logits: counts, for example.
        "integer logits": lambda: lxr.wrap(lambda x: (x @ torch.ones(4, 4)).long() * torch.arange(4), 4, "sigmoid")(
            as_histories(4, ROWS)
        ),
    }


@pytest.mark.parametrize("name", list(accepted()))
def test_what_looks_bad_but_is_clear_is_accepted(name):
    assert accepted()[name]() is not None


# --- entries ---------------------------------------------------------------------------------------------------------

GOOD = [[3, 0], [1], [2, 4, 0]]
BAD_ENTRIES = {
    "an item beyond": (lambda: (Histories.of_lists([[3], [1, 5], [7]]), [2, 3, 0]), "history, row 1: .*0 to 4, found 5"),
    "an item below": (lambda: (Histories.of_lists([[3], [1], [-2]]), [2, 3, 0]), "history, row 2: .*0 to 4, found -2"),
    "another catalogue": (lambda: (Histories.of_lists(GOOD, 6), [2, 3, 1]), "history: expected entries of 5 items, found 6"),
    "nobody": (lambda: (Histories.of_lists([], 5), []), "history: expected at least one user, found none"),
    "no entry": (lambda: (Histories.of_lists([[3], [], [1]]), [2, 3, 0]), "history, row 1: expected at least one item"),
    "a consumed target": (
        lambda: (Histories.of_lists(GOOD), [2, 3, 4]),
        "target, row 2: expected an item outside the history",
    ),
    "a foreign target": (lambda: (Histories.of_lists(GOOD), [2, 5, 1]), "target, row 1: .*found 5"),
    "too few targets": (lambda: (Histories.of_lists(GOOD), [2, 3]), r"target: expected shape \(3,\), found \(2,\)"),
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_bad_entries_are_refused_at_every_entrance(name):
    make, message = BAD_ENTRIES[name]
    (history, target), model = make(), lxr.MF(5, n_factors=2)
    explainer = lxr.EXPLAINERS["leave-one-out"](model, None)
    for call in (
        lambda: as_entries(model, history, target),
        lambda: explainer.explain(history, target),
        lambda: lxr.evaluate_fidelity(model, history, target, torch.zeros(history.shape)),
    ):
        with pytest.raises(ValueError, match=message):
            call()


BAD_LISTS = {
    "another catalogue": ([[3], [1]], 6, [2, 3], "history: expected users of 5 items, found 2 users of 6 items"),
    "nobody": ([], 5, [], "history: expected users of 5 items, found 0 users of 5 items"),
    "no entry": ([[3], [], [1]], 5, [2, 3, 0], "history, row 1: expected at least one item"),
    "a consumed target": (GOOD, 5, [2, 3, 4], "target, row 2: expected an item outside the history"),
    "a foreign target": (GOOD, 5, [2, 5, 1], "target, row 1: .*found 5"),
    "too few targets": (GOOD, 5, [2, 3], r"target: expected shape \(3,\), found \(2,\)"),
}


def many(lists, n_columns=5) -> EntryLists:
    """Entries of users, given by their lists of items."""
    items = np.array([item for each in lists for item in each], dtype=int)
    return EntryLists(items, np.append(0, np.cumsum([len(each) for each in lists], dtype=int)), n_columns)


@pytest.mark.parametrize("name", BAD_LISTS)
def test_bad_entries_of_many_users_are_refused_at_every_entrance(name):
    lists, n_columns, target, message = BAD_LISTS[name]
    history, model = many(lists, n_columns), lxr.MF(5, n_factors=2)
    explainer = lxr.EXPLAINERS["leave-one-out"](model, None)
    for call in (
        lambda: as_lists(model, history, target),
        lambda: explainer.explain(history, target),
        lambda: lxr.evaluate_fidelity(model, history, target, np.zeros(len(history.items))),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_scores_of_many_users_are_one_per_entry_and_finite():
    model, history, target = lxr.MF(5, n_factors=2), many(GOOD), [2, 3, 1]
    scores = np.array([0, 1, 2, 3, np.nan, 5])
    with pytest.raises(ValueError, match="importance, row 2, item 4: expected a finite score, found nan"):
        lxr.evaluate_fidelity(model, history, target, scores, users_per_batch=1)
    with pytest.raises(ValueError, match=r"importance: expected the history's shape \(6,\), found \(5,\)"):
        lxr.evaluate_fidelity(model, history, target, scores[:5])


def test_entries_know_their_catalogue_and_have_the_first_item_at_the_padding():
    padded = Histories(torch.tensor([[3, -1], [2, 9]]), torch.tensor([[True, False], [True, False]]))
    found = check_entries(5, padded)
    assert found.n_columns == 5 and found.items.tolist() == [[3, 0], [2, 0]]
    assert padded.items.tolist() == [[3, -1], [2, 9]]  # arguments are never changed


def test_entries_keep_their_order_and_rows_are_ascending():
    model, target = lxr.MF(5, n_factors=2), [2, 3, 1]
    histories, chosen = as_entries(model, Histories.of_lists(GOOD), target)
    assert [items.tolist() for items in histories.lists()] == GOOD and chosen.tolist() == target
    for form in (histories.dense(), histories.dense().int().tolist()):
        found, _ = as_entries(model, form, target)
        assert [items.tolist() for items in found.lists()] == [sorted(items) for items in GOOD]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_score_that_is_not_finite_is_refused_at_an_entry_alone(bad):
    model, histories, target = lxr.MF(5, n_factors=2), Histories.of_lists(GOOD), [2, 3, 1]
    scores = torch.ones(histories.shape).masked_fill(~histories.real, bad)
    assert lxr.evaluate_fidelity(model, histories, target, scores).rank.shape == (3,)
    scores[2, 1] = bad
    with pytest.raises(ValueError, match="importance, row 2, item 4: expected a finite score, found"):
        lxr.evaluate_fidelity(model, histories, target, scores)
    with pytest.raises(ValueError, match=r"importance: expected the history's shape \(3, 3\), found \(3, 5\)"):
        lxr.evaluate_fidelity(model, histories, target, torch.ones(3, 5))
