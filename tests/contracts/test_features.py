"""User features: columns of a history that are read when asked for, explained like items, and never recommended."""

import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import lxr
from lxr.counterfactuals import CounterfactualSet, smallest_set
from lxr.data import EntryLists
from lxr.data.datasets import Dataset
from lxr.explainers import EXPLAINERS, LXR_FAMILIES
from lxr.explainers.lime import LIME, LIRE
from lxr.explainers.objectives import at_kept
from lxr.metrics import feature_table
from lxr.recommenders.ranking import hide_one_item, hide_share
from lxr.reporting import counterfactual_sentence

N_ITEMS, N_FEATURES = 16, 4
N_COLUMNS = N_ITEMS + N_FEATURES
MODELS = {
    "mf": lambda: lxr.MF(N_ITEMS, n_factors=4, n_features=N_FEATURES),
    "vae": lambda: lxr.VAE(N_ITEMS, n_hidden=16, n_latent=4, n_features=N_FEATURES),
}
# Item 0 speaks for item 1, the feature 3 more so for item 2; the features themselves would have the highest logits.
WEIGHTS = [[0, 1, 0, 90, 90], [0, 0, 0, 90, 90], [0, 0, 0, 90, 90], [0, 0, 2, 90, 90], [0, 0, 0, 90, 90]]


def by_hand(activation="sigmoid") -> lxr.Recommender:
    """Three items and two features."""
    weights = torch.tensor(WEIGHTS, dtype=torch.float32)
    return lxr.wrap(lambda history: history @ weights, 3, activation, n_features=2)


@pytest.fixture(params=list(MODELS))
def model(request):
    return MODELS[request.param]()


@pytest.fixture
def users(histories):
    """Six histories with at least one item, of whom all but the first have a feature."""
    history = histories([1, 2, 5, 8, 12, 14], N_ITEMS)
    features = torch.zeros(6, N_FEATURES)
    features[range(1, 6), [0, 1, 2, 3, 0]] = 1
    return torch.cat([history, features], dim=1)


# --- recommending ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_a_feature_is_an_input_but_no_output(activation):
    model, history = by_hand(activation), torch.tensor([[1.0, 0, 0, 1, 0], [1, 0, 0, 0, 1]])
    assert model(history)[:, :3].tolist() == [[0, 1, 2], [0, 1, 0]]
    assert (model(history)[:, 3:] == -torch.inf).all()
    assert lxr.top_item(model, history).tolist() == [2, 1]
    probability = model.log_prob(history).exp()
    assert (probability[:, 3:] == 0).all()
    if activation == "softmax":
        torch.testing.assert_close(probability[:, :3].sum(dim=1), torch.ones(2))


def test_a_feature_changes_the_logits_of_items(model, users):
    without = users.clone()
    without[:, N_ITEMS:] = 0
    differs = (model(users) != model(without))[:, :N_ITEMS].any(dim=1)
    assert differs.tolist() == [False, True, True, True, True, True]


def test_a_feature_is_no_negative_in_training(model, users):
    def loss():
        return model.loss(lxr.Histories.of_dense(users), torch.Generator().manual_seed(0), step=10_000)

    before = loss()
    before.backward()
    assert all(weights.grad.isfinite().all() for weights in model.parameters())
    inputs, outputs = model.encoders()
    with torch.no_grad():
        outputs[:, N_ITEMS:] += 100
        assert loss() == before
        inputs[:, N_ITEMS:] += 1
        assert loss() != before


@pytest.mark.parametrize("objective", lxr.OBJECTIVES)
@pytest.mark.parametrize("n_unseen", [1, 2, 10])
def test_gradients_are_finite(model, objective, n_unseen):
    history = torch.ones(1, N_COLUMNS)
    history[:, :n_unseen] = 0
    history[:, -1] = 0
    entries, target = lxr.Histories.of_dense(history), torch.tensor([0])
    keep = torch.ones(entries.shape, requires_grad=True)
    g = at_kept(lxr.OBJECTIVES[objective], model, entries, keep, target)
    (gradient,) = torch.autograd.grad(g.sum(), keep)
    assert g.isfinite().all() and gradient.isfinite().all()


def test_without_an_unseen_item_nothing_is_recommended():
    history = np.array([[1, 0, 1, 1, 0], [1, 1, 1, 1, 0]], dtype=np.float32)
    with pytest.raises(ValueError, match="history, row 1: nothing is left to recommend"):
        lxr.top_item(by_hand(), torch.tensor(history))
    with pytest.raises(ValueError, match="history, row 1: nothing is left to recommend"):
        lxr.top_item(by_hand(), sp.csr_matrix(history))


def test_features_are_not_recommended():
    history = sp.csr_matrix(np.array([[1, 0, 0, 1, 0]], dtype=np.float32))
    kinds = np.array(["taste", "taste"])
    data = lxr.Interactions(history, np.array([7]), np.arange(3), np.array(list("abcde")), feature_kinds=kinds)
    assert (data.n_items, data.n_features, data.n_columns) == (3, 2, 5)
    assert lxr.recommend(by_hand(), data, users=[7])["item"].tolist() == [2, 1]


def test_quality_is_measured_on_items_alone(users):
    items, both = sp.csr_matrix(users[:, :N_ITEMS].numpy()), sp.csr_matrix(users.numpy())
    for seed in range(5):
        lists, hidden = hide_one_item(EntryLists.of_matrix(both), seed, N_FEATURES)
        expected_lists, expected = hide_one_item(EntryLists.of_matrix(items), seed)
        rest, expected_rest = lists.matrix(), expected_lists.matrix()
        assert hidden.tolist() == expected.tolist()
        assert (rest[:, :N_ITEMS] != expected_rest).nnz == 0 and (rest[:, N_ITEMS:] != both[1:, N_ITEMS:]).nnz == 0
        rest, hidden = (part.matrix() for part in hide_share(EntryLists.of_matrix(both), 0.4, seed, N_FEATURES))
        expected_rest, expected = (part.matrix() for part in hide_share(EntryLists.of_matrix(items), 0.4, seed))
        assert (hidden[:, :N_ITEMS] != expected).nnz == 0 == hidden[:, N_ITEMS:].nnz
        assert (rest[:, :N_ITEMS] != expected_rest).nnz == 0 and (rest[:, N_ITEMS:] != both[1:, N_ITEMS:]).nnz == 0
    popular = lxr.Popularity(both, n_features=N_FEATURES)
    assert lxr.rank_quality(popular, both) == lxr.rank_quality(lxr.Popularity(items), items)


def test_epochs_are_chosen_by_hidden_items_alone(monkeypatch, users):
    hidden, matrix = [], sp.vstack([sp.csr_matrix(users.numpy())] * 20, format="csr")
    monkeypatch.setattr("lxr.recommenders.training.holdout_ndcg", lambda model, rest, items: hidden.append(items) or 0.5)
    lxr.fit(lxr.MF(N_ITEMS, n_features=N_FEATURES), matrix, matrix, epochs=1)
    assert len(hidden[0].items) and (hidden[0].items < N_ITEMS).all()


def test_training_learns_what_features_tell(planted):
    train, validation = (sp.hstack([part, tastes(part)], format="csr") for part in planted)
    n_items = train.shape[1] - 2
    for model in (lxr.MF(n_items, n_factors=8, n_features=2), lxr.VAE(n_items, n_hidden=16, n_latent=4, n_features=2)):
        lxr.fit(model, train, validation, epochs=60, batch_size=20, learning_rate=0.02)
        known = torch.eye(n_items + 2)[-2:]  # nothing but the taste
        assert (model(known).topk(5, dim=1).indices % 2).tolist() == [[0] * 5, [1] * 5]


def tastes(matrix):
    """Two features: more even items than odd ones, or not."""
    even = (matrix[:, ::2].sum(axis=1) > matrix[:, 1::2].sum(axis=1)).astype(np.float32)
    return np.hstack([even, 1 - even])


@pytest.mark.parametrize("n_features", [-1, "2", 1.5])
def test_a_number_of_features_is_natural(n_features):
    with pytest.raises(ValueError, match="n_features: expected an integer of at least 0"):
        lxr.MF(5, n_features=n_features)


def test_at_least_one_item_is_no_feature():
    with pytest.raises(ValueError, match="n_items: expected a positive integer, found 0"):
        lxr.Popularity(sp.csr_matrix([[1, 1]]), n_features=2)


def test_items_are_counted_without_features(model):
    assert (model.n_items, model.n_features, model.n_columns) == (N_ITEMS, N_FEATURES, N_COLUMNS)
    assert model(torch.zeros(2, N_COLUMNS)).shape == (2, N_COLUMNS)


@pytest.mark.parametrize("name", MODELS)
def test_a_recommender_with_features_is_saved(name, users, tmp_path):
    model = MODELS[name]()
    model.save(tmp_path / "recommender.pt")
    again = lxr.load(tmp_path / "recommender.pt")
    assert again.n_features == N_FEATURES and torch.equal(again(users), model(users))


# --- explaining ------------------------------------------------------------------------------------------------------


def test_a_feature_is_a_reason_and_is_removed_like_an_item():
    model, history, target = by_hand(), torch.tensor([[1.0, 0, 0, 1, 0]]), torch.tensor([2])
    importance = EXPLAINERS["leave-one-out"](model, None, objective="logit").explain(history, target)
    assert importance.tolist() == [[0, 0, 0, 2, 0]]
    result = lxr.evaluate_fidelity(model, history, target, importance, steps=2, cutoffs=(1, 2))
    assert result.history_length.tolist() == [2] and result.rank.tolist() == [1]
    assert result.curves["POS@1"].tolist() == [[1, 0, 1]]  # item 1 passes, until item 0 is gone too and all are equal
    assert result.curves["NDCG"][0].round(3).tolist() == [1, 0.631, 1]
    assert lxr.evaluation.bounds.exhaustive_optimum(model, history, target, 1)["POS@1"].tolist() == [0]
    found = smallest_set(model, history, 2)
    assert (found.removed.tolist(), found.replacement, found.certificate) == ([3], 1, "optimal")


ASK_NO_OTHERS = [name for name in EXPLAINERS if not name.startswith(("lime", "lire"))]


@pytest.mark.slow
@pytest.mark.parametrize("name", ASK_NO_OTHERS)
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_a_feature_is_explained_like_an_item_that_is_out_of_the_question(name, activation, users, linear):
    generator = np.random.default_rng(0)
    weights, bias = generator.integers(-2, 3, (N_COLUMNS, N_COLUMNS)), generator.integers(-2, 3, N_COLUMNS)
    weights[:, N_ITEMS:], bias[N_ITEMS:] = 0, -10_000
    hopeless = linear(weights, activation, bias)
    model = lxr.wrap(hopeless, N_ITEMS, activation, n_features=N_FEATURES)
    matrix = sp.csr_matrix(users.numpy())
    target = lxr.top_item(model, matrix)
    assert target.tolist() == lxr.top_item(hopeless, matrix).tolist() and target.max() < N_ITEMS
    options = {"k": 3} if "rank-margin" in name or name == "accent" else {}
    options |= {"epochs": 1} if EXPLAINERS[name].family in LXR_FAMILIES else {}
    scores = [EXPLAINERS[name](each, matrix, matrix, **options).explain(matrix, target) for each in (model, hopeless)]
    np.testing.assert_allclose(scores[0].data, scores[1].data, atol=1e-5)
    found, expected = (
        lxr.evaluate_fidelity(each, matrix, target, scores[0]).per_user().to_numpy(float) for each in (model, hopeless)
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPLAINERS)
def test_scores_are_finite_where_hardly_anything_is_unseen(name, model):
    history = torch.ones(2, N_COLUMNS)
    history[0, :2] = 0
    history[1, 0] = 0
    history[:, -1] = 0
    train = sp.csr_matrix(history.numpy())
    options = {"epochs": 1} if EXPLAINERS[name].family in LXR_FAMILIES else {}
    explainer = EXPLAINERS[name](model, train, train, **options)
    assert explainer.explain(history, torch.tensor([0, 0])).isfinite().all()


@pytest.mark.parametrize("make", [LIME, LIRE])
def test_no_feature_is_added_to_a_history(make, model, users):
    matrix = sp.csr_matrix(users.numpy())
    explainer = LIME(model, min_flips=1) if make is LIME else LIRE(model, matrix, n_neighbours=6)
    items = matrix[1].indices
    kept, added = explainer.neighborhood(items, int(lxr.top_item(model, matrix)[1]), np.random.default_rng(0))
    assert added.nnz > 0 and added[:, N_ITEMS:].nnz == 0
    assert kept.shape[1] == len(items) == 3 and (kept[:, -1] == 0).any()  # its own feature may be taken out


def test_a_feature_is_no_target(model, users):
    matrix, target = sp.csr_matrix(users.numpy()), np.full(len(users), N_COLUMNS - 1)
    target[4] = N_ITEMS
    explainer = EXPLAINERS["leave-one-out"](model, matrix)
    for refused in (
        lambda: lxr.evaluate_fidelity(model, users[:1], torch.tensor(target[:1]), users[:1]),
        lambda: explainer.explain(users[:1], torch.tensor(target[:1])),
        lambda: explainer.explain(matrix, target),
    ):
        with pytest.raises(ValueError, match=f"target, row 0: expected an item from 0 to {N_ITEMS - 1}, found 19"):
            refused()


def test_users_keep_their_features_when_histories_are_shuffled(users):
    matrix = sp.csr_matrix(users.numpy())
    shuffled = lxr.evaluation.shuffled_histories(matrix, seed=0, n_features=N_FEATURES)
    assert (shuffled[:, N_ITEMS:] != matrix[:, N_ITEMS:]).nnz == 0
    assert (shuffled[:, :N_ITEMS] != matrix[:, :N_ITEMS]).nnz > 0
    for axis in (0, 1):
        assert shuffled.sum(axis=axis).tolist() == matrix.sum(axis=axis).tolist()


# --- data ------------------------------------------------------------------------------------------------------------


def frame(features, users=(1, 2, 3)) -> pd.DataFrame:
    """Every user likes items 10 and 20; user 9 only 20."""
    rows = [(user, item, 5) for user in users for item in (10, 20)] + [(9, 20, 5)]
    ratings = pd.DataFrame(rows, columns=["user", "item", "rating"])
    ratings.attrs = {"titles": {10: "Ten", 20: "Twenty"}, "user_features": features}
    return ratings


FEATURES = {
    1: {"gender": "female", "age": "25–34"},
    3: {"gender": "male", "age": None, "occupation": "artist"},
    9: {"gender": "male", "occupation": "farmer"},  # falls, and its occupation with it
    77: {"gender": "unheard of"},
}


def test_features_become_columns():
    data = lxr.prepare(frame(FEATURES))
    assert data.matrix.toarray().tolist() == [[1, 1, 1, 0, 1, 0], [1, 1, 0, 0, 0, 0], [1, 1, 0, 1, 0, 1]]
    titles = ["Ten", "Twenty", "your gender (female)", "your gender (male)", "your age (25–34)", "your occupation (artist)"]
    assert data.item_titles.tolist() == titles and data.item_ids.tolist() == [10, 20]
    assert data.feature_kinds.tolist() == ["gender", "gender", "age", "occupation"] and data.n_features == 4
    assert data.matrix.dtype == np.float32 and data.matrix.has_sorted_indices and (data.matrix.data == 1).all()


def test_features_do_without_titles_and_groups_and_have_no_group():
    ratings = frame({1: {"age": 30}, 2: {"age": float("nan")}})
    ratings.attrs = {"user_features": ratings.attrs["user_features"], "groups": {10: 1, 20: 0}}
    data = lxr.prepare(ratings)
    assert data.item_titles.tolist() == ["10", "20", "your age (30)"]
    assert data.item_groups.tolist() == [1, 0, -1]
    assert np.asarray(data.matrix[:, 2].todense()).ravel().tolist() == [1, 0, 0]


def test_features_are_saved(tmp_path):
    data = lxr.prepare(frame(FEATURES))
    data.save(tmp_path / "interactions.npz")
    again = lxr.Interactions.load(tmp_path / "interactions.npz")
    assert again.n_features == 4 and again.feature_kinds.tolist() == data.feature_kinds.tolist()
    assert (again.matrix != data.matrix).nnz == 0 and again.item_titles.tolist() == data.item_titles.tolist()


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({}, "expected features of some of the 3 users, found none"),
        ({"1": {"age": "25–34"}}, "expected features of some of the 3 users, found none"),  # ids of another kind
        ({1: {"age": None}}, "expected features of some of the 3 users, found none"),
        (pd.DataFrame({"age": [1]}), "expected a dictionary of user ids, found DataFrame"),
        ({2: "female"}, "user 2: expected one value of each feature, found 'female'"),
        ({2: {"hobbies": ["chess", "go"]}}, r"user 2: expected one value of each feature, found .*\['chess', 'go'\]"),
    ],
    ids=str,
)
def test_malformed_features_are_refused(features, message):
    ratings = frame({})
    ratings.attrs["user_features"] = features
    with pytest.raises(lxr.DataError, match=re.escape("ratings.attrs['user_features']") + ".*" + message):
        lxr.prepare(ratings)


def test_features_are_off_unless_asked_for():
    plain, with_features = lxr.load_dataset("synthetic"), lxr.load_dataset("synthetic", user_features=True)
    assert plain.n_features == 0 and "user_features" not in lxr.load_ratings("synthetic").attrs
    assert (with_features.item_matrix != plain.matrix).nnz == 0
    assert with_features.item_titles[160:].tolist() == ["your hand (left)", "your hand (right)"]
    assert (with_features.matrix[:, 160:].sum(axis=1) == 1).all()


def test_a_dataset_that_knows_nothing_of_its_users_says_so(monkeypatch):
    monkeypatch.setitem(lxr.DATASETS, "toy", Dataset(lambda data_dir: frame(FEATURES), 4))
    with pytest.raises(lxr.DataError, match="dataset toy has no user features: call with user_features=False"):
        lxr.load_ratings("toy", user_features=True)


# --- tables ----------------------------------------------------------------------------------------------------------


def test_reasons_that_are_features_are_counted():
    data = lxr.prepare(frame(FEATURES))
    scores = data.matrix.copy()
    scores.data = np.array([1, 2, 3, 4, 5, 4, 9, 3, 2, 8], dtype=np.float32)  # rows: 1 2 3 4 | 5 4 | 9 3 2 8
    table = feature_table({"toy": scores}, data, count=2)
    first = {"gender, first": 0, "age, first": 1 / 3, "occupation, first": 0, "all, first": 1 / 3}
    more = {"gender, first 2": 1 / 6, "age, first 2": 1 / 6, "occupation, first 2": 1 / 6, "all, first 2": 1 / 2}
    assert table.loc["toy"].to_dict() == pytest.approx(first | more)


def test_a_counterfactual_names_features_like_items():
    sentence = counterfactual_sentence(
        lxr.prepare(frame(FEATURES)), 1, CounterfactualSet(np.array([0, 2, 4]), 1, bound=1, length=5, seconds=0.0)
    )
    assert sentence.startswith("Without “Ten”, “your gender (female)” and “your age (25–34)”, “Twenty” would have been")
