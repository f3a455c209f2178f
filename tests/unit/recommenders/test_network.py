"""The layers of recommenders: computed one after the other, they are the recommender."""

import pytest
import torch

import lxr

MODELS = {
    "vae": lambda: lxr.VAE(12, n_hidden=6, n_latent=3, n_features=2),
    "ncf": lambda: lxr.NCF(12, n_factors=4, layers=(6, 3), n_features=2),
    "lightgcn": lambda: lxr.LightGCN(12, n_factors=4, n_features=2),
    "deep tower alone": lambda: lxr.NCF(12, n_factors=4, layers=(6, 5, 3), branches="mlp"),
}


@pytest.mark.parametrize("name", MODELS)
def test_layers_are_the_recommender(name):
    model, generator = MODELS[name](), torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5, generator=generator)
    network, x = model.network(), (torch.rand(5, model.n_columns, generator=generator) < 0.4).float()
    entries, items = torch.arange(model.n_columns), torch.tensor([3, 0, 11])
    with torch.no_grad():
        expected = model(x)
    assert torch.allclose(network.logits(x, entries, items).float(), expected[:, items], atol=1e-5)
    some = torch.tensor([1, 4, 13 if model.n_features else 5])
    with torch.no_grad():
        expected = model(torch.zeros_like(x).index_copy(1, some, x[:, some]))
    assert torch.allclose(network.logits(x[:, some], some, items).float(), expected[:, items], atol=1e-5)


def test_others_have_none():
    assert lxr.MF(5).network() is None and lxr.NCF(5, branches="gmf").network() is None
