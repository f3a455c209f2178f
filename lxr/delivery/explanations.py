"""Explanations of many recommendations in compact arrays; returned one by one, as a frame, as records and as files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args, overload

import numpy as np
import pandas as pd
import scipy.sparse as sp

from lxr.data.histories import EntryLists
from lxr.data.interactions import Interactions
from lxr.delivery import summaries
from lxr.delivery.explainers import explainer_fingerprint, recommender_fingerprint
from lxr.delivery.falls import Sets, falls_of
from lxr.delivery.files import write_jsonl, write_parquet
from lxr.delivery.records import REASONS, SCHEMA, Record, counterfactual_record, plain_ids, reason_records
from lxr.explainers.base import Explainer
from lxr.recommenders.base import Recommender
from lxr.reporting.explanation import UserExplanation
from lxr.utils.checks import check_choice, check_positive, check_positive_numbers
from lxr.utils.sparse import USERS_PER_BATCH, batches


@dataclass(frozen=True, eq=False)
class Delivery:
    """A recommender with data and explainer, for any number of calls of :func:`explain_with`.

    Attributes:
        model: the recommender.
        data: ids, titles and histories of the users.
        explainer: an explainer of ``model``.
        name: name of the explainer.

    Example: see :func:`lxr.delivery.explain_with`.
    """

    model: Recommender
    data: Interactions
    explainer: Explainer
    name: str

    @cached_property
    def fingerprints(self) -> tuple[str, str]:
        """Fingerprints of the recommender and of the explainer."""
        return recommender_fingerprint(self.model), explainer_fingerprint(self.explainer)


@dataclass(frozen=True, eq=False, repr=False)
class Explanations(Sequence[UserExplanation]):
    """Sequence of :class:`lxr.UserExplanation`, made one by one from compact arrays.

    Attributes:
        by: the recommender, its data and the explainer.
        histories: histories of m users.
        importance: (N,) importance of their entries, in their order.
        users: (m,) user ids; positions or names of custom histories.
        rows: (m,) rows of the users in ``data.matrix``; −1 for custom histories.
        places: m rows: ``item`` (column of the explained item), ``score`` (logit), ``probability`` and ``rank``.

    Example: see :func:`lxr.explain`.
    """

    by: Delivery
    histories: EntryLists
    importance: np.ndarray
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
            parts = {name: getattr(self, name)[index] for name in ("histories", "users", "rows", "places")}
            chosen = np.arange(len(self))[index]
            return replace(self, importance=self.importance[self.histories.places_of(chosen)], **parts)
        place, by = range(len(self))[index], self.by
        history = self.histories.batch(slice(place, place + 1), by.model.device)
        scores, row = self.importance[slice(*self.histories.indptr[place : place + 2])], int(self.rows[place])
        target, user = int(self.places["item"].iloc[place]), None if row < 0 else row
        return UserExplanation(by.model, by.data, history, target, scores, by.name, user, by.explainer.is_signed)

    def __repr__(self) -> str:
        return f"Explanations({len(self)} by {self.by.name!r})"

    @property
    def scores(self) -> sp.csr_matrix:
        """(m, I) CSR importance, with one entry for each entry of the histories, in their order."""
        lists = self.histories
        return sp.csr_matrix((self.importance, lists.items, lists.indptr), (len(self), lists.n_columns))

    @cached_property
    def order(self) -> np.ndarray:
        """(N,) entries, the most important first within each history, ties by ascending item."""
        return np.lexsort((self.histories.items, -self.importance, self.histories.users))

    def first_entries(self, place: int, count: int) -> np.ndarray:
        """The most important entries (at most ``count``) of one explanation."""
        start, end = self.histories.indptr[place : place + 2]
        return self.order[start : min(end, start + count)]

    def to_frame(self, *, reasons: int = REASONS) -> pd.DataFrame:
        """One row for each reason of each explanation.

        Args:
            reasons: first reasons of each explanation.

        Returns:
            ``user``, ``item``, ``title``, ``rank``, ``score`` (logit) and ``probability`` of the recommendation;
            ``reason_rank`` from 1, ``reason`` (id), ``reason_title``, ``importance`` and ``sign`` of the history item, as
            in :mod:`lxr.delivery.records`.

        Raises:
            ValueError: ``reasons`` is not positive.
        """
        check_positive(reasons=reasons)
        lengths = np.minimum(self.histories.lengths, reasons)
        place = np.repeat(np.arange(len(self)), lengths)  # (n,)
        within = np.arange(len(place)) - np.repeat(lengths.cumsum() - lengths, lengths)
        entry = self.order[self.histories.indptr[place] + within]
        about, column, importance = self.places.iloc[place], self.histories.items[entry], self.importance[entry]
        data = self.by.data
        item, is_item = about["item"].to_numpy(), column < data.n_items
        ids = data.item_ids[np.where(is_item, column, 0)]
        sign = np.sign(importance).astype(int) if self.by.explainer.is_signed else None
        return pd.DataFrame(
            {
                "user": self.users[place],
                "item": data.item_ids[item],
                "title": data.titles(item),
                "rank": about["rank"].to_numpy(),
                "score": about["score"].to_numpy(),
                "probability": about["probability"].to_numpy(),
                "reason_rank": within + 1,
                "reason": ids if is_item.all() else pd.Series(ids, dtype=object).where(is_item, None),
                "reason_title": data.titles(column),
                "importance": importance,
                "sign": sign,
            }
        )

    def by_list(self, *, reasons: int = REASONS) -> pd.DataFrame:
        """Explain the list of each user as a whole, by its most important history items.

        Args:
            reasons: number of first reasons of each recommendation.

        Returns:
            A row for each user and history item, the most important first: ``user``, ``list`` (number of recommendations),
            ``reason``, ``reason_title``, ``importance`` (scaled within each explanation, mean over the list), and ``share``
            of the list with it among the first reasons.

        Raises:
            ValueError: ``reasons`` is not positive.

        Source: importance is scaled as in :mod:`lxr.delivery.summaries`.

        Example:
            >>> import lxr
            >>> data = lxr.load_dataset("synthetic")
            >>> explanations = lxr.explain(lxr.MF(data.n_items), data, users=[0, 7], n_recommendations=10)
            >>> explanations.by_list().groupby("user").head(1)[["user", "list", "reason_title"]].to_dict("list")
            {'user': [0, 7], 'list': [10, 10], 'reason_title': ['Group C, item 5', 'Group A, item 5']}
        """
        return summaries.by_list(self, reasons)

    def by_group(self, groups: Any, *, reasons: int = REASONS, count: int = 10) -> pd.DataFrame:
        """Find the main reasons of the recommendations of groups of users.

        Args:
            groups: a mapping or a series from user ids to groups, or one group for each explanation.
            reasons: number of first reasons of each recommendation.
            count: number of rows per group.

        Returns:
            A row for each group and history item, the most frequent first reasons first: ``group``, ``explanations``
            (number in the group), ``reason``, ``reason_title``, ``histories`` (number of explanations whose history has the
            item), ``importance`` (scaled within each explanation, mean over these), and ``share`` of the explanations with
            it among the first reasons.

        Raises:
            ValueError: a user without a group, or an option that is not positive.

        Source: importance is scaled as in :mod:`lxr.delivery.summaries`.

        Example:
            >>> import lxr
            >>> data = lxr.load_dataset("synthetic")
            >>> explanations = lxr.explain(lxr.MF(data.n_items), data, rows=range(50))
            >>> table = explanations.by_group(data.user_ids[:50] % 2, count=1)
            >>> table[["group", "explanations", "reason_title"]].to_dict("list")
            {'group': [0, 1], 'explanations': [25, 25], 'reason_title': ['Group F, item 1', 'Group H, item 3']}
        """
        return summaries.by_group(self, groups, reasons, count)

    def by_item(self, *, reasons: int = REASONS, count: int = 10) -> pd.DataFrame:
        """Find the main reasons of the recommendations of each item.

        Args:
            reasons: number of first reasons of each recommendation.
            count: number of rows per item.

        Returns:
            As :meth:`by_group`, with ``item`` and ``title`` of the explained item instead of ``group``.

        Raises:
            ValueError: an option is not positive.
        """
        return summaries.by_item(self, reasons, count)

    def records(self, *, reasons: int = REASONS, sets: Sets = "prefix", time_limit: float = 2.0) -> Iterator[Record]:
        """Iterator of records of the schema in :mod:`lxr.delivery.records`.

        Args:
            reasons: first reasons of each record.
            sets: counterfactual of each record: ``"prefix"``, the shortest prefix of the explainer's reasons whose removal
                makes the item lose its place; or ``"smallest"``, the smallest such set of history items.
            time_limit: seconds for each smallest set; after a time-out the result depends on the machine.

        Raises:
            ValueError: an option is unknown or not positive.
        """
        check_positive(reasons=reasons)
        check_choice(get_args(Sets), sets=sets)
        check_positive_numbers(time_limit=time_limit)
        groups, how = batches(len(self), USERS_PER_BATCH), {"sets": sets, "time_limit": time_limit}
        return (record for group in groups for record in self._records(group, reasons, how))

    def _records(self, group: np.ndarray, reasons: int, how: dict) -> Iterator[Record]:
        """Records of a few explanations (g,), with a joint search of counterfactual sets."""
        about, by = {name: column.to_numpy()[group] for name, column in self.places.items()}, self.by
        targets, ranks = about["item"], about["rank"]
        explained = self.histories[group], self.importance[self.histories.places_of(group)]
        falls = falls_of(by.model, by.data, *explained, targets, ranks, **how)
        users, items = (plain_ids(ids) for ids in (self.users[group], by.data.item_ids[targets]))
        titles = by.data.titles(targets)
        for row, (place, fall) in enumerate(zip(group, falls, strict=True)):
            entries = self.first_entries(place, reasons)
            columns, importance = self.histories.items[entries], self.importance[entries].astype(float)
            parts = fall.removed, fall.instead, fall.certificate, fall.bound
            found = counterfactual_record(by.data, *parts) if len(fall.removed) else None
            yield {
                "schema": SCHEMA,
                "user": users[row],
                "item": items[row],
                "title": titles[row],
                "rank": ranks[row].item(),
                "score": about["score"][row].item(),
                "probability": about["probability"][row].item(),
                "explainer": by.name,
                "reasons": reason_records(by.data, columns, importance, by.explainer.is_signed),
                "counterfactual": found,
                "sentence": fall.sentence,
                "recommender_fingerprint": by.fingerprints[0],
                "explainer_fingerprint": by.fingerprints[1],
            }

    def to_jsonl(self, path: str | Path, **how) -> None:
        """Write one record per line, atomically; :func:`lxr.delivery.read_explanations` reads the file.

        Args:
            path: the file.
            how: options of :meth:`records`.
        """
        write_jsonl(self.records(**how), path)

    def to_parquet(self, path: str | Path, **how) -> None:
        """Write one record per row, with nested columns, atomically; :func:`lxr.delivery.read_explanations` reads the file.

        Args:
            path: the file.
            how: options of :meth:`records`.
        """
        user, item = (int if ids.dtype.kind in "iu" else str for ids in (self.users, self.by.data.item_ids))
        write_parquet(self.records(**how), path, user, item)
