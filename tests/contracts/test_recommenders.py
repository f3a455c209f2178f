"""One contract for all recommenders; ranking quality, files and training."""

import naive
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from toys import WRAPPED, fold_in

import lxr
from lxr.recommenders.ranking import hide_one_item

N_ITEMS = 20
TINY = {
    "mf": {"n_factors": 4},
    "vae": {"n_hidden": 16, "n_latent": 4},
    "ncf": {"n_factors": 4, "layers": [6, 3], "max_pairs": 3 * N_ITEMS},
}


def small(name, seed=0, **options) -> lxr.Recommender:
    """A small untrained recommender of the registry."""
    return lxr.RECOMMENDERS[name](N_ITEMS, seed=seed, **TINY[name] | options)


MAKERS = {
    "mf": lambda train_matrix: small("mf"),
    "vae": lambda train_matrix: small("vae"),
    "ncf": lambda train_matrix: small("ncf"),
    "popularity": lxr.Popularity,
} | {name: lambda train_matrix, make=make: make() for name, make in WRAPPED.items()}


@pytest.fixture(params=MAKERS)
def recommender(request, train_matrix):
    """Every kind of recommender."""
    return MAKERS[request.param](train_matrix)


@pytest.fixture(params=TINY)
def name(request):
    """Every registered recommender."""
    return request.param


def test_every_registered_recommender_is_tested():
    assert set(TINY) == set(lxr.RECOMMENDERS)
    with pytest.raises(ValueError, match="unknown recommender 'nope': expected one of mf, vae, ncf"):
        lxr.RECOMMENDERS["nope"]


def test_one_finite_logit_per_item(recommender, history):
    logits = recommender(history)
    assert logits.shape == history.shape
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()
    assert recommender.n_items == N_ITEMS
    assert recommender.activation in ("sigmoid", "softmax")
    assert recommender.device == torch.device("cpu")


def test_empty_history_has_finite_scores(recommender):
    empty = torch.zeros(2, N_ITEMS)
    assert torch.isfinite(recommender(empty)).all()
    assert torch.isfinite(recommender.log_prob(empty)).all()


def test_history_and_model_stay_as_they_are(recommender, history, unchanged_model, untouched_rng):
    before = history.clone()
    with unchanged_model(recommender), untouched_rng():
        recommender(history)
        recommender.log_prob(history)
        lxr.top_item(recommender, history)
    assert torch.equal(history, before)


def test_batch_equals_single_users(recommender, history):
    singles = torch.cat([recommender(history[row : row + 1]) for row in range(len(history))])
    torch.testing.assert_close(recommender(history), singles)


def test_inference_is_deterministic(recommender, history):
    assert torch.equal(recommender(history), recommender(history))


def test_log_prob_is_the_log_of_the_activated_score(recommender, history):
    logits = recommender(history).double()
    prob = torch.sigmoid(logits) if recommender.activation == "sigmoid" else torch.softmax(logits, dim=1)
    log_prob = recommender.log_prob(history)
    torch.testing.assert_close(log_prob, prob.log().float())
    target = torch.arange(len(history))
    found = recommender.target_log_prob(recommender(history), target)
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
    if recommender.differentiable:
        x = history.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(recommender.log_prob(x).sum(), x)
        assert torch.isfinite(gradient).all()
        assert (gradient != 0).any()


def test_activations(train_matrix):
    assert {name: make(train_matrix).activation for name, make in MAKERS.items()} == {
        "mf": "sigmoid",
        "vae": "softmax",
        "ncf": "sigmoid",
        "popularity": "sigmoid",
        "autoencoder": "softmax",
        "ease": "sigmoid",
        "als": "sigmoid",
        "black-box": "softmax",
    }


def test_mf_is_the_product_of_its_encoders(histories):
    model, history = small("mf"), histories([4])
    weights, items = model.encoders()  # (4, I) each: W and V
    assert weights.shape == items.shape == (4, N_ITEMS)
    with torch.no_grad():
        model.history_encoder.bias.fill_(0.5)
        model.item_encoder.bias.fill_(-2)
        consumed = sum(weights[:, item] for item in naive.items_of(history[0]))
        expected = [float((consumed + 0.5) @ (items[:, item] - 2)) for item in range(N_ITEMS)]
    assert model(history)[0].tolist() == pytest.approx(expected, abs=1e-5)


def test_vae_decodes_the_mean_code_of_the_normalised_history(histories):
    model, history = with_biases(small("vae")), histories([4])
    weight = {name: value.double().numpy() for name, value in model.state_dict().items()}
    hidden = np.tanh(weight["encoder.weight"] @ (history[0].numpy() / 2) + weight["encoder.bias"])  # four items: norm 2
    mean = (weight["latent.weight"] @ hidden + weight["latent.bias"])[:4]  # the other half is log σ²
    decoded = np.tanh(weight["decoder.weight"] @ mean + weight["decoder.bias"])
    expected = weight["output.weight"] @ decoded + weight["output.bias"]
    assert model(history)[0].tolist() == pytest.approx(expected, abs=1e-5)


def with_biases(model: lxr.Recommender) -> lxr.Recommender:
    """Biases are not zero either."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)
    return model


@pytest.mark.parametrize("branches", ["both", "gmf", "mlp"])
def test_ncf_scores_pairs_of_user_and_item(histories, branches):
    model, history = with_biases(small("ncf", branches=branches)), histories([4])
    weight = {name: value.double().numpy() for name, value in model.state_dict().items()}

    def vectors(branch, item):
        user = weight[f"{branch}_history.weight"] @ history[0].numpy() + weight[f"{branch}_history.bias"]
        return user, weight[f"{branch}_item.weight"][:, item] + weight[f"{branch}_item.bias"]

    def gmf(item):
        user, vector = vectors("gmf", item)
        return weight["gmf_output.weight"][0] @ (user * vector)

    def mlp(item):
        user, vector = vectors("mlp", item)
        x = weight["first_of_user.weight"] @ user + weight["first_of_user.bias"]
        x = np.maximum(x + weight["first_of_item.weight"] @ vector, 0)
        x = np.maximum(weight["tower.0.weight"] @ x + weight["tower.0.bias"], 0)
        return weight["mlp_output.weight"][0] @ x

    parts = {"both": (gmf, mlp), "gmf": (gmf,), "mlp": (mlp,)}[branches]
    assert model(history)[0].tolist() == pytest.approx(
        [sum(part(item) for part in parts) for item in range(N_ITEMS)], abs=1e-5
    )


def test_ncf_in_chunks_equals_ncf_at_once(history):
    chunked, whole = small("ncf", max_pairs=1), small("ncf", max_pairs=10**6)
    gradients = []
    for model in (chunked, whole):
        x = history.clone().requires_grad_()
        model(x).square().sum().backward()
        gradients.append([x.grad, *(parameter.grad for parameter in model.parameters())])
    torch.testing.assert_close(chunked(history), whole(history))
    torch.testing.assert_close(*gradients)


def test_ncf_starts_from_its_branches(history):
    gmf, mlp = (with_biases(small("ncf", seed, branches=name)) for seed, name in enumerate(("gmf", "mlp")))
    joined = small("ncf").start_from(gmf, mlp, share=0.3)
    torch.testing.assert_close(joined(history), 0.3 * gmf(history) + 0.7 * mlp(history))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"branches": "none"}, "branches: expected one of both, gmf, mlp, found 'none'"),
        ({"layers": []}, r"layers: expected one or more positive integers, found \[\]"),
        ({"layers": [4, 0]}, r"layers: expected one or more positive integers, found \[4, 0\]"),
        ({"max_pairs": 0}, "max_pairs: expected a positive integer, found 0"),
    ],
)
def test_ncf_refuses_what_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        small("ncf", **options)


def test_encoders_for_a_warm_start(train_matrix):
    assert [encoder.shape for encoder in small("vae").encoders()] == [(16, N_ITEMS)] * 2
    assert [encoder.shape for encoder in small("ncf").encoders()] == [(8, N_ITEMS)] * 2
    with pytest.raises(ValueError, match="warm_start: Popularity has no linear encoders"):
        lxr.Popularity(train_matrix).encoders()


def test_popularity_counts_training_users(train_matrix, history):
    logits = lxr.Popularity(train_matrix)(history)
    expected = [len(naive.users_of(train_matrix.toarray(), item)) for item in range(N_ITEMS)]
    assert logits.tolist() == [expected] * len(history)


def test_same_seed_same_weights(name):
    states = []
    for global_seed, seed in ((1, 3), (2, 3), (1, 4)):
        torch.manual_seed(global_seed)
        states.append(small(name, seed).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert any(not torch.equal(states[0][key], states[2][key]) for key in states[0])


def test_constructor_leaves_the_global_random_state_alone(name, untouched_rng):
    with untouched_rng():
        small(name)


def test_a_recommender_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match="n_items: expected a positive integer, found 0"):
        lxr.RECOMMENDERS[name](0)


def test_top_item_is_the_best_unseen(any_model, history):
    found = lxr.top_item(any_model, history)
    assert found.shape == (len(history),)
    assert found.dtype == torch.long
    assert (history.gather(1, found[:, None]) == 0).all()
    assert found.tolist() == [
        naive.top_item(naive.logits_at(any_model, row), naive.items_of(row)) for row in history.tolist()
    ]


def test_top_item_by_hand(linear):
    bias = [9.0, 1, 5, 5]
    history = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 1]])
    assert lxr.top_item(linear(np.zeros((4, 4)), bias=bias), history).tolist() == [2, 0, 1]  # of equal ones the lowest


def test_top_item_is_an_array_where_histories_are_sparse(any_model, history):
    expected = lxr.top_item(any_model, history).tolist()
    for kind in (sp.csr_matrix, sp.csr_array, sp.coo_matrix):
        found = lxr.top_item(any_model, kind(history.numpy()), batch_size=2)
        assert isinstance(found, np.ndarray) and found.tolist() == expected


# --- recommending ----------------------------------------------------------------------------------------------------


def shop(history, item_ids, user_ids, titles=None) -> lxr.Interactions:
    """Interactions of a few users."""
    matrix = sp.csr_matrix(np.array(history, dtype=np.float32))
    return lxr.Interactions(matrix, np.array(user_ids), np.array(item_ids), titles)


def test_recommendations_by_hand(linear):
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
        logits, consumed = naive.logits_at(any_model, row), naive.items_of(row)
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
    with pytest.raises(ValueError, match=r"history, row 2: .*every item is consumed"):
        lxr.top_item(recommender, history)


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


def test_rank_quality_equals_the_naive_loop(any_model, train_matrix):
    for seed in (0, 1):
        rest, hidden = hide_one_item(train_matrix, seed)
        expected = naive.rank_quality(any_model, rest.toarray().tolist(), hidden.tolist())
        assert lxr.rank_quality(any_model, train_matrix, seed=seed) == pytest.approx(expected)


def test_hidden_item_is_one_of_the_history(train_matrix):
    matrix = sp.vstack([train_matrix, sp.csr_matrix(np.eye(3, N_ITEMS, dtype=np.float32))]).tocsr()  # and three of one item
    before = matrix.copy()
    rest, hidden = hide_one_item(matrix, seed=0)
    assert rest.shape == train_matrix.shape
    restored = rest.toarray()
    assert (restored[np.arange(60), hidden] == 0).all()
    restored[np.arange(60), hidden] = 1
    np.testing.assert_array_equal(restored, train_matrix.toarray())
    np.testing.assert_array_equal(matrix.toarray(), before.toarray())


def test_rank_quality_by_hand(linear):
    # One user of the items 0 and 1; whichever is hidden, 8 of the 18 others score higher and 2 as high: the tenth place.
    bias = [5.0, 5.0, *[9.0] * 8, *[5.0] * 2, *[1.0] * 8]
    matrix = sp.csr_matrix(np.eye(1, N_ITEMS, dtype=np.float32) + np.eye(1, N_ITEMS, 1, dtype=np.float32))
    quality = lxr.rank_quality(linear(np.zeros((N_ITEMS, N_ITEMS)), bias=bias), matrix)
    assert quality == pytest.approx(
        {"HR@10": 1, "HR@50": 1, "HR@100": 1, "NDCG@10": 0.2890648, "MRR": 0.1, "MPR": 0.5}, abs=1e-6
    )


def test_constant_scores_are_worth_a_random_order(linear, train_matrix):
    assert lxr.rank_quality(linear(np.zeros((N_ITEMS, N_ITEMS))), train_matrix)["MPR"] == 0.5


def test_rank_quality_leaves_everything_alone(model, train_matrix, unchanged_model, untouched_rng):
    before = train_matrix.copy()
    with unchanged_model(model), untouched_rng():
        lxr.rank_quality(model, train_matrix)
    assert train_matrix.nnz == before.nnz
    np.testing.assert_array_equal(train_matrix.toarray(), before.toarray())


def test_rank_quality_needs_a_user_of_two_items(linear):
    with pytest.raises(ValueError, match="matrix: expected at least one user with two or more items"):
        lxr.rank_quality(linear(np.eye(N_ITEMS)), sp.csr_matrix(np.eye(N_ITEMS, dtype=np.float32)))


def test_saved_recommender_comes_back(name, history, tmp_path):
    model, path = small(name, seed=7), tmp_path / "new folder" / "model.pt"
    model.save(path)
    loaded = lxr.load(path)
    assert type(loaded) is type(model)
    assert not loaded.training
    assert torch.equal(loaded(history), model(history))
    assert [file.name for file in path.parent.iterdir()] == ["model.pt"]


def test_missing_file_is_named(tmp_path):
    with pytest.raises(lxr.DataError, match=r"absent\.pt is missing"):
        lxr.load(tmp_path / "absent.pt")


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: b"not weights", lambda content: content[:-100]])
def test_corrupt_file_is_named(tmp_path, damage):
    path = tmp_path / "model.pt"
    small("mf").save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(lxr.DataError, match=r"model\.pt is damaged"):
        lxr.load(path)


@pytest.mark.parametrize("content", [{"weights": {}}, [1, 2]])
def test_file_of_something_else_is_named(tmp_path, content):
    path = tmp_path / "model.pt"
    torch.save(content, path)
    with pytest.raises(lxr.DataError, match=r"model\.pt"):
        lxr.load(path)


def test_training_learns(name, planted):
    model = small(name)
    before = lxr.rank_quality(model, planted[1])
    record = lxr.fit(model, *planted, epochs=15, batch_size=20, learning_rate=0.01)
    assert list(record["epoch"]) == list(range(1, len(record) + 1))
    assert record["loss"].iloc[-1] < record["loss"].iloc[0]
    assert not model.training
    after = lxr.rank_quality(model, planted[1])
    assert after["MPR"] < 0.35 < before["MPR"]  # half of the items are of the right taste: at best about 0.2


def test_training_keeps_the_best_epoch(name, planted):
    options = {"batch_size": 20, "learning_rate": 0.1, "patience": 5}  # fast enough to pass its best
    model, shorter = small(name), small(name)
    record = lxr.fit(model, *planted, epochs=40, **options)
    best = int(record["epoch"][record["NDCG@100"].idxmax()])
    assert best == len(record) - options["patience"]
    lxr.fit(shorter, *planted, epochs=best, **options)
    weights = model.state_dict()
    assert all(torch.equal(weights[key], value) for key, value in shorter.state_dict().items())


def test_training_is_deterministic(name, planted, untouched_rng):
    models, records = [small(name) for _ in range(3)], []
    for global_seed, (model, seed) in enumerate(zip(models, (3, 3, 4), strict=True)):
        torch.manual_seed(global_seed)
        with untouched_rng():
            records.append(lxr.fit(model, *planted, seed=seed, epochs=2, batch_size=20))
    first, second, other = (model.state_dict() for model in models)
    assert records[0].equals(records[1])
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_training_leaves_the_data_alone(name, planted):
    before = [matrix.copy() for matrix in planted]
    lxr.fit(small(name), *planted, epochs=1)
    for matrix, copy in zip(planted, before, strict=True):
        assert matrix.nnz == copy.nnz
        np.testing.assert_array_equal(matrix.toarray(), copy.toarray())


def test_matrices_of_another_shape_are_refused(name, planted):
    train, validation = planted
    with pytest.raises(ValueError, match=r"train_matrix: expected \(users, 20\).*found \(80, 19\)"):
        lxr.fit(small(name), train[:, :-1], validation)
    with pytest.raises(ValueError, match=r"validation_matrix: expected \(users, 20\).*found \(40, 19\)"):
        lxr.fit(small(name), train, validation[:, :-1])
    with pytest.raises(ValueError, match=r"train_matrix: .*at least one user, found \(0, 20\)"):
        lxr.fit(small(name), train[:0], validation)
    with pytest.raises(ValueError, match=r"validation_matrix: .*at least one user, found \(0, 20\)"):
        lxr.fit(small(name), train, validation[:0])


def test_validation_users_of_one_item_are_refused(name, planted):
    with pytest.raises(ValueError, match="matrix: expected at least one user with two or more items"):
        lxr.fit(small(name), planted[0], sp.csr_matrix(np.eye(5, N_ITEMS, dtype=np.float32)), epochs=1)


class NotANumber(lxr.Recommender):
    """A recommender whose loss is NaN."""

    def __init__(self):
        super().__init__(N_ITEMS)
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, history):
        """Map histories (B, I) to logits (B, I)."""
        return self.scale * history

    def loss(self, history, generator, step):
        """0 / 0."""
        return (self(history) * 0).sum() / 0


def test_a_loss_that_is_not_finite_is_refused(planted):
    with pytest.raises(ValueError, match=r"training diverged in epoch 1: try a smaller learning_rate than 0\.5"):
        lxr.fit(NotANumber(), *planted, learning_rate=0.5)


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_huge_learning_rate_is_refused(name, planted, epochs):
    # One batch per epoch: the first loss is still finite, the weights after it are not.
    with pytest.raises(ValueError, match=r"try a smaller learning_rate than 1e\+38"):
        lxr.fit(small(name), *planted, epochs=epochs, learning_rate=1e38)


def test_a_recommender_without_a_loss_is_not_trained(planted):
    with pytest.raises(NotImplementedError, match="Wrapped has no training loss"):
        lxr.fit(WRAPPED["autoencoder"](), *planted)


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
