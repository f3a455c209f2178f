"""Questions: what is wrong is said of its field; answers are the same alone and together."""

import json

import numpy as np
import pytest
import torch
from toys import N_ITEMS, small

import lxr
from lxr.delivery import Delivery
from lxr.service.answers import Limits, QuestionError, answers, checked_question


@pytest.fixture
def by(train_matrix):
    """An MF of the training users with texts as user ids, explained by leave-one-out; the first user has no history."""
    matrix = train_matrix.tolil()
    matrix[0] = 0
    users = np.array([f"user {number:02}" for number in range(matrix.shape[0])], dtype=object)
    data = lxr.Interactions(matrix.tocsr(), users, 100 + np.arange(N_ITEMS))
    model = small("mf")
    return Delivery(model, data, lxr.explainers.LeaveOneOut(model), "leave-one-out")


LAST = 100 + N_ITEMS - 1  # consumed by no user
BAD = {
    "neither": ({}, "user", "neither"),
    "both": ({"user": "user 01", "history": [100]}, "user", "both"),
    "unknown user": ({"user": "user 99"}, "user", "unknown user ids 'user 99'"),
    "user of another kind": ({"user": 7}, "user", "unknown user ids 7"),
    "user without history": ({"user": "user 00"}, "user", "empty"),
    "unknown item": ({"history": [100, 7]}, "history", "unknown item ids 7"),
    "item of another kind": ({"history": ["100"]}, "history", "unknown item ids '100'"),
    "huge item": ({"history": [10**30]}, "history", "unknown item ids"),
    "no text": ({"user": "\ud800"}, "user", "surrogates"),
    "unknown explained item": ({"history": [100], "items": [LAST, 1]}, "items", "unknown item ids 1"),
    "explained item of the history": ({"history": [100, 101], "items": [LAST, 101]}, "items", "found 101 in it"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_question_is_refused_by_its_field(name, by):
    asked, field, message = BAD[name]
    with pytest.raises(QuestionError, match=message) as refusal:
        checked_question(by, **asked)
    assert refusal.value.field == field


ASKED = [
    {"user": "user 07"},
    {"user": "user 07", "reasons": 1},
    {"user": "user 08", "n": 3},
    {"history": [100, 103, 107]},
    {"history": [107, 100, 103, 100], "reasons": 2},
    {"history": [101], "items": [LAST, 105]},
    {"user": "user 09", "items": [LAST]},
    {"user": "user 07", "n": 3},
    {"history": [104, 105], "n": 3},
    {"history": [110], "n": N_ITEMS},
]


def comparable(answer):
    """All of an answer but its numbers, and these (n,)."""
    numbers = []

    def without_numbers(value):
        if isinstance(value, float):
            numbers.append(value)
            return "a number"
        if isinstance(value, dict):
            return {name: without_numbers(part) for name, part in value.items()}
        return [without_numbers(part) for part in value] if isinstance(value, list) else value

    return without_numbers(json.loads(answer)), numbers


def assert_alike(answer, expected):
    """Answers are the same, up to the last digits of numbers."""
    (found, numbers), (rest, others) = comparable(answer), comparable(expected)
    assert found == rest
    np.testing.assert_allclose(numbers, others, rtol=1e-4, atol=1e-6)


def test_answers_are_those_of_lxr_explain(by):
    questions = [checked_question(by, **asked) for asked in ASKED]
    for asked, answer in zip(ASKED, answers(by, questions), strict=True):
        who = {"users": asked["user"]} if "user" in asked else {"histories": [asked["history"]]}
        options = {"items": asked.get("items"), "n_recommendations": asked.get("n", 1), "explainer": by.explainer}
        records = lxr.explain(by.model, by.data, **who, **options).records(reasons=asked.get("reasons", 5))
        expected = [record | {"explainer": by.name} for record in records]
        assert_alike(answer, json.dumps({"explanations": expected}))


@pytest.mark.parametrize("explainer", ["leave-one-out", "rank-margin-path", "lxr", "cosine"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_batch_is_answered_like_one_question_at_a_time(explainer, by, train_matrix):
    options = {"epochs": 1, "hidden_size": 4} if explainer == "lxr" else {}
    made = lxr.EXPLAINERS[explainer](by.model, train_matrix, **options)
    by = Delivery(by.model, by.data, made, explainer)
    questions = [checked_question(by, **asked) for asked in ASKED]
    for question, together in zip(questions, answers(by, questions), strict=True):
        (alone,) = answers(by, [question])
        assert_alike(together, alone)


class Failing(lxr.Explainer):
    """Fails for histories of two items."""

    def importance(self, histories, target):
        """Scores (B, L)."""
        if (histories.lengths == 2).any():
            raise RuntimeError("two items")
        return torch.ones(histories.shape)


@pytest.mark.filterwarnings("ignore:Failing. for")
def test_a_question_that_fails_does_not_spoil_the_others(by):
    by = Delivery(by.model, by.data, Failing(by.model), "failing")
    questions = [checked_question(by, history=history) for history in ([100], [101, 102], [103, 104, 105])]
    first, second, third = answers(by, questions)
    assert isinstance(second, RuntimeError)
    assert [len(json.loads(answer)["explanations"][0]["reasons"]) for answer in (first, third)] == [1, 3]


def test_nobody_who_has_everything_is_recommended_something(by):
    question = checked_question(by, history=[100 + item for item in range(N_ITEMS)])
    assert answers(by, [question]) == [b'{"explanations": []}']


@pytest.mark.parametrize("limit", [{"max_body": 0}, {"max_batch": 2.5}, {"max_waiting": True}])
def test_limits_are_positive(limit):
    with pytest.raises(ValueError, match=next(iter(limit))):
        Limits(**limit)
