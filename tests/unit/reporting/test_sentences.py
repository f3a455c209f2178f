"""Sentences about counterfactual sets: titles, proofs, falls; the same for one explanation and for many."""

import numpy as np
import pytest

import lxr
from lxr.counterfactuals import CounterfactualSet
from lxr.reporting import counterfactual_sentence, fall_sentence


@pytest.fixture
def data(train_matrix):
    ids, titles = np.arange(20), np.array([f"Film {item}" for item in range(20)])
    return lxr.Interactions(train_matrix, np.arange(train_matrix.shape[0]), ids, titles)


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ([3], "Without “Film 3”, “Film 9” would have been recommended instead of “Film 5”."),
        ([3, 1], "Without “Film 3” and “Film 1”, “Film 9” would have been recommended instead of “Film 5”."),
        (
            [3, 1, 2],
            "Without “Film 3”, “Film 1” and “Film 2”, “Film 9” would have been recommended instead of “Film 5”.",
        ),
    ],
)
def test_a_counterfactual_is_said_with_titles(data, removed, expected):
    assert counterfactual_sentence(data, 5, found_set(removed)) == expected


def found_set(removed, bound=1):
    """A set of items with the proof of a bound."""
    return CounterfactualSet(np.array(removed) if removed else None, 9, bound=bound, length=5, seconds=0.0)


def test_no_counterfactual_is_said_too(data):
    expected = "No set was found without which another item takes the place of “Film 5”."
    assert counterfactual_sentence(data, 5, found_set([])) == expected
    expected = "Whichever items are left out, no other item takes the place of “Film 5”."
    assert counterfactual_sentence(data, 5, found_set([], bound=6)) == expected
    expected = "Whichever items are left out, “Film 5” does not fall below place 4."
    assert fall_sentence(data, 5, found_set([], bound=6), (4, 4), []) == expected


def test_a_proof_is_said_where_there_is_something_to_prove(data):
    ends = [
        counterfactual_sentence(data, 5, found_set(*each)).partition(". ")[2]
        for each in (([1], 1), ([1, 2], 1), ([1, 2], 2))
    ]
    assert ends == ["", "", "No smaller set exists."]
    assert fall_sentence(data, 5, found_set([1, 2], 2), (2, 3), [9]).endswith("would come before it. No smaller set exists.")


@pytest.mark.parametrize(
    ("removed", "places", "passing", "expected"),
    [
        ([3], (2, 3), [9], "Without “Film 3”, “Film 5” would fall from place 2 to 3: “Film 9” would come before it."),
        (
            [3, 1],
            (4, 9),
            [9, 8, 7, 6, 4],
            "Without “Film 3” and “Film 1”, “Film 5” would fall from place 4 to 9: "
            "“Film 9”, “Film 8”, “Film 7” and 2 others would come before it.",
        ),
        (
            [3],
            (4, 8),
            [9, 8, 7, 6],
            "Without “Film 3”, “Film 5” would fall from place 4 to 8: “Film 9”, “Film 8”, “Film 7” "
            "and 1 other would come before it.",
        ),
        ([], (4, 4), [], "No set was found without which “Film 5” falls below place 4."),
    ],
)
def test_a_fall_is_said_with_places(data, removed, places, passing, expected):
    assert fall_sentence(data, 5, found_set(removed), places, passing) == expected


def test_one_explanation_and_a_record_say_the_same(linear, data):
    model = linear(np.random.default_rng(0).random((20, 20)))
    explanations = lxr.explain(model, data, rows=[0, 1, 2], n_recommendations=3, explainer="leave-one-out")
    records = list(explanations.records(sets="smallest"))
    assert {record["rank"] for record in records} == {1, 2, 3}
    assert [record["sentence"] for record in records] == [explanation.sentence for explanation in explanations]
