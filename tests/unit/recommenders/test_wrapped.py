"""Models of others: which are wrapped, which are refused, and what they say of themselves."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from toys import N_ITEMS, fold_in

import lxr


@pytest.mark.parametrize("activation", ["tanh", "", None])
def test_wrap_refuses_an_unknown_activation(activation):
    with pytest.raises(ValueError, match=f"activation: expected one of sigmoid, softmax, probability, found {activation!r}"):
        lxr.wrap(lambda history: history, N_ITEMS, activation)


NO_SCORERS = {
    "other columns": (
        lambda history: history[:, :-1],
        r"tensor Tensor of shape \(1, 19\); .*array ndarray of shape \(1, 19\)",
    ),
    "one score": (
        lambda history: history.sum(axis=1),
        r"tensor Tensor of shape \(1,\); for the array ndarray of shape \(1,\)",
    ),
    "several results": (torch.nn.LSTM(N_ITEMS, N_ITEMS), "tensor tuple; for the array AttributeError"),
    "nothing": (lambda history: None, "tensor NoneType; for the array NoneType"),
    "other catalogue": (
        lambda history: history @ np.ones((19, 19)),
        "tensor RuntimeError: .*; for the array ValueError: .* 19",
    ),
    "no function": (np.ones((20, 20)), "tensor TypeError: 'numpy.ndarray' object is not callable"),
}


@pytest.mark.parametrize(("scorer", "message"), NO_SCORERS.values(), ids=NO_SCORERS)
def test_wrap_refuses_what_does_not_score_histories(scorer, message):
    with pytest.raises(ValueError, match=r"scorer: expected logits of shape \(1, 20\) .*found for the " + message):
        lxr.wrap(scorer, N_ITEMS, "sigmoid")


def test_logits_of_another_shape_are_refused_later_too(history):
    with pytest.raises(ValueError, match=r"scorer: expected logits of shape \(4, 20\), found \(1, 20\)"):
        lxr.wrap(lambda history: history[:1], N_ITEMS, "sigmoid")
    model = lxr.wrap(lambda history: history[: 1 + 3 * (len(history) == 4)], N_ITEMS, "sigmoid")  # four: those of wrap
    with pytest.raises(ValueError, match=r"scorer: expected logits of shape \(7, 20\), found \(1, 20\)"):
        model(history)


WEIGHTS = np.random.default_rng(0).integers(-9, 10, (N_ITEMS, N_ITEMS))


ARRAYS = {
    "float64": lambda history: history @ WEIGHTS,
    "float16": lambda history: (history @ WEIGHTS).astype(np.float16),
    "integers": lambda history: (history @ WEIGHTS).astype(int),
    "Fortran order": lambda history: np.asfortranarray(history @ WEIGHTS),
    "a view backwards": lambda history: (history @ WEIGHTS[:, ::-1])[:, ::-1],
    "read-only": lambda history: np.broadcast_to(history[:, None, :] @ WEIGHTS, (len(history), 1, N_ITEMS))[:, 0],
    "in place": lambda history: np.matmul(history.copy(), WEIGHTS, out=history, casting="unsafe"),
}


@pytest.mark.parametrize("scorer", ARRAYS.values(), ids=ARRAYS)
def test_black_boxes_of_every_kind_of_array(history, scorer):
    with torch.no_grad():
        before, model = history.clone(), lxr.wrap(scorer, N_ITEMS, "sigmoid")
    assert model.arrays
    logits = model(history)
    assert logits.dtype == torch.float32
    assert torch.equal(logits, history @ torch.from_numpy(WEIGHTS).float())
    assert torch.equal(history, before)


def test_what_works_on_tensors_and_arrays_is_differentiable():
    assert lxr.wrap(lambda history: 2 * history - 1, N_ITEMS, "sigmoid").differentiable


def test_wrapped_recommenders_say_what_they_are():
    assert repr(lxr.wrap(np.tanh, N_ITEMS, "sigmoid")) == "Wrapped(tanh of NumPy arrays)"
    assert repr(lxr.wrap(torch.tanh, N_ITEMS, "sigmoid")) == "Wrapped(tanh)"


def test_als_folds_histories_in_as_the_package_implicit_does(history):
    als = pytest.importorskip("implicit.cpu.als")
    matrix = sp.csr_matrix((np.random.default_rng(0).random((60, N_ITEMS)) < 0.3).astype(np.float32))
    model = als.AlternatingLeastSquares(4, regularization=0.5, alpha=10.0, iterations=3, num_threads=1, random_state=0)
    model.fit(matrix, show_progress=False)
    users = model.recalculate_user(np.arange(len(history)), sp.csr_matrix(history.numpy()))  # (B, f)
    found = fold_in(torch.from_numpy(model.item_factors), model.alpha, model.regularization)(history)
    np.testing.assert_allclose(found, users @ model.item_factors.T, atol=1e-5)


def test_linear_scorers_say_so_and_are_checked():
    weights = torch.randn(N_ITEMS, N_ITEMS, generator=torch.Generator().manual_seed(0))
    model = lxr.wrap(lambda x: x @ weights + 1, N_ITEMS, "sigmoid", is_linear=True)
    assert model.is_linear and not lxr.wrap(lambda x: x @ weights, N_ITEMS, "sigmoid").is_linear
    for other in (lambda x: torch.tanh(x @ weights), lambda x: torch.nn.functional.normalize(x, dim=1) @ weights):
        with pytest.raises(ValueError, match=r"is_linear: expected the logit .*the recommender is not linear"):
            lxr.wrap(other, N_ITEMS, "sigmoid", is_linear=True)


def test_recommenders_know_whether_they_are_linear():
    assert [lxr.MF(5).is_linear, lxr.NCF(5).is_linear, lxr.NCF(5, branches="gmf").is_linear] == [True, False, True]
    assert not lxr.VAE(5).is_linear
