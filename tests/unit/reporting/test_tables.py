"""Tables and figures of explainers: tests and marks, groups, seeds, published figures, costs, the oracle, words."""

import time

import numpy as np
import pandas as pd
import pytest
import torch

import lxr
from lxr.evaluation import Cost, compare_with_published, cost_table, in_published_layout, published_fidelity
from lxr.metrics import comparison_table, group_table, quartiles, seed_table, summary_table
from lxr.reporting import (
    counterfactual_sentence,
    data_table,
    fall_sentence,
    fidelity_table,
    mark_best,
    to_csv,
    to_latex,
    to_markdown,
    with_directions,
)
from lxr.reporting.plots import plot_cost, plot_fidelity, plot_groups, plot_training
from lxr.reporting.style import style


@pytest.fixture
def data(train_matrix):
    ids, titles = np.arange(20), np.array([f"Film {item}" for item in range(20)])
    return lxr.Interactions(train_matrix, np.arange(train_matrix.shape[0]), ids, titles)


def test_what_is_kept_of_ratings_is_counted():
    pairs = [(1, 10), (1, 20), (1, 20), (2, 10), (2, 20), (2, 30), (3, 10), (3, 20), (4, 40)]
    ratings = pd.DataFrame(pairs, columns=["user", "item"]).assign(rating=5)
    with pytest.warns(UserWarning, match="1 duplicate"):
        kept = lxr.prepare(ratings)
    table = data_table(ratings, kept, {"training": np.array([0, 2]), "test": np.array([1])})
    assert table.to_dict("index") == {
        name: dict(zip(table.columns, row, strict=True))
        for name, row in {
            "ratings": (4, 4, 9, 56.25, 1, 2.5, 3),
            "kept": (3, 2, 6, 100, 2, 2, 2),
            "training": (2, 2, 4, 100, 2, 2, 2),
            "test": (1, 2, 2, 100, 2, 2, 2),
        }.items()
    }


def test_no_more_is_recommended_than_there_is(linear, data):
    unseen = 20 - data.matrix[[0]].nnz
    assert unseen > 3
    for count, expected in ((3, 3), (30, unseen)):
        assert len(lxr.recommend(linear(np.eye(20)), data, rows=0, n=count)) == expected


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ([3], "Without “Film 3”, “Film 9” would have been recommended instead of “Film 5”."),
        ([3, 1], "Without “Film 3” and “Film 1”, “Film 9” would have been recommended instead of “Film 5”."),
        (
            [3, 1, 2],
            "Without “Film 3”, “Film 1” and “Film 2”, “Film 9” would have been recommended instead of “Film 5”.",
        ),
    ],
)
def test_a_counterfactual_is_said_with_titles(data, removed, expected):
    assert counterfactual_sentence(data, 5, lxr.explainers.Counterfactual(np.array(removed), 9)) == expected


def test_no_counterfactual_is_said_too(data):
    expected = "No set was found without which one of the next best items takes the place of “Film 5”."
    assert counterfactual_sentence(data, 5, None) == expected


@pytest.mark.parametrize(
    ("removed", "places", "passing", "expected"),
    [
        ([3], (2, 3), [9], "Without “Film 3”, “Film 5” would fall from place 2 to 3: “Film 9” would come before it."),
        (
            [3, 1],
            (4, 9),
            [9, 8, 7, 6, 4],
            "Without “Film 3” and “Film 1”, “Film 5” would fall from place 4 to 9: "
            "“Film 9”, “Film 8”, “Film 7” and 2 others would come before it.",
        ),
        (
            [3],
            (4, 8),
            [9, 8, 7, 6],
            "Without “Film 3”, “Film 5” would fall from place 4 to 8: “Film 9”, “Film 8”, “Film 7” "
            "and 1 other would come before it.",
        ),
        ([], (4, 4), [], "No set was found without which one of the next best items takes place 4 from “Film 5”."),
    ],
)
def test_a_fall_is_said_with_places(data, removed, places, passing, expected):
    assert fall_sentence(data, 5, removed, places, passing) == expected


def test_passes_and_gradients_are_counted_while_measuring(model, train_matrix, history):
    target, n_items = lxr.top_item(model, history), int(history.sum())
    with lxr.evaluation.measure_cost(model) as cost:
        lxr.EXPLAINERS["leave-one-out"](model, train_matrix).explain(history, target)
    assert (cost.n_scored, cost.n_gradients) == (len(history) + n_items, 0)
    with lxr.evaluation.measure_cost(model) as cost:
        lxr.EXPLAINERS["integrated-gradients"](model, train_matrix, n_steps=6).explain(history, target)
    assert (cost.n_scored, cost.n_gradients) == (6 * len(history), 6 * len(history))
    model(history)
    assert cost.n_scored == 6 * len(history)  # no longer
    assert cost.seconds > 0


def test_passes_without_a_gradient_of_the_history_are_no_gradients(history):
    model = lxr.MF(20)
    with lxr.evaluation.measure_cost(model) as cost:
        assert model(history).requires_grad  # by its weights
    assert (cost.n_scored, cost.n_gradients) == (len(history), 0)


def test_measuring_ends_with_an_error_too(model, history):
    with pytest.raises(KeyError), lxr.evaluation.measure_cost(model) as cost:
        model(history)
        time.sleep(0.05)
        raise KeyError
    model(history)
    assert cost.n_scored == len(history)
    assert 0.05 <= cost.seconds < 5


def test_costs_are_per_user_and_drawn(model):
    costs = {
        "random": (Cost(), Cost(seconds=0.5)),
        "lxr": (
            Cost(seconds=3.0, n_scored=70),
            Cost(seconds=0.25, n_scored=20, n_gradients=10),
        ),
    }
    table = cost_table(costs, n_users=5).set_index("explainer")
    assert table.loc["lxr"].tolist() == [3.0, 70, 50.0, 4.0, 2.0]
    figure = plot_cost(pd.DataFrame({"NDCG": {"random": 0.9, "lxr": 0.4}}), table, ["NDCG"])
    points = {line.get_label(): line.get_xydata()[0].tolist() for line in figure.axes[0].lines}
    assert points == {"random": [100.0, 0.9], "lxr": [50.0, 0.4]}


@pytest.mark.parametrize(("lower_is_better", "kept"), [(True, (2, 0.3)), (False, (3, 0.6))])
def test_the_training_curve_marks_the_kept_epoch(lower_is_better, kept):
    training = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2, 1], "NDCG": [0.5, 0.3, 0.6]})
    figure = plot_training(training, "NDCG", lower_is_better=lower_is_better)
    assert tuple(figure.axes[1].lines[-1].get_xydata()[0]) == kept


def test_the_oracle_takes_the_best_candidate_for_every_user_and_metric(model, history):
    target = lxr.top_item(model, history)
    candidates = [
        lxr.evaluate_fidelity(
            model, history, target, torch.rand(history.shape, generator=torch.Generator().manual_seed(seed))
        )
        for seed in range(4)
    ]
    oracle = lxr.FidelityResult.best_of(candidates)
    assert (oracle.rank == candidates[0].rank).all()
    for name, values in oracle.curves.items():
        areas = np.stack([candidate.curves[name].mean(axis=1) for candidate in candidates])
        best = areas.max(axis=0) if name.startswith(("NEG", "INS")) else areas.min(axis=0)
        np.testing.assert_allclose(values.mean(axis=1), best)
        rows = np.stack([candidate.curves[name] for candidate in candidates])
        assert (rows == values).all(axis=2).any(axis=0).all()  # whole curves, not the best of each step
    for name, values in oracle.fixed.items():
        each = np.stack([candidate.fixed[name] for candidate in candidates])
        np.testing.assert_array_equal(values, each.max(axis=0) if name == "INS" else each.min(axis=0))


# --- tests and marks


@pytest.fixture
def results(model, train_matrix):
    """Leave-one-out, its equal by another name, and a random order, of eighty users."""
    history = torch.from_numpy(train_matrix[:50].toarray())
    target = lxr.top_item(model, history)
    by_leaving_out, at_random = (lxr.EXPLAINERS[name](model, train_matrix) for name in ("leave-one-out", "random"))
    scores = {"leave-one-out": by_leaving_out.explain(history, target), "random": at_random.explain(history, target)}
    scores["gradient"] = scores["leave-one-out"].clone()
    return {name: lxr.evaluate_fidelity(model, history, target, importance) for name, importance in scores.items()}


def test_every_pair_is_compared_once_for_each_metric(results):
    table = comparison_table(results, ["NDCG", "INS"], n_permutations=500)
    pairs = [("leave-one-out", "random"), ("leave-one-out", "gradient"), ("random", "gradient")]
    assert list(zip(table["metric"], table["explainer"], table["other"], strict=True)) == [
        (metric, *pair) for metric in ("NDCG", "INS") for pair in pairs
    ]
    means = {name: result.per_user().mean() for name, result in results.items()}
    for row in table.itertuples():
        assert row.difference == pytest.approx(means[row.explainer][row.metric] - means[row.other][row.metric])
        assert row.p <= row.p_holm <= 1
        assert (row.p_holm < 0.05) == ("random" in (row.explainer, row.other))


def test_too_few_permutations_for_the_correction_are_refused(results):
    with pytest.raises(ValueError, match="n_permutations: expected at least 20 for each of 3 pairs, found 50"):
        comparison_table(results, ["NDCG"], n_permutations=50)


def test_the_best_and_what_is_not_told_apart_from_it_are_marked(results):
    metrics = ["NDCG", "INS"]
    table = fidelity_table(summary_table(results, n_resamples=20), metrics)
    marks = mark_best(table, comparison_table(results, metrics, n_permutations=500))
    assert marks.loc["random"].tolist() == ["", ""]
    for column in marks:
        assert sorted(marks.loc[["leave-one-out", "gradient"], column]) == ["best", "tie"]
    assert table["NDCG"]["random"] > table["NDCG"]["gradient"] and table["INS"]["random"] < table["INS"]["gradient"]


def test_a_table_as_text():
    table = pd.DataFrame(
        {"NDCG": [0.25, 0.3, 0.5], "note": ["50 %", "a_b", "-"], "n": [1, 2, 3]}, index=["lxr", "x_y", "random"]
    )
    marks = pd.DataFrame("", table.index, table.columns)
    marks["NDCG"] = ["best", "tie", ""]
    table.index.name = "explainer"
    markdown = [line.split() for line in to_markdown(table, 3, marks).splitlines()]
    assert markdown[2] == ["|", "lxr", "|", "**0.250**", "|", "50", "%", "|", "1", "|"]
    assert markdown[3][3:5] == ["0.300", "†"]
    assert markdown[4][3] == "0.500"
    latex = to_latex(table, 3, marks)
    for part in (
        "\\toprule",
        "\\bottomrule",
        "explainer & NDCG $\\downarrow$ & note & n",
        "lxr & \\textbf{0.250} & 50 \\% & 1",
        "x\\_y & 0.300$^\\dagger$ & a\\_b & 2",
        "random & 0.500 & - & 3",
    ):
        assert part in latex
    assert to_csv(table, 3, marks).splitlines()[1] == "lxr,0.25,50 %,1"


def test_a_table_for_readers_has_arrows_wherever_a_metric_is_named():
    table = pd.DataFrame(
        {"metric": ["POS@5"], "NDCG": [0.5], "HR@10": [0.1], "NDCG gain": [1.0], "n": [3]}, index=["DEL@Ke=2"]
    )
    shown = with_directions(table)
    assert shown.columns.tolist() == ["metric", "NDCG ↓", "HR@10 ↑", "NDCG gain", "n"]
    assert shown.index.tolist() == ["DEL@Ke=2 ↓"] and shown["metric"].tolist() == ["POS@5 ↓"]
    assert with_directions(table.assign(direction="↓"))["metric"].tolist() == ["POS@5"]
    assert table.columns[1] == "NDCG" and table["metric"].tolist() == ["POS@5"]  # as it was


# --- groups, seeds, published figures


def test_groups_hold_the_means_of_their_users(results):
    lengths = results["random"].history_length
    groups = quartiles(lengths)
    assert 2 <= groups.nunique() <= 4
    table = group_table(results, groups, ["NDCG", "INS"])
    assert table["n_users"].sum() == len(lengths) * len(results)
    for row in table.itertuples():
        low, high = map(int, row.group.split("–"))
        users = (lengths >= low) & (lengths <= high)
        assert row.n_users == users.sum()
        np.testing.assert_allclose(row.NDCG, results[row.explainer].per_user()["NDCG"][users].mean())
    lows = [int(name.split("–")[0]) for name in table["group"][table["explainer"] == "random"]]
    assert lows == sorted(lows)


def test_a_value_that_most_users_share_makes_fewer_groups():
    assert quartiles(np.array([3, 3, 3, 3, 3, 3, 8, 9])).unique().tolist() == ["3–3", "8–9"]
    assert quartiles(np.array([5, 5])).unique().tolist() == ["5–5"]


def test_seeds_are_summarised_beside_users():
    def summary(mean, half):
        rows = {"explainer": ["lxr", "lxr"], "metric": ["NDCG", "DEL"], "mean": [mean, 9.0]}
        return pd.DataFrame(rows | {"ci_low": [mean - half, 9.0], "ci_high": [mean + half, 9.0]})

    table = seed_table({1: summary(0.2, 0.01), 2: summary(0.4, 0.03)}, ["NDCG"])
    assert table.columns.tolist() == ["NDCG mean", "NDCG sd", "NDCG ± users"]
    assert table.loc["lxr"].tolist() == pytest.approx([0.3, np.std([0.2, 0.4], ddof=1), 0.02])


def test_published_figures_are_there_where_the_authors_report_them():
    curves, fixed = (published_fidelity("ml-1m", "mf", kind) for kind in ("curves", "fixed"))
    assert curves.loc["lxr", "POS@20"] == 0.5706 and fixed.loc["shap", "CDCG"] == 0.9595
    assert published_fidelity("ml-1m", "vae").empty
    with pytest.raises(ValueError, match="kind: expected one of curves, fixed, found 'nope'"):
        published_fidelity("ml-1m", "mf", "nope")


def test_our_figures_in_the_published_layout(results):
    per_user = {name: result.per_user() for name, result in results.items()}
    curves, fixed = in_published_layout(per_user), in_published_layout(per_user, "fixed")
    result = results["random"]
    assert curves.loc["random", "NEG@20"] == pytest.approx(result.curves["NEG@20"].mean())
    assert fixed.loc["random", "CDCG"] == pytest.approx(result.fixed["CDCG"].mean())
    assert fixed.loc["random", "DEL"] == pytest.approx((result.fixed["DEL"] * result.prob[:, None]).mean())


def test_orders_of_explainers_are_compared():
    ours = pd.DataFrame({"POS@5": [0.1, 0.2, 0.3, 0.9], "INS": [0.9, 0.8, 0.7, 0.0]}, index=["lxr", "lime", "shap", "more"])
    published = pd.DataFrame({"INS": [0.1, 0.2, 0.3], "POS@5": [0.2, 0.4, 0.6], "NEG@5": 0.0}, index=["lxr", "lime", "shap"])
    table = compare_with_published(ours, published)
    assert table.columns.tolist() == ["INS", "POS@5"]
    assert table.index.tolist() == [
        *(f"{name}, {source}" for name in ("lxr", "lime", "shap") for source in ("published", "ours")),
        "Kendall τ",
    ]
    assert table.loc["lime, ours", "INS"] == 0.8 and table.loc["lime, published", "INS"] == 0.2
    assert table.loc["Kendall τ"].tolist() == pytest.approx([-1, 1])


# --- figures


def test_the_eight_panels_show_means_with_bands(results):
    figure = plot_fidelity(results)
    assert [ax.get_title() for ax in figure.axes] == [
        *("POS@20 ↓", "POS@5 ↓", "NDCG ↓", "CDCG ↓", "DEL ↓", "DEL ↓", "INS ↑", "INS ↑")
    ]
    left, right = figure.axes[2:4]
    for ax, values in (
        (left, {n: r.curves["NDCG"] for n, r in results.items()}),
        (right, {n: r.fixed["CDCG"] for n, r in results.items()}),
    ):
        lines = {line.get_label(): line for line in ax.lines}
        for (name, user_values), band in zip(values.items(), ax.collections, strict=True):
            mean = user_values.mean(axis=0)
            np.testing.assert_allclose(lines[name].get_ydata(), mean)
            assert lines[name].get_color() == style(name)["color"]
            edges = band.get_paths()[0].vertices[:, 1]
            error = 1.96 * user_values.std(axis=0) / np.sqrt(len(user_values))
            assert edges.max() == pytest.approx((mean + error).max()) and edges.min() == pytest.approx((mean - error).min())
    plot_groups({"length": group_table(results, quartiles(results["random"].history_length), ["NDCG"])})
