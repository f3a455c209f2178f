"""LXR that imitates paths: signals against plain gradients and tables, losses by hand, what training learns and keeps."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

import lxr
from lxr.explainers import ChosenPathLXR
from lxr.explainers.learned.lxr_path import pair_loss, position_loss
from lxr.explainers.learned.lxr_path_lessons import Examples, teacher_positions, with_parts
from lxr.explainers.learned.lxr_path_settings import default_path_settings
from lxr.explainers.learned.lxr_path_signals import PathGradients
from lxr.metrics import positions

QUICK = {"epochs": 2, "hidden_size": 8, "batch_size": 16}


NAMES = ["lxr-path-rank", "lxr-path-score", "lxr-path-pure-rank", "lxr-path-pure-score"]


def test_pairs_that_are_in_order_cost_little():
    position, length = torch.tensor([0.0, 1, 2, 0, 1]), torch.tensor([3, 2])
    right, wrong = (
        pair_loss(sign * position, position, length, 200, torch.Generator().manual_seed(0)) for sign in (-50, 50)
    )
    assert right < 1e-6
    assert wrong > 50
    level = pair_loss(torch.zeros(5), position, length, 200, torch.Generator().manual_seed(0))
    assert float(level) == pytest.approx(np.log(2))


def test_a_pair_weighs_by_its_better_position():
    # Two items: the pair, whenever it is drawn, is of positions 3 and 8. Three: pairs (0, 3), (0, 8) weigh 1, (3, 8) half.
    generator = torch.Generator().manual_seed(0)
    scores, position = torch.tensor([0.0, 1.0]), torch.tensor([3.0, 8.0])
    assert float(pair_loss(scores, position, torch.tensor([2]), 50, generator)) == pytest.approx(np.log1p(np.e))
    found = pair_loss(torch.tensor([9.0, 0, 0]), torch.tensor([0.0, 3, 8]), torch.tensor([3]), 100_000, generator)
    expected = (2 * np.log1p(np.exp(-9)) + 0.5 * np.log(2)) / 2.5
    assert float(found) == pytest.approx(expected, rel=0.02)


def test_a_user_without_a_pair_costs_nothing():
    scores = torch.zeros(2, requires_grad=True)
    loss = pair_loss(scores, torch.zeros(2), torch.tensor([1, 1]), 8, torch.Generator())
    loss.backward()
    assert (float(loss.detach()), scores.grad.tolist()) == (0, [0, 0])


def test_the_loss_of_positions():
    score, position = torch.tensor([1.0, 0.5, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    assert float(position_loss(score, position, torch.tensor([2, 1]), 0, None)) == pytest.approx(1 / 3)


def test_positions_are_by_descending_score_in_each_row():
    scores = sp.csr_matrix((np.array([0.1, 0.7, 0.7, 5.0, -1.0]), [0, 1, 3, 0, 2], [0, 3, 3, 5]), shape=(3, 4))
    assert positions(scores).tolist() == [2, 0, 1, 0, 1]


@pytest.mark.parametrize("objective", ["rank", "score"])
@pytest.mark.parametrize("teacher", ["path", "leave-one-out", "gradient", "search"])
def test_the_teacher_is_the_explainer_that_is_imitated(model, train_matrix, objective, teacher):
    settings = lxr.PathSettings(objective, teacher=teacher)
    examples = Examples.of(PathGradients(settings.g), model, train_matrix)
    found = teacher_positions(model, examples, settings)
    goal = lxr.explainers.SoftRank() if objective == "rank" else "log-prob"
    explainers = {
        "leave-one-out": [lxr.EXPLAINERS["leave-one-out"](model, None, objective=goal)],
        "search": [
            lxr.evaluation.GreedySearch(model, each) for each in (["rank"] if objective == "rank" else ["del", "ins"])
        ],
        "gradient": [lxr.EXPLAINERS["gradient"](model, None, objective=goal)],
        "path": [lxr.explainers.paths.GradientPath(model, objective=goal, singles=10, share=0.05)]
        + [lxr.explainers.paths.InsertionPath(model, objective=goal, singles=10, share=0.05)] * (objective == "score"),
    }[teacher]
    orders = [positions(each.explain(train_matrix, examples.target)) for each in explainers]
    np.testing.assert_allclose(found, np.mean(orders, axis=0))


def test_parts_are_parts_in_their_order():
    items = np.random.default_rng(1).integers(0, 9, 400)  # with repeats, and in no order
    lists = lxr.EntryLists(items, np.append(np.arange(0, 400, 7), 400), 9, times=np.arange(400.0))
    found = with_parts(lists, 2, np.random.default_rng(0))
    n = len(lists)
    assert len(found) == 3 * n and np.array_equal(found[:n].items, items)
    share = found[n:].lengths / np.tile(lists.lengths, 2)
    assert (found.lengths >= 1).all() and 0.5 < share.mean() < 0.8 and share.std() > 0.1
    for user in range(3 * n):
        part, whole = found[[user]], lists[[user % n]]
        place = part.times.astype(int) - whole.times[0].astype(int)  # times tell entries of the same item apart
        assert (np.diff(place) > 0).all() and np.array_equal(whole.items[place], part.items)
    assert np.array_equal(with_parts(lists, 0, np.random.default_rng(0)).items, items)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_learns_the_order_of_the_path(name):
    data = lxr.load_dataset("synthetic")
    train, validation, _ = lxr.split_users(data.matrix.shape[0], seed=42)
    model = lxr.VAE(data.matrix.shape[1], n_hidden=32, n_latent=8)
    lxr.fit(model, data.matrix[train], data.matrix[validation], epochs=100)
    explainer = lxr.EXPLAINERS[name](model, data.matrix[train], data.matrix[validation])
    examples = Examples.of(explainer.network.signals, model, data.matrix[validation])
    position = teacher_positions(model, examples, explainer.settings)

    def error(values):
        return np.abs(positions(values, examples.lists) - position).mean()

    learnt = error(explainer.explain(examples.lists, examples.target))
    assert learnt < 0.5 * error(np.random.default_rng(0).random(len(position)))
    if "pure" not in name:  # it reads more than the first of its signals, one gradient
        assert learnt < error(examples.signals[:, 0].numpy())


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded_it_explains_the_same(name, model, train_matrix, history, tmp_path):
    explainer = lxr.EXPLAINERS[name](model, train_matrix, **QUICK)
    explainer.save(tmp_path / "path.pt")
    loaded = lxr.PathLXR.load(tmp_path / "path.pt", model)
    target = lxr.top_item(model, history)
    assert torch.equal(loaded.explain(history, target), explainer.explain(history, target))
    assert loaded.settings == explainer.settings
    assert loaded.training.equals(explainer.training)
    with pytest.raises(lxr.DataError, match=r"path\.pt: expected an explainer of 19 items, found one of 20"):
        lxr.PathLXR.load(tmp_path / "path.pt", lxr.MF(19))


def test_only_the_pure_one_explains_without_a_gradient(model, train_matrix, history):
    target = lxr.top_item(model, history)
    made = {name: lxr.EXPLAINERS[name](model, train_matrix, **QUICK) for name in NAMES}
    with lxr.evaluation.measure_cost(model) as pure:
        made["lxr-path-pure-rank"].explain(history, target)
    assert (pure.n_scored, pure.n_gradients) == (len(history), 0)
    with lxr.evaluation.measure_cost(model) as looking:
        made["lxr-path-rank"].explain(history, target)
    assert (looking.n_scored, looking.n_gradients) == (10 * len(history), 10 * len(history))
    assert [made[name].needs_gradient for name in NAMES] == [True, True, False, False]


def test_the_best_epoch_is_kept(model, planted):
    settings = lxr.PathSettings(**QUICK | {"epochs": 4}, criterion="NDCG")
    explainer = lxr.train_path_lxr(model, *planted, settings=settings)
    target = lxr.top_item(model, planted[1])
    assert lxr.explainers.mean_fidelity(explainer, planted[1], target, metric="NDCG") == pytest.approx(
        explainer.training["NDCG"].min()
    )
    assert explainer.training["epoch"].tolist() == [1, 2, 3, 4]


def test_report_ends_the_training(model, planted):
    seen = []

    def report(epoch, value):
        seen.append((epoch, value))
        if epoch == 2:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        lxr.EXPLAINERS["lxr-path"](model, *planted, report=report, **QUICK | {"epochs": 5})
    assert [epoch for epoch, _ in seen] == [1, 2]


def test_defaults_of_the_objectives():
    rank, score = default_path_settings("rank"), default_path_settings("score", "answers")
    assert (rank, rank.criterion, rank.g) == (lxr.PathSettings(), "NDCG", lxr.explainers.SoftRank())
    assert (score.looks, score.criterion, score.g) == ((0.1, 0.3, 0.6), "DEL", lxr.OBJECTIVES["log-prob"])
    with pytest.raises(ValueError, match="objective: expected one of rank, score, found 'both'"):
        default_path_settings("both")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective": "both"}, "objective: expected one of rank, score, found 'both'"),
        ({"signals": "none"}, "signals: expected one of gradients, answers, found 'none'"),
        ({"teacher": "me"}, "teacher: expected one of path, leave-one-out, gradient, search, found 'me'"),
        ({"loss": "none"}, "loss: expected one of pairs, positions, found 'none'"),
        ({"tau": 0.0}, "tau: expected a positive number, found 0.0"),
        ({"looks": (0.1, 1.5)}, "looks: expected shares above 0 and below 1 or numbers of items, found 1.5"),
        ({"looks": (0,)}, "looks: expected shares above 0 and below 1 or numbers of items, found 0"),
        ({"n_pairs": 0}, "n_pairs: expected a positive integer, found 0"),
        ({"augmentation": -1}, "augmentation: expected an integer of at least 0, found -1"),
        ({"learning_rate": -1.0}, "learning_rate: expected a positive number, found -1.0"),
        ({"criterion": "POS"}, "metric"),
    ],
)
def test_bad_settings_are_refused(settings, message, train_matrix):
    with pytest.raises(ValueError, match=message):
        lxr.EXPLAINERS["lxr-path"](lxr.MF(20), train_matrix, **settings)


def test_training_that_diverges_is_refused(train_matrix):
    with pytest.raises(ValueError, match="training diverged in epoch 1: try a smaller learning_rate"):
        lxr.EXPLAINERS["lxr-path"](lxr.MF(20), train_matrix, **QUICK | {"learning_rate": 1e38})


# --- several orders, one kept -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("criterion", ["NDCG", "POS@5"])
def test_of_its_own_orders_each_user_keeps_the_best(model, train_matrix, history, criterion):
    trained, target = lxr.EXPLAINERS["lxr-path-rank"](model, train_matrix, **QUICK), lxr.top_item(model, history)
    chosen = ChosenPathLXR(trained, chosen_by=criterion, weight=2.0)

    def values(scores):
        return lxr.evaluate_fidelity(model, history, target, scores).per_user()[criterion].to_numpy()

    signals = trained.network.signals(model, lxr.Histories.of_dense(history), target)
    own, looks = trained.explain(history, target), signals[:, :10].T
    candidates = [own]
    for weight in (1.0, 2.0):
        for look in looks:
            mixed = torch.zeros_like(history).masked_scatter(history > 0, look)
            for user, items in enumerate(history > 0):
                parts = [each[user, items] - each[user, items].mean() for each in (own, mixed)]
                mean, seen = (part / part.abs().mean().clamp(min=1e-12) for part in parts)
                mixed[user, items] = mean + weight * seen
            candidates.append(mixed)
    best = np.stack([values(scores) for scores in candidates]).min(axis=0)
    found = chosen.explain(history, target)
    assert np.allclose(values(found), best)
    assert (values(own) > best).any()


def test_choosing_takes_no_further_gradient(model, train_matrix, history):
    chosen = lxr.EXPLAINERS["lxr-path-chosen"](model, train_matrix, **QUICK, chosen_by="POS@20")
    assert (chosen.criterion, chosen.weight, chosen.explainer.settings.epochs) == ("POS@20", 1.0, 2)
    with lxr.evaluation.measure_cost(model) as cost:
        chosen.explain(history, lxr.top_item(model, history))
    assert cost.n_gradients == 10 * len(history)
    assert cost.n_scored <= (10 + 21 * 11) * len(history) + len(history)  # and the top items


def test_what_cannot_choose_is_refused(model, train_matrix):
    pure = lxr.EXPLAINERS["lxr-path-pure-rank"](model, train_matrix, **QUICK)
    with pytest.raises(ValueError, match="explainer: expected one that reads gradients"):
        ChosenPathLXR(pure)
    with pytest.raises(ValueError, match="explainer: expected a trained LXR on paths, found"):
        ChosenPathLXR(lxr.EXPLAINERS["random"](model, train_matrix))
    trained = lxr.EXPLAINERS["lxr-path-rank"](model, train_matrix, **QUICK)
    for options, message in (
        ({"chosen_by": "rank"}, "unknown metric 'rank'"),
        ({"weight": 0}, "weight: expected a positive number"),
        ({"batch_size": 0}, "batch_size: expected a positive integer"),
    ):
        with pytest.raises(ValueError, match=message):
            ChosenPathLXR(trained, **options)
    with pytest.raises(ValueError, match="PathSettings: unknown option 'weigth'"):
        lxr.EXPLAINERS["lxr-path-chosen"](model, train_matrix, explainer=trained, weigth=1.0)
