"""The fidelity metrics: equal to the naive ones, right where the answer is known by hand, and lawful."""

import numpy as np
import oracles
import pytest
import scipy.sparse as sp
import torch

import lxr
from lxr.metrics import METRICS, direction, fidelity_of_scores, fidelity_per_user, is_metric, rank_of_gain
from lxr.metrics.trajectory import part_sizes

SETTINGS = {
    "defaults": {},
    "three steps": {"steps": 3, "cutoffs": (2, 7), "lengths": (4, 1, 9)},
    "one step": {"steps": 1, "cutoffs": (1,), "lengths": (30,)},
    "more steps than items": {"steps": 23, "cutoffs": (3,), "lengths": (2,)},
    "batches of one": {"steps": 4, "batch_size": 1},
    "batches of seven": {"steps": 7, "batch_size": 7},
}
IMPORTANCE = {
    "distinct": lambda generator, shape: generator.normal(size=shape),
    "tied": lambda generator, shape: generator.integers(-1, 2, shape),
    "all equal": lambda generator, shape: np.ones(shape),
}


def scores(history, kind="distinct", seed=3):
    """Random importance (B, I)."""
    return torch.tensor(IMPORTANCE[kind](np.random.default_rng(seed), history.shape), dtype=torch.float32)


def explained(model, history, kind="distinct"):
    """The arguments of an evaluation: histories, their top items, random importance."""
    return history, lxr.top_item(model, history), scores(history, kind)


def assert_same(found, expected):
    """Equal metrics: what depends on ranks exactly, probabilities up to single precision."""
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        tolerance = 1e-5 if name in ("DEL", "INS") else 1e-12
        np.testing.assert_allclose(found[name], values, rtol=tolerance, atol=1e-7, err_msg=name)


def assert_equals_naive(model, history, target, importance, **options):
    """The whole result equals the naive one."""
    steps, lengths = options.get("steps", 10), options.get("lengths", (1, 2, 3, 4, 5))
    cutoffs = options.get("cutoffs", (1, 5, 10, 20, 50, 100))
    result = lxr.evaluate_fidelity(model, history, target, importance, **options)
    users = list(zip(history.tolist(), target.tolist(), importance.tolist(), strict=True))
    assert_same(result.curves, oracles.stacked([oracles.curve_metrics(model, *user, steps, cutoffs) for user in users]))
    assert_same(result.fixed, oracles.stacked([oracles.fixed_metrics(model, *user, lengths, cutoffs) for user in users]))
    for row, (consumed, item, _) in enumerate(users):
        logits = oracles.logits_at(model, consumed)
        assert result.history_length[row] == sum(consumed)
        assert result.rank[row] == oracles.target_rank(logits, item, oracles.items_of(consumed))
        assert result.prob[row] == pytest.approx(oracles.probability(logits, item, model.activation), rel=1e-5)
    assert result.target.tolist() == target.tolist()
    assert result.lengths == lengths
    return result


def assert_equal_results(found, expected):
    """Two results of the library are the same."""
    assert_same(found.curves, expected.curves)
    assert_same(found.fixed, expected.fixed)
    for name in ("history_length", "target", "rank"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_allclose(found.prob, expected.prob, rtol=1e-5)
    assert found.lengths == expected.lengths


@pytest.mark.parametrize("options", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("kind", IMPORTANCE)
def test_equals_the_naive_loop(any_model, history, kind, options):
    assert_equals_naive(any_model, *explained(any_model, history, kind), **options)


def test_any_unseen_item_can_be_explained(any_model, history):
    target = (history == 0).int().argmax(dim=1)
    result = assert_equals_naive(any_model, history, target, scores(history))
    assert result.rank.max() > 1


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_ranks_are_right_where_probabilities_saturate(linear, histories, activation):
    generator = np.random.default_rng(4)
    model = linear(generator.integers(-1, 2, (20, 20)) * 100, activation, generator.integers(900, 1100, 20))
    history = histories([2, 4, 5, 6])
    assert (torch.sigmoid(model(history)) == 1).all()  # in float32 no item is better than another
    target = model(history).masked_fill(history > 0, -torch.inf).topk(2, dim=1).indices[:, 1]
    result = lxr.evaluate_fidelity(model, history, target, scores(history), steps=4, cutoffs=(1, 5), lengths=(1, 3))
    users = list(zip(history.tolist(), target.tolist(), scores(history).tolist(), strict=True))
    curves = oracles.stacked([oracles.curve_metrics(model, *user, 4, (1, 5)) for user in users])
    assert len(np.unique(curves["NDCG"])) > 5  # ranks do move
    for name in ("NDCG", "POS@1", "POS@5", "NEG@1", "NEG@5"):
        np.testing.assert_allclose(result.curves[name], curves[name], rtol=1e-12, err_msg=name)
    for name in ("DEL", "INS"):  # single precision tells logits of a thousand apart by 6e-5
        np.testing.assert_allclose(result.curves[name], curves[name], rtol=1e-3, err_msg=name)
    assert result.rank.tolist() == [2] * len(history)


@pytest.mark.parametrize("users_per_batch", [2, 512])
def test_log_odds_equal_the_naive_loop(any_model, history, users_per_batch):
    target, importance = lxr.top_item(any_model, history), scores(history)
    plain = lxr.evaluate_fidelity(any_model, history, target, importance)
    matrix, sparse = sp.csr_matrix(history.numpy()), sp.csr_matrix((importance * history).numpy())
    forms = {"history": matrix, "target": target.numpy(), "importance": sparse, "users_per_batch": users_per_batch}
    result = lxr.evaluate_fidelity(any_model, **forms, log_odds=True)
    assert_same({name: result.curves[name] for name in plain.curves}, plain.curves)
    assert result.curves.keys() - plain.curves.keys() == {"DEL log-odds", "INS log-odds"}
    for row, (consumed, item, scored) in enumerate(zip(history.tolist(), target.tolist(), importance.tolist(), strict=True)):
        order = oracles.ordered_items(consumed, scored)
        for step in range(11):
            n_removed = sum(len(part) for part in np.array_split(order, 10)[:step])
            for name, kept in (("DEL log-odds", order[n_removed:]), ("INS log-odds", order[:n_removed])):
                logits = oracles.logits_of(any_model, kept)
                expected = oracles.OBJECTIVES["log-odds"](logits, item, order, any_model.activation)
                assert result.curves[name][row, step] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_log_odds_tell_apart_what_rounds_to_one(linear):
    # Logits 300, 200, 100, 0 of what is left: as probabilities 1, 1, 1, 1/2.
    weights = np.zeros((5, 5))
    weights[:3, 3] = 100
    history, target = torch.tensor([[1.0, 1, 1, 0, 0]]), torch.tensor([3])
    options = {"steps": 3, "log_odds": True}
    result = lxr.evaluate_fidelity(linear(weights), history, target, torch.ones(1, 5), **options)
    np.testing.assert_allclose(result.curves["DEL"], [[1, 1, 1, 0.5]], rtol=1e-6)
    assert result.curves["DEL log-odds"].tolist() == [[300, 200, 100, 0]]
    assert result.curves["INS log-odds"].tolist() == [[0, 100, 200, 300]]


def test_linear_recommender_by_hand(linear):
    # Logits of the candidates 4 and 5 are sums over the history {0, 1, 2, 3}: 4 + 2 + 1 + 0 = 7 and 0 + 1 + 2 + 3 = 6.
    weights = np.zeros((6, 6))
    weights[:4, 4], weights[:4, 5] = [4, 2, 1, 0], [0, 1, 2, 3]
    weights[:4, :4] = 9  # consumed items score highest, but they are no candidates
    history = torch.tensor([[1.0, 1, 1, 1, 0, 0]])
    result = lxr.evaluate_fidelity(
        linear(weights),
        history,
        torch.tensor([4]),
        torch.tensor([[4.0, 2, 1, 0, 7, 7]]),
        steps=4,
        cutoffs=(1, 2),
        lengths=(1, 2, 5),
    )
    # Without 0: 3 against 6; without 0, 1: 1 against 5; without 0, 1, 2: 0 against 3; of nothing: 0 against 0, a tie.
    second = 0.6309297535714574  # 1 / log2(3)
    assert result.curves["POS@1"].tolist() == [[1, 0, 0, 0, 1]]
    assert result.curves["POS@2"].tolist() == [[1, 1, 1, 1, 1]]
    assert result.curves["NEG@1"].tolist() == [[1, 1, 1, 1, 1]]
    assert result.curves["NDCG"][0] == pytest.approx([1, second, second, second, 1])
    assert result.curves["DEL"][0] == pytest.approx([0.9990889488, 0.9525741268, 0.7310585786, 0.5, 0.5])
    assert result.curves["INS"][0] == pytest.approx([0.5, 0.9820137900, 0.9975273768, 0.9990889488, 0.9990889488])
    assert result.fixed["POS@1"].tolist() == [[0, 0, 1]]
    assert result.fixed["POS@2"].tolist() == [[1, 1, 1]]
    assert result.fixed["CDCG"][0] == pytest.approx([second, second, 1])
    assert result.fixed["DEL"][0] == pytest.approx([0.9534427616, 0.7317252164, 0.5004559407])
    assert result.fixed["INS"][0] == pytest.approx([0.9829092705, 0.9984370041, 1])
    assert (result.rank[0], result.history_length[0]) == (1, 4)
    assert result.prob[0] == pytest.approx(0.9990889488)


def test_worst_explanation_by_hand(linear):
    # The same user, explained the wrong way round: what is called least important carries the recommendation.
    weights = np.zeros((6, 6))
    weights[:4, 4], weights[:4, 5] = [4, 2, 1, 0], [0, 1, 2, 3]
    history, importance = torch.tensor([[1.0, 1, 1, 1, 0, 0]]), torch.tensor([[0.0, 1, 2, 3, 0, 0]])
    options = {"steps": 4, "cutoffs": (1,), "lengths": (1,)}
    result = lxr.evaluate_fidelity(linear(weights), history, torch.tensor([4]), importance, **options)
    assert result.curves["POS@1"].tolist() == [[1, 1, 1, 1, 1]]  # 7, 7, 6, 4, 0 against 6, 3, 1, 0, 0
    assert result.curves["NEG@1"].tolist() == [[1, 0, 0, 0, 1]]  # 7, 3, 1, 0, 0 against 6, 6, 5, 3, 0
    assert result.curves["INS"][0] == pytest.approx([0.5, 0.5, 0.7310585786, 0.9525741268, 0.9990889488])


def test_softmax_recommender_by_hand(linear):
    # exp(logits) of the history {0, 1}: 1, 1, 2 · 4, 4, so that p = 8 / 14; of item 0 alone 2 / 5, of item 1 alone 4 / 10.
    weights = np.zeros((4, 4))
    weights[0], weights[1] = np.log([1, 1, 2, 1]), np.log([1, 1, 4, 4])
    history, importance = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([[1.0, 2, 0, 0]])
    options = {"steps": 2, "cutoffs": (1,), "lengths": (1, 2)}
    result = lxr.evaluate_fidelity(linear(weights, "softmax"), history, torch.tensor([2]), importance, **options)
    assert result.curves["DEL"][0] == pytest.approx([8 / 14, 2 / 5, 1 / 4])
    assert result.curves["INS"][0] == pytest.approx([1 / 4, 4 / 10, 8 / 14])
    assert result.fixed["DEL"][0] == pytest.approx([0.7, 0.4375])
    assert result.fixed["INS"][0] == pytest.approx([0.7, 1])


def test_item_that_never_leaves_the_top(linear, histories):
    bias = np.zeros(20)
    bias[0] = 1000
    history = histories([1, 4, 13])
    history[:, 0] = 0
    model = linear(np.random.default_rng(5).normal(size=(20, 20)), bias=bias)
    result = assert_equals_naive(model, history, torch.zeros(3, dtype=torch.long), scores(history))
    curves, fixed = dict(result.curves), dict(result.fixed)
    assert all((curves[name] == 1).all() for name in curves)
    assert all((fixed[name] == 1).all() for name in fixed)
    summary = result.summary()
    assert (summary["mean"] == 1).all()
    assert (summary["ci_low"] == 1).all()
    assert (summary["ci_high"] == 1).all()


def test_parts_of_a_history():
    # 13 items in 5 parts: 3, 3, 3, 2, 2, as np.array_split makes them.
    assert part_sizes(np.array([13, 2]), 5).tolist() == [[0, 3, 6, 9, 11, 13], [0, 1, 2, 2, 2, 2]]


def test_ties_go_to_the_lower_item(linear):
    # All items are equally important, so item 0, the only one that carries the target, goes first and is kept longest.
    weights = np.zeros((4, 4))
    weights[0, 2], weights[1, 3] = 1, 1
    history = torch.tensor([[1.0, 1, 0, 0]])
    options = {"steps": 2, "cutoffs": (1,), "lengths": (1,)}
    result = lxr.evaluate_fidelity(linear(weights), history, torch.tensor([2]), torch.zeros(1, 4), **options)
    assert result.curves["POS@1"].tolist() == [[1, 0, 1]]
    assert result.curves["NEG@1"].tolist() == [[1, 1, 1]]


def test_first_and_last_step(any_model, history):
    target = (history == 0).int().argmax(dim=1)
    result = lxr.evaluate_fidelity(any_model, history, target, scores(history))
    with torch.no_grad():
        whole, empty = any_model.log_prob(history).exp(), any_model.log_prob(torch.zeros_like(history)).exp()
    of_target = target[:, None]
    for name, step, prob in (("DEL", 0, whole), ("DEL", -1, empty), ("INS", 0, empty), ("INS", -1, whole)):
        expected = prob.gather(1, of_target).squeeze(1).numpy()
        np.testing.assert_allclose(result.curves[name][:, step], expected, rtol=1e-4, err_msg=f"{name} {step}")
    for cutoff in (1, 5):
        name = f"@{cutoff}"
        np.testing.assert_array_equal(result.curves["POS" + name][:, 0], result.rank <= cutoff)
        np.testing.assert_array_equal(result.curves["NEG" + name][:, 0], result.rank <= cutoff)
        np.testing.assert_array_equal(result.curves["POS" + name][:, -1], result.curves["NEG" + name][:, -1])


def test_what_is_removed_and_what_is_kept_are_a_partition(any_model, histories):
    history = histories([4, 8, 12, 16])  # divisible by the steps, so that the parts are the same from either end
    target, importance = lxr.top_item(any_model, history), scores(history)
    most = lxr.evaluate_fidelity(any_model, history, target, importance, steps=4)
    least = lxr.evaluate_fidelity(any_model, history, target, -importance, steps=4)
    np.testing.assert_allclose(most.curves["DEL"], least.curves["INS"][:, ::-1], rtol=1e-4)


def test_neg_is_pos_of_the_reversed_explanation(any_model, history):
    target, importance = lxr.top_item(any_model, history), scores(history)
    most = lxr.evaluate_fidelity(any_model, history, target, importance)
    least = lxr.evaluate_fidelity(any_model, history, target, -importance)
    for cutoff in (1, 5, 10):
        np.testing.assert_array_equal(most.curves[f"NEG@{cutoff}"], least.curves[f"POS@{cutoff}"])


def test_a_higher_cutoff_never_loses_the_item(any_model, history):
    result = lxr.evaluate_fidelity(any_model, *explained(any_model, history), cutoffs=range(1, 21))
    for metrics, kind in ((result.curves, "POS"), (result.curves, "NEG"), (result.fixed, "POS")):
        values = np.stack([metrics[f"{kind}@{cutoff}"] for cutoff in range(1, 21)])
        assert (np.diff(values, axis=0) >= 0).all()
        assert (values[-1] == 1).all()  # twenty items have no twenty-first rank
        assert (values[0] == 0).any()


def test_each_masked_history_is_computed_once(linear, histories):
    seen = []
    scorer = linear(np.eye(20))

    def recorded(history):
        seen.append(history.clone())
        return scorer(history)

    model, history = lxr.wrap(recorded, 20, "sigmoid"), histories([13])
    target, importance = torch.tensor([int((history[0] == 0).nonzero()[0])]), scores(history)
    seen.clear()
    lxr.evaluate_fidelity(model, history, target, importance, batch_size=6)
    assert max(len(batch) for batch in seen) <= 6
    rows = torch.cat(seen)
    assert len(rows) == len(rows.unique(dim=0))
    assert (rows <= history).all()


def test_arguments_and_model_stay_as_they_are(model, history, unchanged_model, untouched_rng):
    arguments = explained(model, history)
    before = [argument.clone() for argument in arguments]
    with unchanged_model(model), untouched_rng():
        lxr.evaluate_fidelity(model, *arguments).summary()
    assert all(torch.equal(argument, copy) for argument, copy in zip(arguments, before, strict=True))


def test_a_gradient_is_no_obstacle(model, history):
    history, target, importance = explained(model, history)
    found = lxr.evaluate_fidelity(model, history.clone().requires_grad_(), target, importance.clone().requires_grad_())
    assert_equal_results(found, lxr.evaluate_fidelity(model, history, target, importance))


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.bool], ids=str)
def test_histories_of_other_types(model, history, dtype):
    history, target, importance = explained(model, history)
    found = lxr.evaluate_fidelity(model, history.to(dtype), target.int(), importance.double())
    assert_equal_results(found, lxr.evaluate_fidelity(model, history, target, importance))


def test_batch_equals_single_users(any_model, history):
    arguments = explained(any_model, history)
    singles = [
        lxr.evaluate_fidelity(any_model, *(argument[row : row + 1] for argument in arguments)) for row in range(len(history))
    ]
    assert_equal_results(lxr.FidelityResult.concatenate(singles), lxr.evaluate_fidelity(any_model, *arguments))


@pytest.mark.parametrize("users_per_batch", [1, 3, 512])
def test_sparse_users_equal_dense_ones(any_model, history, users_per_batch):
    history, target, importance = explained(any_model, history, "tied")
    found = lxr.evaluate_fidelity(
        any_model,
        sp.csr_matrix(history.numpy()),
        target.numpy(),
        sp.csr_matrix((importance * history).numpy()),  # zeros fall out of it, and stand for themselves
        users_per_batch=users_per_batch,
        steps=4,
        lengths=(2,),
    )
    assert_equal_results(found, lxr.evaluate_fidelity(any_model, history, target, importance, steps=4, lengths=(2,)))


def test_concatenate_keeps_the_order_of_users(model, history):
    history, target, importance = explained(model, history)
    parts = [lxr.evaluate_fidelity(model, history[rows], target[rows], importance[rows]) for rows in ([4, 5, 6], [0, 1])]
    joined = lxr.FidelityResult.concatenate(parts)
    assert joined.history_length.tolist() == [10, 13, 18, 1, 2]
    assert joined.curves["DEL"].shape == (5, 11)
    assert joined.fixed["CDCG"].shape == (5, 5)
    np.testing.assert_array_equal(joined.curves["NDCG"][3:], parts[1].curves["NDCG"])
    with pytest.raises(ValueError, match="parts: expected at least one"):
        lxr.FidelityResult.concatenate([])


def test_the_table_per_user_has_means_over_steps(model, history):
    result = lxr.evaluate_fidelity(model, *explained(model, history))
    table = result.per_user()
    assert len(table) == len(history)
    np.testing.assert_allclose(table["POS@5"], result.curves["POS@5"].mean(axis=1))
    np.testing.assert_allclose(table["POS@5,Ke=2"], result.fixed["POS@5"][:, 1])
    np.testing.assert_allclose(table["CDCG@Ke=5"], result.fixed["CDCG"][:, 4])
    np.testing.assert_array_equal(table["rank"], result.rank)
    np.testing.assert_array_equal(table["history_length"], history.sum(dim=1))


def test_the_summary_has_all_metrics_with_intervals(model, history):
    result = lxr.evaluate_fidelity(model, *explained(model, history), cutoffs=(1, 5), lengths=(1, 3, 5))
    summary = result.summary().set_index("metric")
    assert {"direction", "mean", "ci_low", "ci_high", "n_users", "n_short"} <= set(summary.columns)
    lower = ["POS@1", "POS@5", "DEL", "NDCG"]
    lower += [f"{name}Ke={ke}" for name in ("POS@1,", "POS@5,", "CDCG@", "DEL@") for ke in (1, 3, 5)]
    higher = ["NEG@1", "NEG@5", "INS", *(f"INS@Ke={ke}" for ke in (1, 3, 5))]
    assert sorted(summary.index) == sorted(lower + higher)
    assert (summary.loc[lower, "direction"] == "↓").all()
    assert (summary.loc[higher, "direction"] == "↑").all()
    assert (summary["n_users"] == 7).all()
    assert summary.loc["DEL", "mean"] == pytest.approx(result.curves["DEL"].mean())
    assert summary.loc["DEL@Ke=3", "mean"] == pytest.approx(result.fixed["DEL"][:, 1].mean())
    assert summary.loc[["DEL", "POS@1,Ke=1", "INS@Ke=3", "CDCG@Ke=5"], "n_short"].tolist() == [0, 0, 2, 3]


@pytest.mark.parametrize("n_users", [1, 2, 3, 7])
def test_the_mean_is_within_its_interval(any_model, history, n_users):
    arguments = (argument[-n_users:] for argument in explained(any_model, history))
    result = lxr.evaluate_fidelity(any_model, *arguments, cutoffs=(1, 3))
    summary = result.summary(n_resamples=200)
    rounding = 1e-12
    assert (summary["ci_low"] <= summary["mean"] + rounding).all()
    assert (summary["mean"] <= summary["ci_high"] + rounding).all()
    if n_users == 7:
        assert (summary["ci_low"] < summary["ci_high"]).any()
    assert summary.equals(result.summary(n_resamples=200))


def test_bad_users_are_refused(bad_users, linear):
    history, target, message = bad_users
    with pytest.raises(ValueError, match=message):
        lxr.evaluate_fidelity(linear(np.eye(20)), history, target, torch.zeros(history.shape))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_importance_is_finite_where_it_counts(linear, histories, value):
    history, model = histories([3, 4, 5]), linear(np.eye(20))
    target = (history == 0).int().argmax(dim=1)
    expected = lxr.evaluate_fidelity(model, history, target, scores(history))
    outside = torch.where(history > 0, scores(history), value)
    assert_equal_results(lxr.evaluate_fidelity(model, history, target, outside), expected)
    item = int(history[1].nonzero()[-1])
    importance = scores(history)
    importance[1, item] = value
    with pytest.raises(ValueError, match=f"importance, row 1, item {item}: expected a finite score, found {value}"):
        lxr.evaluate_fidelity(model, history, target, importance)


@pytest.mark.parametrize("shape", [(3, 19), (2, 20), (20,), (3, 20, 1)])
def test_importance_of_another_shape_is_refused(linear, histories, shape):
    history = histories([3, 4, 5])
    target = (history == 0).int().argmax(dim=1)
    with pytest.raises(ValueError, match=r"importance: expected the history's shape \(3, 20\)"):
        lxr.evaluate_fidelity(linear(np.eye(20)), history, target, torch.zeros(shape))


@pytest.mark.parametrize(
    "name, value",
    [
        ("steps", 0),
        ("steps", -1),
        ("cutoffs", ()),
        ("cutoffs", (5, 0)),
        ("lengths", ()),
        ("lengths", (0,)),
        ("batch_size", 0),
        ("batch_size", -1),
    ],
)
def test_bad_options_are_refused(linear, histories, name, value):
    history = histories([3, 4, 5])
    target = (history == 0).int().argmax(dim=1)
    with pytest.raises(ValueError, match=f"{name}: expected"):
        lxr.evaluate_fidelity(linear(np.eye(20)), history, target, torch.zeros(3, 20), **{name: value})


def test_the_row_of_a_sparse_user_is_named(linear, histories):
    history = histories([3, 4, 5, 6, 7])
    target = (history == 0).int().argmax(dim=1).numpy()
    history[3] = 0
    matrix = sp.csr_matrix(history.numpy())
    with pytest.raises(ValueError, match="history, row 3: expected at least one item"):
        lxr.evaluate_fidelity(linear(np.eye(20)), matrix, target, matrix, users_per_batch=2)


def test_unsigned_importance_is_ordered_like_signed():
    model = lxr.wrap(lambda history: history @ torch.diag(torch.ones(6)).roll(1, 1), 6, "sigmoid")
    history, target = torch.tensor([[1.0, 1, 1, 1, 0, 0]]), torch.tensor([4])
    scores = torch.tensor([[3, 0, 2, 1, 0, 0]])
    signed, unsigned = (
        lxr.evaluate_fidelity(model, history, target, scores.to(kind)) for kind in (torch.int64, torch.uint8)
    )
    for name, values in signed.curves.items():
        np.testing.assert_array_equal(values, unsigned.curves[name])


def test_sparse_importance_of_another_shape_is_refused():
    model = lxr.wrap(lambda history: history, 4, "sigmoid")
    matrix = sp.csr_matrix(np.array([[1, 0, 0, 0], [0, 1, 0, 0]], dtype=np.float32))
    for wrong in (sp.vstack([matrix, matrix]).tocsr(), matrix[:1]):
        with pytest.raises(ValueError, match="importance: expected scores of shape"):
            lxr.evaluate_fidelity(model, matrix, np.array([3, 3]), wrong)


# --- conventions


def test_the_first_release_convention_equals_the_naive_loop(any_model, history):
    history, target, importance = explained(any_model, history)
    found = lxr.evaluate_fidelity(any_model, history, target, importance, cutoffs=(1, 5, 100)).first_release()
    users = zip(history.tolist(), target.tolist(), importance.tolist(), strict=True)
    expected = [oracles.first_release(any_model, *user, steps=10, cutoffs=(1, 5, 100)) for user in users]
    assert list(found.columns) == list(expected[0])
    np.testing.assert_allclose(found, [list(user.values()) for user in expected], rtol=1e-5, atol=1e-7)


def test_ranks_are_recovered_from_gains():
    ranks = np.arange(1, 100_000)
    np.testing.assert_array_equal(rank_of_gain(1 / np.log2(1 + ranks)), ranks)


def test_every_metric_of_both_conventions_has_a_direction(model, history):
    result = lxr.evaluate_fidelity(model, *explained(model, history))
    arrows = {name: direction(name) for name in [*result.summary(n_resamples=20)["metric"], *result.first_release().columns]}
    assert {name for name, arrow in arrows.items() if arrow == "↑"} == {
        name for name in arrows if name.startswith(("NEG", "INS"))
    }


# --- names and forms


def test_metrics_of_the_same_name_with_and_without_a_cutoff_differ():
    assert direction("NDCG") == "↓" and direction("NDCG@10") == "↑"  # of a perturbed history, and of a recommender
    assert direction("CDCG@Ke=5") == METRICS["CDCG"].direction and direction("POS@20,Ke=3") == METRICS["POS@K"].direction
    for name in ("NDCG gain", "users AUC", "POS@20 sd", "POS", 5):
        assert not is_metric(name)
    with pytest.raises(ValueError, match=r"metric: expected one of POS@K, .*, found 'NDCG gain'"):
        direction("NDCG gain")


@pytest.mark.parametrize("metric", ["NDCG", "POS@5", "INS", "DEL@Ke=2"])
def test_dense_and_sparse_are_one_thing_to_all_that_judges(any_model, history, metric):
    target, importance = lxr.top_item(any_model, history), history * torch.rand(history.shape)
    matrix = sp.csr_matrix(history.numpy())
    scores = sp.csr_matrix((importance[history > 0].numpy(), matrix.indices, matrix.indptr), matrix.shape)
    forms = [(history, target, importance), (matrix, target.numpy(), scores), (matrix.toarray(), target.tolist(), scores)]
    for judge in (fidelity_of_scores, fidelity_per_user):
        first, *others = (judge(any_model, *form, metric) for form in forms)
        for other in others:
            np.testing.assert_array_equal(other, first)
    expected = lxr.evaluate_fidelity(any_model, *forms[0]).per_user()[metric]
    np.testing.assert_allclose(fidelity_per_user(any_model, *forms[1], metric), expected, rtol=1e-6)
