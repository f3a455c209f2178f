"""CPU and GPU: one code path, the same results within 1e-4."""

import numpy as np
import pytest
import torch

import lxr

TOLERANCE = 1e-4
# Without those that choose among near equals: accent, spinrec, rank-margin-path.
COMPARED = ("random", "cosine", "lime", "lire", "shap", "leave-one-out", "gradient", "integrated-gradients", "rank-margin")


def test_auto_takes_cuda_where_pytorch_sees_it():
    assert lxr.utils.choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert lxr.utils.choose_device("cpu").type == "cpu"


def test_unknown_and_absent_devices_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="device: expected one of auto, cpu, cuda, found 'tpu'"):
        lxr.utils.choose_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="expected a CUDA device for 'cuda', but PyTorch finds none"):
        lxr.utils.choose_device("cuda")


def trained(cls):
    """A recommender of generated data, and the histories of the training, the validation and the test users."""
    data = lxr.load_dataset("synthetic")
    train, validation, test = (data.matrix[users] for users in lxr.split_users(data.matrix.shape[0], seed=42))
    model = cls(data.matrix.shape[1])
    lxr.fit(model, train, validation, epochs=10)
    return model, train, validation, test


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no CUDA device")
@pytest.mark.parametrize("cls", [lxr.MF, lxr.VAE])
def test_gpu_equals_cpu(cls):
    model, train, _, matrix = trained(cls)
    tables = {}
    for device in ("cpu", "cuda"):
        model.to(device)
        target = lxr.top_item(model, matrix)
        scores = {name: lxr.EXPLAINERS[name](model, train).explain(matrix, target) for name in COMPARED}
        # Judged by the same order on both devices: a tie in the importance may fall either way.
        result = lxr.evaluate_fidelity(model, matrix, target, scores["cosine"])
        tables[device] = target, scores, result
    assert (tables["cpu"][0] == tables["cuda"][0]).all()
    for name, scores in tables["cpu"][1].items():
        np.testing.assert_allclose(scores.data, tables["cuda"][1][name].data, atol=TOLERANCE)
    for name, values in tables["cpu"][2].curves.items():
        np.testing.assert_allclose(values.mean(axis=0), tables["cuda"][2].curves[name].mean(axis=0), atol=0.01)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no CUDA device")
@pytest.mark.parametrize("name", ["lxr", "lxr-refined", "lxr-path-rank", "lxr-path-score", "lxr-path-pure-rank"])
def test_what_is_trained_on_a_gpu_explains_as_well(name):
    model, train, validation, matrix = trained(lxr.VAE)
    target = lxr.top_item(model, matrix)
    means = {}
    for device in ("cpu", "cuda"):
        explainer = lxr.EXPLAINERS[name](model.to(device), train, validation, epochs=3)
        scores = explainer.explain(matrix, target)
        means[device] = lxr.evaluate_fidelity(model, matrix, target, scores).per_user()[["POS@20", "NDCG", "INS"]].mean()
    np.testing.assert_allclose(means["cpu"], means["cuda"], atol=0.01)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no CUDA device")
@pytest.mark.parametrize("name", ["lxr-path-pure-rank", "rank-margin"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_bundle_of_one_device_explains_on_the_other(name, wrapped, tmp_path):
    model, train, validation, matrix = trained(lxr.VAE)
    if wrapped:
        layers = torch.nn.Linear(model.n_items, 8), torch.nn.Tanh(), torch.nn.Linear(8, model.n_items)
        model = lxr.wrap(torch.nn.Sequential(*layers), model.n_items, "softmax")
    target = lxr.top_item(model, matrix)
    for source, other in (("cpu", "cuda"), ("cuda", "cpu")):
        model.to(source)
        options = {"epochs": 1} if name.startswith("lxr") else {}
        explainer = lxr.EXPLAINERS[name](model, train, validation, **options)
        lxr.save(tmp_path / source, model=model, explainer=explainer)
        found = lxr.load(tmp_path / source, device=other, trusted=True)
        assert found.model.device.type == other
        expected, scores = (each.explain(matrix, target).data for each in (explainer, found.explainer))
        np.testing.assert_allclose(scores, expected, atol=TOLERANCE)
