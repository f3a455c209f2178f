"""Tables of explainers: tests and marks, groups, seeds."""

import numpy as np
import pandas as pd
import pytest
import torch

import lxr
from lxr.evaluation import compare_with_published
from lxr.metrics import comparison_table, group_table, quartiles, seed_table, summary_table
from lxr.reporting import (
    data_table,
    fidelity_table,
    mark_best,
    with_directions,
)


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
