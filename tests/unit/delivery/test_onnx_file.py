"""ONNX of LXR's network says what PyTorch says."""

import numpy as np
import pytest
from toys import small

import lxr
from lxr.delivery import to_onnx

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"activation": "relu", "inputs": "target"}], ids=["default", "others"])
@pytest.mark.filterwarnings("ignore:LXR. not clearly better")
def test_onnx_is_pytorch_to_the_fifth_digit(options, train_matrix, history, tmp_path):
    model = small("vae")
    explainer = lxr.EXPLAINERS["lxr"](model, train_matrix, epochs=1, hidden_size=8, **options)
    to_onnx(explainer, tmp_path / "lxr.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "lxr.onnx", providers=["CPUExecutionProvider"])
    target = lxr.top_item(model, history)
    expected = explainer.explain(history, target)
    for rows in (slice(None), slice(1, 2)):
        inputs = {"history": history[rows].numpy(), "target": target[rows].numpy()}
        (importance,) = session.run(None, inputs)
        found = np.where(history[rows].numpy() > 0, importance, 0)
        np.testing.assert_allclose(found, expected[rows].numpy(), rtol=0, atol=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == ["lxr.onnx"]
    assert next(explainer.network.parameters()).requires_grad


def test_only_lxr_has_a_network_of_its_own(tmp_path):
    with pytest.raises(ValueError, match="explainer: expected a trained LXR, found LeaveOneOut"):
        to_onnx(lxr.explainers.LeaveOneOut(small("mf")), tmp_path / "lxr.onnx")
    assert not list(tmp_path.iterdir())


def test_an_explainer_that_reads_ages_is_refused(tmp_path):
    model, lists = lxr.SASRec(4, n_factors=4), lxr.EntryLists(np.array([2, 0, 1, 3, 0]), np.array([0, 2, 3, 5]), 4)
    explainer = lxr.EXPLAINERS["lxr"](model, lists, lists, epochs=1, hidden_size=4)
    with pytest.raises(ValueError, match=r"explainer: SASRec uses the order of entries, .*: use lxr\.save"):
        to_onnx(explainer, tmp_path / "lxr.onnx")
    assert not list(tmp_path.iterdir())
