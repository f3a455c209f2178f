"""Tables of items: linear layers in all but the layout of their weights."""

import pytest
import torch
from torch import nn

import lxr
from lxr.recommenders.first_layer import ItemTable
from lxr.utils.weights import initialize, own_weights, restore_weights


@pytest.fixture
def layers():
    """A table and a linear layer of the same weights."""
    table, linear = ItemTable(5, 3), nn.Linear(5, 3)
    for layer in (table, linear):
        initialize(layer, seed=4)
    return table, linear


def test_a_table_is_a_linear_layer(layers):
    table, linear = layers
    x = torch.rand(4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(table(x), linear(x))
    assert torch.equal(table.weight, linear.weight) and table.table.is_contiguous()
    for layer in layers:
        layer(x).square().sum().backward()
    torch.testing.assert_close(table.table.grad.T, linear.weight.grad)
    assert [weight.shape for weight in own_weights(table)] == [weight.shape for weight in own_weights(linear)]


def test_weights_are_saved_as_those_of_a_linear_layer(layers):
    for source, other in (layers, layers[::-1]):
        state = source.state_dict()
        assert list(state) == ["weight", "bias"] and state["weight"].shape == (3, 5)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.zero_()
        other.load_state_dict(state)
        assert torch.equal(other.weight, source.weight)


def test_restored_tables_are_item_by_item(layers, tmp_path):
    table, linear = layers
    other = ItemTable(5, 3)
    restore_weights(other, linear.state_dict(), tmp_path / "weights.pt")
    assert torch.equal(other.weight, table.weight) and other.table.is_contiguous()
    with pytest.raises(lxr.DataError, match=r"weights\.pt: its weights do not fit: .*"):
        restore_weights(ItemTable(6, 3), linear.state_dict(), tmp_path / "weights.pt")


@pytest.mark.parametrize("change", [{"weight": None}, {"weights": torch.zeros(3, 5)}], ids=["missing", "unexpected"])
def test_other_names_are_refused(layers, change):
    state = {name: value for name, value in (layers[0].state_dict() | change).items() if value is not None}
    with pytest.raises(RuntimeError, match=r"Missing|Unexpected"):
        ItemTable(5, 3).load_state_dict(state)
