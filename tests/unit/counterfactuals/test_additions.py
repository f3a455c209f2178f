"""Items to add: against trying every item, and by hand."""

import numpy as np
import oracles
import pytest
import torch
from test_prefix import wanted

from lxr.counterfactuals import added_items


@pytest.mark.parametrize("k", [1, 3])
def test_added_items_bring_the_wanted_item_in(any_model, histories, k):
    history = histories([3, 6, 9])
    target = wanted(any_model, history, "enters")
    for row, item in zip(history.tolist(), target.tolist(), strict=True):
        found = added_items(any_model, [row], item, k=k, time_limit=60)
        consumed = oracles.items_of(row)

        def rank_with(added, consumed=consumed, item=item):
            return oracles.target_rank(oracles.logits_of(any_model, consumed + added), item, consumed)

        singles = [other for other in range(20) if other not in consumed and other != item]
        if rank_with([]) <= k:
            assert found.added.tolist() == [] and found.is_optimal
        elif any(rank_with([other]) <= k for other in singles):
            assert len(found.added) == 1 and rank_with(found.added.tolist()) <= k and found.is_optimal
        else:
            assert found.bound == 2
            assert found.added is None or (len(found.added) > 1 and rank_with(found.added.tolist()) <= k)


def test_two_items_by_hand(linear):
    weights = np.zeros((20, 20))
    weights[0, 5], weights[1, 4], weights[2, 4] = 3, 2, 1.5
    history = torch.zeros(1, 20)
    history[0, 0] = 1
    found = added_items(linear(weights), history, 4)
    assert found.added.tolist() == [1, 2] and found.bound == 2 and found.is_optimal


def test_options_are_refused(linear, history):
    model = linear(np.eye(20))
    with pytest.raises(ValueError, match="k: expected a positive integer"):
        added_items(model, history[:1], 19, k=0)
    with pytest.raises(ValueError, match=r"target: expected shape \(2,\)"):
        added_items(model, history[:2], 19)
