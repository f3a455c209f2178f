"""The first layer of a recommender: for entries the same numbers and the same gradients as for dense rows."""

import pytest
import torch

import lxr
from lxr.recommenders.first_layer import first_layer, normalized

LISTS = [[5, 0, 3], [], [7], [1, 2, 3, 4, 6]]


@pytest.fixture
def layer():
    """A layer of eight items, whose bias is not zero either."""
    layer, generator = lxr.MF(8, n_factors=3).history_encoder, torch.Generator().manual_seed(0)
    layer.load_state_dict(
        {name: torch.randn(value.shape, generator=generator) for name, value in layer.state_dict().items()}
    )
    return layer


@pytest.fixture
def histories():
    """Users with many, few and no entries."""
    return lxr.Histories.of_lists(LISTS, n_columns=8)


def test_entries_sum_the_rows_of_the_table(layer, histories):
    weight, bias = layer.state_dict()["weight"], layer.state_dict()["bias"]
    expected = torch.stack([weight[:, items].sum(dim=1) + bias for items in LISTS])
    torch.testing.assert_close(first_layer(layer, histories.rows(8)), expected)
    torch.testing.assert_close(first_layer(layer, histories.dense()), expected)


@pytest.mark.parametrize("change", [lambda history: history, normalized], ids=["as it is", "normalized"])
def test_gradients_of_weights_and_shares_are_those_of_dense_rows(layer, histories, change):
    found = []
    for form in (lambda keep: histories.rows(8, keep), lambda keep: histories.dense(keep=keep)):
        keep = torch.rand(histories.shape, generator=torch.Generator().manual_seed(1)).requires_grad_()
        answer = first_layer(layer, change(form(keep)))
        found.append([answer, *torch.autograd.grad(answer.square().sum(), [keep, *layer.parameters()])])
    for entries, dense in zip(*found, strict=True):
        torch.testing.assert_close(entries, dense)


def test_shares_in_double_precision_take_the_precision_of_the_table(layer, histories):
    keep = torch.rand(histories.shape).double()
    found = first_layer(layer, histories.rows(8, keep))
    torch.testing.assert_close(found, first_layer(layer, histories.rows(8, keep.float())))
