"""Signals of LXR on paths: gradients along a path, answers to single items."""

import numpy as np
import torch

import lxr
from lxr import Histories
from lxr.explainers.gradients import gradient
from lxr.explainers.learned.lxr_path_signals import CoarsePath, PathGradients, SingleItemAnswers, single_answers
from lxr.explainers.paths import GradientPath
from lxr.metrics.trajectory import ranks


def test_looks_are_gradients_along_the_path(model, histories):
    history = histories([6, 1, 2, 12])
    target = lxr.top_item(model, history)
    found = PathGradients(lxr.explainers.SoftRank(), removed=(1, 0.5), kept=(2,), path_positions=False)(
        model, Histories.of_dense(history), target
    )
    user, item = history.nonzero(as_tuple=True)
    for row, items in enumerate(item.split(history.sum(dim=1).int().tolist())):
        y, n = target[row : row + 1], len(items)
        entries = Histories.of_lists([items.tolist()], n_columns=20)

        def slope(inside, entries=entries, y=y):
            there = torch.isin(entries.items, torch.tensor(list(inside)))
            return entries.spread(gradient(lxr.explainers.SoftRank(), model, entries, there, y), 20)[0]

        def first(slopes, items, count):
            return sorted(items, key=lambda i: (-slopes[i], i))[:count]

        whole = slope(items.tolist())
        one = set(items.tolist()) - set(first(whole, items.tolist(), min(1, n - 1)))
        without = slope(one)
        more = max(0, min(-(-n // 2), n - 1) - (n - len(one)))
        half = slope(one - set(first(without, one, more)))
        only = slope(first(whole, items.tolist(), min(2, n)))
        expected = torch.stack([whole, without, half, only])[:, items].T
        torch.testing.assert_close(found[user == row], expected, rtol=1e-4, atol=1e-6)


def test_places_are_those_of_the_path_that_looks_follow(model, histories):
    history = histories([6, 1, 2, 12])
    target = lxr.top_item(model, history)
    looks = PathGradients(lxr.explainers.SoftRank(), removed=(1, 0.5), kept=(2,))
    signals = looks(model, Histories.of_dense(history), target)
    user, _ = history.nonzero(as_tuple=True)
    for row, n in enumerate(history.sum(dim=1).int().tolist()):
        whole, one, half, two, *places = signals[user == row].T

        def order(*stages, items=range(n)):
            """Items by the first look until it has taken enough, then by the next."""
            taken = []
            for slopes, count in stages:
                left = sorted(set(items) - set(taken), key=lambda i: (-slopes[i].item(), i))
                taken += left[: max(0, count - len(taken))]
            return taken

        out = order((whole, min(1, n - 1)), (one, min(-(-n // 2), n - 1)), (half, n))
        into = order((whole, min(2, n)), (two, n))
        for place, expected in zip(places, (out, into), strict=True):
            assert place[expected].expm1().round().tolist() == list(range(n))


def test_looks_at_every_step_follow_the_whole_path(model, history):
    target, g = lxr.top_item(model, history), lxr.explainers.SoftRank()
    longest = int(history.sum(dim=1).max())
    looks = CoarsePath(model, PathGradients(g, removed=range(1, longest)))
    path = GradientPath(model, objective=g, singles=longest)
    entries = Histories.of_dense(history)
    found, expected = (ranks(entries, each.explain(entries, target)) for each in (looks, path))
    assert found.tolist() == expected.tolist()


def test_answers_are_those_to_single_items(any_model, histories):
    history = histories([3, 5, 9])
    target = lxr.top_item(any_model, history)
    found = SingleItemAnswers(20, 20, rivals=(1, 4)).fit(any_model)(any_model, Histories.of_dense(history), target)
    with torch.no_grad():
        table, logits = any_model(torch.eye(20)).double(), any_model(history).double()
    expected = []
    for row, item in history.nonzero().tolist():
        y = int(target[row])
        rivals = [j for j in np.argsort(-logits[row].numpy(), kind="stable") if history[row, j] == 0 and j != y]
        margins = [table[item, y] - table[item, rivals[:k]] @ logits[row, rivals[:k]].softmax(dim=0) for k in (1, 4)]
        expected.append(torch.stack([table[item, y], table[item].log_softmax(dim=0)[y], *margins]))
    distinct = logits.sort(dim=1).values.diff(dim=1).min() > 1e-6  # else the rivals among ties are undefined
    if distinct:
        torch.testing.assert_close(found.double(), torch.stack(expected), rtol=1e-3, atol=1e-4)
    assert torch.isfinite(found).all()


def test_a_narrow_sketch_is_exact_where_the_answers_are_of_low_rank(histories):
    model, history = lxr.MF(20, n_factors=3), histories([3, 5, 9])
    entries, target = Histories.of_dense(history), lxr.top_item(model, history)
    wide, narrow = (
        SingleItemAnswers(20, 20, rank=rank, rivals=(5,)).fit(model, seed=3)(model, entries, target) for rank in (20, 5)
    )
    torch.testing.assert_close(narrow, wide, rtol=1e-4, atol=1e-6)
    lossy = SingleItemAnswers(20, 20, rank=1, rivals=(5,)).fit(model)(model, entries, target)
    assert (lossy - wide).abs().max() > 0.01


def test_items_that_are_never_recommended_again_have_the_lowest_answer():
    weights = torch.tensor([[0.0, 3, 1], [2, 0, 1], [0, 1, 0]])
    model = lxr.wrap(lambda x: (x @ weights).masked_fill(x > 0, -torch.inf), 3, "softmax")
    assert single_answers(model, torch.tensor([0, 2])).tolist() == [[1, 3, 1], [0, 1, 0]]
    first = Histories.of_lists([[0]], n_columns=3)
    signals = SingleItemAnswers(3, 3, rivals=(1,)).fit(model)(model, first, torch.tensor([1]))
    torch.testing.assert_close(signals[0, [0, 2]], torch.tensor([3.0, 2.0]))
