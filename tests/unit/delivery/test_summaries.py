"""Reasons shared by lists and by groups: by hand on a toy, and the same as a loop over explanations."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import lxr
from lxr.reporting.reason_plots import plot_list, plot_shared_reasons

matplotlib.use("agg")
# Item 0 speaks for item 4 by 4 and for item 5 by 1; item 1 for item 4 by 2 and for item 5 by 2; item 2 against item 4 by 2.
WEIGHTS = np.zeros((6, 6))
WEIGHTS[[0, 0, 1, 1, 2], [4, 5, 4, 5, 4]] = [4, 1, 2, 2, -2]


class Logit(lxr.Explainer):
    """Weights of the toy themselves: what each item does to the logit of the target."""

    is_signed = True

    def importance(self, histories, target):
        return torch.tensor(WEIGHTS).float()[histories.items, target[:, None]]


@pytest.fixture
def toy(linear):
    """Explanations of the two recommendations "e" and "f" of users 7 and 8; both have items 0 and 1, user 8 also item 2."""
    matrix = sp.csr_matrix(np.array([[1, 1, 0, 1, 0, 0], [1, 1, 1, 1, 0, 0]], dtype=np.float32))
    model = linear(WEIGHTS)
    data = lxr.Interactions(matrix, np.array([7, 8]), np.array(list("abcdef")), np.array([f"<{name}>" for name in "abcdef"]))
    return lxr.explain(model, data, n_recommendations=2, explainer=Logit(model))


def test_a_list_by_hand(toy):
    frame = toy.by_list(reasons=1)
    assert list(frame) == ["user", "list", "reason", "reason_title", "importance", "share"]
    first = frame[frame["user"] == 7]
    # Of "e", items 0, 1 and 3 have the importance 4, 2 and 0, scaled 1, 1/2 and 0; of "f" 1, 2 and 0: 1/2, 1 and 0.
    assert first["reason"].tolist() == ["a", "b", "d"] and first["reason_title"].tolist() == ["<a>", "<b>", "<d>"]
    assert first["importance"].tolist() == [0.75, 0.75, 0] and first["share"].tolist() == [0.5, 0.5, 0]
    second = frame[frame["user"] == 8].set_index("reason")
    assert second.loc["c", "importance"] == pytest.approx((-0.5 + 0) / 2) and second["list"].unique().tolist() == [2]


def test_groups_equal_those_by_hand(toy):
    frame = toy.by_group({7: "old", 8: "new"}, reasons=1)
    assert list(frame) == ["group", "explanations", "reason", "reason_title", "histories", "importance", "share"]
    assert frame["group"].tolist() == ["new"] * 4 + ["old"] * 3
    new = frame[frame["group"] == "new"].set_index("reason")
    assert new["share"].to_dict() == {"a": 0.5, "b": 0.5, "c": 0, "d": 0} and new["explanations"].unique().tolist() == [2]
    both = toy.by_group(["x"] * 4, reasons=2).set_index("reason")
    assert both["histories"].to_dict() == {"a": 4, "b": 4, "c": 2, "d": 4}
    assert both["share"].to_dict() == {"a": 1, "b": 1, "c": 0, "d": 0}
    assert toy.by_group(["x"] * 4, count=2)["reason"].tolist() == ["a", "b"]


def test_items_are_groups(toy):
    frame = toy.by_item(reasons=1, count=1)
    assert frame["item"].tolist() == ["e", "f"] and frame["title"].tolist() == ["<e>", "<f>"]
    assert frame["reason"].tolist() == ["a", "b"] and frame["share"].tolist() == [1, 1]


@pytest.mark.parametrize("name", ["leave-one-out", "rank-margin-path"])
def test_summaries_are_those_of_a_loop(model, histories, name):
    matrix = sp.csr_matrix(histories([4, 7, 5, 9, 2]).numpy())
    data = lxr.Interactions(matrix, np.arange(10, 15), np.arange(20))
    found = lxr.explain(model, data, n_recommendations=3, explainer=name)
    rows = []
    for user, each in zip(found.users, found, strict=True):
        scores = each.importance.astype(float)
        scaled = scores / np.abs(scores).max() if each.is_signed else each.shown.astype(float)
        values = enumerate(zip(each.items, scaled, strict=True))
        rows += [(user, each.target, item, value, place < 2) for place, (item, value) in values]
    loop = pd.DataFrame(rows, columns=["user", "item", "reason", "importance", "share"])
    expected = loop.groupby(["user", "reason"])[["importance", "share"]].mean().sort_index()
    frame = found.by_list(reasons=2)
    assert all((np.diff(part["importance"]) <= 1e-12).all() for _, part in frame.groupby("user"))
    sorted_frame = frame.set_index(["user", "reason"])[["importance", "share"]].sort_index()
    pd.testing.assert_frame_equal(sorted_frame, expected, rtol=1e-6)
    by_item = found.by_item(reasons=2, count=99).set_index(["item", "reason"]).sort_index()
    means = {"importance": ("importance", "mean"), "firsts": ("share", "sum"), "histories": ("user", "size")}
    sums = loop.groupby(["item", "reason"]).agg(**means)
    sizes = loop.groupby("item")["user"].nunique()
    np.testing.assert_allclose(by_item["importance"], sums["importance"], rtol=1e-6)
    np.testing.assert_allclose(by_item["share"], sums["firsts"] / sums.index.get_level_values("item").map(sizes))
    assert by_item["histories"].tolist() == sums["histories"].tolist()


def test_bad_groups_are_refused(toy):
    with pytest.raises(ValueError, match="groups: expected a group for every user, found none for user 8"):
        toy.by_group({7: "old"})
    with pytest.raises(ValueError, match=r"groups: expected a mapping from user ids, or 4 groups, found \(2,\)"):
        toy.by_group(["x", "y"])
    with pytest.raises(ValueError, match="reasons: expected a positive integer, found 0"):
        toy.by_list(reasons=0)
    with pytest.raises(ValueError, match="count: expected a positive integer, found 0"):
        toy.by_item(count=0)


def test_figures_show_the_frames(toy):
    frame = toy.by_list(reasons=1)
    (ax,) = plot_list(frame[frame["user"] == 7], count=2).axes
    assert [bar.get_width() for bar in ax.patches] == [0.75, 0.75]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["<a>", "<b>"]
    assert [text.get_text() for text in ax.texts] == ["0.75 (1 of 2)", "0.75 (1 of 2)"]
    assert ax.get_title(loc="left") == "2 recommendations of user 7, because of"
    with pytest.raises(ValueError, match=r"reasons: expected rows of one user, .*, found 2"):
        plot_list(frame)
    groups = toy.by_group({7: "old", 8: "new"}, reasons=1)
    axes = plot_shared_reasons(groups, count=2).axes
    assert [ax.get_title(loc="left") for ax in axes] == ["new (2 explanations)", "old (2 explanations)"]
    assert [bar.get_width() for ax in axes for bar in ax.patches] == [0.5] * 4
    first, _ = plot_shared_reasons(toy.by_item(reasons=1), count=3).axes
    assert first.get_title(loc="left") == "<e> (2 explanations)" and first.patches[0].get_width() == 1
    with pytest.raises(ValueError, match="reasons: expected one or more rows, found none"):
        plot_shared_reasons(groups.head(0))
