"""Explanations of many recommendations: held in compact arrays, given one by one, as a frame, as records and as files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import overload

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from lxr.data.interactions import Interactions
from lxr.delivery.explainers import explainer_fingerprint, recommender_fingerprint
from lxr.delivery.files import write_jsonl, write_parquet
from lxr.delivery.records import REASONS, SCHEMA, Record, counterfactual_record, plain_ids, reason_records
from lxr.explainers.base import Explainer
from lxr.recommenders.base import Recommender
from lxr.reporting.explanation import UserExplanation
from lxr.utils.checks import check_positive
from lxr.utils.sparse import rows


@dataclass(frozen=True, eq=False, repr=False)
class Explanations(Sequence[UserExplanation]):
    """Why items are recommended to users: a sequence of :class:`lxr.UserExplanation`, made one by one from compact arrays.

    Attributes:
        model: the recommender.
        data: for ids and titles.
        explainer: the explainer.
        name: of the explainer.
        scores: (m, I) CSR importance, one entry for each history item.
        users: (m,) user ids; of histories that were given as lists, their positions or names.
        rows: (m,) rows of the users in ``data.matrix``; −1 for histories that were given as lists.
        places: m rows: ``item`` (column of the explained item), ``score`` (logit), ``probability`` and ``rank``.

    Example: see :func:`lxr.explain`.
    """

    model: Recommender
    data: Interactions
    explainer: Explainer
    name: str
    scores: sp.csr_matrix
    users: np.ndarray
    rows: np.ndarray
    places: pd.DataFrame

    def __len__(self) -> int:
        return len(self.users)

    @overload
    def __getitem__(self, index: int) -> UserExplanation: ...

    @overload
    def __getitem__(self, index: slice) -> "Explanations": ...

    def __getitem__(self, index):
        if isinstance(index, slice):
            parts = {name: getattr(self, name)[index] for name in ("scores", "users", "rows", "places")}
            return replace(self, **parts)
        place = range(len(self))[index]
        entries = slice(*self.scores.indptr[place : place + 2])
        items, row = self.scores.indices[entries], int(self.rows[place])
        history = torch.zeros(1, self.model.n_columns, device=self.model.device)
        history[0, torch.from_numpy(items).long()] = 1.0
        scores = np.zeros(self.model.n_columns, dtype=self.scores.dtype)
        scores[items] = self.scores.data[entries]
        about = int(self.places["item"].iloc[place]), scores, self.name, None if row < 0 else row, self.explainer.is_signed
        return UserExplanation(self.model, self.data, history, *about)

    def __repr__(self) -> str:
        return f"Explanations({len(self)} by {self.name!r})"

    @cached_property
    def order(self) -> np.ndarray:
        """(nnz,) entries of :attr:`scores`, the most important first within each row, ties by ascending item."""
        return np.lexsort((self.scores.indices, -self.scores.data, rows(self.scores)))

    @cached_property
    def fingerprints(self) -> tuple[str, str]:
        """Fingerprints of the recommender and of the explainer."""
        return recommender_fingerprint(self.model), explainer_fingerprint(self.explainer)

    def first_entries(self, place: int, count: int) -> np.ndarray:
        """Entries (at most ``count``) of :attr:`scores` with the most important items of one explanation."""
        start, end = self.scores.indptr[place : place + 2]
        return self.order[start : min(end, start + count)]

    def to_frame(self, *, reasons: int = REASONS) -> pd.DataFrame:
        """One row for each reason of each explanation.

        Args:
            reasons: first reasons of each explanation.

        Returns:
            ``user``, ``item``, ``title``, ``rank``, ``score`` (logit) and ``probability`` of the recommendation;
            ``reason_rank`` from 1, ``reason`` (id), ``reason_title``, ``importance`` and ``sign`` of the history item, as
            :mod:`lxr.delivery.records` describes them.

        Raises:
            ValueError: ``reasons`` is not positive.
        """
        check_positive(reasons=reasons)
        lengths = np.minimum(np.diff(self.scores.indptr), reasons)
        place = np.repeat(np.arange(len(self)), lengths)  # (n,)
        within = np.arange(len(place)) - np.repeat(lengths.cumsum() - lengths, lengths)
        entry = self.order[self.scores.indptr[place] + within]
        about, column, importance = self.places.iloc[place], self.scores.indices[entry], self.scores.data[entry]
        item, is_item = about["item"].to_numpy(), column < self.data.n_items
        ids = self.data.item_ids[np.where(is_item, column, 0)]
        sign = np.sign(importance).astype(int) if self.explainer.is_signed else None
        return pd.DataFrame(
            {
                "user": self.users[place],
                "item": self.data.item_ids[item],
                "title": self.data.titles(item),
                "rank": about["rank"].to_numpy(),
                "score": about["score"].to_numpy(),
                "probability": about["probability"].to_numpy(),
                "reason_rank": within + 1,
                "reason": ids if is_item.all() else pd.Series(ids, dtype=object).where(is_item, None),
                "reason_title": self.data.titles(column),
                "importance": importance,
                "sign": sign,
            }
        )

    def records(self, *, reasons: int = REASONS) -> Iterator[Record]:
        """Records of the schema that :mod:`lxr.delivery.records` describes, one after another.

        Args:
            reasons: first reasons of each record.

        Raises:
            ValueError: ``reasons`` is not positive.
        """
        check_positive(reasons=reasons)
        return (self._record(place, reasons) for place in range(len(self)))

    def _record(self, place: int, reasons: int) -> Record:
        """The record of one explanation."""
        each, entries, about = self[place], self.first_entries(place, reasons), self.places.iloc[place]
        items, found = self.scores.indices[entries], each.counterfactual
        return {
            "schema": SCHEMA,
            "user": plain_ids(self.users[place : place + 1])[0],
            "item": plain_ids(self.data.item_ids[[each.target]])[0],
            "title": each.title,
            "rank": int(about["rank"]),
            "score": float(about["score"]),
            "probability": float(about["probability"]),
            "explainer": self.name,
            "reasons": reason_records(self.data, items, self.scores.data[entries], each.is_signed),
            "counterfactual": found if found is None else counterfactual_record(self.data, found.removed, found.replacement),
            "sentence": each.sentence,
            "recommender_fingerprint": self.fingerprints[0],
            "explainer_fingerprint": self.fingerprints[1],
        }

    def to_jsonl(self, path: str | Path, *, reasons: int = REASONS) -> None:
        """Write one record a line, atomically; :func:`lxr.delivery.read_explanations` reads the file.

        Args:
            path: the file.
            reasons: first reasons of each record.
        """
        write_jsonl(self.records(reasons=reasons), path)

    def to_parquet(self, path: str | Path, *, reasons: int = REASONS) -> None:
        """Write one record a row, with nested columns, atomically; :func:`lxr.delivery.read_explanations` reads the file.

        Args:
            path: the file.
            reasons: first reasons of each record.
        """
        user, item = (int if ids.dtype.kind in "iu" else str for ids in (self.users, self.data.item_ids))
        write_parquet(self.records(reasons=reasons), path, user, item)
