"""VAE: the decoded mean code."""

import numpy as np
import pytest
from toys import small, with_biases


def test_vae_decodes_the_mean_code_of_the_normalised_history(histories):
    model, history = with_biases(small("vae")), histories([4])
    weight = {name: value.double().numpy() for name, value in model.state_dict().items()}
    hidden = np.tanh(weight["encoder.weight"] @ (history[0].numpy() / 2) + weight["encoder.bias"])  # four items: norm 2
    mean = (weight["latent.weight"] @ hidden + weight["latent.bias"])[:4]  # the other half is log σ²
    decoded = np.tanh(weight["decoder.weight"] @ mean + weight["decoder.bias"])
    expected = weight["output.weight"] @ decoded + weight["output.bias"]
    assert model(history)[0].tolist() == pytest.approx(expected, abs=1e-5)
