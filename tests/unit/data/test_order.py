"""Data with and without an order of time, and what needs one."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import lxr
from lxr.data.order import has_order

RATINGS = pd.DataFrame({"user": [1, 1, 1, 2, 2, 3, 3], "item": [2, 1, 3, 1, 2, 3, 4], "rating": 5})
TIMES = {  # times → whether they order anything
    "none": (None, False),
    "all zero": ([0] * 7, False),
    "one for each user": ([3, 3, 3, 2, 2, 1, 1], False),
    "of one user": ([0, 0, 0, 0, 0, 0, 1], True),
    "all": ([1, 2, 3, 4, 5, 6, 7], True),
}


class Newest(lxr.SequentialRecommender):
    """Scores the item after the newest one, plus a weight to train."""

    def __init__(self, n_items: int):
        super().__init__(n_items)
        self.weight = torch.nn.Parameter(torch.ones(n_items))

    def forward(self, items, keep):
        age = keep.flip(1).cumsum(1).flip(1)
        newest = keep * torch.exp(1 - age)
        return torch.zeros(len(items), self.n_items).scatter_add(1, (items + 1) % self.n_items, newest) + self.weight

    def loss(self, histories, generator, step):
        return self.logits(histories).square().mean()


def data_with(times: list | None) -> lxr.Interactions:
    """The ratings with these times."""
    ratings = RATINGS if times is None else RATINGS.assign(timestamp=times)
    return lxr.prepare(ratings, min_users_per_item=1)


@pytest.mark.parametrize(("times", "expected"), TIMES.values(), ids=TIMES)
def test_data_has_an_order_if_times_of_a_user_differ(tmp_path, times, expected):
    data = data_with(times)
    assert data.has_order is expected
    data.save(tmp_path / "data.npz")
    assert lxr.Interactions.load(tmp_path / "data.npz").has_order is expected


def test_user_features_have_no_place_in_the_order():
    ratings = RATINGS.copy()
    ratings.attrs["user_features"] = {1: {"age": "18"}, 2: {"age": "18"}, 3: {"age": "50"}}
    assert not lxr.prepare(ratings, min_users_per_item=1).has_order
    data = lxr.prepare(ratings.assign(timestamp=range(7)), min_users_per_item=1)
    assert data.n_features == 2 and data.has_order


def test_lists_without_times_have_the_order_that_they_are_given_in():
    ends = np.array([0, 1, 3])
    assert has_order(lxr.EntryLists(np.array([2, 1, 0]), ends, 3))
    assert not has_order(lxr.EntryLists(np.array([2, 0, 1]), ends, 3))  # another user begins with a lower item
    assert not has_order(lxr.EntryLists(np.array([2, 1, 1]), ends, 3))
    assert has_order(lxr.EntryLists(np.array([2, 1]), np.array([0, 1, 2]), 3))  # of one entry each: nothing to order


@pytest.mark.parametrize(("times", "expected"), TIMES.values(), ids=TIMES)
def test_recent_needs_an_order(times, expected):
    data, model = data_with(times), lxr.MF(4)
    if expected:
        assert lxr.explain(model, data, explainer="recent")
        return
    with pytest.raises(ValueError, match=r"data: expected entries with an order, .* found no user with entries of diff"):
        lxr.explain(model, data, explainer="recent")


@pytest.mark.parametrize("name", ["none", "all zero", "all"])
def test_a_sequential_recommender_warns_of_data_without_an_order(name):
    times, ordered = TIMES[name]
    data, model = data_with(times), Newest(4)
    for call, argument in (
        (lambda: lxr.fit(model, data.histories(), data.histories(), epochs=1, batch_size=3), "train_matrix"),
        (lambda: lxr.recommend(model, data, n=1), "data"),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
        found = "no times" if times is None else "the same time for all entries of each user"
        about = [str(each.message) for each in caught if "uses the order" in str(each.message)]
        assert [message.partition(":")[0] for message in about] == ([] if ordered else [argument])
        assert all(f": 3 users with {found}: " in message for message in about)


def test_recommenders_without_an_order_do_not_warn():
    data = data_with(None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lxr.recommend(lxr.MF(4), data, n=1)
