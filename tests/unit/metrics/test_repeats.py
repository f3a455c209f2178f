"""The same comparison again: intervals over runs and ranks, where the answers are known by hand."""

import numpy as np
import pandas as pd
import pytest

from lxr.metrics import interval_of_runs, order_agreement, rank_table, ranks_by_metric, repeat_table


def summary(**means) -> pd.DataFrame:
    """A summary with these means of NDCG and, mirrored, INS, and intervals of ± 0.1."""
    frames = [
        pd.DataFrame({"explainer": list(means), "metric": metric, "mean": values})
        for metric, values in (("NDCG", list(means.values())), ("INS", [1 - value for value in means.values()]))
    ]
    table = pd.concat(frames, ignore_index=True)
    return table.assign(ci_low=table["mean"] - 0.1, ci_high=table["mean"] + 0.1)


def test_the_interval_of_three_runs_by_hand():
    # t with two degrees of freedom is 4.302653 at 97.5 %; the deviation of 1, 2, 3 is 1.
    low, high = interval_of_runs(np.array([1.0, 2.0, 3.0]))
    assert (low, high) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), abs=1e-6)
    assert interval_of_runs(np.array([0.5, 0.5])) == (0.5, 0.5)
    assert np.isnan(interval_of_runs(np.array([0.5]))).all()


def test_the_interval_covers_the_mean_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(3, 2, size=(400, 3))
    covered = [low <= 3 <= high for low, high in map(interval_of_runs, draws)]
    assert 0.92 <= np.mean(covered) <= 0.98


def test_three_intervals_beside_each_other():
    main = summary(lxr=0.2, lime=0.5, random=0.8)
    trainings = {42: main, 1: summary(lxr=0.3, lime=0.5, random=0.8), 2: summary(lxr=0.4, lime=0.5, random=0.8)}
    splits = {42: main, 1: summary(lxr=0.2, random=0.8)}  # the same number as a training is no obstacle
    table = repeat_table(trainings, splits, ["INS", "NDCG"])
    assert table[["metric", "explainer"]].to_numpy().tolist() == [
        [metric, name] for metric in ("INS", "NDCG") for name in ("lxr", "random")
    ]
    row = table.set_index(["metric", "explainer"]).loc[("NDCG", "lxr")]
    half = 4.302653 * 0.1 / 3**0.5
    assert row.tolist() == ["0.200 [0.100, 0.300]", f"0.300 [{0.3 - half:.3f}, {0.3 + half:.3f}]", "0.200 [0.200, 0.200]"]
    assert repeat_table({42: main}, {42: main}, ["NDCG"])[["trainings", "splits"]].eq("").all(axis=None)


def test_ranks_of_every_run():
    runs = {"training 1": summary(lxr=0.2, lime=0.2, random=0.8), "split 2": summary(lxr=0.9, random=0.8, lime=0.1)}
    table = rank_table(runs, ["NDCG", "INS"])
    assert table["explainer"].tolist() == ["lxr", "lime", "random"] * 2
    assert table["training 1"].tolist() == [1, 1, 3] * 2  # INS is the mirror image, and better the other way round
    assert table["split 2"].tolist() == [3, 1, 2] * 2


def test_ranks_by_metric_follow_its_direction():
    means = pd.DataFrame({"POS@5": [0.1, 0.3, 0.1], "INS log-odds": [-1.0, 2.0, 5.0]}, index=list("abc"))
    assert ranks_by_metric(means).to_numpy().tolist() == [[1, 3], [3, 2], [1, 1]]
    with pytest.raises(ValueError, match="metric: expected one of"):
        ranks_by_metric(pd.DataFrame({"seconds": [1.0]}))


def test_agreement_of_orders_by_hand():
    first = pd.DataFrame({"NDCG": [1.0, 2, 3, 4], "POS@5": [1.0, 2, 3, 4]}, index=list("abcd"))
    other = pd.DataFrame({"NDCG": [4.0, 3, 2, 1], "POS@5": [np.nan] * 4}, index=list("dcba")).assign(POS=1)
    one_exchange = first.assign(NDCG=[2.0, 1, 3, 4])
    table = order_agreement({1: first, 2: other, 5: one_exchange, 10: first.assign(NDCG=[4.0, 3, 2, 1])})
    assert table["NDCG"].tolist() == pytest.approx([1, 1, 4 / 6, -1])  # of six pairs, one is turned round
    assert np.isnan(table.loc[2, "POS@5"]) and list(table.columns) == ["NDCG", "POS@5"]
