"""Families of explainers: their names and colours, and the order in which tables and figures show explainers."""

from collections.abc import Iterable

import pandas as pd

from lxr.explainers.learned.base import LXR_FAMILIES
from lxr.explainers.registry import EXPLAINERS

PATH_RED, OTHERS = "#a50026", "registered"
FAMILIES = {  # family of an explainer -> its name in a legend, and its colour
    "lxr": ("LXR", "black"),
    "lxr-path": ("LXR on paths", PATH_RED),
    "path": ("paths", "#029e73"),
    "gradient": ("gradients", "#0173b2"),
    "perturbation": ("perturbation", "#cc78bc"),
    "surrogate": ("surrogates", "#de8f05"),
    "similarity": ("similarities", "#8c6d31"),
    OTHERS: ("others", "#56b4e9"),
}
FOR, AGAINST = "#2c7fb8", "#b5b5b5"  # bars of reasons for and against a recommendation
MOST_LINES = 6


def family_of(explainer: str) -> str:
    """Key of :data:`FAMILIES` of an explainer."""
    return EXPLAINERS[explainer].family if explainer in EXPLAINERS else OTHERS


def in_families(names: Iterable[str], quality: pd.Series | None = None) -> list[str]:
    """Names of explainers, families together, the best of each family first, a random order last.

    Args:
        names: names of explainers.
        quality: one number for each of them, lower is better; equal to three digits counts as equal. By default the order of
            the registry.
    """
    known, families = list(EXPLAINERS), list(FAMILIES)
    place = {name: known.index(name) if name in known else len(known) for name in names}
    rank = place if quality is None else quality.round(3).to_dict()
    return sorted(place, key=lambda name: (name == "random", families.index(family_of(name)), rank[name], place[name]))


def in_front(quality: pd.Series, most: int = MOST_LINES) -> list[str]:
    """Explainers that a figure shows in colour: LXR, the best of LXR on paths, and the best of the other families.

    Args:
        quality: one number for each explainer, lower is better.
        most: largest number of names, a random order not counted.

    Example:
        >>> quality = pd.Series({"random": 0.9, "jaccard": 0.6, "cosine": 0.5, "lxr": 0.7, "gradient": 0.4})
        >>> in_front(quality), in_front(quality, most=2)
        (['lxr', 'gradient', 'cosine', 'random'], ['lxr', 'gradient', 'random'])
    """
    ranked = quality.drop("random", errors="ignore").sort_values(kind="stable").index
    best: dict[str, str] = {}
    for name in ranked:
        best.setdefault(family_of(name), name)
    ours = ["lxr"] * ("lxr" in ranked) + [best[family] for family in ("lxr-path",) if family in best]
    others = [name for family, name in best.items() if family not in LXR_FAMILIES]
    return [*ours, *others][:most] + ["random"] * ("random" in quality)
