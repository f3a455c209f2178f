"""The table of models that fit is true, and adapted models keep what their table row promises."""

import numpy as np
import pytest
import torch
from library_models import CASES, TABLE, adapted, cases, small_data

import lxr
from lxr.recommenders.recommendations import histories_of

ADAPTED = [*cases(order="yes"), *cases(order="no")]


@pytest.fixture(params=ADAPTED, ids=lambda case: case.name)
def model(request):
    """A model of every class that can be adapted."""
    return adapted(request.param)


@pytest.fixture
def histories(model):
    """Ten users, in order for a sequential recommender."""
    return histories_of(model, small_data(), np.arange(10)).batch()


def row_of(case) -> dict:
    """Row of the table, by trying."""
    try:
        model = adapted(case)
    except ValueError as error:
        assert "cannot be explained" in str(error)
        return {"user": "learned vector", "order": "", "gradient": "", "explainers": "none"}
    explained = "all" if model.differentiable else "without gradients"
    order, gradient = ("yes" if answer else "no" for answer in (model.is_ordered, model.differentiable))
    user = "history, approximated" if case.model in ("WMF", "LightGCN") else "history"
    return {"user": user, "order": order, "gradient": gradient, "explainers": explained}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_table_is_true(case):
    assert TABLE.loc[(case.library, case.model)].to_dict() == row_of(case)


def test_the_table_has_every_model():
    assert TABLE.index.tolist() == [(case.library, case.model) for case in CASES]


def test_a_share_of_zero_is_deletion(model, histories):
    stays = torch.rand(histories.shape, generator=torch.Generator().manual_seed(1)) < 0.6
    with torch.no_grad():
        masked, deleted = model.logits(histories, stays.float()), model.logits_after_deletion(histories, stays)
    assert torch.allclose(masked, deleted, atol=1e-4)


def test_gradients_are_finite_and_not_zero(model, histories):
    if not model.differentiable:
        pytest.skip("has no gradient")
    keep = histories.real.float().requires_grad_()
    target = lxr.top_item(model, histories)
    (gradient,) = torch.autograd.grad(model.log_prob_of(histories, target, keep).sum(), keep)
    assert torch.isfinite(gradient).all() and gradient.any() and not gradient[~histories.real].any()


def test_users_are_explained_by_their_ids(model):
    data = small_data()
    (explanation,) = lxr.explain(model, data, users=["u00"], n_recommendations=1, explainer="leave-one-out")
    assert set(explanation.items.tolist()) == set(data.histories([0]).items.tolist())
