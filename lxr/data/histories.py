"""Histories as lists of entries: a padded batch, the entries of many users, and sparse rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch

Users = torch.Tensor | np.ndarray | slice


@dataclass(frozen=True, eq=False)
class Histories:
    """Histories of B users, each a list of entries, padded to the same length L.

    An entry is an item that a user has consumed, perhaps with a time and a weight. Entries are oldest first where the data
    has an order, else by ascending item. :meth:`lxr.Interactions.histories` and :func:`lxr.data.inputs.as_entries` make
    them.

    Attributes:
        items: (B, L) int64 items; any item where there is no entry.
        real: (B, L) bool, False at the padding.
        n_columns: width I of the catalogue, user features included; None if unknown.
        times: (B, L) times, or None.
        weights: (B, L) weights, such as play counts, or None for ones.
        distinct: whether it is known that no user has consumed an item twice; saves looking.

    Raises:
        ValueError: tensors of other shapes or types.

    Example:
        >>> histories = Histories(torch.tensor([[2, 0, 1], [3, 0, 0]]), torch.tensor([[1, 1, 1], [1, 0, 0]]).bool())
        >>> histories.lengths
        tensor([3, 1])
        >>> rest = histories.keep(torch.tensor([[1, 0, 1], [1, 1, 1]]).bool())  # without the second entry of the first user
        >>> rest.items[0].tolist(), rest.dense(4).tolist()
        ([2, 1], [[0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    """

    items: torch.Tensor
    real: torch.Tensor
    n_columns: int | None = None
    times: torch.Tensor | None = None
    weights: torch.Tensor | None = None
    distinct: bool = False

    def __post_init__(self):
        for name, value in self._parts():
            if value.ndim != 2 or value.shape != self.items.shape:
                raise ValueError(
                    f"{name}: expected the shape of items (B, L), {tuple(self.shape)}, found {tuple(value.shape)}"
                )
        if self.real.dtype != torch.bool or self.items.dtype != torch.int64:
            found = f"{self.items.dtype} and {self.real.dtype}"
            raise ValueError(f"items, real: expected torch.int64 and torch.bool, found {found}")

    def _parts(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Names and values of all tensors (B, L)."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, torch.Tensor):
                yield field.name, value

    def mapped(self, change) -> "Histories":
        """The same change of every tensor (B, L)."""
        return replace(self, **{name: change(value) for name, value in self._parts()})

    def __len__(self) -> int:
        """Number B of users."""
        return len(self.items)

    @property
    def shape(self) -> torch.Size:
        """(B, L)."""
        return self.items.shape

    @property
    def device(self) -> torch.device:
        """Device of the tensors."""
        return self.items.device

    @cached_property
    def lengths(self) -> torch.Tensor:
        """(B,) number of entries of each user."""
        return self.real.sum(dim=1)

    @cached_property
    def places(self) -> torch.Tensor:
        """(N,) places of the entries in the flattened (B, L), user after user."""
        return self.real.ravel().nonzero().ravel()

    @cached_property
    def users(self) -> torch.Tensor:
        """(N,) user of each entry."""
        return self.places // self.shape[1]

    @cached_property
    def entries(self) -> torch.Tensor:
        """(N,) items of all entries, user after user."""
        return self.items.ravel()[self.places]

    def __getitem__(self, users: Users) -> "Histories":
        """Histories of some users (b,), padded as before."""
        return self.mapped(lambda value: value[users])

    def split(self, size: int) -> tuple["Histories", ...]:
        """Histories of ``size`` users at a time."""
        return tuple(self[start : start + size] for start in range(0, len(self), size))

    def repeat(self, times: int) -> "Histories":
        """All users, several times one after another."""
        return self if times == 1 else self.mapped(lambda value: value.repeat(times, 1))

    def trimmed(self) -> "Histories":
        """Without columns of padding at the end; one column at least stays."""
        used = self.real.any(dim=0).nonzero()
        width = int(used[-1]) + 1 if len(used) else 1
        return self if width >= self.shape[1] else self.mapped(lambda value: value[:, :width])

    def to(self, device: torch.device | str) -> "Histories":
        """The same on a device."""
        return self.mapped(lambda value: value.to(device))

    @cached_property
    def repeats(self) -> bool:
        """Whether a user has consumed an item more than once."""
        return bool((self.real & ~self.first_times).any())

    @cached_property
    def first_times(self) -> torch.Tensor:
        """(B, L) bool, entries whose item the user has not consumed before."""
        if self.distinct:
            return self.real
        marked = torch.where(self.real, self.items, -1 - torch.arange(self.shape[1], device=self.device))
        items, order = marked.sort(dim=1, stable=True)
        again = torch.nn.functional.pad(items.diff(dim=1) == 0, (1, 0))
        return torch.zeros_like(self.real).scatter(1, order, ~again) & self.real

    def keep(self, stays: torch.Tensor) -> "Histories":
        """Histories after deletion: the other entries are gone, the rest is closed up in its order.

        Args:
            stays: (B, L) bool.
        """
        stays = stays & self.real
        order = (~stays).to(torch.uint8).argsort(dim=1, stable=True)
        closed = self.mapped(lambda value: value.gather(1, order))
        return replace(closed, real=stays.gather(1, order)).trimmed()

    def joined(self, others: "Histories") -> "Histories":
        """Entries (B, L + L') of the same users: these, then others of other items. Unknown times are NaN."""
        both = self, others
        parts: dict = {}
        for name in {name for each in both for name, _ in each._parts()}:
            unknown = torch.tensor(torch.nan if name == "times" else 1.0, device=self.device)
            values = [unknown.expand(each.shape) if getattr(each, name) is None else getattr(each, name) for each in both]
            parts[name] = torch.cat(values, dim=1)
        return replace(self, distinct=self.distinct and others.distinct, **parts)

    def dense(self, n_columns: int | None = None, keep: torch.Tensor | None = None) -> torch.Tensor:
        """Rows (B, I): the sum of weights, 1 by default, of the entries of each item.

        Args:
            n_columns: width I, if the histories do not have it.
            keep: (B, L) share of each entry that stays, differentiable, or bool.

        Raises:
            ValueError: an unknown width.
        """
        width = n_columns or self.n_columns
        if width is None:
            raise ValueError("n_columns: expected the number of items, found none")
        values = self.real.float() if keep is None else keep * self.real
        values = values if self.weights is None else values * self.weights
        values = values if values.is_floating_point() else values.float()
        return torch.zeros(len(self), width, dtype=values.dtype, device=self.device).scatter_add(1, self.items, values)

    def rows(self, n_columns: int, keep: torch.Tensor | None = None) -> "Rows":
        """The same as :meth:`dense`, without the zeros. Histories must not have repeats."""
        if keep is not None and keep.dtype == torch.bool:
            return replace(self, real=self.real & keep).rows(n_columns)
        weights = None if keep is None else keep.reshape(-1).index_select(0, self.places)
        if self.weights is not None:
            own = self.weights.ravel()[self.places]
            weights = own if weights is None else weights * own
        if weights is not None and not weights.is_floating_point():
            weights = weights.float()
        return Rows(self.entries, self.lengths.cumsum(0) - self.lengths, weights, n_columns)

    def at(self, values: torch.Tensor) -> torch.Tensor:
        """Values (B, L) of the items of the entries in rows (B, I); 0 at the padding."""
        return values.gather(1, self.items).masked_fill(~self.real, 0)

    def padded(self, values: torch.Tensor) -> torch.Tensor:
        """Values (B, L) from those of all entries (N,), user after user; 0 at the padding."""
        flat = torch.zeros(self.real.numel(), dtype=values.dtype, device=self.device)
        return flat.index_copy(0, self.places, values).view(self.shape)

    def spread(self, values: torch.Tensor, n_columns: int) -> torch.Tensor:
        """Rows (B, I) of values (B, L) of entries without repeats; 0 elsewhere."""
        row = torch.zeros(len(self), n_columns, dtype=values.dtype, device=self.device)
        return row.scatter_add(1, self.items, values.masked_fill(~self.real, 0))

    def among(self, sets: Sequence[Sequence[int] | np.ndarray]) -> torch.Tensor:
        """(B, L) bool, entries of one set of items for each user."""
        found = [
            torch.isin(row, torch.as_tensor(items, dtype=torch.int64, device=self.device))
            for row, items in zip(self.items, sets, strict=True)
        ]
        return torch.stack(found) & self.real

    def unseen(self, n_columns: int) -> torch.Tensor:
        """(B, I) bool, items outside the histories."""
        count = torch.zeros(len(self), n_columns, dtype=torch.uint8, device=self.device)
        return count.scatter_reduce(1, self.items, self.real.to(torch.uint8), "amax") == 0

    def lists(self) -> list[np.ndarray]:
        """The items of each user, in the order of the entries."""
        items, real = self.items.cpu().numpy(), self.real.cpu().numpy()
        return [row[here] for row, here in zip(items, real, strict=True)]

    @classmethod
    def of_dense(cls, history: torch.Tensor) -> "Histories":
        """Entries of binary histories (B, I), by ascending item."""
        user, item = (history > 0).nonzero(as_tuple=True)
        length = torch.bincount(user, minlength=len(history))
        return cls.of_flat(item, length, history.shape[1], distinct=True)

    @classmethod
    def of_flat(
        cls, items: torch.Tensor, length: torch.Tensor, n_columns: int | None = None, distinct: bool = False
    ) -> "Histories":
        """Histories from the items (N,) of all users, user after user, and their lengths (B,)."""
        longest = int(length.max()) if len(length) else 0
        real = torch.arange(max(1, longest), device=items.device) < length[:, None]
        padded = torch.zeros(real.shape, dtype=torch.int64, device=items.device).masked_scatter(real, items)
        return cls(padded, real, n_columns, distinct=distinct)

    @classmethod
    def of_lists(cls, lists: Sequence[Sequence[int]], n_columns: int | None = None) -> "Histories":
        """Histories from one list of items per user."""
        items = torch.tensor([item for each in lists for item in each], dtype=torch.int64)
        return cls.of_flat(items, torch.tensor([len(each) for each in lists], dtype=torch.int64), n_columns)

    @classmethod
    def of_matrix(cls, matrix: sp.csr_matrix, device: torch.device | str = "cpu") -> "Histories":
        """Entries of a CSR matrix (B, I) of ones, in its order."""
        items = torch.from_numpy(matrix.indices.astype(np.int64))
        length = torch.from_numpy(np.diff(matrix.indptr).astype(np.int64))
        return cls.of_flat(items.to(device), length.to(device), matrix.shape[1], distinct=True)


@dataclass(frozen=True, eq=False)
class EntryLists:
    """Entries of any number of users, user after user, without padding; a batch of them is :class:`Histories`.

    Attributes:
        items: (N,) int64 items, oldest first where the data has an order.
        indptr: (n + 1,) where the entries of each user begin, and N.
        n_columns: width I of the catalogue, user features included.
        times: (N,) times in seconds, or None.
        weights: (N,) weights, such as play counts, or None.
        distinct: whether it is known that no user has consumed an item twice; saves looking.

    Raises:
        ValueError: arrays of other lengths, pointers that do not ascend from 0 to N, or an item outside the catalogue.

    Example:
        >>> lists = EntryLists(np.array([2, 0, 1]), np.array([0, 2, 3]), n_columns=3)
        >>> len(lists), lists.lengths.tolist(), lists.batch(np.array([1, 0])).items.tolist()
        (2, [2, 1], [[1, 0], [2, 0]])
    """

    items: np.ndarray
    indptr: np.ndarray
    n_columns: int
    times: np.ndarray | None = None
    weights: np.ndarray | None = None
    distinct: bool = False

    def __post_init__(self):
        n = len(self.items)
        for name in ("times", "weights"):
            value = getattr(self, name)
            if value is not None and value.shape != (n,):
                raise ValueError(f"{name}: expected {n} numbers, one per entry, found shape {value.shape}")
        if self.indptr[0] != 0 or self.indptr[-1] != n or (np.diff(self.indptr) < 0).any():
            raise ValueError(f"indptr: expected ascending numbers from 0 to {n}")
        outside = (self.items < 0) | (self.items >= self.n_columns)
        if outside.any():
            raise ValueError(f"items: expected items from 0 to {self.n_columns - 1}, found {self.items[outside][0]}")

    def __len__(self) -> int:
        """Number n of users."""
        return len(self.indptr) - 1

    @property
    def lengths(self) -> np.ndarray:
        """(n,) number of entries of each user."""
        return np.diff(self.indptr)

    @property
    def users(self) -> np.ndarray:
        """(N,) user of each entry."""
        return np.arange(len(self)).repeat(self.lengths)

    def __getitem__(self, users: np.ndarray | slice) -> "EntryLists":
        """Entries of some users (b,)."""
        users = np.arange(len(self))[users]
        return self.taken(self.places_of(users), np.append(0, self.lengths[users].cumsum()))

    def places_of(self, users: np.ndarray) -> np.ndarray:
        """(M,) places of the entries of some users (b,), by row."""
        length = self.lengths[users]
        return np.arange(length.sum()) + (self.indptr[:-1][users] - (length.cumsum() - length)).repeat(length)

    def taken(self, place: np.ndarray, indptr: np.ndarray) -> "EntryLists":
        """The entries at some places: (m,) indices or (N,) bool; the pointers (b + 1,) say to which users they belong."""
        times, weights = (None if values is None else values[place] for values in (self.times, self.weights))
        return replace(self, items=self.items[place], indptr=indptr, times=times, weights=weights)

    def batch(self, users: np.ndarray | slice = slice(None), device: torch.device | str = "cpu") -> Histories:
        """Histories of some users (b,), without weights: recommenders are trained on ones."""
        part = self[users]
        length = torch.from_numpy(part.lengths.astype(np.int64))
        items = torch.from_numpy(part.items.astype(np.int64))
        histories = Histories.of_flat(items, length, self.n_columns, self.distinct)
        times = None if part.times is None else histories.padded(torch.from_numpy(part.times.astype(np.float64)))
        return replace(histories, times=times).to(device)

    def matrix(self) -> sp.csr_matrix:
        """(n, I) CSR of ones: which items each user has consumed."""
        ones = np.ones(len(self.items), dtype=np.float32)
        matrix = sp.csr_matrix((ones, self.items, self.indptr), (len(self), self.n_columns), copy=True)
        matrix.sum_duplicates()  # in place
        matrix.data[:] = 1
        return matrix

    @classmethod
    def of_matrix(cls, matrix: sp.csr_matrix) -> "EntryLists":
        """The entries of a CSR matrix (n, I), in its order."""
        return cls(matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64), matrix.shape[1], distinct=True)


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows (B, I) of mostly zeros: the items and weights of their entries, row after row.

    Attributes:
        items: (N,) int64 columns.
        start: (B,) first entry of each row.
        weights: (N,) values, perhaps with a gradient; None for ones.
        n_columns: width I.

    Example:
        >>> rows = Histories.of_lists([[2, 0], [1]]).rows(n_columns=3)
        >>> rows.items.tolist(), rows.start.tolist(), rows.shape
        ([2, 0, 1], [0, 2], (2, 3))
    """

    items: torch.Tensor
    start: torch.Tensor
    weights: torch.Tensor | None
    n_columns: int

    def __len__(self) -> int:
        """Number B of rows."""
        return len(self.start)

    @property
    def shape(self) -> tuple[int, int]:
        """(B, I)."""
        return len(self.start), self.n_columns

    @property
    def device(self) -> torch.device:
        """Device of the tensors."""
        return self.items.device

    @property
    def requires_grad(self) -> bool:
        """Whether the weights have a gradient."""
        return self.weights is not None and self.weights.requires_grad

    @cached_property
    def users(self) -> torch.Tensor:
        """(N,) row of each entry."""
        length = torch.diff(self.start, append=torch.tensor([len(self.items)], device=self.device))
        return torch.arange(len(self.start), device=self.device).repeat_interleave(length)

    def normalized(self, eps: float = 1e-12) -> "Rows":
        """Rows divided by their Euclidean norm, as ``torch.nn.functional.normalize`` divides dense rows."""
        if self.weights is None:
            length = torch.bincount(self.users, minlength=len(self))
            return replace(self, weights=length.float().rsqrt()[self.users])
        square = torch.zeros(len(self.start), dtype=self.weights.dtype, device=self.device)
        norm = square.index_add(0, self.users, self.weights.square()).clamp(min=eps**2).sqrt()
        return replace(self, weights=self.weights / norm[self.users])
