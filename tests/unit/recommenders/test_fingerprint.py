"""Fingerprints: explainers refuse recommenders that they were not made for."""

import copy

import pytest
import torch
from toys import N_ITEMS, function, network_of

import lxr
from lxr.explainers.registry import EXPLAINERS
from lxr.recommenders.fingerprint import Fingerprint
from lxr.utils.weights import save_weights

OTHERS = {
    "another seed": (lxr.MF(N_ITEMS, n_factors=3, seed=1), lxr.MF(N_ITEMS, n_factors=3, seed=2)),
    "another width": (lxr.MF(N_ITEMS, n_factors=3), lxr.MF(N_ITEMS, n_factors=4)),
    "another class": (lxr.MF(N_ITEMS, n_factors=3), lxr.VAE(N_ITEMS, n_hidden=3, n_latent=2)),
    "features": (lxr.MF(N_ITEMS, n_factors=3), lxr.MF(N_ITEMS - 2, n_factors=3, n_features=2)),
    "another function": (function(1), function(-1)),
    "another activation": (lxr.wrap(torch.neg, N_ITEMS, "sigmoid"), lxr.wrap(torch.neg, N_ITEMS, "softmax")),
}


@pytest.mark.parametrize("models", OTHERS.values(), ids=OTHERS)
def test_an_explainer_refuses_another_recommender(models, tmp_path):
    model, other = models
    path = tmp_path / "lxr.pt"
    network_of(model).save(path)
    assert lxr.LXR.load(path, model).model is model
    with pytest.raises(
        lxr.DataError, match=rf"lxr\.pt: expected an explainer of this recommender \({type(other).__name__} of"
    ):
        lxr.LXR.load(path, other)
    taken = lxr.LXR.load(path, other, allow_other=True)
    taken.save(path)  # it is still that of the first
    assert lxr.LXR.load(path, model).model is model


def test_a_recommender_trained_on_is_another(planted, tmp_path):
    model = lxr.MF(N_ITEMS, n_factors=3)
    explainer = network_of(model)
    lxr.fit(model, *planted, epochs=1)
    explainer.save(tmp_path / "lxr.pt")
    with pytest.raises(lxr.DataError, match="found one of another"):
        lxr.LXR.load(tmp_path / "lxr.pt", model)


@pytest.mark.parametrize("name", ["lxr", "lxr-path-rank", "lxr-path-pure-rank"])
def test_all_trained_explainers_refuse_another_recommender(name, planted, tmp_path):
    model = lxr.MF(N_ITEMS, n_factors=3, seed=1)
    EXPLAINERS[name](model, *planted, epochs=1).save(tmp_path / "a.pt")
    assert EXPLAINERS[name].load(tmp_path / "a.pt", model).model is model
    with pytest.raises(lxr.DataError, match="expected an explainer of this recommender"):
        EXPLAINERS[name].load(tmp_path / "a.pt", lxr.MF(N_ITEMS, n_factors=3, seed=2))
    other = lxr.PathLXR if name == "lxr" else lxr.LXR
    with pytest.raises(lxr.DataError, match=f"expected an explainer of the class {other.__name__}"):
        other.load(tmp_path / "a.pt", model)


def test_a_fingerprint_stays_the_same(any_model, unchanged_model, untouched_rng, tmp_path):
    before = Fingerprint.of(any_model.eval())
    any_model.train()
    with unchanged_model(any_model), untouched_rng(), lxr.evaluation.measure_cost(any_model) as cost:
        again = Fingerprint.of(any_model)
    assert cost.n_scored == 0
    assert not before.differs(again) and not again.differs(before)
    save_weights(before.state, tmp_path / "fingerprint.pt")
    assert not before.differs(Fingerprint.of_state(torch.load(tmp_path / "fingerprint.pt", weights_only=True)))


def test_a_fingerprint_does_not_depend_on_precision_or_files(tmp_path):
    model = lxr.NCF(N_ITEMS, n_factors=3, layers=(4, 2), seed=3)
    first = Fingerprint.of(model)
    assert not first.differs(Fingerprint.of(copy.deepcopy(model).double()))
    model.save(tmp_path / "ncf.pt")
    assert not first.differs(Fingerprint.of(lxr.load(tmp_path / "ncf.pt")))
