"""Studies of order, on a recommender whose answers are known and on order-free ones."""

import numpy as np
import pandas as pd
import pytest
import torch

import lxr
from lxr.evaluation import MaskedOneOut, age_table, correlation_table, order_effect
from lxr.reporting.order_plots import plot_ages

N_ITEMS = 6


class ByPlace(lxr.SequentialRecommender):
    """The entry at place p speaks for the next item with the weight 2^p: deletion changes places, a mask does not."""

    def forward(self, items, keep):
        weight = keep * 2.0 ** torch.arange(items.shape[1])
        return torch.zeros(len(items), self.n_items).scatter_add(1, (items + 1) % self.n_items, weight)


@pytest.fixture
def histories():
    return lxr.EntryLists(np.array([2, 0, 4, 1, 3]), np.array([0, 3, 5]), n_columns=N_ITEMS)


def test_a_mask_leaves_the_others_in_their_places(histories):
    model, target = ByPlace(N_ITEMS), np.array([5, 4])
    masked = MaskedOneOut(model, objective="logit").explain(histories, target)
    deleted = lxr.explainers.LeaveOneOut(model, objective="logit").explain(histories, target)
    assert masked.tolist() == [0, 0, 4, 0, 2]  # item 4 at place 2 speaks for 5, item 3 at place 1 for 4
    assert deleted.tolist() == [2, 2, 4, 1, 2]  # without an older entry it is one place further in front


@pytest.mark.parametrize("name", ["mf", "vae"])
def test_a_mask_is_deletion_for_order_free_recommenders(name, histories):
    model = lxr.RECOMMENDERS[name](N_ITEMS)
    ascending = lxr.EntryLists.of_matrix(histories.matrix())
    target = lxr.top_item(model, ascending)
    masked, deleted = (each(model).explain(ascending, target) for each in (MaskedOneOut, lxr.explainers.LeaveOneOut))
    np.testing.assert_allclose(masked, deleted, atol=1e-5)


def test_the_order_matters_to_those_that_use_it(histories):
    shares = order_effect(ByPlace(N_ITEMS), histories)
    assert shares["reversed"] == 0 and shares["newest first"] == 0  # the newest entry decides
    assert (order_effect(lxr.MF(N_ITEMS), histories) == 1).all()


def test_ages_are_counted_from_the_newest(histories):
    scores = {"recent": np.array([0.0, 1, 2, 0, 1]), "oldest": np.array([2.0, 1, 0, 1, 0]), "equal": np.ones(5)}
    table = age_table(scores, histories)
    assert table["recent"].tolist() == [1, 0.25, 0] and table["oldest"].tolist() == [0, 0.75, 1]  # at age 1: 1/2 and 0
    assert (table["equal"] == 0.5).all() and table.index.tolist() == [0, 1, 2]
    assert age_table(scores, histories, n_ages=1).index.tolist() == [0]
    alone = lxr.EntryLists(np.array([1, 2, 3]), np.array([0, 1, 3]), n_columns=N_ITEMS)
    assert age_table({"a": np.array([9.0, 0, 1])}, alone)["a"].tolist() == [1, 0]  # a single entry has no rank
    (ax,) = plot_ages(table).axes
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), table["recent"])


def test_correlations_are_means_within_users(histories):
    a, b = np.array([3.0, 2, 1, 1, 2]), np.array([3.0, 1, 2, 2, 1])
    pd.testing.assert_frame_equal(
        correlation_table({"a": a, "b": b}, histories),
        pd.DataFrame({"a": [1, (0.5 - 1) / 2], "b": [(0.5 - 1) / 2, 1]}, index=["a", "b"]),
    )
