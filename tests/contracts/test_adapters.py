"""One contract for all models of other libraries, and the table of models that fit."""

import numpy as np
import pandas as pd
import pytest
import torch
from library_models import CASES, N_ITEMS, small_data

import lxr
from lxr.utils.environment import PROJECT_ROOT

TABLE = pd.read_csv(PROJECT_ROOT / "docs/models_that_fit.csv").set_index(["library", "model"])
ADAPTED = [case for case in CASES if TABLE.loc[(case.library, case.model), "user"] != "learned vector"]


def name_of(case) -> str:
    return f"{case.library}-{case.model}"


@pytest.fixture(scope="module")
def data():
    return small_data()


@pytest.fixture(scope="module")
def made():
    """Adapted models by case: each is trained once."""
    return {}


def made_once(case, data, made):
    if case not in made:
        made[case] = case.adapted(data)
    return made[case]


@pytest.fixture(params=ADAPTED, ids=name_of)
def model(request, data, made):
    """A model of every class that can be adapted."""
    if reason := request.param.missing():
        pytest.skip(reason)
    return made_once(request.param, data, made)


@pytest.fixture
def histories(data, model):
    """Ten users, in order for a sequential recommender."""
    return lxr.recommenders.recommendations.histories_of(model, data, np.arange(10)).batch()


def row_of(case, data, made) -> dict:
    """Row of the table, by trying."""
    try:
        model = made_once(case, data, made)
    except ValueError as error:
        assert "cannot be explained" in str(error)
        return {"user": "learned vector", "order": "", "gradient": "", "explainers": "none"}
    explained = "all" if model.differentiable else "without gradients"
    order, gradient = ("yes" if answer else "no" for answer in (model.is_ordered, model.differentiable))
    user = "history, approximated" if case.model in ("WMF", "LightGCN") else "history"
    return {"user": user, "order": order, "gradient": gradient, "explainers": explained}


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_table_is_true(case, data, made):
    if reason := case.missing():
        pytest.skip(reason)
    assert TABLE.loc[(case.library, case.model)].fillna("").to_dict() == row_of(case, data, made)


def test_the_table_has_every_model():
    assert TABLE.index.tolist() == [(case.library, case.model) for case in CASES]


def test_one_finite_logit_per_item_and_for_nothing(model, histories):
    with torch.no_grad():
        logits = model.logits(histories)
        empty = model.logits(lxr.Histories.of_lists([[]], N_ITEMS))
    assert logits.shape == (10, N_ITEMS) and torch.isfinite(logits).all() and torch.isfinite(empty).all()


def test_a_batch_equals_one_at_a_time(model, histories):
    with torch.no_grad():
        alone = torch.cat([model.logits(each.trimmed()) for each in histories.split(1)])
        assert torch.allclose(model.logits(histories), alone, atol=1e-4)


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


def test_users_are_explained(model, data):
    names = ["leave-one-out", "gradient"] if model.differentiable else ["leave-one-out"]
    for name in names:
        explanation = lxr.explain(model, data, users=["u00"], n_recommendations=1, explainer=name)[0]
        assert set(explanation.items.tolist()) == set(data.histories([0]).items.tolist())
