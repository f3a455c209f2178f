"""Options of explainers that ask the recommender: defaults, bounds, budgets."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from explaining import assert_close, make

import lxr
from lxr.explainers import LXR_FAMILIES

# --- options


UNBATCHED = ("similarity", *LXR_FAMILIES)


BATCHED = [name for name, spec in lxr.EXPLAINERS.items() if spec.family not in UNBATCHED]


@pytest.mark.slow
@pytest.mark.parametrize("name", BATCHED)
def test_batch_size_bounds_the_histories_at_a_time_and_changes_nothing(model, train_matrix, history, target, name):
    options = {"n_samples": 80} if "shap-items" in name else {}
    expected = make(name, model, train_matrix, **options).explain(history, target)
    sizes = []
    hook = model.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    found = make(name, model, train_matrix, batch_size=3, **options).explain(history, target)
    hook.remove()
    assert max(sizes) <= 3
    assert_close(found, expected, 1e-4)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lime", {"n_samples": 150, "min_flips": 50, "max_flips": 100, "n_features": None}),
        ("lire", {"n_samples": 200, "n_neighbours": 50, "share": 0.1, "n_features": None}),
        ("lime-rank", {"n_samples": 150, "objective": lxr.OBJECTIVES["rank-margin"]}),
        ("lire-rank", {"n_samples": 200, "objective": lxr.OBJECTIVES["rank-margin"]}),
        ("shap-items-rank", {"n_samples": 1024, "objective": lxr.OBJECTIVES["rank-margin"]}),
        ("integrated-gradients-rank", {"n_steps": 20, "objective": lxr.OBJECTIVES["soft-rank"]}),
        ("spinrec", {"criterion": "objective", "objective": lxr.OBJECTIVES["log-prob"]}),
        ("shap", {"n_clusters": 10}),
        ("shap-items", {"n_samples": 1024}),
        ("accent", {"k": 5, "ranking": "set"}),
        ("integrated-gradients", {"baseline": "empty", "n_steps": 20}),
        ("rank-margin", {"objective": lxr.explainers.RankMargin(19, 1.0)}),
        ("rank-margin-path", {"objective": lxr.explainers.RankMargin(19, 1.0), "singles": 5, "share": 0.1}),
        ("soft-rank-path", {"objective": lxr.explainers.SoftRank(0.35, 0.2), "singles": 5, "share": 0.1}),
    ],
)
def test_the_documented_settings_are_the_defaults(linear, train_matrix, name, expected):
    explainer = make(name, linear(np.eye(20)), train_matrix)
    assert {option: getattr(explainer, option) for option in expected} == expected


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lime", {"n_samples": 0}, "n_samples: expected a positive integer, found 0"),
        ("lime", {"min_flips": 0}, "min_flips: expected a positive integer, found 0"),
        ("lime", {"min_flips": 9, "max_flips": 8}, "max_flips: expected an integer of at least min_flips = 9, found 8"),
        ("lime", {"n_features": 0}, "n_features: expected a positive integer, found 0"),
        ("lire", {"n_neighbours": -1}, "n_neighbours: expected an integer of at least 0, found -1"),
        ("lire", {"share": 1.0}, "share: expected a number between 0 and 1, found 1.0"),
        ("shap", {"n_clusters": 21}, "n_clusters: expected an integer from 1 to 12, found 21"),
        ("shap", {"n_clusters": 0}, "n_clusters: expected an integer from 1 to 12, found 0"),
        ("shap-items", {"n_samples": -5}, "n_samples: expected a positive integer, found -5"),
        ("accent", {"k": 1}, "k: expected an integer from 2 to 20, found 1"),
        ("accent", {"k": 21}, "k: expected an integer from 2 to 20, found 21"),
        ("accent", {"ranking": "nope"}, "ranking: expected one of set, mean, found 'nope'"),
        ("integrated-gradients", {"n_steps": 0}, "n_steps: expected a positive integer, found 0"),
        ("integrated-gradients", {"baseline": "nope"}, "baseline: expected one of empty, user, found 'nope'"),
        ("spinrec", {"n_samples": 0}, "n_samples: expected a positive integer, found 0"),
        ("spinrec", {"n_steps": 1.5}, "n_steps: expected a positive integer, found 1.5"),
        ("rank-margin", {"k": 20}, "k: expected an integer from 1 to 19, found 20"),
        ("rank-margin", {"k": 0}, "k: expected an integer from 1 to 19, found 0"),
        ("rank-margin", {"tau": -1.0}, "tau: expected a positive number, found -1.0"),
        ("rank-margin", {"tau": float("nan")}, "tau: expected a positive number, found nan"),
        ("rank-margin", {"tau": float("inf")}, "tau: expected a positive number, found inf"),
        ("rank-margin-path", {"tau": 0}, "tau: expected a positive number, found 0"),
        ("soft-rank-path", {"tau": 0}, "tau: expected a positive number, found 0"),
        ("rank-margin-path", {"singles": -1}, "singles: expected an integer of at least 0, found -1"),
        ("rank-margin-path", {"share": 0}, "share: expected a number above 0 and up to 1, found 0"),
        *((name, {"batch_size": 0}, "batch_size: expected a positive integer, found 0") for name in BATCHED),
        *(
            (name, {"objective": "nope"}, "unknown objective 'nope': expected one of logit, log-prob, log-odds, rank-margin")
            for name in ("lime", "lire", "shap-items", "leave-one-out", "gradient", "integrated-gradients", "spinrec")
        ),
    ],
)
def test_bad_options_are_refused(linear, train_matrix, name, options, message):
    with pytest.raises(ValueError, match=message):
        make(name, linear(np.eye(20)), train_matrix, **options)


@pytest.mark.parametrize(("name", "longest"), [("lime", 10), ("lire", 10), ("shap-items", 2)])
def test_histories_beyond_the_budget_are_explained_and_reported(model, train_matrix, history, target, name, longest):
    explainer = make(name, model, train_matrix, n_samples=10)
    assert explainer.max_history == longest
    count = int((history.sum(dim=1) > longest).sum())
    message = f"{count} of 7 histories have more than {longest} items \\(the longest 18\\)"
    with pytest.warns(UserWarning, match=message):
        found = explainer.explain(history, target)
    assert torch.isfinite(found).all()
    assert (found[-1][history[-1] > 0] != 0).all()
    with pytest.warns(UserWarning, match=message) as record:
        explainer.explain(sp.csr_matrix(history.numpy()), target.numpy(), users_per_batch=2)
    assert len([warning for warning in record if "histories have more" in str(warning.message)]) == 1


def test_long_histories_get_four_subsets_per_item(model, train_matrix, histories):
    history = histories([18])
    target = lxr.top_item(model, history)
    explainer = make("shap-items", model, train_matrix, n_samples=10)
    with lxr.evaluation.measure_cost(model) as cost, pytest.warns(UserWarning, match="four samples per item"):
        explainer.explain(history, target)
    assert cost.n_scored == 4 * 18 + 2  # and the whole and the empty history
