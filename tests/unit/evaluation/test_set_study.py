"""The study of counterfactual sets: against its parts, one explainer and one user at a time."""

import numpy as np
import pytest
import torch

import lxr
from lxr.counterfactuals import LeavesTop, smallest_prefix, smallest_set
from lxr.evaluation import counterfactual_study


@pytest.fixture
def study(planted):
    """An MF trained on planted tastes, eight users and their study with two explainers."""
    model = lxr.MF(20, n_factors=8)
    lxr.fit(model, *planted, epochs=30, batch_size=20, learning_rate=0.02)
    matrix = planted[1][:8]
    target = lxr.top_item(model, matrix)
    names = ("leave-one-out", "random")
    scores = {name: lxr.EXPLAINERS[name](model, planted[0]).explain(matrix, target) for name in names}
    return model, matrix, target, scores, counterfactual_study(model, matrix, target, scores, ks=(1, 3), time_limit=30)


def test_sizes_are_those_of_prefixes_and_sets(study):
    model, matrix, target, scores, found = study
    for k in (1, 3):
        for name, values in scores.items():
            prefixes = smallest_prefix(model, matrix, target, values, LeavesTop(k))
            expected = np.where(prefixes.found, prefixes.size, np.nan)
            assert np.array_equal(found.by_k[k].sizes.loc[name], expected, equal_nan=True)
        for row in range(8):
            one = smallest_set(model, matrix[[row]], int(target[row]), LeavesTop(k), time_limit=30)
            assert np.array_equal(found.by_k[k].sizes.loc["smallest set", row], one.size if one.size else np.nan, True)


def test_no_explainer_is_smaller_than_the_smallest(study):
    *_, found = study
    table = found.table()
    assert list(table.index) == ["smallest set", "leave-one-out", "random"]
    for k in (1, 3):
        smallest = found.by_k[k].smallest
        assert np.isfinite(smallest).any()
        for _, sizes in found.by_k[k].sizes.iterrows():
            assert not (sizes.to_numpy() < smallest).any()
        assert table[f"optimal@{k}"]["smallest set"] == 1 and table[f"PN@{k}"]["smallest set"] == 1
        assert table[f"relative size@{k}"]["random"] >= table[f"relative size@{k}"]["smallest set"] == 1
    times = found.times()
    assert list(times.index) == [*table.index, "smallest set, median", "smallest set, 90 % within"]
    assert (times > 0).all(axis=None)
    certified = found.certificates()
    assert (certified[["optimal", "none exists", "bound"]].sum(axis=1) == 1).all()
    assert (certified["within one item"] == 1).all()


def test_necessity_of_as_many_items_as_the_smallest_set(study):
    model, matrix, target, scores, found = study
    part = found.by_k[1]
    for row in np.flatnonzero(part.sizes.loc["smallest set"].notna()):
        values = scores["leave-one-out"][[row]].toarray()[0]
        items = sorted(matrix[[row]].indices, key=lambda item: (-values[item], item))[: part.sets[row].size]
        rest = torch.from_numpy(matrix[[row]].toarray())
        rest[0, items] = 0
        with torch.no_grad():
            logits = model(rest)[0].masked_fill(torch.from_numpy(matrix[[row]].toarray()[0] > 0), -torch.inf)
        assert part.necessary.loc["leave-one-out", row] == (logits > logits[target[row]]).any()


def test_lengths_are_checked():
    with pytest.raises(ValueError, match="ks"):
        counterfactual_study(lxr.MF(4), [[1, 0, 0, 0]], [1], {}, ks=(1, 1))
