"""EASE: the closed form, its level of probabilities, and exact smallest sets."""

import itertools

import numpy as np
import pytest
import torch
from toys import random_lists

import lxr
from lxr.counterfactuals import LeavesTop, smallest_set
from lxr.recommenders.built_in.ease import platt_scaling, unseen_scores

N_COLUMNS = 12


def solved(regularization=3.0, **options) -> tuple[lxr.EASE, np.ndarray, float]:
    """A model of forty users, their rows (n, I), and its loss."""
    model, lists = (
        lxr.EASE(N_COLUMNS - options.get("n_features", 0), regularization=regularization, **options),
        random_lists(40, N_COLUMNS),
    )
    return model, lists.matrix().toarray().astype(float), model.solve(lists)


def by_regressions(x, penalty) -> np.ndarray:
    """Weights (I, I): a ridge regression of every item on the others."""
    weights = np.zeros((x.shape[1], x.shape[1]))
    for item in range(x.shape[1]):
        others = np.delete(np.arange(x.shape[1]), item)
        gram = x[:, others].T @ x[:, others] + penalty * np.eye(len(others))
        weights[others, item] = np.linalg.solve(gram, x[:, others].T @ x[:, item])
    return weights


def test_every_item_is_regressed_on_the_others():
    model, x, loss = solved()
    weights, table = by_regressions(x, 3.0), model.item_to_item.table.detach().numpy()
    slope = (table * weights).sum() / (weights**2).sum()
    assert slope > 0
    np.testing.assert_allclose(table, slope * weights, atol=1e-6)
    assert loss == pytest.approx((((x - x @ weights) ** 2).sum() + 3.0 * (weights**2).sum()) / x.size)
    ranking = model(torch.from_numpy(x).float()).detach().numpy()
    np.testing.assert_allclose(ranking - ranking[:, :1], slope * (x @ weights - (x @ weights)[:, :1]), atol=1e-5)


def test_the_mean_probability_of_an_item_is_its_share():
    model, x, _ = solved()
    probability = model.log_prob(torch.from_numpy(x).float()).exp().detach()
    assert float(probability.mean()) == pytest.approx(x.mean(), rel=0.02)
    assert probability[x > 0].mean() > probability[x == 0].mean()


def test_scores_without_a_user_are_those_of_another_training():
    _, x, _ = solved()
    inverse = np.linalg.inv(x.T @ x + 3.0 * np.eye(N_COLUMNS))
    found = unseen_scores(x, x @ inverse, inverse.diagonal())
    for user in range(5):
        np.testing.assert_allclose(found[user], x[user] @ by_regressions(np.delete(x, user, axis=0), 3.0), atol=1e-9)


def test_level_of_probabilities_has_the_highest_likelihood():
    generator = np.random.default_rng(0)
    scores = generator.normal(size=4000)
    labels = generator.random(4000) < 1 / (1 + np.exp(-(1.5 * scores - 2)))
    assert platt_scaling(scores, labels) == pytest.approx((1.5, -2), abs=0.15)
    slope, shift = platt_scaling(np.array([0.0, 0, 1, 1]), np.array([False, False, True, True]))  # separated
    np.testing.assert_allclose(1 / (1 + np.exp([-shift, -slope - shift])), [0.25, 0.75], atol=1e-3)
    assert platt_scaling(-scores, labels)[0] == pytest.approx(1e-3)  # the ranking is never turned round


def test_user_features_are_inputs_of_the_regressions():
    model, x, _ = solved(n_features=2)
    weights = by_regressions(x, 3.0)[:, : N_COLUMNS - 2]
    logits = model(torch.from_numpy(x).float())
    assert (logits[:, -2:] == -torch.inf).all()
    scores, found = (x @ weights).ravel(), logits[:, :-2].detach().numpy().ravel()
    np.testing.assert_allclose(np.corrcoef(scores, found)[0, 1], 1)


def test_smallest_sets_are_proven():
    model, x, _ = solved()
    for row in x[x.sum(axis=1) <= 6][:6]:
        history, items = torch.from_numpy(row[None]).float(), np.flatnonzero(row)
        target = int(lxr.top_item(model, history)[0])
        sizes = []
        for size in range(1, len(items) + 1):
            for removed in itertools.combinations(items, size):
                logits = model(history.index_fill(1, torch.tensor(removed), 0))[0].masked_fill(history[0] > 0, -torch.inf)
                sizes += [size] if logits.argmax() != target else []
        found = smallest_set(model, history, target, LeavesTop(1))
        assert found.size == min(sizes, default=None) and found.certificate == ("optimal" if sizes else "none")


def test_what_does_not_fit_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="regularization: expected a positive number, found 0"):
        lxr.EASE(5, regularization=0)
    with pytest.raises(ValueError, match=r"n_items \(3000000 x 3000000 weights\): expected a call that fits into memory"):
        lxr.EASE(3_000_000)
