"""The layers of recommenders: computed one after the other, they are the recommender."""

import pytest
import torch

import lxr

MODELS = {
    "vae": lambda: lxr.VAE(12, n_hidden=6, n_latent=3, n_features=2),
    "ncf": lambda: lxr.NCF(12, n_factors=4, layers=(6, 3), n_features=2),
    "deep tower alone": lambda: lxr.NCF(12, n_factors=4, layers=(6, 5, 3), branches="mlp"),
}


@pytest.mark.parametrize("name", MODELS)
def test_layers_are_the_recommender(name):
    model, generator = MODELS[name](), torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5, generator=generator)
    network, x = model.network(), (torch.rand(5, model.n_columns, generator=generator) < 0.4).double()
    x = x / x.norm(dim=1, keepdim=True) if network.is_normalized else x
    activation = torch.tanh if network.activation == "tanh" else torch.relu
    hidden = activation((x @ network.first.T)[:, None] + network.bias)  # (5, I or 1, h)
    for weights, bias in network.deeper:
        hidden = activation(hidden @ weights.T + bias)
    logits = (hidden * network.last).sum(dim=2) + network.constant
    if network.skip is not None:
        logits = logits + x @ network.skip[0].T @ network.skip[1]
    with torch.no_grad():
        expected = model((x > 0).float())
    assert torch.allclose(model.of_items(logits).float(), model.of_items(expected), atol=1e-5)


def test_others_have_none():
    assert lxr.MF(5).network() is None and lxr.NCF(5, branches="gmf").network() is None
