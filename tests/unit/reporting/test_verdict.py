"""The verdict of a run: what its sentences say follows from means and tests."""

import numpy as np
import pandas as pd
import pytest

from lxr.reporting.verdict import verdict

NAMES = ["random", "lxr", "lxr-path-rank", "gradient", "spinrec"]


def paired(means: pd.DataFrame, ties: set[frozenset]) -> pd.DataFrame:
    """Tests that find every difference but those of the given pairs."""
    rows = []
    for metric in means:
        for first, second in zip(*np.triu_indices(len(means), 1), strict=True):
            one, other = means.index[first], means.index[second]
            difference = means[metric][one] - means[metric][other]
            p = 0.4 if frozenset((one, other)) in ties else 0.01
            rows.append((metric, one, other, difference, difference - 0.01, difference + 0.01, p))
    return pd.DataFrame(rows, columns=["metric", "explainer", "other", "difference", "low", "high", "p_holm"])


@pytest.fixture
def means():
    return pd.DataFrame({"NDCG": [0.9, 0.5, 0.3, 0.31, 0.32], "DEL": [0.02, 0.015, 0.011, 0.0101, 0.013]}, NAMES)


@pytest.fixture
def cost():
    return pd.DataFrame({"explaining [s / 1,000 users]": [0.1, 0.2, 2.0, 0.5, 9.0]}, NAMES)


def test_ties_and_the_fastest_are_named(means, cost):
    ties = {frozenset(("lxr-path-rank", "gradient"))}
    by_rank, by_probability = verdict(means, paired(means, ties), cost)
    assert by_rank.startswith(
        "By rank (NDCG ↓), lxr-path-rank is best, with 0.300. No test finds a difference to gradient. "
    )
    assert "Of these, gradient is the fastest: 0.5 s for 1,000 users." in by_rank
    assert "lxr has 0.500, in place 4 of 5: 0.200 from the best, 95 % interval 0.190 to 0.210." in by_rank
    assert by_probability.startswith("By probability (DEL ↓), gradient is best, with 0.0101. ")


def test_without_ties_all_others_are_worse(means, cost):
    by_rank, _ = verdict(means, paired(means, set()), cost)
    assert "Tests find all others worse." in by_rank and "fastest" not in by_rank and by_rank.count("lxr-path-rank") == 1


def test_many_ties_are_counted(means, cost):
    ties = {frozenset(("lxr-path-rank", name)) for name in NAMES}
    more = pd.concat([means, means.loc[["gradient"]].rename(index={"gradient": "lime"})])
    ties.add(frozenset(("lxr-path-rank", "lime")))
    cost.loc["lime"] = 1.0
    by_rank, _ = verdict(more, paired(more, ties), cost)
    assert "difference to gradient, lime, spinrec and 2 others." in by_rank and "lxr has" not in by_rank
