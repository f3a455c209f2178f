"""Scores of all items, of slices, of items for every user, and of candidates of each user are the same numbers."""

import pytest
import torch

from lxr.recommenders.last_layer import answer, inner_products, score_candidates

USER = torch.tensor([[1.0, 2], [0, 1]])
TABLE = torch.tensor([[1.0, 1], [3, 0], [5, 4], [0, 0]])


def test_candidates_are_inner_products():
    assert score_candidates(USER, TABLE.view(2, 2, 2)).tolist() == [[3, 3], [4, 0]]


@pytest.mark.parametrize("bias", [None, torch.tensor([10.0, 20, 30, 40])])
@pytest.mark.parametrize("shift", [None, torch.tensor([1.0, 0])])
def test_every_form_of_items_is_a_part_of_the_whole(bias, shift):
    score = inner_products(USER, TABLE, bias=bias, shift=shift)
    whole = answer(score, None)
    expected = torch.tensor([[3.0, 3, 13, 0], [1, 0, 4, 0]])
    expected = expected if shift is None else expected + USER @ shift[:, None]
    torch.testing.assert_close(whole, expected if bias is None else expected + bias)
    items, candidates = torch.tensor([2, 0, 2]), torch.tensor([[1, 3], [0, 0]])
    assert torch.equal(score(slice(1, 3)), whole[:, 1:3])
    assert torch.equal(score(items), whole[:, items])
    assert torch.equal(answer(score, candidates), whole.gather(1, candidates))
    assert torch.equal(answer(score, lambda given: given(slice(3, 4)) - given(slice(0, 1))), whole[:, 3:] - whole[:, :1])
