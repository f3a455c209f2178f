"""Verdict of a run in words: the best explainers, the margin, and the certainty."""

from collections.abc import Sequence

import pandas as pd

from lxr.metrics.names import LOWER, direction
from lxr.reporting.formats import digits, with_direction
from lxr.reporting.sentences import enumeration

CRITERIA = {"NDCG": "By rank", "DEL": "By probability"}
OURS = {"NDCG": ("lxr", "lxr-path-rank"), "DEL": ("lxr", "lxr-path-score")}  # whose distance from the best is stated
MOST_NAMES = 4


def verdict(headline: pd.DataFrame, tests: pd.DataFrame, cost: pd.DataFrame) -> list[str]:
    """Sentences about the explanations of one recommender, one string per criterion.

    Args:
        headline: explainers × metrics, means over users.
        tests: paired tests of these explainers, see :func:`lxr.metrics.comparison_table`.
        cost: costs of these explainers, see :func:`lxr.evaluation.cost_table`, indexed by explainer.

    Returns:
        The best explainer of each criterion, explainers without a significant difference to it, the fastest of these, and
        the distance of LXR from the best with its 95 % interval.

    Example:
        >>> headline = pd.DataFrame({"NDCG": [0.5, 0.25, 0.26]}, ["lxr", "gradient", "spinrec"])
        >>> pairs = {"metric": "NDCG", "explainer": ["lxr", "lxr", "gradient"], "other": ["gradient", "spinrec", "spinrec"]}
        >>> found = {"difference": [0.25, 0.24, -0.01], "low": [0.2, 0.2, -0.03], "high": 0.3, "p_holm": [0.01, 0.01, 0.5]}
        >>> cost = pd.DataFrame({"explaining [s / 1,000 users]": [1.0, 4.0, 9.0]}, headline.index)
        >>> for sentence in verdict(headline, pd.DataFrame(pairs | found), cost)[0].split(". "):
        ...     print(sentence)
        By rank (NDCG ↓), gradient is best, with 0.250
        No test finds a difference to spinrec
        Of these, gradient is the fastest: 4.0 s for 1,000 users
        lxr has 0.500, in place 3 of 3: 0.250 from the best, 95 % interval 0.200 to 0.300.
    """
    return [_criterion(metric, headline[metric], tests, cost) for metric in CRITERIA if metric in headline]


def _criterion(metric: str, means: pd.Series, tests: pd.DataFrame, cost: pd.DataFrame) -> str:
    """Sentences about one metric."""
    ranked = means.sort_values(ascending=direction(metric) == LOWER, kind="stable")
    best, places = ranked.index[0], digits(means, 3)
    pairs = _against(best, tests[tests["metric"] == metric])
    ties = [name for name in ranked.index[1:] if pairs["p_holm"][name] >= 0.05]
    seconds = cost["explaining [s / 1,000 users]"].reindex([best, *ties])
    said = [f"{CRITERIA[metric]} ({with_direction(metric)}), {best} is best, with {ranked[best]:.{places}f}"]
    said.append(f"No test finds a difference to {_names(ties)}" if ties else "Tests find all others worse")
    if ties:
        said.append(f"Of these, {seconds.idxmin()} is the fastest: {seconds.min():.1f} s for 1,000 users")
    for name in OURS[metric]:
        if name in ranked and name != best and name not in ties:
            low, high = sorted(abs(pairs.loc[name, ["low", "high"]]))
            said.append(
                f"{name} has {ranked[name]:.{places}f}, in place {1 + list(ranked.index).index(name)} of {len(ranked)}: "
                f"{abs(pairs['difference'][name]):.{places}f} from the best, "
                f"95 % interval {low:.{places}f} to {high:.{places}f}"
            )
    return ". ".join(said) + "."


def _against(best: str, tests: pd.DataFrame) -> pd.DataFrame:
    """Tests of one explainer against every other, indexed by the other one."""
    mine = pd.concat(
        [tests[tests["explainer"] == best].set_index("other"), tests[tests["other"] == best].set_index("explainer")]
    )
    return mine[["difference", "low", "high", "p_holm"]].astype(float)


def _names(names: Sequence[str]) -> str:
    """Names as a list in words; many are counted."""
    shown = list(names) if len(names) <= MOST_NAMES else [*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1} others"]
    return enumeration(shown)
