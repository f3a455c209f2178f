"""Every option of every constructor and function refuses what it cannot be, before anything is computed."""

import inspect

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

import lxr
from lxr.utils.checks import (
    check_choice,
    check_different,
    check_numbers,
    check_options,
    check_positive,
    check_seed,
    is_integer,
    is_number,
)

MATRIX = sp.csr_matrix(np.tile(np.eye(10, dtype=np.float32) + np.eye(10, k=1, dtype=np.float32), (3, 1)))
NO_INTEGERS = (2.5, float("nan"), "3", None, True, np.array([3]))
NO_NUMBERS = ("0.5", True, 1j, float("nan"), float("inf"), torch.tensor(0.5))
SEEDS = (-1, 2**32, 1.5, "0", True, None)


def numeric_options(function) -> list[tuple[str, tuple]]:
    """Options with a number as default, and values that they can never have."""
    found = []
    for name, each in inspect.signature(function).parameters.items():
        if isinstance(each.default, int) and not isinstance(each.default, bool):
            found.append((name, SEEDS if name == "seed" else (*NO_INTEGERS, -1)))
        elif isinstance(each.default, float):
            found.append((name, (*NO_NUMBERS, -1.0)))
    return found


SHORT = {name: {"epochs": 1} for name, spec in lxr.EXPLAINERS.items() if spec.is_trained or spec.depends_on}
EXPLAINERS = {
    name: (
        lambda name=name, **options: lxr.EXPLAINERS[name](
            lxr.MF(10, n_factors=2), MATRIX, MATRIX, **SHORT.get(name, {}) | options
        )
    )
    for name in lxr.EXPLAINERS
}
PLAIN = {
    "MF": (lxr.MF, lambda **options: lxr.MF(10, **options)),
    "VAE": (lxr.VAE, lambda **options: lxr.VAE(10, **options)),
    "NCF": (lxr.NCF, lambda **options: lxr.NCF(10, **options)),
    "SASRec": (lxr.SASRec, lambda **options: lxr.SASRec(10, **options)),
    "GRU4Rec": (lxr.GRU4Rec, lambda **options: lxr.GRU4Rec(10, **options)),
    "fit": (lxr.fit, lambda **options: lxr.fit(lxr.MF(10, n_factors=2), MATRIX, MATRIX, **{"epochs": 1} | options)),
    "LXRSettings": (lxr.LXRSettings, lxr.LXRSettings),
    "PathSettings": (lxr.PathSettings, lxr.PathSettings),
    "RankMargin": (lxr.explainers.RankMargin, lxr.explainers.RankMargin),
    "SoftRank": (lxr.explainers.SoftRank, lxr.explainers.SoftRank),
    "Budget": (lxr.tuning.Budget, lxr.tuning.Budget),
    "GreedySearch": (lxr.evaluation.GreedySearch, lambda **options: lxr.evaluation.GreedySearch(lxr.MF(10), **options)),
    "ExplainerNetwork": (
        lxr.explainers.ExplainerNetwork,
        lambda **options: lxr.explainers.ExplainerNetwork(10, 4, **options),
    ),
    "evaluate_fidelity": (
        lxr.evaluate_fidelity,
        lambda **options: lxr.evaluate_fidelity(lxr.MF(10), MATRIX[:2], [5, 5], MATRIX[:2].toarray(), **options),
    ),
    "explain": (
        lxr.Explainer.explain,
        lambda **options: lxr.EXPLAINERS["cosine"](lxr.MF(10), MATRIX).explain(MATRIX[:2], [5, 5], **options),
    ),
    "top_item": (lxr.top_item, lambda **options: lxr.top_item(lxr.MF(10), MATRIX, **options)),
    "rank_quality": (lxr.rank_quality, lambda **options: lxr.rank_quality(lxr.MF(10), MATRIX, **options)),
    "random_bound": (
        lxr.evaluation.random_bound,
        lambda **options: lxr.evaluation.random_bound(lxr.MF(10), MATRIX[:2], [5, 5], **options),
    ),
    "greedy_bound": (
        lxr.evaluation.greedy_bound,
        lambda **options: lxr.evaluation.greedy_bound(lxr.MF(10), MATRIX[:2], [5, 5], **options),
    ),
    "shuffled_histories": (
        lxr.evaluation.shuffled_histories,
        lambda **options: lxr.evaluation.shuffled_histories(MATRIX, **{"seed": 0} | options),
    ),
    "rank_biased_overlap": (
        lxr.metrics.rank_biased_overlap,
        lambda **options: lxr.metrics.rank_biased_overlap(sp.csr_matrix([[1.0, 2]]), sp.csr_matrix([[1.0, 2]]), **options),
    ),
}
CASES = [
    pytest.param(make, option, value, id=f"{name}({option}={value!r})")
    for name, (function, make) in PLAIN.items()
    for option, values in numeric_options(function)
    for value in values
] + [
    pytest.param(make, option, value, id=f"{name}({option}={value!r})")
    for name, make in EXPLAINERS.items()
    for option, default in (lxr.EXPLAINERS[name].defaults(lxr.MF(10), MATRIX) | {"seed": 0, "alpha": 1.0}).items()
    if option != "alpha" or "alpha" in lxr.EXPLAINERS[name].defaults(lxr.MF(10), MATRIX)
    if isinstance(default, int | float) and not isinstance(default, bool)
    for value in (SEEDS if option == "seed" else (*NO_INTEGERS, -1) if isinstance(default, int) else (*NO_NUMBERS, -1.0))
    if not (option in ("k", "n_clusters") and value is None)  # None: as many as usual
]


@pytest.mark.parametrize(("make", "option", "value"), CASES)
def test_an_option_that_cannot_be_is_refused_by_name(make, option, value):
    with pytest.raises(ValueError, match=f"^{option}: expected .*found"):
        make(**{option: value})


@pytest.mark.parametrize("name", list(lxr.EXPLAINERS))
def test_an_unknown_option_of_an_explainer_is_refused_with_those_that_are_known(name):
    with pytest.raises(ValueError, match="unknown option 'bogus', expected some of"):
        EXPLAINERS[name](bogus=1)


@pytest.mark.parametrize("values", [(), 5, (2.5,), ("5",), (float("nan"),), (0,), (-1,), None, "5", (True,), {5: 1}, [[5]]])
@pytest.mark.parametrize("option", ["cutoffs", "lengths"])
def test_cutoffs_and_lengths_are_positive_integers(option, values):
    with pytest.raises(ValueError, match=f"^{option}: expected one or more positive integers, found"):
        PLAIN["evaluate_fidelity"][1](**{option: values})


@pytest.mark.parametrize("option", ["cutoffs", "lengths"])
def test_cutoffs_and_lengths_are_different(option):
    with pytest.raises(ValueError, match=f"^{option}: expected different values, found 5 more than once"):
        PLAIN["evaluate_fidelity"][1](**{option: (5, 1, 5)})
    PLAIN["evaluate_fidelity"][1](**{option: np.array([5, 1])})  # an array will do


@pytest.mark.parametrize("layers", [(), (2.5,), "16", 16, (16, 0), None])
def test_widths_of_layers_are_positive_integers(layers):
    with pytest.raises(ValueError, match=r"^layers: expected one or more positive integers, found"):
        lxr.NCF(10, layers=layers)
    assert lxr.NCF(10, layers=[8, 8]).tower  # equal widths are two layers


def test_seeds_of_numpy_are_as_good_as_those_of_python():
    first, second = (lxr.MF(10, n_factors=2, seed=seed) for seed in (3, np.int64(3)))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    losses = [lxr.fit(model, MATRIX, MATRIX, seed=seed, epochs=1) for model, seed in ((first, 3), (second, np.uint16(3)))]
    assert losses[0].equals(losses[1])
    for seed in (0, 2**32 - 1):
        assert check_seed(np.uint64(seed)) == seed


@given(st.integers() | st.floats() | st.booleans() | st.text() | st.none() | st.complex_numbers())
def test_types_are_asked_before_values_are_compared(value):
    assert is_integer(value) == (isinstance(value, int) and not isinstance(value, bool))
    assert is_number(value) == (isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf"))
    for check in (check_positive, lambda **values: check_numbers("above 0", lambda number: number > 0, **values)):
        try:
            check(size=value)
        except ValueError as error:
            assert str(error).startswith("size: expected") and str(error).endswith(f"found {value!r}")
        else:
            assert value > 0


def test_choices_and_names_are_listed_where_there_is_none_such():
    check_choice(("tanh", "relu"), activation="relu")
    for value in ("Tanh", None, 3, ["tanh"], np.array(["tanh", "relu"])):
        with pytest.raises(ValueError, match=r"^activation: expected one of tanh, relu, found"):
            check_choice(("tanh", "relu"), activation=value)
    with pytest.raises(ValueError, match=r"^warm_start: expected one of True, False, found 1"):
        check_choice((True, False), warm_start=1)
    with pytest.raises(ValueError, match=r"^MF: unknown option 'width', expected some of n_factors"):
        check_options(("n_factors", "dropout"), MF={"width": 3})
    with pytest.raises(ValueError, match=r"^lengths: expected different values, found 2 more than once"):
        check_different(lengths=(1, 2, 2))


@pytest.mark.parametrize(
    ("argument", "call"),
    {
        "n_items or width": lambda: lxr.MF(10**9, n_factors=10**6),
        "n_items or width ": lambda: lxr.explainers.ExplainerNetwork(10**9, 10**5),
        "steps": lambda: PLAIN["evaluate_fidelity"][1](steps=10**12),
        "n_users": lambda: lxr.split_users(10**13, seed=42),
        "users_per_batch": lambda: explainer_of(wide()[0]).explain(*wide()[1:3], users_per_batch=2 * 10**4),
        "batch_size": lambda: lxr.top_item(*wide()[:2], batch_size=2 * 10**4),
    }.items(),
)
def test_a_call_that_cannot_fit_into_memory_is_refused_before_it_starts(argument, call):
    with pytest.raises(ValueError, match=f"^{argument.strip()}.*: expected a call that fits into memory .* needs .* lower"):
        call()


def explainer_of(model: lxr.Recommender) -> lxr.Explainer:
    """An explainer that has asked its recommender nothing yet."""
    explainer = lxr.EXPLAINERS["random"](lxr.MF(4), None)
    explainer.model = model
    return explainer


def wide() -> tuple:
    """A recommender of 500 million items, 20,000 short histories, targets and scores: sparse, all of them fit."""
    matrix = sp.csr_matrix(
        (np.ones(2 * 10**4, dtype=np.float32), np.zeros(2 * 10**4, dtype=int), np.arange(2 * 10**4 + 1)),
        shape=(2 * 10**4, 5 * 10**8),
    )
    model = lxr.Recommender(5 * 10**8)
    return model, matrix, np.ones(2 * 10**4, dtype=int), matrix
