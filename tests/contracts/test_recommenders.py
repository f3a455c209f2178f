"""One contract for recommenders of rows; ``test_every_recommender.py`` has the contract for entries."""

import numpy as np
import oracles
import pytest
import scipy.sparse as sp
import torch
from toys import N_ITEMS, TINY, WRAPPED, small

import lxr

MAKERS = {name: lambda train_matrix, name=name: small(name) for name in TINY}
MAKERS |= {"popularity": lxr.Popularity}
MAKERS |= {name: lambda train_matrix, make=make: make() for name, make in WRAPPED.items()}


@pytest.fixture(params=MAKERS)
def recommender(request, train_matrix):
    """Every kind of recommender."""
    return MAKERS[request.param](train_matrix)


@pytest.fixture(params=TINY)
def name(request):
    """Every registered recommender."""
    return request.param


def scores(recommender, history) -> torch.Tensor:
    """Logits (B, I) of histories (B, I), which a sequential recommender gets as entries."""
    return recommender.logits(lxr.Histories.of_dense(history)) if recommender.is_ordered else recommender(history)


def log_probs(recommender, history) -> torch.Tensor:
    """Log-probabilities (B, I) of histories (B, I), as :func:`scores`."""
    if recommender.is_ordered:
        return recommender.log_activation(scores(recommender, history))
    return recommender.log_prob(history)


def test_every_registered_recommender_is_tested():
    assert set(TINY) == set(lxr.RECOMMENDERS)
    with pytest.raises(
        ValueError, match="unknown recommender 'nope': expected one of mf, vae, ncf, ease, lightgcn, sasrec, gru4rec"
    ):
        lxr.RECOMMENDERS["nope"]


def test_one_finite_logit_per_item(recommender, history):
    logits = scores(recommender, history)
    assert logits.shape == history.shape
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()
    assert recommender.n_items == N_ITEMS
    assert recommender.activation in ("sigmoid", "softmax")
    assert recommender.device == torch.device("cpu")


def test_empty_history_has_finite_scores(recommender):
    empty = torch.zeros(2, N_ITEMS)
    assert torch.isfinite(scores(recommender, empty)).all()
    assert torch.isfinite(log_probs(recommender, empty)).all()


def test_history_and_model_stay_as_they_are(recommender, history, unchanged_model, untouched_rng):
    before = history.clone()
    with unchanged_model(recommender), untouched_rng():
        scores(recommender, history)
        log_probs(recommender, history)
        lxr.top_item(recommender, history)
    assert torch.equal(history, before)


def test_batch_equals_single_users(recommender, history):
    singles = torch.cat([scores(recommender, history[row : row + 1]) for row in range(len(history))])
    torch.testing.assert_close(scores(recommender, history), singles)


def test_inference_is_deterministic(recommender, history):
    assert torch.equal(scores(recommender, history), scores(recommender, history))


def test_log_prob_is_the_log_of_the_activated_score(recommender, history):
    logits = scores(recommender, history).double()
    prob = torch.sigmoid(logits) if recommender.activation == "sigmoid" else torch.softmax(logits, dim=1)
    log_prob = log_probs(recommender, history)
    torch.testing.assert_close(log_prob, prob.log().float())
    target = torch.arange(len(history))
    found = recommender.target_log_prob(scores(recommender, history), target)
    torch.testing.assert_close(found, log_prob[torch.arange(len(history)), target])


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_log_prob_of_extreme_logits_is_finite(linear, activation):
    weights = np.zeros((N_ITEMS, N_ITEMS))
    weights[0, 1], weights[0, 2] = 1000, -1000
    model, history = linear(weights, activation), torch.eye(N_ITEMS)[:1]
    log_prob = model.log_prob(history)
    expected = {"sigmoid": [0, -1000], "softmax": [0, -2000]}[activation]
    assert log_prob[0, 1:3].tolist() == expected
    found = [float(model.target_log_prob(model(history), torch.tensor([item]))) for item in (1, 2)]
    assert found == expected


@pytest.mark.parametrize("name", MAKERS)
def test_scores_can_be_differentiated_in_the_history(name, train_matrix, history):
    recommender = MAKERS[name](train_matrix)
    assert recommender.differentiable == (name not in ("popularity", "black-box"))
    if recommender.is_ordered:
        histories = lxr.Histories.of_dense(history)
        keep = torch.ones(histories.shape).requires_grad_()
        (gradient,) = torch.autograd.grad(recommender.log_activation(recommender.logits(histories, keep)).sum(), keep)
        assert gradient.isfinite().all() and (gradient[histories.real] != 0).any()
    elif recommender.differentiable:
        x = history.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(recommender.log_prob(x).sum(), x)
        assert torch.isfinite(gradient).all()
        assert (gradient != 0).any()


def test_recommenders_have_their_activation(train_matrix):
    assert {name: make(train_matrix).activation for name, make in MAKERS.items()} == {
        "mf": "sigmoid",
        "vae": "softmax",
        "ncf": "sigmoid",
        "ease": "sigmoid",
        "lightgcn": "softmax",
        "sasrec": "softmax",
        "gru4rec": "softmax",
        "popularity": "sigmoid",
        "autoencoder": "softmax",
        "item-to-item": "sigmoid",
        "als": "sigmoid",
        "black-box": "softmax",
    }


def test_encoders_for_a_warm_start(train_matrix):
    assert [encoder.shape for encoder in small("vae").encoders()] == [(16, N_ITEMS)] * 2
    assert [encoder.shape for encoder in small("ncf").encoders()] == [(8, N_ITEMS)] * 2
    with pytest.raises(ValueError, match="warm_start: Popularity has no linear encoders"):
        lxr.Popularity(train_matrix).encoders()


def test_same_seed_same_weights(name):
    states = []
    for global_seed, seed in ((1, 3), (2, 3), (1, 4)):
        torch.manual_seed(global_seed)
        states.append(small(name, seed).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    is_random = any(not torch.equal(states[0][key], states[2][key]) for key in states[0])
    assert is_random != lxr.RECOMMENDERS[name].is_closed_form


def test_constructor_leaves_the_global_random_state_alone(name, untouched_rng):
    with untouched_rng():
        small(name)


def test_a_recommender_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match="n_items: expected a positive integer, found 0"):
        lxr.RECOMMENDERS[name](0)


# --- recommending ----------------------------------------------------------------------------------------------------


def shop(history, item_ids, user_ids, titles=None) -> lxr.Interactions:
    """Interactions of a few users."""
    matrix = sp.csr_matrix(np.array(history, dtype=np.float32))
    return lxr.Interactions(matrix, np.array(user_ids), np.array(item_ids), titles)


def test_recommendations_equal_those_by_hand(linear):
    data = shop(
        [[1, 0, 0, 0], [0, 1, 0, 1], [1, 1, 1, 1]], ["p", "q", "r", "s"], [30, 10, 20], np.array(["P", "Q", "R", "R"])
    )
    found = lxr.recommend(linear(np.zeros((4, 4)), bias=[9.0, 1, 5, 5]), data, n=2)
    assert found.columns.tolist() == ["user", "item", "title", "score", "probability", "rank"]
    rows = [(30, "r", "R [r]", 5, 1), (30, "s", "R [s]", 5, 2), (10, "p", "P", 9, 1), (10, "r", "R [r]", 5, 2)]
    assert list(found.drop(columns="probability").itertuples(index=False, name=None)) == rows  # the third has everything
    assert found["probability"].tolist() == pytest.approx([1 / (1 + np.exp(-score)) for *_, score, _ in rows])


@pytest.mark.parametrize("n", [1, 3, N_ITEMS, 10**6])
def test_recommendations_equal_the_naive_ones(any_model, history, n):
    data = shop(history.tolist(), range(100, 100 + N_ITEMS), range(len(history)))
    found = lxr.recommend(any_model, data, n=n, users_per_batch=2)
    for user, row in enumerate(history.tolist()):
        logits, consumed = oracles.logits_at(any_model, row), oracles.items_of(row)
        order = sorted((item for item in range(N_ITEMS) if item not in consumed), key=lambda item: (-logits[item], item))
        own = found[found["user"] == user]
        assert (own["item"] - 100).tolist() == order[:n] and own["rank"].tolist() == list(range(1, len(own) + 1))
        assert own["score"].tolist() == pytest.approx([logits[item] for item in order[:n]], abs=1e-5)


def test_of_many_equal_scores_the_first_items_are_recommended(linear):
    data = shop([[0] * 50 + [1] * 14], range(64), [0])
    model = linear(np.zeros((64, 64)))
    for n in (1, 7, 49, 50, 64):
        assert lxr.recommend(model, data, n=n)["item"].tolist() == list(range(min(n, 50)))


def test_the_first_recommendation_is_the_explained_item(recommender, history):
    data = shop(history.tolist(), range(N_ITEMS), range(len(history)))
    assert lxr.recommend(recommender, data, n=1)["item"].tolist() == lxr.top_item(recommender, history).tolist()


def test_users_are_asked_for_by_id_and_rows_by_name(linear):
    data = shop(np.eye(4), range(4), ["d", "c", "b", "a"])
    model = linear(np.zeros((4, 4)))
    for asked, users in (
        ({"users": ["b", "d", "b"]}, ["b", "d", "b"]),
        ({"users": "a"}, ["a"]),
        ({"rows": [3, 0]}, ["a", "d"]),
    ):
        assert lxr.recommend(model, data, n=1, **asked)["user"].tolist() == users
    assert lxr.recommend(model, data, rows=np.int64(2), n=1)["user"].tolist() == ["b"]
    for asked, message in (
        ({"users": ["b", "z", "y", "z"]}, r"users: unknown user ids 'z', 'y'$"),
        ({"users": 3}, "users: unknown user ids 3$"),
        ({"users": []}, "users: expected one or more user ids, found none"),
        ({"users": [f"u{number}" for number in range(13)]}, "unknown user ids 'u0', .*'u9' and 3 others"),
        ({"rows": 4}, "rows: expected rows from 0 to 3, found 4"),
        ({"rows": [0.0]}, "rows: expected one or more integers"),
        ({"users": ["a"], "rows": [0]}, "users, rows: expected user ids or rows, found both"),
        ({"n": 0}, "n: expected a positive integer"),
    ):
        with pytest.raises(ValueError, match=message):
            lxr.recommend(model, data, **asked)
    with pytest.raises(ValueError, match="data: expected 5 items and 0 user features, as the model has them, found 4 and 0"):
        lxr.recommend(linear(np.zeros((5, 5))), data)


def test_user_who_consumed_everything_is_refused(recommender, history):
    history[2] = 1
    with pytest.raises(ValueError, match=r"history, row 2: .*has consumed all items"):
        lxr.top_item(recommender, history)


def test_logits_that_are_not_numbers_are_refused():
    class Broken(lxr.Recommender):
        def forward(self, history):
            return torch.where(torch.arange(5) == 3, torch.nan, history)

    model, history = Broken(5), torch.eye(5)[:2] + torch.eye(5)[2:4]
    with pytest.raises(ValueError, match="model: the logit of item 3 in row 0 is not a number"):
        lxr.top_item(model, history)
    with pytest.raises(ValueError, match="model: the logit of item 3 in row 0 is not a number"):
        lxr.rank_quality(model, sp.csr_matrix(history.numpy()))


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_log_odds_of_one_item_are_those_among_all(linear, activation):
    model = linear(np.eye(5), activation)
    logits = torch.tensor([[0.5, -1, 2, 0, 3], [60, 0, 0, 0, 0]])  # in the second row 1 − p has no digits left
    target = torch.tensor([4, 0])
    found = model.target_log_odds(logits, target)
    expected = [[3, 60], [3 - np.log(np.exp([0.5, -1, 2, 0]).sum()), 60 - np.log(4)]][activation == "softmax"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(found[:1], model.log_odds(logits).gather(1, target[:, None])[0], rtol=1e-6)
