"""Goals: each against its definition, on random logits with many ties, and by hand."""

import numpy as np
import oracles
import pytest
import torch

from lxr.counterfactuals import ChangesList, Enters, LeavesTop

GOALS = {"leaves": LeavesTop, "enters": Enters, "changes": ChangesList}


@pytest.mark.parametrize("name", GOALS)
@pytest.mark.parametrize("k", [1, 2, 5, 30])
def test_a_goal_is_its_definition(name, k):
    generator, n = np.random.default_rng(k), 12
    whole, after = generator.integers(0, 6, (2, 300, n)).astype(np.float32)
    consumed = generator.random((300, n)) < 0.3
    consumed[:, 0] = False
    target = np.array([generator.choice(np.flatnonzero(~row)) for row in consumed])
    tensors = [torch.from_numpy(part) for part in (after, whole, target, ~consumed)]
    found = GOALS[name](k).reached(*tensors).tolist()
    users = zip(whole.tolist(), after.tolist(), target.tolist(), consumed, strict=True)
    expected = [oracles.reaches(name, k, w, a, t, np.flatnonzero(c).tolist()) for w, a, t, c in users]
    assert found == expected
    assert len(set(expected)) == (2 if k < 30 else 1)


def test_successors_equal_those_by_hand():
    whole = torch.tensor([[9.0, 5, 4, 3, 2]])  # item 0 is consumed; the list is 1, 2, 3, 4
    after = torch.tensor([[9.0, 5, 2, 3, 4]])
    question = whole, torch.tensor([2]), torch.tensor([[False, True, True, True, True]])
    assert LeavesTop(2).successor(after, *question).tolist() == [4]  # item 1 was before item 2 already
    assert Enters(2).successor(after, *question).tolist() == [2]
    assert ChangesList(2).successor(after, *question).tolist() == [4]
    assert ChangesList(1).successor(after, *question).tolist() == [4]


def test_k_is_a_positive_integer():
    with pytest.raises(ValueError, match="k: expected a positive integer, found 0"):
        LeavesTop(0)
