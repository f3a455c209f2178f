"""Record of one explanation: a plain dictionary with a documented, versioned schema, for JSON and Parquet.

A record of the schema ``lxr-explanation/1`` has these entries, in this order.

==========================  ====================================================================================
``schema``                  ``"lxr-explanation/1"``
``user``                    id of the user; for a custom history its position from 0, or its name
``item``, ``title``         id and title of the explained item ``rank``                    rank of the item among all items
that the user has not consumed, from 1 ``score``                   logit of the item ``probability``             probability
of the item ``explainer``               name of the explainer ``reasons``                 list, the most important first,
each with ``item``, ``title``, ``importance`` and ``sign`` ``counterfactual``          ``removed``, ``instead``,
``certificate`` and ``bound``; null if no set was found ``sentence``                the counterfactual in words
``recommender_fingerprint`` SHA-256 of the recommender's class, sizes and weights ``explainer_fingerprint``   SHA-256 of the
explainer's class, options and weights
==========================  ====================================================================================

In a reason, ``sign`` is 1 if the item speaks for the recommendation, −1 if it speaks against it, and 0 otherwise. It is
null if the explainer only orders the items; ``importance`` then has no unit. For a user feature ``item`` is null. In a
counterfactual, ``removed`` lists items (``item``, ``title``) whose removal makes the explained item lose its place, and
``instead`` is the item that then passes it. ``certificate`` states how small the set is: ``"optimal"`` (no smaller set
exists), ``"bound"`` (no set has fewer than ``bound`` items), or ``"none"`` (smaller sets may exist; ``bound`` is null). A
set of one item is always optimal. Ids are integers or texts, as in the data.
"""

from collections.abc import Sequence
from typing import Literal, TypedDict, get_args

import numpy as np
import pyarrow as pa

from lxr.data.interactions import Interactions

SCHEMA = "lxr-explanation/1"
REASONS = 5  # default number of reasons in a record
Id = int | str
Certificate = Literal["optimal", "bound", "none"]
CERTIFICATES = get_args(Certificate)


class NamedItem(TypedDict):
    """An item by id and title; the id of a user feature is None."""

    item: Id | None
    title: str


class Reason(NamedItem):
    """A history item with its importance; ``sign`` is None if the explainer only orders items."""

    importance: float
    sign: int | None


class CounterfactualRecord(TypedDict):
    """Items whose removal makes the explained item lose its place, and the item that passes it."""

    removed: list[NamedItem]
    instead: NamedItem
    certificate: Certificate
    bound: int | None


class Record(TypedDict):
    """One explanation; :mod:`lxr.delivery.records` describes the entries.

    Example:
        >>> import lxr
        >>> data = lxr.load_dataset("synthetic")
        >>> explanations = lxr.explain(lxr.MF(data.n_items), data, users=0)
        >>> record = next(explanations.records(reasons=1))
        >>> record["schema"], record["user"], record["rank"], record["explainer"], len(record["reasons"])
        ('lxr-explanation/1', 0, 1, 'rank-margin-path', 1)
    """

    schema: str
    user: Id
    item: Id
    title: str
    rank: int
    score: float
    probability: float
    explainer: str
    reasons: list[Reason]
    counterfactual: CounterfactualRecord | None
    sentence: str
    recommender_fingerprint: str
    explainer_fingerprint: str


def plain_ids(ids: np.ndarray) -> list[Id]:
    """Ids (n,) as integers or texts of Python; ids of another kind, such as dates, as texts.

    Example:
        >>> plain_ids(np.array([7, 9])), plain_ids(np.array(["a"])), plain_ids(np.array([0.5]))
        ([7, 9], ['a'], ['0.5'])
    """
    return [each if isinstance(each, int | str) else str(each) for each in np.asarray(ids).tolist()]


def named_items(data: Interactions, items: Sequence[int] | np.ndarray) -> list[NamedItem]:
    """Ids and titles of columns (m,) of histories.

    Example:
        >>> import lxr
        >>> named_items(lxr.load_dataset("synthetic"), [0])
        [{'item': 0, 'title': 'Group A, item 1'}]
    """
    columns = np.asarray(items, dtype=int)
    ids: list[Id | None] = [None] * len(columns)
    for place in np.flatnonzero(columns < data.n_items):
        (ids[place],) = plain_ids(data.item_ids[columns[place : place + 1]])
    return [{"item": each, "title": title} for each, title in zip(ids, data.titles(columns), strict=True)]


def reason_records(data: Interactions, items: np.ndarray, importance: np.ndarray, is_signed: bool) -> list[Reason]:
    """Reasons of a record.

    Args:
        data: histories with ids and titles.
        items: (m,) columns of the history, the most important first.
        importance: (m,) scores of these items.
        is_signed: whether a score below zero speaks against the recommendation.
    """
    signs = np.sign(importance).astype(int).tolist() if is_signed else [None] * len(items)
    return [
        {**named, "importance": score, "sign": sign}
        for named, score, sign in zip(named_items(data, items), importance.tolist(), signs, strict=True)
    ]


def counterfactual_record(
    data: Interactions,
    removed: Sequence[int] | np.ndarray,
    instead: int,
    certificate: Certificate = "none",
    bound: int | None = None,
) -> CounterfactualRecord:
    """Counterfactual of a record.

    Args:
        data: histories with ids and titles.
        removed: (m,) columns of the removed items.
        instead: column of the item that passes the explained one.
        certificate: proof about the size of the set.
        bound: lower bound on the size of any set; only with the certificates ``"optimal"`` and ``"bound"``.
    """
    (other,) = named_items(data, [instead])
    return {"removed": named_items(data, removed), "instead": other, "certificate": certificate, "bound": bound}


def arrow_schema(user: type, item: type) -> pa.Schema:
    """Types of the columns of a Parquet file of records.

    Args:
        user: type of user ids, ``int`` or ``str``.
        item: type of item ids, ``int`` or ``str``.
    """
    user_id, item_id = (pa.int64() if kind is int else pa.string() for kind in (user, item))
    named = [("item", item_id), ("title", pa.string())]
    reason = pa.struct([*named, ("importance", pa.float64()), ("sign", pa.int8())])
    sets = [("removed", pa.list_(pa.struct(named))), ("instead", pa.struct(named))]
    counterfactual = pa.struct([*sets, ("certificate", pa.string()), ("bound", pa.int64())])
    columns = {
        "schema": pa.string(),
        "user": user_id,
        "item": item_id,
        "title": pa.string(),
        "rank": pa.int64(),
        "score": pa.float64(),
        "probability": pa.float64(),
        "explainer": pa.string(),
        "reasons": pa.list_(reason),
        "counterfactual": counterfactual,
        "sentence": pa.string(),
        "recommender_fingerprint": pa.string(),
        "explainer_fingerprint": pa.string(),
    }
    return pa.schema(list(columns.items()))
