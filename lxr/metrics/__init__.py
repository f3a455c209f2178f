"""Level 4: metrics of explanations: fidelity, agreement, true reasons, statistics; for any explainer.

Names of metrics are plain: ``"NDCG"``, ``"POS@20"``, ``"DEL@Ke=5"``. :data:`METRICS` states the better direction of each.

Example:
    >>> import torch, lxr  # item 0 speaks for item 3, item 1 half as much for item 2
    >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
    >>> result = lxr.metrics.evaluate_fidelity(model, [[1, 1, 0, 0]], target=[3], importance=[[2.0, 1, 0, 0]])
    >>> result.summary().set_index("metric").loc["INS@Ke=1", "direction"]
    '↑'
"""

from lxr.metrics.agreement import agreement_table, positions, rank_biased_overlap, rank_correlation, top_overlap
from lxr.metrics.comparison import (
    comparison_table,
    first_release_table,
    group_table,
    inner_area_table,
    quartiles,
    seed_table,
    strata_table,
    summary_table,
)
from lxr.metrics.counterfactual_sets import gini, necessary_and_sufficient, size_metrics
from lxr.metrics.features import feature_table
from lxr.metrics.fidelity import evaluate_fidelity, fidelity_of_scores, fidelity_per_user, ranks_without_most
from lxr.metrics.ground_truth import area_under_roc, ground_truth_table, latest_reasons, precision, true_reasons
from lxr.metrics.names import HIGHER, LOWER, METRICS, Metric, direction, is_metric
from lxr.metrics.repeats import interval_of_runs, order_agreement, rank_table, ranks_by_metric, repeat_table
from lxr.metrics.result import FidelityResult, rank_of_gain
from lxr.metrics.statistics import (
    bootstrap_interval,
    difference_interval,
    equivalence_test,
    holm,
    sign_flip_test,
)

__all__ = [
    "HIGHER",
    "LOWER",
    "METRICS",
    "FidelityResult",
    "Metric",
    "agreement_table",
    "area_under_roc",
    "bootstrap_interval",
    "comparison_table",
    "difference_interval",
    "direction",
    "equivalence_test",
    "evaluate_fidelity",
    "feature_table",
    "fidelity_of_scores",
    "fidelity_per_user",
    "first_release_table",
    "gini",
    "ground_truth_table",
    "group_table",
    "holm",
    "inner_area_table",
    "interval_of_runs",
    "is_metric",
    "latest_reasons",
    "necessary_and_sufficient",
    "order_agreement",
    "positions",
    "precision",
    "quartiles",
    "rank_biased_overlap",
    "rank_correlation",
    "rank_of_gain",
    "rank_table",
    "ranks_by_metric",
    "ranks_without_most",
    "repeat_table",
    "seed_table",
    "sign_flip_test",
    "size_metrics",
    "strata_table",
    "summary_table",
    "top_overlap",
    "true_reasons",
]
