"""`lxr.explain`: by hand on a toy whose answer is known, ids in and ids out, and what is refused."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

import lxr
from lxr.delivery import DEFAULT_EXPLAINERS, default_explainer

# Item 0 speaks for item 4 by 3, item 1 by 1, item 2 against it by 1; item 1 for item 5 by 2.
WEIGHTS = np.zeros((6, 6))
WEIGHTS[[0, 1, 2], 4] = [3, 1, -1]
WEIGHTS[1, 5] = 2


@pytest.fixture
def toy(linear):
    """(model, data): users 7 and 8 have items 0, 1 and 2, user 8 also item 3, user 9 has none; ids are letters."""
    matrix = sp.csr_matrix(np.array([[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0], [0] * 6], dtype=np.float32))
    titles = np.array([f"<{name}>" for name in "abcdef"])
    return linear(WEIGHTS), lxr.Interactions(matrix, np.array([7, 8, 9]), np.array(list("abcdef")), titles)


def explained(toy, **options):
    model, data = toy
    return lxr.explain(model, data, **{"explainer": "gradient"} | options)


def test_ids_in_ids_out(toy):
    found = explained(toy, users=[8, 7], n_recommendations=2)
    frame = found.to_frame(reasons=2)
    assert frame["user"].tolist() == [8] * 4 + [7] * 4
    assert frame["item"].tolist() == ["e", "e", "f", "f"] * 2
    assert frame["rank"].tolist() == [1, 1, 2, 2] * 2
    assert frame["score"].tolist() == [3, 3, 2, 2] * 2
    assert frame["reason"].tolist() == ["a", "b", "b", "a"] * 2  # of equal scores, the item of the lowest column
    assert frame["reason_rank"].tolist() == [1, 2] * 4
    assert frame["reason_title"].tolist() == ["<a>", "<b>", "<b>", "<a>"] * 2
    assert frame["sign"].tolist() == [1, 1, 1, 0] * 2
    assert frame["probability"].tolist()[::2] == pytest.approx([1 / (1 + np.exp(-score)) for score in (3, 2, 3, 2)])


def test_a_user_with_fewer_unseen_items_gets_fewer(toy):
    found = explained(toy, users=[8, 7], n_recommendations=5)
    assert [(each.user, each.target) for each in found] == [(1, 4), (1, 5), (0, 4), (0, 5), (0, 3)]


def test_elements_are_explanations_of_one_user(toy):
    found = explained(toy, users=[8, 7])
    assert len(found) == 2 and repr(found) == "Explanations(2 by 'gradient')"
    second = found[-1]
    assert isinstance(second, lxr.UserExplanation) and second.user == 0 and second.explainer == "gradient"
    assert (second.target, second.items.tolist()) == (4, [0, 1, 2])
    np.testing.assert_array_equal(second.scores, found.scores[1].data)
    assert [each.user for each in found] == [1, 0]
    part = found[1:]
    assert isinstance(part, lxr.Explanations) and part.to_frame()["user"].unique().tolist() == [7]
    with pytest.raises(IndexError):
        found[2]


def test_given_items_are_explained_to_every_user(toy):
    found = explained(toy, users=[7, 8], items=["f", "e"])
    about = found.to_frame(reasons=1)
    assert about["item"].tolist() == ["f", "e"] * 2 and about["rank"].tolist() == [2, 1] * 2
    assert explained(toy, rows=0, items="d").to_frame(reasons=1)["rank"].tolist() == [3]


def test_given_items_stand_where_the_top_items_do(model, histories):
    matrix = sp.csr_matrix(histories([4, 7, 5]).numpy())
    data = lxr.Interactions(matrix, np.arange(3), np.arange(20))
    best = lxr.recommend(model, data, rows=1, n=13)
    given = lxr.explain(model, data, rows=1, items=best["item"].to_numpy(), explainer="leave-one-out")
    frame = given.to_frame(reasons=1)
    assert frame["rank"].tolist() == best["rank"].tolist() == list(range(1, 14))
    assert frame["score"].tolist() == best["score"].tolist()


def test_carts_are_nobodys(toy):
    found = explained(toy, histories=[["c", "a", "b", "a"], ["b"]])
    same = explained(toy, users=7)
    assert [each.user for each in found] == [None, None] and found.users.tolist() == [0, 1]
    np.testing.assert_array_equal(found.scores[0].toarray(), same.scores.toarray())
    assert "For this custom history" in str(found[0])
    assert explained(toy, histories={"x": ["b"], "y": ["a"]}).to_frame()["user"].tolist() == ["x", "y"]


def test_users_by_default_are_all(toy):
    model, data = toy
    data = lxr.Interactions(data.matrix[:2], data.user_ids[:2], data.item_ids)
    assert lxr.explain(model, data).users.tolist() == [7, 8]


def test_a_batch_says_the_same_as_one_user(any_model, histories):
    matrix = sp.csr_matrix(histories([4, 7, 5, 1, 9]).numpy())
    data = lxr.Interactions(matrix, np.arange(5), np.arange(20))
    together = lxr.explain(any_model, data, n_recommendations=3, users_per_batch=2).to_frame(reasons=9)
    alone = [lxr.explain(any_model, data, rows=row, n_recommendations=3).to_frame(reasons=9) for row in range(5)]
    assert together["reason"].tolist() == [reason for each in alone for reason in each["reason"]]
    np.testing.assert_allclose(together["importance"], np.concatenate([each["importance"] for each in alone]), atol=1e-5)


def test_the_default_explainer_is_never_trained(linear):
    model = linear(WEIGHTS)
    assert default_explainer(model) == "rank-margin-path"
    black_box = lxr.wrap(lambda history: history.detach() @ torch.eye(6).roll(1, 1), 6, "sigmoid")
    assert default_explainer(black_box) == "leave-one-out"
    assert not any(lxr.EXPLAINERS[name].is_trained for name in DEFAULT_EXPLAINERS.values())
    data = lxr.Interactions(sp.csr_matrix(np.eye(6, dtype=np.float32)), np.arange(6), np.arange(6))
    assert lxr.explain(black_box, data, rows=0).by.name == "leave-one-out"


def test_an_explainer_by_name_is_made_of_the_training_users():
    data = lxr.load_dataset("synthetic")
    train, validation, test = lxr.split_users(data.matrix.shape[0], seed=3)
    model = lxr.Popularity(data.matrix[train])
    explainer = lxr.EXPLAINERS["lire"](model, data.matrix[train], data.matrix[validation], seed=3, n_samples=60)
    by_name = lxr.explain(model, data, rows=test[:2], explainer="lire", seed=3, n_samples=60)
    by_object = lxr.explain(model, data, rows=test[:2], explainer=explainer)
    np.testing.assert_array_equal(by_name.scores.data, by_object.scores.data)
    assert by_name.by.name == "lire"


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"users": 3}, "users: unknown user ids 3"),
        ({"users": "7"}, "users: unknown user ids '7'"),
        ({"users": []}, "users: expected one or more user ids, found none"),
        ({"rows": 3}, "rows: expected rows from 0 to 2, found 3"),
        ({"users": 7, "rows": 0}, "users, rows: expected only one of users, rows and histories, found 2 of them"),
        ({"users": [7, 9]}, "users: user 9 has an empty history"),
        ({}, "users: user 9 has an empty history"),
        ({"users": 7, "items": "z"}, "items: unknown item ids 'z'"),
        ({"users": 7, "items": "a"}, "items: expected items outside the history, found item a in the history of user 7"),
        ({"histories": []}, "histories: expected one or more lists of item ids, found none"),
        ({"histories": ["a"]}, "histories, 0: expected a list of one or more item ids, found 'a'"),
        ({"histories": [["a"], []]}, r"histories, 1: expected a list of one or more item ids, found \[\]"),
        ({"histories": {"x": ["z"]}}, "histories, 'x': unknown item ids 'z'"),
        ({"histories": {"x": ["a"], 1: ["a"]}}, "histories: expected names of one kind, integers or texts"),
        ({"users": 7, "n_recommendations": 0}, "n_recommendations: expected a positive integer, found 0"),
        ({"users": 7, "explainer": "oracle"}, "unknown explainer 'oracle': expected one of random"),
        ({"users": 7, "explainer": 3}, "explainer: expected a name or an explainer of this model, found int"),
    ],
)
def test_bad_input_is_refused(toy, told, message):
    with pytest.raises(ValueError, match=message):
        explained(toy, **told)


def test_what_does_not_fit_is_refused(toy, linear):
    model, data = toy
    of_another = lxr.EXPLAINERS["gradient"](linear(WEIGHTS), data.matrix)
    with pytest.raises(ValueError, match="found an explainer of another model"):
        lxr.explain(model, data, rows=0, explainer=of_another)
    with pytest.raises(ValueError, match="options: expected none with an existing explainer, found k"):
        lxr.explain(model, data, rows=0, explainer=lxr.EXPLAINERS["accent"](model, data.matrix), k=3)
    with pytest.raises(ValueError, match="data: expected 5 items"):
        lxr.explain(linear(np.eye(5)), data, rows=0)


def test_a_long_history_is_told(toy):
    model, data = toy
    explainer = lxr.EXPLAINERS["gradient"](model, data.matrix)
    explainer.max_history = 2
    with pytest.warns(UserWarning, match="1 of 1 histories have more than"):
        lxr.explain(model, data, rows=0, explainer=explainer)
