"""MF: the product of its encoders."""

import oracles
import pytest
import torch
from toys import N_ITEMS, small

import lxr


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


@pytest.mark.parametrize("n_features", [0, 2])
def test_sampled_negatives_estimate_the_loss_of_whole_rows(n_features):
    options = {"n_factors": 3, "dropout": 0.0, "positive_weight": 7.0, "n_features": n_features}
    whole, sampled = lxr.MF(8, **options), lxr.MF(8, negatives=4, **options)
    sampled.load_state_dict(whole.state_dict())
    histories = lxr.Histories.of_lists([[0, 3, 7], [2], [1, 4, 5, 7 + n_features]], n_columns=8 + n_features)
    generator = torch.Generator().manual_seed(0)
    expected = whole.loss(histories, generator, step=1)
    found = torch.stack([sampled.loss(histories, generator, step=1) for _ in range(2000)])
    error = found.std() / len(found) ** 0.5
    assert 0 < error < 0.01 and (found.mean() - expected).abs() < 4 * error


def test_training_with_sampled_negatives_learns():
    matrix = lxr.load_dataset("synthetic").matrix
    model = lxr.MF(160, n_factors=32, negatives=20)
    lxr.fit(model, matrix[:400], matrix[400:500], epochs=80)
    popular = lxr.rank_quality(lxr.Popularity(matrix[:400]), matrix[500:])["HR@10"]
    assert lxr.rank_quality(model, matrix[500:])["HR@10"] > 1.5 * popular


def test_a_number_of_negatives_is_positive():
    with pytest.raises(ValueError, match="negatives: expected a positive integer, found 0"):
        lxr.MF(8, negatives=0)
