"""One contract for all explainers."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from executors import Pickling
from explaining import assert_close
from toys import NEED_GRADIENT, WRAPPED, Fading, black_box, small, with_biases

import lxr
from lxr.explainers import LXR_FAMILIES

FAMILY = lxr.EXPLAINERS.names(*LXR_FAMILIES)
# Everything else runs as it is.
OPTIONS = {name: {"n_samples": 100} for name in ("shap-items", "shap-items-rank")} | {
    name: {"epochs": 2, "hidden_size": 8} for name in FAMILY
}
SIGNED = ["lime", "lire", "shap", "shap-items", "accent", "leave-one-out", "gradient", "integrated-gradients", "spinrec"]
SIGNED += ["rank-margin", "integrated-gradients-rank", "spinrec-rank"]
MADE: dict[tuple[str, type], lxr.Explainer] = {}
NO_GRADIENT = {
    "popularity": lxr.Popularity,
    "arrays": lambda train_matrix: black_box(),
    "detached": lambda train_matrix: lxr.wrap(lambda history: 2 * history.detach(), 20, "sigmoid"),
    "detached from weights": lambda train_matrix: lxr.wrap(Detached(20, 20), 20, "softmax"),
    "argmax": lambda train_matrix: lxr.wrap(lambda history: torch.eye(20)[history.argmax(dim=1)], 20, "sigmoid"),
}


class Detached(torch.nn.Linear):
    """Logits that have a gradient with respect to the weights alone."""

    def forward(self, history):
        """Map histories (B, I) to logits (B, I)."""
        return super().forward(history.detach())


@pytest.fixture(params=list(lxr.EXPLAINERS))
def name(request):
    """Every registered explainer."""
    return request.param


def make(name, model, train_matrix, seed=0, **options):
    """An explainer with tiny options."""
    return lxr.EXPLAINERS[name](model, train_matrix, seed=seed, **OPTIONS.get(name, {}) | options)


@pytest.fixture
def explainer(name, model, train_matrix):
    """Every registered explainer of every small recommender, made once: explaining leaves it as it is."""
    key = name, type(model)
    if key not in MADE:
        MADE[key] = make(name, model, train_matrix)
    return MADE[key]


@pytest.fixture(scope="module")
def threads():
    """Three threads."""
    with ThreadPoolExecutor(3) as executor:
        yield executor


def test_one_finite_score_per_history_item(name, any_model, train_matrix, history):
    if name in NEED_GRADIENT and not any_model.differentiable:
        pytest.skip("refused, see below")
    importance = make(name, any_model, train_matrix).explain(history, lxr.top_item(any_model, history))
    assert importance.shape == history.shape
    assert importance.dtype.is_floating_point
    assert torch.isfinite(importance).all()
    assert (importance[history == 0] == 0).all()
    assert (importance[history > 0] != 0).any()
    assert not importance.requires_grad


@pytest.mark.parametrize("model", ["mf"], indirect=True)
def test_other_processes_and_threads_give_the_same_scores(explainer, history, threads):
    matrix, target = sp.csr_matrix(history), lxr.top_item(explainer.model, history)
    alone, *others = (
        explainer.explain(matrix, target, users_per_batch=3, executor=executor) for executor in (None, Pickling(), threads)
    )
    for other in others:
        np.testing.assert_array_equal(other.data, alone.data)


def test_explainers_say_whether_they_need_a_gradient():
    assert [name for name, each in lxr.EXPLAINERS.items() if each.needs_gradient] == NEED_GRADIENT


def test_a_sign_that_means_something_tells_for_from_against(name, linear, train_matrix, histories):
    history = histories([6])
    items = history[0].nonzero().ravel().tolist()
    target = next(item for item in range(20) if item not in items)
    weights = np.zeros((20, 20))
    weights[items, target] = [3, 2, 1, -1, -2, -3]
    explainer = make(name, linear(weights), train_matrix)
    assert explainer.is_signed or name not in SIGNED
    scores = explainer.explain(history, torch.tensor([target]))[0, items]
    if explainer.is_signed and name != "shap":  # whose clusters may hold items of both kinds
        assert (scores[:2] >= 0).all() and (scores[-2:] <= 0).all()
        # All orders here have the same NDCG: the first draw is kept, and what its baseline shares with the history scores 0.
        assert scores[[0, 1, -2, -1]].all() or name == "spinrec-rank"


@pytest.mark.parametrize("name", NEED_GRADIENT)
@pytest.mark.parametrize("make_model", NO_GRADIENT.values(), ids=NO_GRADIENT)
def test_without_a_gradient_it_is_refused_at_once(name, make_model, train_matrix):
    with pytest.raises(ValueError, match=r"model: (Popularity|Wrapped)\(.*\) has no gradient with respect to the history"):
        make(name, make_model(train_matrix), train_matrix)


@pytest.mark.slow
def test_arguments_and_model_stay_as_they_are(name, model, train_matrix, history, unchanged_model):
    target = lxr.top_item(model, history)
    before = history.clone(), target.clone(), train_matrix.copy()
    with unchanged_model(model):
        make(name, model, train_matrix).explain(history, target)
    assert torch.equal(history, before[0])
    assert torch.equal(target, before[1])
    assert np.array_equal(train_matrix.toarray(), before[2].toarray())
    assert train_matrix.nnz == before[2].nnz


@pytest.fixture(params=["mf", *(pytest.param(name, marks=pytest.mark.slow) for name in ("vae", "ncf", "item-to-item"))])
def kind(request):
    """A recommender that sums the rows of its entries, or one that was wrapped."""
    return request.param


def test_entries_are_explained_as_their_rows(name, kind, train_matrix, histories):
    model, history = WRAPPED[kind]() if kind in WRAPPED else with_biases(small(kind)), histories([1, 4, 13])
    explainer, target = make(name, model, train_matrix), lxr.top_item(model, history)
    expected = explainer.explain(history, target)
    assert_close(explainer.explain(sp.csr_matrix(history.numpy()), target.numpy()).toarray(), expected)
    # What a history shares with a baseline scores 0, and which draw is best depends on the order of such ties.
    order = (
        torch.arange(20)
        if name in ("spinrec", "spinrec-rank")
        else torch.from_numpy(np.random.default_rng(0).permutation(20))
    )
    mixed = lxr.Histories(order.repeat(3, 1), history[:, order] > 0)  # padding in between
    for entries in (lxr.Histories.of_dense(history), mixed):
        found = explainer.explain(entries, target)
        assert found.shape == entries.shape and found.dtype == torch.float32 and not found.requires_grad
        assert found.isfinite().all() and (found[~entries.real] == 0).all()
        assert_close(entries.spread(found, 20), expected)
    items = np.concatenate(mixed.lists())
    lists = lxr.EntryLists(items, np.append(0, mixed.lengths.cumsum(0).numpy()), 20)
    assert_close(explainer.explain(lists, target.numpy(), users_per_batch=2), found[mixed.real])
    alone = zip(mixed.split(1), target.split(1), strict=True)
    assert_close(torch.cat([explainer.explain(one, item) for one, item in alone]), found)


def in_some_order(matrix):
    """The entries of a matrix in another order, and the newest one a repeat."""
    generator = np.random.default_rng(0)
    items = [np.append(shuffled := generator.permutation(row.indices), shuffled[0]) for row in matrix]
    return lxr.EntryLists(np.concatenate(items), np.append(0, np.cumsum(list(map(len, items)))), matrix.shape[1])


def test_sequences_are_explained_entry_by_entry(name, train_matrix):
    model = Fading()
    if name == "shap":  # clusters of items have no order
        with pytest.raises(
            ValueError,
            match=r"SHAPClusters expected a recommender that ignores the order of entries, found Fading, which uses it",
        ):
            make(name, model, in_some_order(train_matrix))
        return
    lists = lxr.EntryLists(np.array([5, 0, 3, 7, 9, 1, 2, 4, 6]), np.array([0, 3, 4, 9]), 20)
    target, explainer = lxr.top_item(model, lists), make(name, model, in_some_order(train_matrix))
    histories, scores = lists.batch(), explainer.explain(lists, target)
    assert scores.shape == (9,) and np.isfinite(scores).all()
    assert_close(explainer.explain(histories, target), histories.padded(torch.from_numpy(scores)))
    for user in range(3):
        alone = explainer.explain(histories[[user]], target[[user]])
        assert_close(alone[0, : lists.lengths[user]], scores[lists.users == user])


@pytest.mark.slow
def test_batch_equals_one_at_a_time(explainer, model, history):
    target = lxr.top_item(model, history)
    singles = [explainer.explain(history[row : row + 1], target[row : row + 1]) for row in range(len(history))]
    assert_close(explainer.explain(history, target), torch.cat(singles))


@pytest.mark.slow
def test_order_of_users_does_not_matter(explainer, model, history):
    target = lxr.top_item(model, history)
    assert_close(explainer.explain(history.flip(0), target.flip(0)), explainer.explain(history, target).flip(0))


@pytest.mark.slow
def test_same_seed_same_explanation(name, model, train_matrix, history):
    target, found = lxr.top_item(model, history), []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        np.random.seed(global_seed)
        explainer = make(name, model, train_matrix, seed=5)
        found += [explainer.explain(history, target), explainer.explain(history, target)]
    assert all(torch.equal(other, found[0]) for other in found[1:])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["random", "lime", "lire", "shap-items", "spinrec", "spinrec-rank", *FAMILY])
def test_another_seed_another_explanation(name, model, train_matrix, history):
    target = lxr.top_item(model, history)
    first, second = (make(name, model, train_matrix, seed=seed).explain(history, target) for seed in (5, 6))
    assert not torch.equal(first, second)


@pytest.mark.slow
def test_global_random_state_is_left_alone(name, model, train_matrix, history, untouched_rng):
    target = lxr.top_item(model, history)
    with untouched_rng():
        make(name, model, train_matrix).explain(history, target)


@pytest.mark.slow
def test_no_gradient_is_needed_from_the_caller(explainer, model, history):
    target = lxr.top_item(model, history)
    expected = explainer.explain(history, target)
    with torch.no_grad():
        assert_close(explainer.explain(history, target), expected)
    found = explainer.explain(history.clone().requires_grad_(), target)
    assert not found.requires_grad
    assert_close(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.bool], ids=str)
def test_histories_of_other_types(name, train_matrix, history, dtype):
    model = lxr.MF(20, n_factors=4)
    explainer, target = make(name, model, train_matrix), lxr.top_item(model, history)
    found = explainer.explain(history.to(dtype), target.int())
    assert found.dtype.is_floating_point
    assert_close(found, explainer.explain(history, target))


@pytest.mark.slow
def test_sparse_users_equal_dense_ones(explainer, model, history):
    matrix = sp.csr_matrix(history.numpy())
    target = lxr.top_item(model, matrix, batch_size=3)
    assert target.tolist() == lxr.top_item(model, history).tolist()
    found = explainer.explain(matrix, target, users_per_batch=3)
    assert np.array_equal(found.indices, matrix.indices)
    assert np.array_equal(found.indptr, matrix.indptr)
    assert_close(found.toarray(), explainer.explain(history, torch.from_numpy(target)))


@pytest.mark.slow
def test_item_without_training_users(explainer, histories, untrained_item):
    history = histories([4, 5, 6])
    history[0, untrained_item], history[1, untrained_item], history[2, untrained_item] = 1, 0, 0
    target = torch.tensor([int((history[0] == 0).nonzero()[0]), untrained_item, untrained_item])
    assert torch.isfinite(explainer.explain(history, target)).all()


def test_unknown_option_is_refused(name, model, train_matrix):
    with pytest.raises((TypeError, ValueError), match="'no_such_option'"):
        make(name, model, train_matrix, no_such_option=1)


def test_every_explainer_has_the_gate_of_the_base_class():
    assert all(spec.cls.explain is lxr.Explainer.explain for spec in lxr.EXPLAINERS.values())


def test_bad_users_are_refused_at_the_gate(linear, train_matrix, bad_users):
    history, target, message = bad_users
    explainer = make("leave-one-out", linear(np.eye(20)), train_matrix)
    with pytest.raises(ValueError, match=message):
        explainer.explain(history, target)


def test_unknown_explainer_is_refused():
    with pytest.raises(ValueError, match=f"unknown explainer 'nope'.*{', '.join(lxr.EXPLAINERS)}"):
        lxr.EXPLAINERS["nope"]


@pytest.mark.parametrize(
    "name", ["jaccard", "cosine", "tf-idf", "popularity", *FAMILY, "lire", "shap", "integrated-gradients", "spinrec"]
)
def test_training_users_of_another_catalogue_are_refused(name, model, train_matrix):
    with pytest.raises(ValueError, match=r"train_matrix: expected \(users, 20\).*found \(\d+, 19\)"):
        make(name, model, train_matrix[:, :-1])
