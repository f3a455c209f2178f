"""One gate for what a recommender answers: whatever it does inside, explainers see the same logits, or one clear error."""

import copy
import warnings
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from toys import NEED_GRADIENT

import lxr
from lxr.explainers import LXR_FAMILIES
from lxr.explainers.base import training_lists
from lxr.explainers.learned.base import report_unlearned
from lxr.explainers.objectives import unrounded
from lxr.recommenders.modes import learning
from lxr.recommenders.probes import check_answers
from lxr.utils.environment import PROJECT_ROOT

N_ITEMS = 12
AMAZON = PROJECT_ROOT.parent / "shared" / "data" / "cfexprec_amazon"
TRAINED = lxr.EXPLAINERS.names(*LXR_FAMILIES)
OPTIONS = {"shap-items": {"n_samples": 60}, "lime": {"n_samples": 40}, "lire": {"n_samples": 40}}
OPTIONS |= {f"{name}-rank": options for name, options in OPTIONS.items()}
OPTIONS |= {name: {"epochs": 2, "hidden_size": 8} for name in TRAINED}
PURE = ("lxr-path-pure", "lxr-path-pure-rank", "lxr-path-pure-score")


class Hostile(lxr.Recommender):
    """history @ weights + bias with every bad habit: another precision, work in place, −∞ for what was seen, dropout and
    batch normalisation that would act in training mode."""

    def __init__(self, weights, bias, activation="sigmoid", dtype=torch.float64, in_place=True, refuses=True, noisy=True):
        super().__init__(len(weights))
        self.activation, self.in_place, self.refuses = activation, in_place, refuses
        self.noise = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(len(weights), eps=0.0)) if noisy else nn.Identity()
        self.register_buffer("bias", torch.as_tensor(bias))
        self.weights = nn.Parameter(torch.as_tensor(weights))
        self.to(dtype)

    def forward(self, history):
        """Map histories (B, I) to logits (B, I)."""
        if self.in_place:
            history -= 1
            history *= -1  # what is missing
            history = 1 - history
        seen = history > 0
        logits = self.noise(history) @ self.weights + self.bias
        return logits.masked_fill(seen, -torch.inf) if self.refuses else logits


def tame(weights, bias, activation="sigmoid") -> lxr.Recommender:
    """The same function with no habits."""
    weights, bias = torch.as_tensor(weights).float(), torch.as_tensor(bias).float()
    return lxr.wrap(lambda history: history @ weights + bias, len(weights), activation)


def parts(seed=0, n_items=N_ITEMS, of=8):
    """Weights and biases of few binary digits, so that sums are exact in every precision; no item speaks for itself."""
    generator = np.random.default_rng(seed)
    weights = generator.integers(-2 * of, 2 * of + 1, (n_items, n_items)) / of
    np.fill_diagonal(weights, 0)
    return weights, generator.integers(-2 * of, 2 * of + 1, n_items) / of


def users(seed=0, n_users=6, n_items=N_ITEMS, longest=6):
    """Binary histories (B, I) of one to ``longest`` items."""
    generator = np.random.default_rng(seed)
    x = torch.zeros(n_users, n_items)
    for row in x:
        row[generator.choice(n_items, generator.integers(1, longest + 1), replace=False)] = 1
    return x


def training_users(n_items=N_ITEMS):
    """Histories (40, I) of at least two items."""
    consumed = np.random.default_rng(9).random((40, n_items)) < 0.3
    consumed[:, :2] |= consumed.sum(axis=1, keepdims=True) < 2
    return sp.csr_matrix(consumed.astype(np.float32))


def made(name, model, **options):
    """An explainer with tiny options, made without its warnings."""
    train = training_users(model.n_items)
    with warnings.catch_warnings(action="ignore"):
        return lxr.EXPLAINERS[name](model, train, train[:10], seed=1, **OPTIONS.get(name, {}) | options)


def explained(explainer, history, target):
    """Scores, without warnings of users whose items score the same."""
    with warnings.catch_warnings(action="ignore"):
        return explainer.explain(history, target)


def said(function) -> list[str]:
    """Warnings of a call."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [str(warning.message) for warning in caught]


# Everybody's answers


@given(
    seed=st.integers(0, 99),
    activation=st.sampled_from(["sigmoid", "softmax"]),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]),
    in_place=st.booleans(),
    refuses=st.booleans(),
    noisy=st.booleans(),
    frozen=st.booleans(),
    asked_in=st.sampled_from([torch.float32, torch.float64, torch.int64, torch.bool]),
)
def test_generated_recommenders_answer_like_the_plain_function(
    seed, activation, dtype, in_place, refuses, noisy, frozen, asked_in
):
    weights, bias = parts(seed)
    model, history = Hostile(weights, bias, activation, dtype, in_place, refuses, noisy), users(seed).to(asked_in)
    if frozen:
        model.noise.eval()
    modes, before = [each.training for each in model.modules()], history.clone()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    expected = history.double() @ torch.as_tensor(weights) + torch.as_tensor(bias)
    expected = expected.masked_fill((history > 0) & refuses, -torch.inf)
    for _ in range(2):
        logits = model(history)
        assert logits.dtype == (asked_in if asked_in.is_floating_point else torch.float32)
        torch.testing.assert_close(logits.double(), expected, rtol=1e-2 if dtype == torch.bfloat16 else 0, atol=0)
    assert torch.equal(history, before)
    assert [each.training for each in model.modules()] == modes
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in state.items())
    assert not said(lambda: check_answers(model))
    target = lxr.top_item(model, history)
    assert torch.equal(target, lxr.top_item(tame(weights, bias, activation), before)) or dtype == torch.bfloat16


@pytest.mark.slow
@pytest.mark.parametrize("refuses", [False, True])
@pytest.mark.parametrize("name", lxr.EXPLAINERS)
def test_explanations_of_a_hostile_recommender_are_those_of_its_tame_twin(name, refuses):
    if refuses and name in PURE:
        pytest.skip("it reads what each item says of itself, which the recommender keeps from it")
    if refuses and name in ("lime-rank", "lire-rank", "spinrec-rank"):
        pytest.skip("it puts rivals of the target into histories, and the recommender then refuses to recommend them")
    weights, bias = parts(of=1024)  # so many that no two gradients are equal but for rounding
    hostile, twin = Hostile(weights, bias, refuses=refuses), tame(weights, bias)
    history, modes = users(n_users=8), [each.training for each in hostile.modules()]
    target, before = lxr.top_item(twin, history), history.clone()
    tolerance = 2e-3 if name in TRAINED else 1e-5  # training makes more of rounding
    found = explained(made(name, hostile), history, target)
    torch.testing.assert_close(found, explained(made(name, twin), before, target), rtol=1e-4, atol=tolerance)
    assert torch.equal(history, before)
    assert [each.training for each in hostile.modules()] == modes
    assert all(parameter.grad is None for parameter in hostile.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("name", lxr.EXPLAINERS)
def test_scores_are_finite_though_seen_items_are_refused(name, activation):
    model, history = Hostile(*parts(3), activation), users(3, n_users=8, longest=N_ITEMS - 1)
    assert explained(made(name, model), history, lxr.top_item(model, history)).isfinite().all()


def test_judging_a_hostile_recommender_is_judging_its_twin():
    weights, bias = parts(1)
    hostile, twin, matrix = Hostile(weights, bias), tame(weights, bias), training_users()
    assert lxr.rank_quality(hostile, matrix) == lxr.rank_quality(twin, matrix)
    target = lxr.top_item(hostile, matrix)
    scores = made("random", twin).explain(matrix, target)
    found, expected = (lxr.evaluate_fidelity(model, matrix, target, scores).per_user() for model in (hostile, twin))
    pd.testing.assert_frame_equal(found, expected)
    bounds = [lxr.evaluation.greedy_bound(model, matrix[:5], target[:5]).per_user() for model in (hostile, twin)]
    pd.testing.assert_frame_equal(*bounds)
    assert hostile.training


# In place


def test_work_in_place_that_starts_late_is_an_error():
    class Late(lxr.Recommender):
        def forward(self, history):
            return history.mul_(2) if len(history) == 3 else 2 * history

    model = Late(4)
    model(torch.ones(2, 4))
    with pytest.raises(ValueError, match=r"Late\.forward: it changed the history in place"):
        model(torch.ones(3, 4))
    history = torch.ones(3, 4)
    assert model(history).eq(2).all()
    assert history.eq(1).all()


def test_work_in_place_on_the_array_behind_a_tensor_is_seen():
    class Behind(lxr.Recommender):
        def forward(self, history):
            history.numpy()[:] += 1
            return history * 1

    model, history = Behind(4), torch.zeros(2, 4)
    for _ in range(2):
        assert model(history).eq(1).all()
        assert history.eq(0).all()


def test_the_answer_is_no_view_of_the_history():
    model, history = lxr.wrap(lambda x: x, 4, "sigmoid"), torch.zeros(2, 4)
    logits = model(history)
    history.fill_(1)
    assert logits.eq(0).all()


# Outputs


@pytest.mark.parametrize(
    ("output", "found"),
    [
        (lambda x: x[:, 1:], r"\(3, 5\)"),
        (lambda x: x.sum(dim=1), r"\(3,\)"),
        (lambda x: x[None], r"\(1, 3, 6\)"),
        (lambda x: (x, None), "tuple of 2"),
        (lambda x: None, "NoneType"),
        (lambda x: {"logits": x}, "dict"),
        (lambda x: x.numpy(), "ndarray"),
        (lambda x: x.to(torch.complex64), r"torch\.complex64"),
        (lambda x: x.to_sparse(), "sparse"),
    ],
    ids=["narrow", "flat", "deep", "tuple", "nothing", "dict", "array", "complex", "sparse"],
)
def test_outputs_that_are_no_logits_are_refused_by_everything(output, found):
    class Odd(lxr.Recommender):
        def forward(self, history):
            return output(history)

    model, history = Odd(6), torch.eye(6)[:3]
    with pytest.raises(ValueError, match=rf"^Odd\.forward: expected logits of shape \(3, 6\), found .*{found}"):
        model(history)
    for use in (lambda: lxr.top_item(model, history), lambda: lxr.rank_quality(model, sp.csr_matrix(np.ones((2, 6))))):
        with pytest.raises(ValueError, match=r"^Odd\.forward: expected logits of shape"):
            use()
    with pytest.raises(ValueError, match=r"^Odd\.forward: expected logits of shape \(4, 6\)"):
        lxr.EXPLAINERS["cosine"](model, sp.csr_matrix(np.ones((2, 6))))


@pytest.mark.parametrize("dtype", [torch.int32, torch.bool, torch.uint8])
def test_integer_logits_are_logits(dtype):
    assert lxr.wrap(lambda x: (x @ torch.eye(5).roll(1, 0)).to(dtype), 5, "softmax")(torch.eye(5)).dtype == torch.float32


def test_an_unknown_activation_of_a_class_is_refused():
    class Loud(lxr.Popularity):
        activation = "relu"

    with pytest.raises(ValueError, match="activation: expected one of sigmoid, softmax, probability, found 'relu'"):
        Loud(sp.csr_matrix(np.eye(3)))(torch.eye(3))


def test_double_precision_from_end_to_end():
    data = lxr.load_dataset("synthetic").histories()
    for name in lxr.RECOMMENDERS:
        model = lxr.RECOMMENDERS[name](data.n_columns).double()
        lxr.fit(model, data[:80], data[80:120], epochs=1)
        assert next(model.parameters()).dtype == torch.float64
        target = lxr.top_item(model, data[:3])
        assert np.isfinite(made("gradient", model).explain(data[:3], target)).all()


def test_functions_of_double_tensors_are_wrapped():
    weights = torch.randn(5, 5, dtype=torch.float64)
    model = lxr.wrap(lambda x: x @ weights, 5, "sigmoid")
    assert model(torch.eye(5)).dtype == torch.float32
    assert model.differentiable
    assert lxr.wrap(nn.Linear(5, 5).double(), 5, "sigmoid").differentiable


def test_a_module_of_ids_says_what_to_wrap():
    embedding = nn.Embedding(5, 5)

    class Ids(lxr.Recommender):
        def __init__(self):
            super().__init__(5)
            self.embedding = embedding

        def forward(self, history):
            return self.embedding(history).mean(dim=1)

    for use in (lambda: lxr.wrap(lambda x: embedding(x).mean(dim=1), 5, "sigmoid"), lambda: Ids()(torch.eye(5))):
        with pytest.raises(ValueError, match=r"expects item ids, found histories.*x @ embedding\.weight"):
            use()
    assert lxr.wrap(lambda x: x @ embedding.weight, 5, "sigmoid").differentiable


# Modes


class Network(lxr.Recommender):
    """A network with dropout and batch normalisation, in training mode as PyTorch makes it."""

    def __init__(self, n_items):
        super().__init__(n_items)
        self.net = nn.Sequential(nn.Linear(n_items, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, n_items))
        self.modes = []

    def forward(self, history):
        """Map histories (B, I) to logits (B, I)."""
        self.modes.append((self.net[2].training, torch.is_grad_enabled()))
        return self.net(history)

    def loss(self, histories, generator, step):
        """Cross-entropy of whole rows."""
        history = self.dense_rows(histories)
        return nn.functional.binary_cross_entropy_with_logits(self(history), history)


def test_fit_learns_in_training_mode_and_judges_in_evaluation_mode():
    torch.manual_seed(0)
    model, matrix = Network(N_ITEMS), training_users()
    for _ in range(2):
        model.modes.clear()
        lxr.fit(model, matrix, matrix[:10], epochs=2, batch_size=10)
        assert set(model.modes) == {(True, True), (False, False)}
        assert not any(each.training for each in model.modules())
    statistics = model.net[1].running_mean.clone()
    model.train()
    lxr.rank_quality(model, matrix)
    assert torch.equal(model.net[1].running_mean, statistics)
    assert all(each.training for each in model.modules())


def test_a_loop_of_ones_own_says_when_it_learns():
    model, history = Network(N_ITEMS), users()
    with learning(model):
        assert not torch.equal(model(history), model(history))
    assert torch.equal(model(history), model(history))


@pytest.mark.slow
@pytest.mark.parametrize("name", lxr.EXPLAINERS)
def test_explaining_leaves_modes_and_statistics_alone(name):
    torch.manual_seed(0)
    model, history = Network(N_ITEMS), users()
    model.net[1].eval()
    before, modes = copy.deepcopy(model.state_dict()), [each.training for each in model.modules()]
    model.modes.clear()
    target = lxr.top_item(model, history)
    explainer = made(name, model)
    first = explained(explainer, history, target)
    assert torch.equal(first, explained(explainer, history, target))
    assert not any(training for training, _ in model.modes)
    assert [each.training for each in model.modules()] == modes
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_wrapped_module_is_asked_in_evaluation_mode_whatever_its_own():
    module = nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5))
    model = lxr.wrap(module, 6, "softmax")
    assert module.training
    assert torch.equal(model(torch.eye(6)), model(torch.eye(6)))


# Questions


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (lambda x: x + torch.where(torch.arange(6) == 2, torch.nan, 0), "found nan for item 2 at a history of 1 item"),
        (lambda x: x + torch.where(torch.arange(6) == 2, torch.inf, 0), "found inf for item 2"),
        (lambda x: x + torch.where(torch.arange(6) == 2, -torch.inf, 0), "found -inf for item 2.*a large negative number"),
        (lambda x: x.masked_fill(x.sum(1, keepdim=True) > 2, torch.nan), "found nan for item . at a history of 3 items"),
        (lambda x: torch.rand_like(x), "expected the same answer to the same history, found two"),
        (lambda x: x - x.mean(dim=0), "depends on one history only, found a different one in a batch of 4"),
        (lambda x: x.view(1, 6) * 1.5, "for batches .* of any size, found RuntimeError for 4 histories at once"),
        (
            lambda x: x * 1.5 if x.any(dim=1).all() else {}["none"],
            "expected an answer to any history, found at the empty",
        ),
    ],
    ids=["NaN", "inf", "-inf", "NaN when long", "random", "of others", "one at a time", "fails when empty"],
)
def test_scorers_that_cannot_be_explained_are_refused_at_once(scorer, message):
    with pytest.raises(ValueError, match=f"^scorer: .*{message}"):
        lxr.wrap(scorer, 6, "sigmoid")


def test_no_answer_to_the_empty_history_is_an_error_of_explaining():
    with pytest.warns(UserWarning, match=r"found nan for item 0 at the empty history: .*clamp\(min=1\)"):
        model = lxr.wrap(lambda x: (x / x.sum(dim=1, keepdim=True)) @ torch.ones(6, 6).triu(), 6, "sigmoid")
    assert lxr.top_item(model, torch.eye(6)).shape == (6,)
    for name in lxr.EXPLAINERS:
        with pytest.raises(ValueError, match="found nan for item 0 at the empty history"):
            made(name, model)
    mended = lxr.wrap(lambda x: x / x.sum(dim=1, keepdim=True).clamp(min=1) @ torch.ones(6, 6).triu(), 6, "sigmoid")
    assert made("shap-items", mended).explain(torch.eye(6)[:1], torch.tensor([2])).isfinite().all()


def test_questions_are_asked_anew_when_weights_change():
    weights, bias = parts()
    model = Hostile(weights, bias)
    made("random", model)
    with torch.no_grad():
        model.weights[3, 4] = torch.nan
    with pytest.raises(ValueError, match="expected a finite logit"):
        made("random", model)


def test_a_recommender_that_ignores_the_history_is_warned_of_once():
    model = lxr.Popularity(training_users())
    message = "model: Popularity() ignores the history: its answers to all histories are the same"
    assert [text.startswith(message) for text in said(lambda: lxr.EXPLAINERS["leave-one-out"](model, None))] == [True]
    assert not said(lambda: lxr.EXPLAINERS["spinrec"](lxr.MF(N_ITEMS), training_users()))
    assert not said(lambda: lxr.EXPLAINERS["leave-one-out"](model, None))
    assert said(lambda: lxr.wrap(lambda x: (0 * x + 3).masked_fill(x > 0, -torch.inf), 6, "softmax"))


@given(st.integers(1, 40), st.integers(0, 39))
def test_one_item_that_matters_is_enough(n_items, item):
    weights = torch.zeros(n_items, n_items)
    weights[item % n_items, 0] = 2
    assert not said(lambda: lxr.wrap(lambda x: x @ weights - 1, n_items, "sigmoid"))


def test_questions_are_not_counted():
    model, history = lxr.MF(N_ITEMS), users()
    with lxr.evaluation.measure_cost(model) as cost:
        lxr.EXPLAINERS["gradient"](model, None)
    assert cost.n_scored == 0
    with lxr.evaluation.measure_cost(model) as cost:
        model(history)
    assert cost.n_scored == len(history)


# Probabilities


def test_probabilities_in_the_place_of_logits_are_warned_of():
    weights = torch.as_tensor(parts()[0]).float()
    for scores, more in (
        ((lambda x: torch.softmax(x @ weights, 1)), " and sum to 1"),
        ((lambda x: (x @ weights).sigmoid()), ""),
    ):
        (text,) = said(lambda scores=scores: lxr.wrap(scores, N_ITEMS, "softmax"))
        assert f"all lie between 0 and 1{more}, but" in text
        assert not said(lambda scores=scores: lxr.wrap(scores, N_ITEMS, "probability"))
    assert not said(lambda: lxr.wrap(lambda x: x @ torch.eye(5).roll(1, 0), 5, "sigmoid"))  # zeros and ones are counts


@settings(max_examples=10)
@given(st.integers(0, 99))
def test_probabilities_are_taken_as_they_are(seed):
    weights, bias = (torch.as_tensor(part).float() for part in parts(seed))
    logits, history = tame(*parts(seed)), users(seed)
    model = lxr.wrap(lambda x: (x @ weights + bias).sigmoid(), N_ITEMS, "probability")
    p = (history @ weights + bias).sigmoid()
    torch.testing.assert_close(model.log_prob(history), p.log())
    torch.testing.assert_close(model.log_odds(model(history)), p.logit(), rtol=1e-4, atol=1e-5)
    target = lxr.top_item(logits, history)
    for name in ("leave-one-out", "gradient", "rank-margin", "shap"):
        found, expected = (explained(made(name, each), history, target) for each in (model, logits))
        torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-4)


def test_probabilities_of_0_and_1_have_finite_logs_and_their_order():
    values = torch.tensor([[0.0, 1e-30, 0.5, 1 - 2**-24, 1.0, -torch.inf]])
    model = lxr.wrap(lambda x: values.expand(len(x), -1).masked_fill((x == 0) & (values < 0), 0.2), 6, "probability")
    logits = model(torch.eye(6)[5:])
    assert logits[0, :5].diff().gt(0).all()
    assert logits[0, :5].isfinite().all()
    assert model.log_prob(torch.eye(6)[5:])[0, 0] == pytest.approx(np.log(torch.finfo(torch.float32).tiny))
    assert logits[0, 5] == -torch.inf


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="scorer: expected probabilities from 0 to 1, found 2"):
        lxr.wrap(lambda x: x @ (2 * torch.eye(4).roll(1, 0)), 4, "probability")


# Saturation


def exact_log_prob(logits, target, activation):
    """log p of items (B,) in logits (B, I), to far more digits than a float has."""
    import mpmath

    found = []
    with mpmath.workdps(400):
        for row, item in zip(logits.double().tolist(), target.tolist(), strict=True):
            value = mpmath.mpf(row[item])
            others = [mpmath.mpf(other) for place, other in enumerate(row) if place != item]
            odds = value if activation == "sigmoid" else value - mpmath.log(sum(map(mpmath.exp, others)))
            found.append(-mpmath.log1p(mpmath.exp(-odds)))
    return found


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("scale", [1, 20, 300])
def test_log_probabilities_as_objectives_have_the_exact_order(activation, scale):
    pytest.importorskip("mpmath")
    generator = torch.Generator().manual_seed(scale)
    logits = scale * torch.rand(60, 8, generator=generator)
    logits[:, 3] += scale
    model, target = lxr.wrap(lambda x: x * 1.5 - 1, 8, activation), torch.full((60,), 3)
    exact = exact_log_prob(logits, target, activation)
    found = unrounded(model, logits, target)
    order = sorted(range(60), key=lambda row: exact[row])
    assert found.argsort(stable=True).tolist() == order
    whole = model.target_log_prob(logits, target)
    near = np.array([float(value) > -1e-2 for value in exact])
    assert torch.equal(found[~near], whole[~near])
    assert (whole <= 0).all()


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("scale", [1, 40, 300])
def test_saturated_recommenders_are_explained_in_the_order_of_their_log_odds(activation, scale):
    weights, _ = parts(5)
    bias = np.where(np.arange(N_ITEMS) == 0, 3.0, 0.0)
    model = tame(scale * weights, scale * bias, activation)
    twin = tame(torch.as_tensor(scale * weights).double(), scale * bias, activation)
    history = users(5, n_users=30)
    history[:, 0] = 0
    history = history[history.sum(dim=1) >= 2]
    # Where p is small, and near 1 without an item, the fall is that of p to all digits of a float.
    whole = twin.target_log_odds(twin(history.double()), torch.zeros(len(history), dtype=torch.long))
    history = history[(whole > 0.4 * scale)]
    assert len(history) >= 5
    target = torch.zeros(len(history), dtype=torch.long)
    x = torch.stack([history[row] * (1 - torch.eye(N_ITEMS)[item]) for row, item in history.nonzero().tolist()])
    log_odds = twin.target_log_odds(twin(x.double()), torch.zeros(len(x), dtype=torch.long))
    scores = explained(made("leave-one-out", model), history, target)[history > 0]
    odds_of = torch.split(log_odds, history.sum(dim=1).long().tolist())
    for found, odds in zip(torch.split(scores, history.sum(dim=1).long().tolist()), odds_of, strict=True):
        for first in range(len(odds)):
            for second in range(len(odds)):
                if odds[first] < odds[second] - 1e-3 * scale:  # it falls further
                    assert found[first] > found[second]
    gradient = explained(made("gradient", model), history, target)
    assert (gradient[history > 0].view(-1) != 0).float().mean() > 0.5
    if activation == "sigmoid":
        expected = torch.as_tensor(weights[:, 0]).float() * history
        assert ((gradient > 0) == (expected > 0)).all()
    search = lxr.evaluation.GreedySearch(model, "del")
    assert explained(search, history, target).isfinite().all()


def test_log_odds_of_a_softmax_do_not_stop_at_the_precision_of_p():
    model = lxr.wrap(lambda x: x * 1.5 - 1, 5, "softmax")
    logits = torch.tensor([[300.0, 0, 0, 0, 0], [301.0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0]])
    expected = logits[:, 0] - np.log(4)
    torch.testing.assert_close(model.log_odds(logits)[:, 0], expected)
    logits[0, 1:] = -torch.inf
    assert model.log_odds(logits).isfinite().tolist()[0] == [True, False, False, False, False]


# Explanations that say nothing


def test_users_whose_items_score_the_same_are_counted():
    model = lxr.wrap(lambda x: x[:, :1] * torch.arange(6.0) - 1, 6, "sigmoid")  # item 0 alone matters
    history = torch.tensor([[1.0, 1, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 0, 0, 1, 0, 0]])
    explainer, target = made("leave-one-out", model), torch.full((4,), 5)
    message = "LeaveOneOut: for 2 of 4 users all items score the same: their order is that of the item numbers"
    for use in (
        lambda: explainer.explain(history, target),
        lambda: explainer.explain(sp.csr_matrix(history.numpy()), target.numpy(), users_per_batch=2),
    ):
        (text,) = said(use)
        assert text.startswith(message)
    ids = np.arange(6)
    data = lxr.Interactions(sp.csr_matrix(history.numpy()), np.arange(4), ids, np.array([f"Film {item}" for item in ids]))
    assert "for 1 of 1 users" in said(lambda: lxr.explain(model, data, rows=1, items=5, explainer=explainer))[0]
    assert not said(lambda: lxr.explain(model, data, rows=0, items=5, explainer=explainer))


def test_scores_that_are_not_finite_are_refused():
    class Broken(lxr.Explainer):
        def importance(self, histories, target):
            return histories.items * torch.nan

    with pytest.raises(ValueError, match="importance, row 0, item 1: expected a finite score, found nan"):
        Broken(lxr.MF(4)).explain(torch.eye(4)[1:2], torch.tensor([0]))


@pytest.mark.parametrize("name", ["lxr", "lxr-path-rank"])
def test_an_explainer_that_learns_says_nothing(name, planted):
    model = tame(*parts(7, n_items=20))
    assert not said(lambda: lxr.EXPLAINERS[name](model, *planted, epochs=20, criterion="NDCG"))


def test_an_explainer_that_learned_nothing_says_so_with_both_figures(planted):
    model = tame(*parts(7, n_items=20))
    text = said(
        lambda: lxr.EXPLAINERS["lxr"](model, *planted, epochs=1, learning_rate=1e-9, warm_start=False, criterion="NDCG")
    )[0]
    assert text.startswith("LXR: not clearly better than a random order on 40 validation users: NDCG 0.")
    assert " for a random order" in text
    assert "tune it for this recommender" in text


def test_comparing_with_chance_is_no_cost_and_draws_nothing(untouched_rng):
    model = tame(*parts())
    lists = training_lists(model, train_matrix=training_users())
    target = lxr.top_item(model, lists)
    scores = made("leave-one-out", model).explain(lists, target)
    with lxr.evaluation.measure_cost(model) as cost, untouched_rng():
        report_unlearned(model, "leave-one-out", lists, target, scores, "INS")
    assert cost.n_scored == 0


@pytest.fixture(scope="module")
def checkpoint():
    """A checkpoint of others, with training and validation users."""
    if not AMAZON.exists():
        pytest.skip("needs the checkpoint of CFExpRec in ../shared/data")
    from sklearn.model_selection import train_test_split

    weights = torch.load(AMAZON / "MF_Amazon.pth", map_location="cpu", weights_only=True)
    pairs, _ = train_test_split(pd.read_csv(AMAZON / "interaction.csv").values, test_size=0.2, random_state=16)
    place = [np.unique(column, return_inverse=True)[1] for column in pairs.T]
    matrix = sp.csr_matrix((np.ones(len(pairs), dtype=np.float32), place))
    items = (weights["item_fc.weight"] + weights["item_bias"]).T
    into, bias = weights["users_fc.weight"].T, weights["users_fc.bias"]
    model = lxr.wrap(lambda x: (x @ into + bias) @ items, matrix.shape[1], "sigmoid")
    train, validation, _ = lxr.split_users(matrix.shape[0], seed=42)
    return model, matrix[train], matrix[validation]


@pytest.mark.slow
def test_the_published_hyperparameters_learn_nothing_about_a_checkpoint_of_others(checkpoint):
    published = asdict(lxr.explainers.published_settings("ml-1m", "mf")) | {"epochs": 3}
    texts = said(lambda: lxr.EXPLAINERS["lxr"](*checkpoint, **published))
    assert any("LXR: not clearly better than a random order on 127 validation users: POS@20 0.4" in text for text in texts)


def test_the_default_settings_learn_about_a_checkpoint_of_others(checkpoint):
    assert not said(lambda: lxr.EXPLAINERS["lxr"](*checkpoint, epochs=3))
    model, train, validation = checkpoint
    assert not said(lambda: lxr.EXPLAINERS["lxr-path-rank"](model, train[:400], validation, epochs=3))


# Gradients in every mode of PyTorch


@pytest.mark.slow
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("name", NEED_GRADIENT)
def test_gradients_are_taken_in_every_mode(name, mode):
    model, history = tame(*parts()), users()
    target = lxr.top_item(model, history)
    expected = explained(made(name, model), history, target)
    with mode():
        x, y = history.clone(), target.clone()
        found = explained(made(name, model), x, y)
        assert model.differentiable
    torch.testing.assert_close(found.clone(), expected)
    torch.testing.assert_close(explained(made(name, model), x, y), expected)  # outside, with tensors made in the mode


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_recommenders_train_in_every_mode(mode):
    matrix, models = training_users(), [lxr.VAE(N_ITEMS, n_hidden=4, n_latent=2) for _ in range(2)]
    lxr.fit(models[0], matrix, matrix[:10], epochs=2)
    with mode():
        lxr.fit(models[1], matrix, matrix[:10], epochs=2)
    states = [model.state_dict() for model in models]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    history = torch.inference_mode()(users)()
    assert models[0](history).requires_grad


def test_weights_made_in_inference_mode_are_named():
    with torch.inference_mode():
        model = lxr.MF(4, n_factors=2)
    with pytest.raises(ValueError, match=r"MF\.forward: its weights were made in torch\.inference_mode\(\)"):
        lxr.EXPLAINERS["gradient"](model, None)
