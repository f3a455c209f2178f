"""Level 7: tables and their texts, explanations in words, figures, pages.

Figures are in :mod:`lxr.reporting.plots`, :mod:`lxr.reporting.path_plots` and :mod:`lxr.reporting.tuning_plots`, pages in
:mod:`lxr.reporting.html`: they need packages that the extras ``plots`` and ``runs`` install. Everything else is here.

Example:
    >>> import lxr, pandas as pd
    >>> table = pd.DataFrame({"NDCG": [0.25], "INS": [0.5]}, index=["lxr"])
    >>> print(lxr.reporting.with_directions(table).to_string())
         NDCG ↓  INS ↑
    lxr    0.25    0.5
"""

from lxr.reporting.explanation import TargetRank, UserExplanation
from lxr.reporting.formats import FORMATS, from_csv, to_csv, to_latex, to_markdown, with_direction, with_directions
from lxr.reporting.sentences import counterfactual_sentence, fall_sentence
from lxr.reporting.shown import ShownTable
from lxr.reporting.tables import (
    data_table,
    explanation_table,
    fidelity_table,
    interval_table,
    mark_best,
    recommender_table,
    tuning_table,
)

__all__ = [
    "FORMATS",
    "ShownTable",
    "TargetRank",
    "UserExplanation",
    "counterfactual_sentence",
    "data_table",
    "explanation_table",
    "fall_sentence",
    "fidelity_table",
    "from_csv",
    "interval_table",
    "mark_best",
    "recommender_table",
    "to_csv",
    "to_latex",
    "to_markdown",
    "tuning_table",
    "with_direction",
    "with_directions",
]
