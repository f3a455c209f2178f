"""Names of the metrics, their meaning and their better direction."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

LOWER, HIGHER = "↓", "↑"
CUTOFFS, LENGTHS = (1, 5, 10, 20, 50, 100), (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Metric:
    """A metric with any cutoff K and any explanation length Ke.

    Attributes:
        direction: :data:`LOWER` or :data:`HIGHER`, whichever is better.
        title: the measured quantity, with ``{k}`` for the cutoff; after a comma the perturbed histories.

    Example:
        >>> METRICS["NDCG"].direction, METRICS["NDCG@K"].direction  # of a perturbed history, and of a recommender
        ('↓', '↑')
    """

    direction: str
    title: str


# POS, NDCG, CDCG and DEL measure the recommendation after its explanation is removed; NEG after the least important items
# are removed; INS with only the explanation kept.
METRICS: Mapping[str, Metric] = {
    "POS@K": Metric(LOWER, "users with target in top {k}, most important removed"),
    "NEG@K": Metric(HIGHER, "users with target in top {k}, least important removed"),
    "NDCG": Metric(LOWER, "NDCG of the target, most important removed"),
    "CDCG": Metric(LOWER, "DCG of the target, most important removed"),
    "DEL": Metric(LOWER, "probability of the target, most important removed"),
    "INS": Metric(HIGHER, "probability of the target, only most important kept"),
    "DEL log-odds": Metric(LOWER, "log-odds of the target, most important removed"),
    "INS log-odds": Metric(HIGHER, "log-odds of the target, only most important kept"),
    "relative NDCG": Metric(LOWER, "NDCG of the target as a share of the unperturbed one, most important removed"),
    "relative CDCG": Metric(LOWER, "DCG of the target as a share of the unperturbed one, most important removed"),
    "rankA@K": Metric(LOWER, "(K + 1 − rank) / K of the target in top {k}, most important removed"),
    "rankB": Metric(LOWER, "1 / rank of the target, most important removed"),
    "validity@K": Metric(HIGHER, "users with a set whose removal takes the target out of the top {k}"),
    "set size@K": Metric(LOWER, "items of the set whose removal takes the target out of the top {k}"),
    "relative size@K": Metric(LOWER, "size of the set as a multiple of the smallest, the target leaves the top {k}"),
    "optimal@K": Metric(HIGHER, "users whose set is a smallest one, the target leaves the top {k}"),
    "PN@K": Metric(HIGHER, "users whose target leaves the top {k} without the set"),
    "PS@K": Metric(HIGHER, "users whose target is in the top {k} with the set alone"),
    "HR@K": Metric(HIGHER, "users with the hidden item in top {k}"),
    "NDCG@K": Metric(HIGHER, "NDCG of the hidden item in top {k}"),
    "MRR": Metric(HIGHER, "1 / rank of the hidden item"),
    "MPR": Metric(LOWER, "rank of the hidden item as a share of the catalogue"),
    "precision@K": Metric(HIGHER, "true reasons among the {k} most important items"),
    "AUC": Metric(HIGHER, "pairs of a true reason and another item in the right order"),
    "first five kept": Metric(HIGHER, "most important items that stay after removing an unimportant item"),
}


def kind_of(name: str) -> str:
    """Key of :data:`METRICS` for the name of a metric, else None.

    Example:
        >>> kind_of("POS@20,Ke=3"), kind_of("DEL@Ke=5"), kind_of("seconds")
        ('POS@K', 'DEL', 'seconds')
    """
    return re.sub(r"@\d+$", "@K", re.sub(r"[,@]Ke=\d+$", "", name))


def is_metric(name: object) -> bool:
    """Whether a value is the name of a metric.

    Args:
        name: any value, such as a label of a table.

    Returns:
        True for a name of :data:`METRICS` with any cutoff and explanation length.

    Example:
        >>> is_metric("CDCG@Ke=5"), is_metric("users precision@3"), is_metric(3)
        (True, False, False)
    """
    return isinstance(name, str) and kind_of(name) in METRICS


def direction(metric: str) -> str:
    """Direction in which a metric is better.

    Args:
        metric: name of the metric.

    Returns:
        :data:`LOWER` (``"↓"``) or :data:`HIGHER` (``"↑"``).

    Raises:
        ValueError: not the name of a metric.

    Example:
        >>> direction("POS@20"), direction("INS@Ke=5")
        ('↓', '↑')
    """
    if not is_metric(metric):
        raise ValueError(f"metric: expected one of {', '.join(METRICS)}, found {metric!r}")
    return METRICS[kind_of(metric)].direction


def fixed_name(metric: str, length: int) -> str:
    """Name of a fixed-length metric: ``("POS@20", 3)`` → ``"POS@20,Ke=3"``, ``("DEL", 3)`` → ``"DEL@Ke=3"``."""
    return f"{metric},Ke={length}" if "@" in metric else f"{metric}@Ke={length}"


def check_metric(metric: str) -> None:
    """Refuse names that are not columns of :meth:`FidelityResult.per_user` with default cutoffs and lengths.

    Raises:
        ValueError: names the known metrics.
    """
    ranked = [f"POS@{cutoff}" for cutoff in CUTOFFS]
    known = [*ranked, *(f"NEG@{cutoff}" for cutoff in CUTOFFS), "NDCG", "DEL", "INS"]
    known += [fixed_name(name, length) for name in [*ranked, "CDCG", "DEL", "INS"] for length in LENGTHS]
    if metric not in known:
        raise ValueError(f"unknown metric {metric!r}: expected one of {', '.join(known)}")
