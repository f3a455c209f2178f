"""LXR: its loss against plain arithmetic, its gradient against finite differences, what training keeps and leaves."""

import copy
import inspect
import math

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import lxr
from lxr.explainers.base import training_lists
from lxr.explainers.learned import lxr_network as network_module
from lxr.explainers.learned.lxr_network import start_network
from lxr.explainers.learned.lxr_settings import VARIANTS, default_settings, published_settings, settings_from

QUICK = lxr.LXRSettings(epochs=3, hidden_size=8, learning_rate=0.01, batch_size=64)


def linear(weights, activation: str, bias=0.0) -> lxr.Recommender:
    """history @ weights + bias."""
    weights, bias = torch.as_tensor(weights), torch.as_tensor(bias)
    return lxr.wrap(lambda history: history @ weights.to(history.dtype) + bias, len(weights), activation)


def weights_of(explainer: lxr.LXR) -> dict[str, torch.Tensor]:
    return explainer.network.state_dict()


def loss_of(model, history, target, mask, settings) -> torch.Tensor:
    """The loss of dense histories and masks (B, I)."""
    entries = lxr.Histories.of_dense(history)
    return lxr.explainers.lxr_loss(model, entries, target, entries.at(mask), settings)


def lists_of(matrix) -> lxr.EntryLists:
    """The entries of a matrix."""
    return training_lists(lxr.MF(matrix.shape[1], n_factors=1), train_matrix=matrix)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """Equal to the last bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


# --- the loss --------------------------------------------------------------------------------------------------------

WEIGHTS = [[1.0, 0.0, 2.0], [0.0, 2.0, -1.0], [0.5, 1.0, 0.0]]
BIAS = [0.1, -0.2, 0.3]
# Two users: (history, target, mask).
USERS = [([1, 1, 0], 2, [0.75, 0.5, 0.9]), ([0, 1, 1], 0, [0.6, 0.25, 1.0])]
LAMBDAS = {
    "combined": {"lambda_pos": 3.0, "lambda_neg": 2.0, "alpha": 5.0},
    "pos": {"lambda_pos": 3.0, "lambda_neg": 0.0, "alpha": 5.0},
    "neg": {"lambda_pos": 0.0, "lambda_neg": 2.0, "alpha": 5.0},
    "mask alone": {"lambda_pos": 0.0, "lambda_neg": 0.0, "alpha": 5.0},
    "no alpha": {"lambda_pos": 3.0, "lambda_neg": 2.0, "alpha": 0.0},
}


def plain_log_prob(history: list[float], target: int, activation: str) -> float:
    """log p of the target by the definitions."""
    logits = [sum(x * row[i] for x, row in zip(history, WEIGHTS, strict=True)) + BIAS[i] for i in range(3)]
    if activation == "sigmoid":
        return math.log(1 / (1 + math.exp(-logits[target])))
    return math.log(math.exp(logits[target]) / sum(math.exp(logit) for logit in logits))


def plain_loss(history, target, mask, activation, lambda_pos, lambda_neg, alpha) -> float:
    """The loss of one user, term by term."""
    kept = [x * m for x, m in zip(history, mask, strict=True)]
    removed = [x * (1 - m) for x, m in zip(history, mask, strict=True)]
    loss = -lambda_pos * plain_log_prob(kept, target, activation)
    loss += lambda_neg * plain_log_prob(removed, target, activation)
    return loss + alpha * sum(kept) / sum(history)


@pytest.mark.parametrize("weights", LAMBDAS.values(), ids=LAMBDAS)
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_the_loss_is_the_papers(activation, weights):
    history, target, mask = (torch.tensor(column) for column in zip(*USERS, strict=True))
    found = loss_of(linear(WEIGHTS, activation, BIAS), history, target, mask, lxr.LXRSettings(**weights))
    expected = sum(plain_loss(*user, activation, **weights) for user in USERS) / 2
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_the_loss_of_one_user_in_numbers():
    # x⁺ = (0.75, 0.5, 0): logit 1.5 − 0.5 = 1; x⁻ = (0.25, 0.5, 0): logit 0.5 − 0.5 = 0, p = 1/2; mean mask 0.625.
    history, target, mask = torch.tensor([[1.0, 1, 0]]), torch.tensor([2]), torch.tensor([[0.75, 0.5, 0.9]])
    settings = lxr.LXRSettings(lambda_pos=3, lambda_neg=2, alpha=5)
    found = loss_of(linear(WEIGHTS, "sigmoid"), history, target, mask, settings)
    assert float(found) == pytest.approx(3 * 0.3132616875 - 2 * 0.6931471806 + 5 * 0.625, rel=1e-6)


def test_a_variant_asks_the_recommender_for_its_own_history_alone():
    seen = []

    def scorer(history):
        seen.append(history.tolist())
        return history

    model = lxr.wrap(scorer, 2, "sigmoid")
    seen.clear()
    history, target, mask = torch.tensor([[1.0, 0.0]]), torch.tensor([1]), torch.tensor([[0.25, 0.5]])
    loss_of(model, history, target, mask, lxr.LXRSettings(lambda_neg=0))
    loss_of(model, history, target, mask, lxr.LXRSettings(lambda_pos=0))
    assert seen == [[[0.25, 0.0]], [[0.75, 0.0]]]


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_the_loss_is_finite_where_probabilities_are_not_above_zero(activation):
    model = linear([[0.0, -800.0], [0.0, 0.0]], activation)
    mask = torch.tensor([[0.75, 0.5]], requires_grad=True)
    settings = lxr.LXRSettings(lambda_pos=1, lambda_neg=1, alpha=0)
    loss = loss_of(model, torch.tensor([[1.0, 0.0]]), torch.tensor([1]), mask, settings)
    assert float(loss.detach()) == pytest.approx(600 - 200, rel=1e-3)  # −log p(x⁺) = 600, log p(x⁻) = −200
    loss.backward()
    assert mask.grad[0, 0] == pytest.approx(800 + 800, rel=1e-3)


@pytest.mark.parametrize("weights", LAMBDAS.values(), ids=LAMBDAS)
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_the_gradient_is_that_of_finite_differences(activation, weights):
    generator = torch.Generator().manual_seed(0)
    model = linear(torch.randn(6, 6, generator=generator, dtype=torch.float64), activation)
    history = torch.tensor([[1, 1, 0, 1, 0, 0], [0, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 1]], dtype=torch.float64)
    target = torch.tensor([2, 0, 3])
    mask = torch.rand(3, 6, generator=generator, dtype=torch.float64).requires_grad_()
    settings = lxr.LXRSettings(**weights)
    loss_of(model, history, target, mask, settings).backward()
    step, numerical = 1e-6, torch.zeros(3, 6, dtype=torch.float64)
    for row, item in np.ndindex(3, 6):
        shift = torch.zeros(3, 6, dtype=torch.float64)
        shift[row, item] = step
        higher, lower = (loss_of(model, history, target, mask.detach() + sign * shift, settings) for sign in (1, -1))
        numerical[row, item] = (higher - lower) / (2 * step)
    torch.testing.assert_close(mask.grad, numerical, rtol=1e-6, atol=1e-8)
    assert (mask.grad[history == 0] == 0).all() and (mask.grad[history > 0] != 0).all()


# --- the network -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation, nonlinearity", [("tanh", torch.tanh), ("relu", torch.relu)])
def test_the_network_is_the_papers(activation, nonlinearity):
    network = lxr.explainers.ExplainerNetwork(7, 3, activation=activation, seed=1)
    for bias in (network.history_encoder.bias, network.item_encoder.bias):
        torch.nn.init.normal_(bias, generator=torch.Generator().manual_seed(2))
    history = (torch.rand(5, 7, generator=torch.Generator().manual_seed(3)) < 0.5).float()
    target = torch.tensor([0, 6, 3, 3, 1])
    one_hot = torch.nn.functional.one_hot(target, 7).float()
    encoded = torch.cat([network.history_encoder(history), network.item_encoder(one_hot)], dim=1)
    _, first, _, last = network.head
    expected, entries = last(nonlinearity(first(nonlinearity(encoded)))), lxr.Histories.of_dense(history)
    torch.testing.assert_close(network(entries, target), entries.at(expected))


def test_the_mask_depends_on_history_and_target():
    network = lxr.explainers.ExplainerNetwork(7, 3)
    of_two_targets = network(lxr.Histories.of_lists([[0, 1]] * 2), torch.tensor([3, 4]))
    assert not torch.allclose(of_two_targets[0], of_two_targets[1])
    first_item = network(lxr.Histories.of_lists([[0, 1], [0, 2]]), torch.tensor([3, 3]))[:, 0]
    assert not torch.allclose(first_item[0], first_item[1])


def test_the_network_starts_from_its_seed_alone():
    torch.manual_seed(1)
    first = lxr.explainers.ExplainerNetwork(7, 3, seed=5).state_dict()
    torch.manual_seed(2)
    assert same(lxr.explainers.ExplainerNetwork(7, 3, seed=5).state_dict(), first)
    assert not same(lxr.explainers.ExplainerNetwork(7, 3, seed=6).state_dict(), first)


# --- training on planted tastes --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data():
    """(interactions, training histories, validation histories, test histories) of the planted tastes."""
    data = lxr.load_dataset("synthetic")
    return data, *(data.matrix[users] for users in lxr.split_users(data.matrix.shape[0], seed=42))


@pytest.fixture(scope="module")
def model(data):
    """A matrix factorisation that has learned the planted tastes."""
    _, train, validation, _ = data
    model = lxr.MF(train.shape[1], n_factors=16, positive_weight=5.0)
    lxr.fit(model, train, validation, epochs=15, learning_rate=0.01)
    return model


@pytest.fixture(scope="module")
def explainer(model, data):
    """LXR of that model with the published weights, in few epochs."""
    settings = settings_from({"epochs": 15, "learning_rate": 0.02}, published_settings("ml-1m", "mf"))
    return lxr.train_lxr(model, data[1], data[2], settings=settings)


@pytest.fixture
def few(data):
    """Histories of a few users, for tests of what training does rather than of what it reaches: training, validation."""
    return data[1][:96], data[2][:30]


def test_the_loss_falls(explainer):
    training = explainer.training
    assert list(training.columns) == ["epoch", "loss", "POS@20", "learning_rate"]
    assert training["epoch"].tolist() == list(range(1, 16))
    assert training["loss"].iloc[-1] < 0.6 * training["loss"].iloc[0]
    assert training["POS@20"].min() < 0.7 * training["POS@20"].iloc[0]


def test_lxr_is_more_faithful_than_random_and_popularity(explainer, model, data):
    _, train, validation, test = data
    target = lxr.top_item(model, test)

    def areas(explainer):
        importance = explainer.explain(test, target)
        curves = lxr.evaluate_fidelity(model, test, target, importance).curves
        return np.array([curves["POS@20"].mean(), curves["NDCG"].mean()])

    found = areas(explainer)
    for name in ("random", "popularity"):
        assert (found < 0.7 * areas(lxr.EXPLAINERS[name](model, train, validation))).all(), name


def test_the_first_reason_is_of_the_targets_own_group(explainer, model, data):
    interactions, _, _, test = data
    target = lxr.top_item(model, test)
    group = interactions.item_groups
    has_reason = np.array([(group[test[user].indices] == group[item]).any() for user, item in enumerate(target)])
    history = lxr.utils.dense(test)
    importance = explainer.explain(history, torch.from_numpy(target)).masked_fill(history == 0, -torch.inf)
    first = importance.argmax(dim=1).numpy()
    assert has_reason.mean() > 0.9
    assert (group[first] == group[target])[has_reason].mean() > 0.85


def test_the_kept_epoch_is_the_best_on_validation_users(explainer, data):
    assert lxr.explainers.mean_fidelity(explainer, data[2]) == explainer.training["POS@20"].min()


def test_the_first_of_the_best_epochs_is_kept(model, few, monkeypatch):
    train, validation = few
    areas = iter([0.5, 0.3, 0.4, 0.3, 0.6])
    seen = []

    def scripted(explainer, matrix, target, metric):
        assert np.array_equal(matrix.items, validation.indices)
        assert target.tolist() == lxr.top_item(model, validation).tolist()
        seen.append(copy.deepcopy(weights_of(explainer)))
        return next(areas)

    monkeypatch.setattr(network_module, "mean_fidelity", scripted)
    explainer = lxr.train_lxr(model, train, validation, settings=settings_from({"epochs": 5}, QUICK))
    assert explainer.training["POS@20"].tolist() == [0.5, 0.3, 0.4, 0.3, 0.6]
    assert [same(weights_of(explainer), weights) for weights in seen] == [False, True, False, False, False]


@pytest.mark.parametrize(("criterion", "best"), [("NDCG", "min"), ("INS", "max"), ("CDCG@Ke=5", "min")])
def test_the_criterion_chooses_the_epoch(model, few, criterion, best):
    explainer = lxr.train_lxr(model, *few, settings=settings_from({"criterion": criterion, "epochs": 4}, QUICK))
    values = explainer.training[criterion]
    assert values.nunique() > 1
    assert lxr.explainers.mean_fidelity(explainer, few[1], metric=criterion) == getattr(values, best)()


def test_the_report_hears_every_epoch_and_may_end_the_training(model, few):
    heard = []

    def report(epoch, value):
        heard.append((epoch, value))
        if epoch == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        lxr.train_lxr(model, *few, settings=QUICK, report=report)
    training = lxr.train_lxr(model, *few, settings=QUICK).training
    assert heard == list(zip(training["epoch"], training["POS@20"], strict=True))[:2]


def test_importance_is_the_mask_logit_within_the_history(explainer, data):
    history = lxr.utils.dense(data[3][:9])
    target = lxr.top_item(explainer.model, history)
    found = explainer.explain(history, target)
    entries = lxr.Histories.of_dense(history)
    with torch.no_grad():
        expected = entries.spread(explainer.network(entries, target), history.shape[1])
    assert torch.equal(found, expected) and not found.requires_grad


def test_training_is_a_function_of_its_seed(model, few):
    torch.manual_seed(1)
    np.random.seed(1)
    first = lxr.train_lxr(model, *few, seed=3, settings=QUICK)
    torch.manual_seed(2)
    np.random.seed(2)
    again, other = (lxr.train_lxr(model, *few, seed=seed, settings=QUICK) for seed in (3, 4))
    assert same(weights_of(again), weights_of(first)) and not same(weights_of(other), weights_of(first))
    pd.testing.assert_frame_equal(again.training, first.training)
    for settings in (settings_from({"warm_start": warm}, QUICK) for warm in (False, True, "answers")):
        start, elsewhere = (start_network(model, settings, seed, lists_of(few[0])).state_dict() for seed in (3, 4))
        assert not torch.equal(start["head.1.weight"], elsewhere["head.1.weight"])


@pytest.mark.parametrize("failing", [False, True], ids=["done", "failed"])
@pytest.mark.parametrize("mode", [False, True], ids=["evaluation", "training"])
def test_the_recommender_is_left_as_it_is(few, monkeypatch, mode, failing):
    model = lxr.MF(few[0].shape[1], n_factors=4).train(mode)
    model.item_encoder.bias.requires_grad_(False)  # what is frozen stays frozen
    weights, flags = copy.deepcopy(model.state_dict()), [parameter.requires_grad for parameter in model.parameters()]
    assert flags == [True, True, True, False]
    if failing:
        monkeypatch.setattr(network_module, "mean_fidelity", lambda *arguments, **options: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            lxr.train_lxr(model, *few, settings=QUICK)
    else:
        lxr.train_lxr(model, *few, settings=QUICK)
    assert same(model.state_dict(), weights)
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.training == mode


def test_the_histories_are_left_as_they_are(model, few):
    before = [matrix.copy() for matrix in few]
    lxr.train_lxr(model, *few, settings=QUICK)
    for matrix, expected in zip(few, before, strict=True):
        assert (matrix != expected).nnz == 0


def test_without_validation_users_a_tenth_is_set_aside(model, few, monkeypatch):
    train, _ = few
    seen = {}
    monkeypatch.setattr(
        network_module, "mean_fidelity", lambda _, matrix, *about, **options: len(seen.setdefault("area", matrix))
    )
    loss = network_module.lxr_loss

    def counting(model, histories, target, mask, settings):
        seen.setdefault("rows", []).extend(map(tuple, histories.dense().tolist()))
        return loss(model, histories, target, mask, settings)

    monkeypatch.setattr(network_module, "lxr_loss", counting)
    first = lxr.train_lxr(model, train, seed=1, settings=settings_from({"epochs": 1}, QUICK))
    assert len(first.training) == 1
    rows = seen["rows"] + list(map(tuple, seen["area"].batch().dense().tolist()))
    assert len(seen["rows"]) == 87 and len(seen["area"]) == 9
    assert sorted(rows) == sorted(map(tuple, train.toarray().tolist()))  # no user is in both, no user is lost


def test_the_explained_items_are_the_top_recommendations(model, few, monkeypatch):
    train, validation = few
    pairs, loss = set(), network_module.lxr_loss

    def noting(model, histories, target, mask, settings):
        pairs.update(zip(map(tuple, histories.dense().tolist()), target.tolist(), strict=True))
        return loss(model, histories, target, mask, settings)

    monkeypatch.setattr(network_module, "lxr_loss", noting)
    lxr.train_lxr(model, train, validation, settings=settings_from({"epochs": 2}, QUICK))
    expected = zip(map(tuple, train.toarray().tolist()), lxr.top_item(model, train).tolist(), strict=True)
    assert pairs == set(expected)


def test_the_learning_rate_that_decays_is_the_one_in_use(model, few):
    # One batch per epoch: the loss of an epoch is that of the weights before its step.
    base = settings_from({"batch_size": 1000, "epochs": 4, "learning_rate": 0.01}, QUICK)
    constant = lxr.train_lxr(model, *few, settings=base).training
    decaying = lxr.train_lxr(model, *few, settings=settings_from({"learning_rate_decay": 1e-6}, base)).training
    np.testing.assert_allclose(constant["learning_rate"], [0.01] * 4)
    np.testing.assert_allclose(decaying["learning_rate"], [0.01, 1e-8, 1e-14, 1e-20])
    assert decaying["loss"][1] == pytest.approx(constant["loss"][1], rel=1e-6)  # after one step at the full rate
    assert decaying["loss"][0] > 1.01 * decaying["loss"][1]
    assert decaying["loss"][1:].tolist() == pytest.approx([decaying["loss"][1]] * 3, rel=1e-4)
    assert constant["loss"][3] < 0.99 * constant["loss"][1]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_variants_and_activations_train(model, few, variant, activation):
    weights = {"pos": {"lambda_neg": 0.0}, "neg": {"lambda_pos": 0.0}, "combined": {}}[variant]
    settings = settings_from({"activation": activation, "learning_rate": 0.01, "epochs": 6} | weights, QUICK)
    explainer = lxr.train_lxr(model, *few, settings=settings)
    kind = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[activation]
    assert [isinstance(layer, kind) for layer in explainer.network.head] == [True, False, True, False]
    assert explainer.training["loss"].iloc[-1] < explainer.training["loss"].iloc[0]


# --- warm start ------------------------------------------------------------------------------------------------------

WARM = {
    "mf": (lambda: lxr.MF(160, n_factors=6), lambda model: (model.history_encoder.weight, model.item_encoder.weight)),
    "vae": (
        lambda: lxr.VAE(160, n_hidden=10, n_latent=4),
        lambda model: (model.encoder.weight, model.output.weight.T),
    ),
    "ncf": (
        lambda: lxr.NCF(160, n_factors=3, layers=(4, 2)),
        lambda model: (
            torch.cat([model.gmf_history.weight, model.mlp_history.weight]),
            torch.cat([model.gmf_item.weight, model.mlp_item.weight]),
        ),
    ),
}


@pytest.mark.parametrize("make, encoders", WARM.values(), ids=WARM)
def test_a_warm_start_copies_the_encoders(few, make, encoders):
    model = make()
    settings = settings_from({"warm_start": True, "learning_rate": 1e-12, "epochs": 1, "hidden_size": 3}, QUICK)
    network = start_network(model, settings, 0, lists_of(few[0]))
    trained = lxr.train_lxr(model, *few, settings=settings).network
    for found in (network, trained):
        for encoder, expected in zip((found.history_encoder, found.item_encoder), encoders(model), strict=True):
            torch.testing.assert_close(encoder.weight, expected, rtol=0, atol=1e-6)
    for parameter in network.parameters():  # a copy, not the recommender's own
        torch.nn.init.zeros_(parameter)
    assert all((weight != 0).any() for weight in encoders(model))


def test_a_warm_start_from_a_function_is_refused(few):
    model = lxr.wrap(lambda history: history @ torch.eye(160), 160, "sigmoid")
    with pytest.raises(ValueError, match="warm_start: Wrapped has no linear encoders"):
        lxr.train_lxr(model, *few, settings=settings_from({"warm_start": True}, QUICK))


def product(n_items=30, rank=4):
    """A recommender whose logits are x W Vᵀ of a rank, and the weights W Vᵀ (I, I); no item speaks for itself."""
    generator = np.random.default_rng(2)
    weights = generator.normal(size=(n_items, rank)) @ generator.normal(size=(rank, n_items))
    return linear(torch.from_numpy(weights).float(), "sigmoid"), torch.from_numpy(weights)


def random_users(n_users, n_items=30, length=5):
    """Histories (n, I) of so many items each."""
    generator = np.random.default_rng(5)
    items = np.concatenate([generator.choice(n_items, length, replace=False) for _ in range(n_users)])
    return sp.csr_matrix(
        (np.ones(len(items), np.float32), (np.repeat(np.arange(n_users), length), items)), (n_users, n_items)
    )


def correlation(first, second) -> float:
    return float(torch.corrcoef(torch.stack([first.flatten().double(), second.flatten().double()]))[0, 1])


def test_a_warm_start_from_answers_finds_the_encoders_of_a_product():
    (model, weights), matrix = product(), random_users(400)
    settings = lxr.LXRSettings(hidden_size=4, warm_start="answers")
    warm = start_network(model, settings, 0, lists_of(matrix))
    found = warm.history_encoder.weight.T @ warm.item_encoder.weight  # (I, I): what item i adds to the logit of y
    assert correlation(found.detach(), weights) > 0.9


def test_a_network_that_starts_from_answers_knows_which_items_speak_for_the_target():
    (model, weights), matrix = product(), random_users(400)
    entries, target = lxr.Histories.of_matrix(matrix[:50]), torch.from_numpy(lxr.top_item(model, matrix[:50]))
    expected = weights[entries.items, target[:, None]][entries.real]
    found = {}
    for warm in (False, "answers"):
        network = start_network(model, lxr.LXRSettings(hidden_size=16, warm_start=warm), 0, lists_of(matrix))
        with torch.no_grad():
            found[warm] = correlation(network(entries, target)[entries.real], expected)
    assert found["answers"] > 0.6 > 0.2 > abs(found[False])


def test_a_warm_start_does_not_look_at_answers_about_what_is_in_the_history():
    (model, weights), matrix = product(), random_users(60)
    refusing = lxr.wrap(lambda x: (x @ weights.float()).masked_fill(x > 0, -torch.inf), 30, "sigmoid")
    settings = lxr.LXRSettings(hidden_size=4, warm_start="answers")
    first, second = (start_network(each, settings, 0, lists_of(matrix)).state_dict() for each in (model, refusing))
    for name, weight in first.items():
        torch.testing.assert_close(second[name], weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_users", [1, 40])
def test_the_same_answers_to_everybody_are_nothing_to_start_from(n_users):
    model, matrix = lxr.wrap(lambda x: 0 * x + torch.arange(30.0), 30, "sigmoid"), random_users(n_users)
    warm, cold = (
        start_network(model, lxr.LXRSettings(hidden_size=4, warm_start=each), 0, lists_of(matrix))
        for each in ("answers", False)
    )
    assert same(warm.state_dict(), cold.state_dict())


# --- settings --------------------------------------------------------------------------------------------------------

BAD_SETTINGS = [
    *((name, value, "at least 0") for name in ("lambda_pos", "lambda_neg", "alpha") for value in (-1, np.nan, np.inf)),
    *(
        (name, value, "a positive (number|integer)")
        for name in ("hidden_size", "batch_size", "epochs", "learning_rate", "learning_rate_decay")
        for value in (0, -1, np.nan)
    ),
    *((name, 2.5, "a positive integer") for name in ("hidden_size", "batch_size", "epochs")),
    ("learning_rate", np.inf, "a positive (number|integer)"),
    ("activation", "gelu", "one of tanh, relu"),
    ("activation", None, "one of tanh, relu"),
    ("criterion", "nonsense", None),
    ("inputs", "user", "one of both, history, target"),
    ("initialisation", "zeros", "one of xavier, torch"),
    ("warm_start", "encoders", "one of False, True, answers"),
    ("warm_start", 1, "one of False, True, answers"),
]


@pytest.mark.parametrize("name, value, expected", BAD_SETTINGS)
def test_bad_settings_are_refused(name, value, expected):
    message = f"{name}: expected.* {expected}, found {value!r}" if expected else f"unknown metric {value!r}"
    with pytest.raises(ValueError, match=message):
        lxr.LXRSettings(**{name: value})


def test_an_unknown_option_is_refused(few):
    message = "LXRSettings: unknown option 'lambda_positive', expected some of lambda_pos, lambda_neg, alpha, hidden_size"
    with pytest.raises(ValueError, match=message):
        settings_from({"lambda_positive": 1}, QUICK)
    with pytest.raises(ValueError, match=message):
        lxr.EXPLAINERS["lxr"](lxr.MF(160, n_factors=4), *few, lambda_positive=1)


def test_options_of_the_registry_are_settings(few):
    model = lxr.MF(160, n_factors=4)
    options = {"epochs": 1, "hidden_size": 5, "alpha": 2.0}
    found = lxr.EXPLAINERS["lxr"](model, *few, seed=1, **options)
    assert found.settings == settings_from(options, default_settings(model, few[0]))
    assert found.network.history_encoder.out_features == 5


def test_published_settings_are_those_of_the_authors():
    # (λ_pos, λ_neg, α, learning rate, hidden size, batch size), as the authors report them.
    for arguments, expected in {
        ("ml-1m", "mf", "combined"): (11.599, 0.1415, 1, 0.004177, 64, 32),
        ("ml-1m", "mf", "pos"): (14.969, 0, 1, 0.002762, 64, 32),
        ("ml-1m", "mf", "neg"): (0, 1.671, 1, 0.001823, 64, 8),
        ("ml-1m", "vae", "combined"): (3.186, 1.421, 1, 0.005019, 128, 128),
        ("pinterest", "vae", "combined"): (6.344, 1.473, 1, 0.042048, 32, 256),
        ("yahoo-music", "mf", "pos"): (14.802, 0, 1, 0.003694, 128, 64),
    }.items():
        found = lxr.explainers.published_settings(*arguments)
        values = (found.lambda_pos, found.lambda_neg, found.alpha, found.learning_rate, found.hidden_size, found.batch_size)
        assert values == expected
        assert isinstance(found.hidden_size, int) and isinstance(found.batch_size, int)
    assert lxr.explainers.published_settings("ml-1m", "vae") == lxr.explainers.published_settings("ml-1m", "vae", "combined")


def test_settings_of_the_nearest_configuration_are_published_for_the_unknown():
    for variant in VARIANTS:
        assert lxr.explainers.published_settings("ml-100k", "vae", variant) == lxr.explainers.published_settings(
            "ml-1m", "vae", variant
        )
        assert lxr.explainers.published_settings("pinterest", "ncf", variant) == lxr.explainers.published_settings(
            "pinterest", "mf", variant
        )
        assert lxr.explainers.published_settings("nothing", "known", variant) == lxr.explainers.published_settings(
            "ml-1m", "mf", variant
        )
    with pytest.raises(ValueError, match="variant: expected one of combined, pos, neg, pos-warm, found 'both'"):
        lxr.explainers.published_settings("ml-1m", "mf", "both")


def test_pos_warm_is_a_warm_start_without_the_negative_term():
    for recommender, activation in (("mf", "tanh"), ("vae", "relu")):
        found = lxr.explainers.published_settings("ml-1m", recommender, "pos-warm")
        expected = lxr.explainers.published_settings("ml-1m", recommender, "pos")
        assert found == settings_from({"warm_start": True, "activation": activation}, expected)
        assert found.lambda_neg == 0


def test_settings_without_a_recommender_are_the_published_ones_of_movielens_1m():
    assert lxr.LXRSettings() == lxr.explainers.published_settings("ml-1m", "mf")
    signature = inspect.signature(lxr.train_lxr)
    assert list(signature.parameters) == ["model", "train_matrix", "validation_matrix", "seed", "settings", "report"]


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_by_default_all_terms_of_the_loss_move_by_alpha_from_a_full_to_an_empty_mask(activation):
    model, matrix = (
        linear(torch.from_numpy(np.random.default_rng(1).normal(size=(30, 30))).float(), activation),
        random_users(50),
    )
    history, target = lxr.utils.dense(matrix), torch.from_numpy(lxr.top_item(model, matrix))
    for variant, terms in (("combined", ["lambda_pos", "lambda_neg"]), ("pos", ["lambda_pos"]), ("neg", ["lambda_neg"])):
        settings = default_settings(model, matrix, variant)
        off = {"lambda_pos": 0.0, "lambda_neg": 0.0, "alpha": 0.0}
        assert {name for name in ("lambda_pos", "lambda_neg") if getattr(settings, name)} == set(terms)
        for term in [*terms, "alpha"]:
            alone = settings_from(off | {term: getattr(settings, term)}, settings)
            full, empty = (
                loss_of(model, history, target, mask, alone)
                for mask in (torch.ones_like(history), torch.zeros_like(history))
            )
            assert abs(float(full - empty)) == pytest.approx(settings.alpha, rel=1e-4)


@pytest.mark.parametrize(("n_users", "epochs"), [(10, 1000), (320, 100), (800, 40), (4000, 40)])
def test_few_users_are_passed_more_often(n_users, epochs):
    model = linear(torch.eye(30).roll(1, 0), "sigmoid")
    assert default_settings(model, random_users(n_users)).epochs == epochs


def test_a_recommender_that_does_not_look_at_the_history_has_finite_settings():
    model = lxr.wrap(lambda x: 0 * x + torch.arange(30.0), 30, "sigmoid")
    assert default_settings(model, random_users(5)).lambda_pos == pytest.approx(1000)


def test_default_settings_draw_nothing_and_refuse_an_unknown_variant(untouched_rng):
    model, matrix = product()[0], random_users(20)
    with untouched_rng():
        assert default_settings(model, matrix) == default_settings(model, matrix)
    with pytest.raises(ValueError, match="variant: expected one of combined, pos, neg, found 'both'"):
        default_settings(model, matrix, "both")


# --- variants of the network -----------------------------------------------------------------------------------------


def test_what_is_no_input_does_not_matter():
    first, second = (lxr.Histories.of_lists(lists) for lists in ([[0, 1, 2], [5, 6]], [[0, 7], [5, 8, 9]]))
    target = torch.tensor([3, 4])
    by_history, by_target = (lxr.explainers.ExplainerNetwork(20, 8, inputs=inputs) for inputs in ("history", "target"))
    with torch.no_grad():
        assert torch.equal(by_history(first, target), by_history(first, target.flip(0)))
        # the first entry of each user is the same item
        assert not torch.equal(by_history(first, target)[:, 0], by_history(second, target)[:, 0])
        assert torch.equal(by_target(first, target)[:, 0], by_target(second, target)[:, 0])
        assert not torch.equal(by_target(first, target), by_target(first, target.flip(0)))


def test_pytorchs_initialisation_is_uniform_by_the_number_of_inputs():
    network, xavier = (lxr.explainers.ExplainerNetwork(400, 8, initialisation=name, seed=3) for name in ("torch", "xavier"))
    for layer in (network.history_encoder, network.item_encoder, network.head[1], network.head[3]):
        bound = layer.in_features**-0.5
        assert 0.8 * bound < layer.weight.abs().max() <= bound
        assert 0 < layer.bias.abs().max() <= bound
    assert not xavier.history_encoder.bias.any()
    again, other = (lxr.explainers.ExplainerNetwork(400, 8, initialisation="torch", seed=seed) for seed in (3, 4))
    assert torch.equal(again.head[3].weight, network.head[3].weight)
    assert not torch.equal(other.head[3].weight, network.head[3].weight)


@pytest.mark.parametrize(
    ("name", "variant"), [("lxr", "combined"), ("lxr-combined", "combined"), ("lxr-pos", "pos"), ("lxr-neg", "neg")]
)
def test_the_family_has_the_default_weights_of_its_variant(few, name, variant):
    model = lxr.MF(160, n_factors=4)
    found = lxr.EXPLAINERS[name](model, *few, epochs=1).settings
    assert found == settings_from({"epochs": 1}, default_settings(model, few[0], variant))


# --- refinement ------------------------------------------------------------------------------------------------------


def entries_of(explainer: lxr.LXR, matrix) -> tuple[lxr.Histories, torch.Tensor]:
    """Histories, and the targets (B,) of their explanations."""
    return lxr.Histories.of_matrix(matrix), torch.from_numpy(lxr.top_item(explainer.model, matrix))


def loss_of_user(explainer: lxr.LXR, histories, target, logits) -> float:
    loss = lxr.explainers.lxr_loss(explainer.model, histories, target, torch.sigmoid(logits), explainer.settings)
    return float(loss.detach())


def test_refining_lowers_the_loss_of_every_user(explainer, data):
    entries, target = entries_of(explainer, data[3][:12])
    before, after = (
        explainer.importance(entries, target),
        lxr.explainers.RefinedLXR(explainer, steps=30).importance(entries, target),
    )
    for row in np.arange(len(entries))[:, None]:
        lost = [loss_of_user(explainer, entries[row], target[row], logits[row]) for logits in (before, after)]
        assert lost[1] < lost[0]


def test_the_first_step_of_adam_follows_the_sign_of_the_gradient(explainer, data):
    entries, target = entries_of(explainer, data[3][:5])
    start = explainer.importance(entries, target).requires_grad_()
    lxr.explainers.lxr_loss(explainer.model, entries, target, torch.sigmoid(start), explainer.settings).backward()
    refined = lxr.explainers.RefinedLXR(explainer, steps=1, rate=0.25).explain(entries, target)
    # At the padding there is no gradient; at an entry, Adam's first step is the rate, against the sign.
    clear = entries.real & (start.grad.abs() > 1e-4)
    expected = (start - 0.25 * start.grad.sign()).detach()
    assert clear.sum() > 20
    torch.testing.assert_close(refined[clear], expected[clear], rtol=0, atol=1e-3)


def test_the_batch_size_changes_nothing(explainer, data):
    history = lxr.utils.dense(data[3][:7])
    target = lxr.top_item(explainer.model, history)
    expected, found = (lxr.explainers.RefinedLXR(explainer, batch_size=size).explain(history, target) for size in (512, 3))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_a_trained_network_is_refined_as_it_is(explainer, data):
    model, history = explainer.model, lxr.utils.dense(data[3][:5])
    target = lxr.top_item(model, history)
    weights = copy.deepcopy(weights_of(explainer))
    refined = lxr.EXPLAINERS["lxr-refined"](model, data[1], data[2], explainer=explainer, steps=3, rate=0.2)
    assert refined.explainer is explainer and (refined.steps, refined.rate) == (3, 0.2)
    assert not torch.equal(refined.explain(history, target), explainer.explain(history, target))
    assert same(weights_of(explainer), weights)


@pytest.mark.parametrize(("options", "message"), [({"steps": 0}, "steps: expected"), ({"rate": -1}, "rate: expected")])
def test_bad_refinements_are_refused(explainer, options, message):
    with pytest.raises(ValueError, match=message):
        lxr.explainers.RefinedLXR(explainer, **options)
    with pytest.raises(ValueError, match="explainer: expected a trained LXR, found Explainer"):
        lxr.explainers.RefinedLXR(lxr.Explainer(explainer.model))
    with pytest.raises(ValueError, match="LXRSettings: unknown option 'stepz'"):
        lxr.EXPLAINERS["lxr-refined"](explainer.model, None, explainer=explainer, stepz=3)


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"activation": "relu"}, {"warm_start": True}, {"warm_start": "answers"}, {"inputs": "target"}], ids=str
)
def test_what_is_saved_is_loaded(few, tmp_path, options):
    model = lxr.MF(160, n_factors=6)
    explainer = lxr.train_lxr(model, *few, settings=settings_from(options, QUICK))
    explainer.save(tmp_path / "below" / "lxr.pt")
    loaded = lxr.LXR.load(tmp_path / "below" / "lxr.pt", model)
    assert loaded.settings == explainer.settings
    assert same(weights_of(loaded), weights_of(explainer))
    pd.testing.assert_frame_equal(loaded.training, explainer.training)
    history = lxr.utils.dense(few[1])
    target = lxr.top_item(model, history)
    assert torch.equal(loaded.explain(history, target), explainer.explain(history, target))


@pytest.fixture
def saved(tmp_path):
    """An untrained explainer in a file."""
    network = lxr.explainers.ExplainerNetwork(20, QUICK.hidden_size)
    lxr.LXR(lxr.MF(20, n_factors=3), network, QUICK, pd.DataFrame()).save(tmp_path / "lxr.pt")
    return tmp_path / "lxr.pt"


def test_the_same_explainer_is_the_same_file(saved):
    model = lxr.MF(20, n_factors=3)
    again = saved.with_name("again.pt")
    lxr.LXR.load(saved, model).save(again)
    assert again.read_bytes() == saved.read_bytes()


def test_an_explainer_of_another_catalogue_is_refused(saved):
    with pytest.raises(lxr.DataError, match=r"lxr\.pt: expected an explainer of 21 items, found one of 20"):
        lxr.LXR.load(saved, lxr.MF(21, n_factors=3))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(lxr.DataError, match=r"none\.pt is missing"):
        lxr.LXR.load(tmp_path / "none.pt", lxr.MF(20, n_factors=3))


BAD_FILES = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("lambda_pos: 3"),
    "a tensor": lambda path: torch.save(torch.ones(3), path),
    "other keys": lambda path: torch.save({"n_items": 20}, path),
    "a recommender": lambda path: lxr.MF(20, n_factors=3).save(path),
    "weights of another shape": lambda path: torch.save(torch.load(path) | {"hidden_size": 5}, path),
}


@pytest.mark.parametrize("overwrite", BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_refused(saved, overwrite):
    overwrite(saved)
    with pytest.raises(lxr.DataError, match=r"lxr\.pt"):
        lxr.LXR.load(saved, lxr.MF(20, n_factors=3))


# --- bad input -------------------------------------------------------------------------------------------------------


def test_empty_and_foreign_matrices_are_refused(few):
    model, (train, validation) = lxr.MF(160, n_factors=4), few
    for arguments, message in [
        ((train[:0], validation), r"train_matrix: expected \(users, 160\) with at least one user, found \(0, 160\)"),
        ((train, validation[:0]), r"validation_matrix: expected .* found \(0, 160\)"),
        ((train[:, :99], validation), r"train_matrix: expected .* found \(96, 99\)"),
        ((train, validation[:, :99]), r"validation_matrix: expected .* found \(30, 99\)"),
        ((train[:1], None), r"train_matrix: expected"),
    ]:
        with pytest.raises(ValueError, match=message):
            lxr.train_lxr(model, *arguments, settings=QUICK)


def test_a_user_without_history_is_named(few):
    histories = lxr.utils.dense(few[0])
    histories[40] = 0
    with pytest.raises(ValueError, match="row 40: expected at least one item"):
        lxr.train_lxr(lxr.MF(160, n_factors=4), sp.csr_matrix(histories.numpy()), few[1], settings=QUICK)


def test_a_recommender_that_returns_no_numbers_is_refused(few):
    class Broken(lxr.Recommender):
        def forward(self, history):
            return history * torch.nan

    with pytest.raises(ValueError, match=r"Broken\.forward: expected a finite logit for every item .* found nan for item 0"):
        lxr.train_lxr(Broken(160), *few, settings=QUICK)
