"""Models of other libraries: ids, checks, fold-in and soft masks, with answers that are known."""

import numpy as np
import pandas as pd
import pytest
import torch
from library_models import ORDER, SASRec, Votes, layers, of_library, small_data
from torch import nn
from toys import N_ITEMS

import lxr
from lxr.recommenders.adapters.scorers import FoldIn
from lxr.recommenders.adapters.sequences import newest

WEIGHTS = np.arange(9.0).reshape(3, 3)  # item numbers of the library: c, a, b


@of_library("cornac.models.ease.recom_ease")
class EASE:
    """EASE as cornac hands it over, with items in the order c, a, b."""

    def __init__(self, ids=("c", "a", "b"), own_weights=WEIGHTS):
        self.U = lxr.utils.sparse.binary_matrix(np.array([0, 0, 1]), np.array([0, 1, 2]), (2, 3))
        self.B, self.own_weights = WEIGHTS, own_weights
        self.iid_map = {item: number for number, item in enumerate(ids)}

    def score(self, user):
        return self.U[user] @ self.own_weights


def three_items(ids=("a", "b", "c")):
    """Data of three items whose ids ascend."""
    rows = [(user, item) for user in range(4) for item in ids[: 1 + user % 2]] + [(0, ids[2]), (9, ids[2])]
    return lxr.prepare(pd.DataFrame(rows, columns=["user", "item"]), min_users_per_item=1, min_items_per_user=1)


def test_item_numbers_of_the_library_become_columns_of_the_data():
    model = lxr.adapt(EASE(), three_items())
    permutation = [1, 2, 0]  # a, b, c
    assert torch.equal(model(torch.eye(3)).double(), torch.from_numpy(WEIGHTS[permutation][:, permutation]))
    assert model.is_linear and model.activation == "sigmoid"


def test_ids_that_are_text_in_the_library_may_be_numbers_in_the_data():
    as_text = lxr.adapt(EASE(ids=("30", "10", "20")), three_items((10, 20, 30)))
    assert torch.equal(as_text(torch.eye(3)), lxr.adapt(EASE(), three_items())(torch.eye(3)))


def test_items_that_only_the_model_knows_are_never_recommended():
    weights = np.pad(WEIGHTS, (0, 1), constant_values=100)
    frame = pd.DataFrame({"user": [1, 2, 2, 3], "item": ["b", "c", "b", "c"]})
    data = lxr.prepare(frame, min_users_per_item=1, min_items_per_user=1)
    scorer = nn.Linear(4, 4, bias=False)
    scorer.weight.data = torch.from_numpy(weights.T).float()
    model = lxr.adapt(scorer, data, item_ids=["c", "a", "b", "z"], activation="sigmoid")
    assert torch.equal(model(torch.eye(2)), torch.tensor([[8.0, 6], [2, 0]]))


ERRORS = {
    "unknown item": (lambda data: lxr.adapt(EASE(ids=("x", "a", "b")), data), "data: expected items that EASE knows.*'c'"),
    "too few ids": (lambda data: lxr.adapt(EASE(), data, item_ids=["a", "b"]), "item_ids: expected the ids.*found 2"),
    "equal ids": (lambda data: lxr.adapt(EASE(), data, item_ids=["a", "a", "b"]), "item_ids: expected different.*found 2"),
    "no activation": (lambda data: lxr.adapt(layers(data), data), "activation: expected 'sigmoid', .* found none"),
    "no model": (lambda data: lxr.adapt(print, data), "model: expected a fitted model of cornac, .* found builtin"),
    "other catalogue": (lambda data: lxr.adapt(lxr.MF(5), data), "data: expected 5 items"),
    "other scores": (lambda data: lxr.adapt(EASE(own_weights=WEIGHTS + 1), data), "the scores of EASE itself, 1 .*found 0"),
    "no data": (lambda data: lxr.adapt(EASE(), data.matrix), "data: expected interactions"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_bad_models_get_one_clear_error(name):
    call, message = ERRORS[name]
    with pytest.raises(ValueError, match=message):
        call(three_items())


def test_a_model_of_ratings_is_refused():
    model = EASE()
    model.U.data[:] = 4
    with pytest.raises(ValueError, match="expected EASE of cornac trained on ones, found ratings up to 4"):
        lxr.adapt(model, three_items())


def test_a_model_that_is_not_fitted_is_refused():
    model = EASE()
    del model.B
    with pytest.raises(ValueError, match="model: expected a fitted EASE of cornac, found one without its weights"):
        lxr.adapt(model, three_items())


def test_an_unknown_class_of_a_library_is_named():
    model = of_library("cornac.models.hpf")(type("HPF", (), {}))()
    with pytest.raises(ValueError, match=r"model: expected one of SASRec, .* of cornac, found HPF: .*lxr\.wrap"):
        lxr.adapt(model, three_items())


def test_user_features_are_refused():
    data = lxr.load_dataset("synthetic", user_features=True)
    with pytest.raises(ValueError, match="data: expected no user features for a model of another library, found"):
        lxr.adapt(EASE(), data)


def test_a_recommender_is_returned():
    model = lxr.MF(3)
    assert lxr.adapt(model, three_items()) is model


def test_probabilities_of_several_outputs_are_put_together():
    class Outputs:
        def predict_proba(self, rows):
            return [np.stack([1 - p, p], axis=1) for p in (0.2 + 0.1 * rows).T]

    model = lxr.adapt(Outputs(), three_items())
    assert torch.allclose(model(torch.tensor([[1.0, 0, 0]])).sigmoid(), torch.tensor([[0.3, 0.2, 0.2]]))
    assert not model.differentiable


def test_the_order_of_a_black_box_is_that_of_its_ids():
    data = small_data()
    votes = Votes(data)
    model = lxr.adapt(votes, data, item_ids=data.item_ids[ORDER])
    rows = data.matrix[:5].toarray()
    np.testing.assert_allclose(
        model(torch.from_numpy(rows)).sigmoid()[:, ORDER], votes.predict_proba(rows[:, ORDER]), rtol=1e-5
    )


def test_fold_in_minimizes_the_weighted_squares():
    generator = np.random.default_rng(0)
    factors, x = generator.normal(size=(6, 3)), np.array([1.0, 0, 1, 0, 0, 1])
    weight = np.where(x > 0, 5.0, 0.5)
    rows = np.vstack([np.sqrt(weight)[:, None] * factors, np.sqrt(0.7) * np.eye(3)])
    user = np.linalg.lstsq(rows, np.append(np.sqrt(weight) * x, np.zeros(3)), rcond=None)[0]
    scorer = FoldIn(factors, consumed=5.0, others=0.5, penalty=0.7)
    np.testing.assert_allclose(scorer(torch.from_numpy(x).float()[None])[0], factors @ user, rtol=1e-4)


@pytest.mark.parametrize(("side", "expected"), [("left", [0, 7, 9]), ("right", [7, 9, 0])])
def test_the_newest_entries_are_closed_up(side, expected):
    items, share = torch.tensor([[7, 8, 9], [4, 5, 6]]), torch.tensor([[1, 0, 0.5], [1, 1, 1]])
    numbers, found = newest(items, share, 3, side)
    assert (numbers * (found > 0)).tolist() == [expected, [4, 5, 6]]
    assert newest(items, share, 2, side)[0].tolist() == [[7, 9], [5, 6]]


def test_entries_older_than_the_model_takes_count_after_deletion_only():
    data = small_data()
    model = lxr.adapt(SASRec(N_ITEMS + 1), data, item_ids=["[PAD]", *data.item_ids])
    long = lxr.Histories.of_lists([list(range(8))], N_ITEMS)  # the model takes six
    with torch.no_grad():
        shorter = model.logits(lxr.Histories.of_lists([list(range(2, 8))], N_ITEMS))
        assert torch.allclose(model.logits(long), shorter, atol=1e-5)
        stays = torch.tensor([[True] * 7 + [False]])
        assert torch.allclose(
            model.logits_after_deletion(long, stays),
            model.logits(lxr.Histories.of_lists([list(range(1, 7))], N_ITEMS)),
            atol=1e-5,
        )


def test_a_soft_share_lies_between_keeping_and_leaving_out():
    data = small_data()
    model = lxr.adapt(SASRec(N_ITEMS + 1), data, item_ids=["[PAD]", *data.item_ids])
    histories = lxr.Histories.of_lists([[0, 1, 2, 3]], N_ITEMS)
    with torch.no_grad():
        whole, nearly, half = (model.logits(histories, torch.tensor([[1.0, share, 1, 1]])) for share in (1.0, 0.999, 0.5))
    assert 0 < (whole - nearly).abs().max() < (whole - half).abs().max() / 50


def test_the_model_of_the_library_is_not_changed():
    data, theirs = small_data(), SASRec(N_ITEMS + 1).train()
    before = {name: value.clone() for name, value in theirs.state_dict().items()}
    model = lxr.adapt(theirs, data, item_ids=["[PAD]", *data.item_ids])
    lxr.explain(model, data, users=["u00"], explainer="gradient", n_recommendations=1)
    assert all(torch.equal(before[name], value) for name, value in theirs.state_dict().items())
    assert not theirs.item_embedding._forward_hooks and not theirs.attention._forward_pre_hooks
    assert theirs.training
