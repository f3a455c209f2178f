"""Checks of histories, targets and scores.

Tensors, NumPy arrays, frames, lists and SciPy matrices are accepted if their meaning is clear. They become dense float32
tensors, or CSR matrices in canonical form. Everything else raises one ValueError that names the argument and the row, the
expected and the found value. Arguments are never changed.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from lxr.data.histories import EntryLists, Histories
from lxr.utils.checks import check_finite, first
from lxr.utils.sparse import rows

REAL = "buif"  # NumPy's kinds of real numbers
BY_ROWS = ("csr", "coo", "lil", "dok", "bsr")  # a CSC matrix usually has items as rows: ambiguous


def as_histories(n_columns: int, history: object, device: torch.device | str = "cpu") -> torch.Tensor:
    """Dense binary histories.

    Args:
        n_columns: width I of histories.
        history: (B, I) zeros and ones: tensor, array, frame, lists or SciPy matrix.
        device: device of the result; a tensor stays on its own device.

    Returns:
        (B, I) float32, without a gradient.

    Raises:
        ValueError: anything else; names the row.

    Example:
        >>> as_histories(3, [[0, 1, 1]])
        tensor([[0., 1., 1.]])
    """
    x = as_tensor("history", history, device)
    check_width(n_columns, x)
    if x.shape[0] == 0:
        raise ValueError("history: expected at least one user, found none")
    not_binary = ((x != 0) & (x != 1)).any(dim=1)
    if not_binary.any():
        raise ValueError(f"history, row {first(not_binary)}: expected only 0 and 1")
    return x.float()


def as_entries(model, history: object, target: object) -> tuple[Histories, torch.Tensor]:
    """Histories as entries, and targets, that can be explained for a recommender.

    Args:
        model: recommender of I items.
        history: :class:`lxr.Histories`, or (B, I) histories as :func:`as_histories` takes them; at least one entry each.
        target: (B,) items outside the histories: tensor, array, series or list of integers.

    Returns:
        The histories, and the targets (B,) int64, on one device.

    Raises:
        ValueError: anything else; names the argument and the row.

    Example:
        >>> import lxr
        >>> histories, target = as_entries(lxr.MF(4), [[0, 1, 1, 0]], [3])
        >>> histories.items
        tensor([[1, 2]])
    """
    check_model(model)
    if isinstance(history, Histories):
        histories = check_entries(model.n_columns, history)
    else:
        histories = Histories.of_dense(as_histories(model.n_columns, history, model.device))
    items = as_items("target", target, len(histories))
    chosen = torch.from_numpy(items).to(histories.device)
    consumed = ((histories.items == chosen[:, None]) & histories.real).any(dim=1)
    check_rows(model.n_items, histories.lengths.cpu().numpy(), items, consumed.cpu().numpy())
    return histories, chosen


def as_lists(model, history: object, target: object) -> tuple[EntryLists, np.ndarray]:
    """:func:`as_entries` for many users, as :func:`as_entry_lists` takes their histories.

    Returns:
        The entries, and the targets (n,) int64.
    """
    check_model(model)
    lists = as_entry_lists(model.n_columns, history=history)
    items = as_items("target", target, len(lists))
    consumed = np.zeros(len(items), dtype=bool)
    np.logical_or.at(consumed, lists.users, lists.items == items[lists.users])
    check_rows(model.n_items, lists.lengths, items, consumed)
    return lists, items


def as_entry_lists(n_columns: int, **histories: object) -> EntryLists:
    """Entries of many users.

    Args:
        n_columns: width I of histories.
        histories: :class:`lxr.EntryLists`, or (n, I) histories as :func:`as_matrix` takes them, by the name of the argument.

    Raises:
        ValueError: no user, another catalogue, or anything else that :func:`as_matrix` refuses.

    Example:
        >>> as_entry_lists(3, matrix=[[0, 1, 1]]).items
        array([1, 2])
    """
    ((name, value),) = histories.items()
    if not isinstance(value, EntryLists):
        return EntryLists.of_matrix(as_matrix(n_columns, **histories))
    if not len(value) or value.n_columns != n_columns:
        raise ValueError(f"{name}: expected users of {n_columns} items, found {len(value)} users of {value.n_columns} items")
    return value


def as_lists_for(model, **histories: object) -> EntryLists:
    """:func:`as_entry_lists` of a recommender's catalogue: those of which it, or an explainer of it, is made.

    Raises:
        ValueError: also a matrix for a recommender that uses the order of entries.
    """
    ((name, value),) = histories.items()
    if model.is_ordered and not isinstance(value, EntryLists):
        uses = f"{type(model).__name__} uses the order of entries"
        raise ValueError(f"{name}: {uses}: expected data.histories(rows), lxr.EntryLists, found {type(value).__name__}")
    return as_entry_lists(model.n_columns, **histories)


def check_entries(n_columns: int, histories: Histories) -> Histories:
    """Refuse entries outside the catalogue; the result knows its width.

    Raises:
        ValueError: no user, or such an entry; names the row.
    """
    if not len(histories):
        raise ValueError("history: expected at least one user, found none")
    if histories.n_columns not in (None, n_columns):
        raise ValueError(f"history: expected entries of {n_columns} items, found {histories.n_columns}")
    outside = (((histories.items < 0) | (histories.items >= n_columns)) & histories.real).nonzero()
    if len(outside):
        row, item = int(outside[0, 0]), int(histories.items[tuple(outside[0])])
        raise ValueError(f"history, row {row}: expected items from 0 to {n_columns - 1}, found {item}")
    return replace(histories, items=histories.items.masked_fill(~histories.real, 0), n_columns=n_columns)


def as_importance(importance: object, shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Scores of checked histories, in the shape of these: (B, I) of dense rows, (B, L) of entries.

    Raises:
        ValueError: another shape, or values that are not real numbers.
    """
    scores = as_tensor("importance", importance, device)
    if scores.shape != shape:
        raise ValueError(f"importance: expected the history's shape {tuple(shape)}, found {tuple(scores.shape)}")
    return scores


def as_matrix(n_columns: int | None = None, **matrices: object) -> sp.csr_matrix:
    """Sparse binary histories.

    Args:
        n_columns: width I of histories; None to infer it.
        matrices: one (n, I) matrix of zeros and ones, by the name of the argument: a SciPy matrix, a tensor, an array, a
            frame or lists.

    Returns:
        (n, I) CSR of float32 ones with ascending items in each row; the matrix itself if it has this form.

    Raises:
        ValueError: no user, another catalogue, an item twice in a row, entries other than 0 and 1, a damaged matrix, or one
            of SciPy's column formats.

    Example:
        >>> as_matrix(3, train_matrix=[[0, 1, 1]]).indices
        array([1, 2], dtype=int32)
    """
    ((name, value),) = matrices.items()
    matrix = as_csr(name, value)
    if matrix.shape[0] == 0 or matrix.shape[1] != (n_columns or matrix.shape[1]) or matrix.shape[1] == 0:
        columns = "items" if n_columns is None else n_columns
        raise ValueError(f"{name}: expected (users, {columns}) with at least one user, found {matrix.shape}")
    if not matrix.data.all():
        matrix = matrix.copy()
        matrix.eliminate_zeros()
    if (matrix.data != 1).any():
        at = first(matrix.data != 1)
        row, item, found = rows(matrix)[at], matrix.indices[at], matrix.data[at]
        raise ValueError(f"{name}, row {row}, item {item}: expected only ones as entries, found {found}")
    return matrix if matrix.dtype == np.float32 else matrix.astype(np.float32)


def as_list_scores(lists: EntryLists, history: object, importance: object) -> np.ndarray:
    """Finite scores (N,) of the checked entries of many users.

    Args:
        lists: the entries.
        history: the same histories as they were given.
        importance: (N,) scores if these were :class:`lxr.EntryLists`, else (n, I) as :func:`as_scores` takes them.
    """
    if not isinstance(history, EntryLists):
        return as_scores(lists.matrix(), importance=importance).data
    scores = as_importance(importance, lists.items.shape, torch.device("cpu")).cpu().numpy()
    check_finite(lists.users, lists.items, scores)
    return scores


def as_scores(matrix: sp.csr_matrix, **scores: object) -> sp.csr_matrix:
    """Finite scores of exactly the entries of checked histories.

    Args:
        matrix: (n, I) CSR histories in canonical form.
        scores: one (n, I) matrix, by the name of the argument: a SciPy matrix without entries outside the histories (an
            missing one is 0), or dense scores, of which only history items count.

    Returns:
        (n, I) CSR with the entries of ``matrix``, zeros included.

    Raises:
        ValueError: another shape, entries of other items, none at all, or a score that is not finite; names the row.
    """
    ((name, value),) = scores.items()
    sparse = sp.issparse(value)
    found = as_csr(name, value) if sparse else _real_array(name, value)
    if found.shape != matrix.shape:
        raise ValueError(f"{name}: expected scores of shape {matrix.shape}, found {found.shape}")
    values = _scores_at(name, matrix, found) if sparse else found[rows(matrix), matrix.indices]
    check_finite(rows(matrix), matrix.indices, values)
    return sp.csr_matrix((values, matrix.indices, matrix.indptr), shape=matrix.shape)


def _scores_at(name: str, matrix: sp.csr_matrix, scores: sp.csr_matrix) -> np.ndarray:
    """Scores (nnz,) of the entries of ``matrix``, both (n, I) CSR in canonical form."""
    if scores.nnz == 0:
        raise ValueError(f"{name}: expected scores of {matrix.nnz} history items, found none")
    if _same_entries(matrix, scores):
        return scores.data
    expected, found = (rows(each) * each.shape[1] + each.indices for each in (matrix, scores))  # both are ascending
    place = np.searchsorted(expected, found).clip(max=len(expected) - 1)
    foreign = expected[place] != found
    if foreign.any():
        row, item = rows(scores)[first(foreign)], scores.indices[first(foreign)]
        raise ValueError(f"{name}, row {row}: expected scores of the history items alone, found one of item {item}")
    values = np.zeros(matrix.nnz, dtype=scores.dtype)
    values[place] = scores.data
    return values


def as_pair(**scores: object) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Two explanations (n, I) of the same history items, by the names of the arguments; both in canonical form.

    Raises:
        ValueError: the two matrices do not have this form.
    """
    (first_name, a), (second_name, b) = scores.items()
    a, b = as_csr(first_name, a), as_csr(second_name, b)
    if not _same_entries(a, b):
        expected = f"scores of the same {a.nnz} history items in {a.shape} as {first_name}"
        raise ValueError(f"{second_name}: expected {expected}, found {b.nnz} in {b.shape}, or others")
    return a, b


def _same_entries(a: sp.csr_matrix, b: sp.csr_matrix) -> bool:
    """Whether two CSR matrices in canonical form have the same entries."""
    return a.shape == b.shape and np.array_equal(a.indptr, b.indptr) and np.array_equal(a.indices, b.indices)


def as_items(name: str, items: object, count: int | None = None) -> np.ndarray:
    """Item indices (count,), or (m,) for any number of them, as int64 from any type of integers."""
    if count is None and isinstance(items, list | tuple | np.ndarray) and len(items) == 0:
        return np.empty(0, dtype=np.int64)
    array = _real_array(name, items, kinds="iu", expected="integer item indices")
    if array.ndim != 1 or count not in (None, len(array)):
        raise ValueError(f"{name}: expected shape ({'m' if count is None else count},), found {array.shape}")
    if array.size and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name}, row {int(array.argmax())}: expected an item index, found {array.max()}")
    return array.astype(np.int64)


def as_tensor(name: str, value: object, device: torch.device | str) -> torch.Tensor:
    """Dense tensor of real numbers, without a gradient; a tensor keeps its device."""
    if isinstance(value, torch.Tensor):
        if value.is_complex():
            raise ValueError(f"{name}: expected real numbers, found {value.dtype}")
        dense = value.detach().to_dense() if value.layout != torch.strided else value.detach()
        return dense.clone() if dense.is_inference() else dense
    array = _real_array(name, value)
    return torch.from_numpy(np.array(array, dtype=np.float64 if array.dtype.kind == "f" else np.int64)).to(device)


def as_csr(name: str, value: Any) -> sp.csr_matrix:
    """CSR matrix with ascending columns and distinct entries; keeps zeros. Returns ``value`` itself if it has this form."""
    if not sp.issparse(value):
        dense = _real_array(name, value)
        if dense.ndim != 2:
            raise ValueError(f"{name}: expected two dimensions, users and items, found shape {dense.shape}")
        return sp.csr_matrix(dense)
    if value.format not in BY_ROWS or value.ndim != 2:
        raise ValueError(f"{name}: expected a CSR matrix of (users, items), as .tocsr() makes it, found {value.format}")
    if value.dtype.kind not in REAL:
        raise ValueError(f"{name}: expected real numbers, found {value.dtype}")
    try:
        matrix = value if isinstance(value, sp.csr_matrix) else sp.csr_matrix(_entries_of(value), shape=value.shape)
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise ValueError(f"{name}: expected a valid matrix, found entries outside it ({error})") from error
    step = np.diff(rows(matrix) * matrix.shape[1] + matrix.indices)  # the cached flags of SciPy may be wrong
    if (step < 0).any():
        matrix = sp.csr_matrix((matrix.data.copy(), matrix.indices.copy(), matrix.indptr), shape=matrix.shape)
        matrix.has_sorted_indices = False
        matrix.sort_indices()
        step = np.diff(rows(matrix) * matrix.shape[1] + matrix.indices)
    if (step == 0).any():
        row, item = rows(matrix)[first(step == 0)], matrix.indices[first(step == 0)]
        raise ValueError(f"{name}, row {row}: expected distinct items, found item {item} more than once")
    return matrix


def _entries_of(value) -> tuple:
    """Values, columns and row pointers of a SciPy matrix of any format; duplicates are not added up."""
    if value.format == "csr":
        return value.data, value.indices, value.indptr
    coo = value.tocoo()
    order = np.lexsort((coo.col, coo.row))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(coo.row, minlength=coo.shape[0]))])
    return coo.data[order], coo.col[order], indptr


def _real_array(name: str, value: Any, kinds: str = REAL, expected: str = "real numbers") -> np.ndarray:
    """Array of numbers from a tensor, an array, a frame, a SciPy matrix or lists.

    Args:
        name: name of the argument.
        value: the numbers.
        kinds: allowed kinds of NumPy.
        expected: name of these kinds, for messages.

    Raises:
        ValueError: anything else.
    """
    if isinstance(value, torch.Tensor):
        if _kind_of(value.dtype) not in kinds:
            raise ValueError(f"{name}: expected {expected}, found {value.dtype}")
        dense = as_tensor(name, value, "cpu").cpu()
        return (dense.double() if dense.is_floating_point() else dense).numpy()
    if isinstance(value, np.ma.MaskedArray):
        raise ValueError(f"{name}: expected {expected}, found a masked array")
    try:
        plain = value.toarray() if sp.issparse(value) else value.to_numpy() if hasattr(value, "to_numpy") else value
        array = np.asarray(plain)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name}: expected {expected} in rows of one length, found {type(value).__name__}") from error
    if array.dtype.kind not in kinds:
        found = type(value).__name__ if array.dtype.kind == "O" else array.dtype
        raise ValueError(f"{name}: expected {expected}, found {found}")
    return array.astype(np.float64) if array.dtype.kind == "f" else array  # SciPy has no half precision


def _kind_of(dtype: torch.dtype) -> str:
    """NumPy's kind of a PyTorch dtype."""
    return "c" if dtype.is_complex else "f" if dtype.is_floating_point else "b" if dtype == torch.bool else "i"


def check_width(n_columns: int, history: torch.Tensor) -> None:
    """Refuse histories that are not (B, n_columns)."""
    if history.ndim != 2 or history.shape[1] != n_columns:
        raise ValueError(f"history: expected shape (B, {n_columns}), found {tuple(history.shape)}")


def check_model(model) -> None:
    """Refuse anything but a recommender."""
    if not (callable(model) and hasattr(model, "n_items") and hasattr(model, "n_columns")):
        raise ValueError(f"model: expected a recommender (lxr.wrap makes one), found {type(model).__name__}")


def check_rows(n_items: int, lengths: np.ndarray, target: np.ndarray, consumed: np.ndarray) -> None:
    """Refuse an empty history, a target outside the catalogue, and a target inside its history; all arguments (B,)."""
    if (lengths == 0).any():
        raise ValueError(f"history, row {first(lengths == 0)}: expected at least one item, found an empty history")
    outside = (target < 0) | (target >= n_items)
    if outside.any():
        row = first(outside)
        raise ValueError(f"target, row {row}: expected an item from 0 to {n_items - 1}, found {target[row]}")
    if consumed.any():
        row = first(consumed)
        raise ValueError(f"target, row {row}: expected an item outside the history, found {target[row]} inside it")
