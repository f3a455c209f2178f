"""One recommendation explained in five lines: by hand on a toy whose answer is known, and what is refused."""

import matplotlib
import numpy as np
import pytest
import scipy.sparse as sp
import torch

import lxr
from lxr.counterfactuals import LeavesTop, smallest_set
from lxr.reporting import counterfactual_sentence

matplotlib.use("agg")
# Item 0 speaks for item 4 by 3, item 1 by 1, item 2 against it by 1; item 1 for item 5 by 2.
WEIGHTS = np.zeros((6, 6))
WEIGHTS[[0, 1, 2], 4] = [3, 1, -1]
WEIGHTS[1, 5] = 2


@pytest.fixture
def toy(linear):
    """(model, data): the first user has the items 0, 1 and 2, the second all but 4 and 5, the third none."""
    matrix = sp.csr_matrix(np.array([[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0], [0] * 6], dtype=np.float32))
    titles = np.array([f"<{name}>" for name in "abcdef"])
    return linear(WEIGHTS), lxr.Interactions(matrix, np.array([7, 8, 9]), np.arange(6), titles)


@pytest.fixture
def explanation(toy):
    model, data = toy
    return lxr.explain(model, data, rows=0, explainer=lxr.EXPLAINERS["leave-one-out"](model, data.matrix))[0]


def test_an_explanation_orders_the_history(explanation):
    assert explanation.target == 4 and explanation.title == "<e>"
    assert explanation.items.tolist() == [0, 1, 2]
    frame = explanation.to_frame()
    assert frame["title"].tolist() == ["<a>", "<b>", "<c>"]
    assert frame.index.tolist() == [1, 2, 3]
    falls = [np.log(1 + np.exp(-without)) - np.log(1 + np.exp(-3.0)) for without in (0.0, 2.0, 4.0)]
    assert frame["importance"].tolist() == pytest.approx(falls, abs=1e-6)
    assert explanation.to_frame(2)["item"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("removed", "rank", "logit", "first"),
    [([], 1, 3, 4), ([2], 1, 4, 4), ([0], 2, 0, 5), ([0, 1], 3, -1, 3), ([2, 1, 0], 1, 0, 3)],
)
def test_a_removal_gives_another_rank_and_probability(explanation, removed, rank, logit, first):
    found = explanation.without(removed)
    assert (found.rank, found.first) == (rank, first)
    assert found.probability == pytest.approx(1 / (1 + np.exp(-logit)))


def test_the_sentence_is_that_of_the_smallest_set_and_true(toy, explanation):
    model, data = toy
    found = smallest_set(model, explanation.history, 4)
    assert found.removed.tolist() == [0] and found.replacement == 5
    assert explanation.sentence == counterfactual_sentence(data, 4, found)
    assert explanation.sentence == "Without “<a>”, “<f>” would have been recommended instead of “<e>”."
    assert explanation.without(found.removed).first == found.replacement


def test_a_later_recommendation_gets_its_own_counterfactual(toy):
    model, data = toy
    later = lxr.explain(model, data, rows=0, items=5, explainer="leave-one-out")[0]
    assert (later.target, later.target_rank.rank, later.target_rank.first) == (5, 2, 4)
    # Only item 1 speaks for item 5: without it, its logit is that of item 3, which does not pass it.
    assert later.sentence == "Whichever items are left out, “<f>” does not fall below place 2."


def test_the_fall_of_a_later_recommendation_by_hand(linear):
    """Item 3 is first, 4 second by item 1, 5 third by item 0; without item 1, item 5 passes item 4."""
    weights = np.zeros((6, 6))
    weights[[0, 1, 2], [5, 4, 3]] = [1, 2, 3]
    data = lxr.Interactions(sp.csr_matrix([[1.0, 1, 1, 0, 0, 0]]), np.array([7]), np.arange(6))
    explain = lxr.EXPLAINERS["leave-one-out"](linear(weights), data.matrix)
    second = lxr.explain(explain.model, data, rows=0, items=4, explainer=explain)[0]
    assert second.sentence == "Without “1”, “4” would fall from place 2 to 3: “5” would come before it."
    assert (second.counterfactual.removed.tolist(), second.counterfactual.replacement) == ([1], 5)


def test_a_set_after_which_the_place_is_the_same_does_not_count(linear):
    """Without item 0, item 5 passes the second, item 4, but the first, item 3, falls behind it."""
    weights = np.zeros((6, 6))
    weights[[0, 0, 1, 2], [3, 4, 4, 5]] = [10, 2, 1, 2]
    data = lxr.Interactions(sp.csr_matrix([[1.0, 1, 1, 0, 0, 0]]), np.array([7]), np.arange(6))
    explain = lxr.EXPLAINERS["gradient"](linear(weights), data.matrix)
    second = lxr.explain(explain.model, data, rows=0, items=4, explainer=explain)[0]
    assert (second.target_rank.rank, second.without([0]).rank, second.without([0]).first) == (2, 2, 5)
    assert second.counterfactual.certificate == "none"


def test_every_counterfactual_of_every_place_is_true(histories, model):
    history = histories([9, 6])
    for row in history:
        logits = model(row[None]).detach()[0].masked_fill(row > 0, -torch.inf)
        for rank, item in enumerate(logits.argsort(descending=True)[: int((row == 0).sum())].tolist(), start=1):
            found = smallest_set(model, row[None], item, LeavesTop(rank))
            if found.removed is None:
                continue
            rest = row.clone()
            rest[found.removed] = 0
            after = model(rest[None]).detach()[0].masked_fill(row > 0, -torch.inf)
            ahead = set((after > after[item]).nonzero().ravel().tolist())
            assert len(ahead) >= rank
            new = ahead - set((logits > logits[item]).nonzero().ravel().tolist())
            assert found.replacement == max(new, key=lambda other: after[other])


def test_it_shows_itself(explanation):
    text, page = str(explanation), explanation._repr_html_()
    for part in ("User 7 is recommended “<e>” (rank 1, probability 0.953)", "1. <a>", "Without “<a>”, “<f>” would"):
        assert part in text
    assert "&lt;a&gt;" in page and "<a>" not in page
    assert page.count("<tr>") == 3
    assert repr(explanation) == "UserExplanation(user=0, target=4, explainer='LeaveOneOut', 3 items)"


def test_bars_are_those_of_the_frame(explanation):
    ax = explanation.plot(count=2)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["<a>", "<b>"]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(explanation.to_frame(2)["importance"].tolist())
    assert ax.get_title(loc="left") == "User 7 is recommended “<e>”. Reasons:"
    assert ax.figure.get_supxlabel() == explanation.sentence
    assert explanation.plot(ax=ax) is ax


def test_the_sign_is_shown_where_it_means_something(toy, explanation):
    model, data = toy
    assert explanation.is_signed and explanation.shown.tolist() == explanation.to_frame()["importance"].tolist()
    for shown in (str(explanation), explanation._repr_html_()):
        assert "speaks against the recommendation" in shown
    ax = explanation.plot()
    assert (
        ax.get_xlabel().endswith("Below zero (grey): speaks against the recommendation.")
        and len({bar.get_facecolor() for bar in ax.patches}) == 2
    )
    assert "#b5b5b5" in explanation._repr_html_()

    class Position(lxr.Explainer):
        def importance(self, histories, target):
            return histories.items - 10.0

    other = lxr.explain(model, data, rows=0, explainer=Position(model))[0]
    assert not other.is_signed and other.shown.tolist() == [1, 0.5, 0]
    assert other.to_frame()["importance"].tolist() == [-8, -9, -10]  # the scores themselves
    ax = other.plot()
    assert [bar.get_width() for bar in ax.patches] == [1, 0.5, 0] and len({bar.get_facecolor() for bar in ax.patches}) == 1
    assert "from 0 (least) to 1 (most)" in ax.get_xlabel()
    for shown in (str(other), other._repr_html_()):
        assert "against" not in shown and "#b5b5b5" not in shown and "-8" not in shown and "1.00" in shown


def test_equal_scores_are_all_one():
    explanation = lxr.UserExplanation(None, None, lxr.Histories.of_lists([[0, 1, 2]]), 0, np.full(3, -2.0), "constant")
    assert explanation.shown.tolist() == [1, 1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mf", "vae"])
def test_a_recommender_is_trained_in_one_go(name):
    data = lxr.load_dataset("synthetic", user_features=True)
    *_, test = lxr.split_users(data.matrix.shape[0], seed=42)
    model = lxr.train_recommender(name, data, seed=42)
    assert model.n_features == 2 and not model.training
    popularity = lxr.Popularity(data.matrix, n_features=2)
    assert lxr.rank_quality(model, data.matrix[test])["NDCG@10"] > lxr.rank_quality(popularity, data.matrix[test])["NDCG@10"]


def test_what_is_not_in_the_history_cannot_be_left_out(explanation):
    with pytest.raises(ValueError, match="items: expected items of the history, found 3"):
        explanation.without([0, 3])


def test_recommendations_leave_out_what_is_consumed(toy):
    model, data = toy
    first = lxr.recommend(model, data, rows=1)
    assert first["item"].tolist() == data.item_ids[[4, 5]].tolist()
    assert first["score"].tolist() == [3, 2]
    assert first["probability"].tolist() == pytest.approx([0.953, 0.881], abs=1e-3)
