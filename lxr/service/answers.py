"""Questions about recommendations: limits, checks, and answers to groups of questions."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lxr.delivery.explain import explain_with
from lxr.delivery.explanations import Delivery
from lxr.delivery.records import Id, Record
from lxr.utils.checks import check_positive


class QuestionError(ValueError):
    """A question without an answer, for example about an unknown id.

    Args:
        field: name of the wrong field.
        message: the expected and the found value.

    Example:
        >>> QuestionError("user", "user: unknown user id 7").field
        'user'
    """

    def __init__(self, field: str, message: str):
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Limits:
    """Limits of a service.

    Attributes:
        max_body: bytes of a request.
        max_history: items of a history.
        max_items: explained items of a request.
        max_waiting: waiting requests; more are refused with status 503.
        max_batch: requests to explain together.

    Raises:
        ValueError: a number that is not positive.

    Example:
        >>> Limits(max_items=10).max_history
        1000
    """

    max_body: int = 1 << 20
    max_history: int = 1000
    max_items: int = 100
    max_waiting: int = 1000
    max_batch: int = 32

    def __post_init__(self):
        check_positive(**vars(self))


@dataclass(frozen=True)
class Question:
    """Question about recommendations for one user.

    Attributes:
        row: row of the user in the data; −1 for a custom history.
        history: item ids of the custom history; empty for a user of the data.
        items: ids of the explained items; empty for the best items.
        n: number of best items to explain, without ``items``.
        reasons: first reasons of each explanation.
    """

    row: int
    history: tuple[Id, ...]
    items: tuple[Id, ...]
    n: int
    reasons: int


class Group(NamedTuple):
    """Key of questions that can be explained in one call."""

    of_users: bool
    items: tuple[Id, ...]
    n: int


def checked_question(
    by: Delivery,
    *,
    user: Id | None = None,
    history: Sequence[Id] | None = None,
    items: Sequence[Id] | None = None,
    n: int = 1,
    reasons: int = 5,
) -> Question:
    """Check a question.

    Args:
        by: recommender, data and explainer.
        user: id of a user of the data.
        history: item ids instead of a user.
        items: ids of the explained items; the best items by default.
        n: number of best items to explain.
        reasons: first reasons of each explanation.

    Raises:
        QuestionError: unknown ids, both or neither of user and history, an empty history, or an explained item inside the
            history.
    """
    if (user is None) == (history is None):
        found = "both" if history is not None else "neither"
        raise QuestionError("user", f"expected the id of a user or a history, found {found}")
    row, columns = -1, np.empty(0, dtype=int)
    if history is None:
        row = int(_places("user", by.data.rows_of, user)[0])
        columns = by.data.matrix[[row]].indices
        if not len(columns):
            raise QuestionError("user", "expected a user with a history, found an empty history")
    else:
        columns = _places("history", by.data.columns_of, list(history))
    if items is not None:
        inside = np.isin(_places("items", by.data.columns_of, list(items)), columns)
        if inside.any():
            raise QuestionError("items", f"expected items outside the history, found {items[int(inside.argmax())]!r} in it")
    return Question(row, tuple(history or ()), tuple(dict.fromkeys(items or ())), n, reasons)


def _places(field: str, find: Callable[[object], np.ndarray], ids: object) -> np.ndarray:
    """Rows or columns of ids.

    Raises:
        QuestionError: unknown ids.
    """
    try:
        return find(ids)
    except (ValueError, OverflowError) as error:
        raise QuestionError(field, str(error).partition(": ")[2] or str(error)) from error


def answers(by: Delivery, questions: Sequence[Question]) -> list[bytes | Exception]:
    """Answers to checked questions: JSON with the records of each, or an exception.

    Questions of one kind are explained in one call. If it fails, each is explained separately, so none affects the others.

    Args:
        by: recommender, data and explainer.
        questions: the questions.

    Returns:
        One for each question, in order: ``{"explanations": [record, …]}`` in ASCII, or an exception.

    Example:
        >>> import lxr
        >>> data = lxr.load_dataset("synthetic")
        >>> model = lxr.MF(data.n_items, n_factors=8)
        >>> by = Delivery(model, data, lxr.explainers.LeaveOneOut(model), "leave-one-out")
        >>> (answer,) = answers(by, [checked_question(by, user=7)])
        >>> json.loads(answer)["explanations"][0]["title"]
        'Group B, item 4'
    """
    groups = defaultdict(list)
    for place, question in enumerate(questions):
        groups[Group(question.row >= 0, question.items, question.n)].append(place)
    found: dict[int, bytes | Exception] = {}
    for group, places in groups.items():
        asked = [questions[place] for place in places]
        try:
            found |= dict(zip(places, _answers_of(by, group, asked), strict=True))
        except Exception as error:  # a foreign recommender may raise anything
            alone = [answers(by, [question])[0] for question in asked] if len(questions) > 1 else [error]
            found |= dict(zip(places, alone, strict=True))
    return [found[place] for place in range(len(questions))]


def _answers_of(by: Delivery, group: Group, questions: Sequence[Question]) -> list[bytes]:
    """Answers to questions of one group."""
    if group.of_users:
        keys = [question.row for question in questions]
        asked: dict = {"rows": list(dict.fromkeys(keys))}
    else:
        keys = list(range(len(questions)))
        asked = {"histories": [question.history for question in questions]}
    explanations = explain_with(by, **asked, items=list(group.items) or None, n_recommendations=group.n)
    records = explanations.records(reasons=max(question.reasons for question in questions))
    of_key = defaultdict(list)
    for key, record in zip(explanations.rows if group.of_users else explanations.users, records, strict=True):
        of_key[int(key)].append(record)
    return [_as_json(of_key[key], question) for key, question in zip(keys, questions, strict=True)]


def _as_json(records: Sequence[Record], question: Question) -> bytes:
    """Answer to a question as JSON; a custom history is the first and only one."""
    user = {} if question.row >= 0 else {"user": 0}
    cut = [record | user | {"reasons": record["reasons"][: question.reasons]} for record in records]
    return json.dumps({"explanations": cut}, allow_nan=False).encode("ascii")
