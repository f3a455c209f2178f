"""MF: the product of its encoders."""

import oracles
import pytest
import torch
from toys import N_ITEMS, small


def test_mf_is_the_product_of_its_encoders(histories):
    model, history = small("mf"), histories([4])
    weights, items = model.encoders()  # (4, I) each: W and V
    assert weights.shape == items.shape == (4, N_ITEMS)
    with torch.no_grad():
        model.history_encoder.bias.fill_(0.5)
        model.item_encoder.bias.fill_(-2)
        consumed = sum(weights[:, item] for item in oracles.items_of(history[0]))
        expected = [float((consumed + 0.5) @ (items[:, item] - 2)) for item in range(N_ITEMS)]
    assert model(history)[0].tolist() == pytest.approx(expected, abs=1e-5)
