"""Slow, obvious implementations, one user at a time, which the fast ones of ``lxr`` must equal.

A history is a row of zeros and ones; everything about one user is computed by loops over its items. Sources: Barkan et al.,
A Counterfactual Framework for Learning and Evaluating Explanations for Recommender Systems, WWW 2024; Baklanov et al.,
Refining Fidelity Metrics for Explainable Recommendations, SIGIR 2025.
"""

from oracles.counterfactuals import accent, reaches, smallest_prefix, smallest_size
from oracles.gradients import baseline_user, gradient_times_input, integrated_gradients, slopes, spinrec
from oracles.metrics import curve_metrics, first_release, fixed_metrics, ordered_items, rank_biased_overlap, stacked
from oracles.objectives import OBJECTIVES, log_odds, log_prob, logit, objective_at, rank_margin, soft_maximum, soft_rank
from oracles.paths import exhaustive_optimum, gradient_path, greedy_search
from oracles.perturbation import leave_one_out, shap_clusters, shap_items, shapley
from oracles.recommenders import (
    discounted_gain,
    items_of,
    log_probability,
    logits_at,
    logits_of,
    only,
    probability,
    rank_quality,
    target_rank,
    top_item,
)
from oracles.similarity import cosine, inverse_document_frequency, jaccard, popularity, similarity_scores, tf_idf, users_of
from oracles.surrogates import lime, lire, weighted_ridge

__all__ = [
    "OBJECTIVES",
    "accent",
    "baseline_user",
    "cosine",
    "curve_metrics",
    "discounted_gain",
    "exhaustive_optimum",
    "first_release",
    "fixed_metrics",
    "gradient_path",
    "gradient_times_input",
    "greedy_search",
    "integrated_gradients",
    "inverse_document_frequency",
    "items_of",
    "jaccard",
    "leave_one_out",
    "lime",
    "lire",
    "log_odds",
    "log_prob",
    "log_probability",
    "logit",
    "logits_at",
    "logits_of",
    "objective_at",
    "only",
    "ordered_items",
    "popularity",
    "probability",
    "rank_biased_overlap",
    "rank_margin",
    "rank_quality",
    "reaches",
    "shap_clusters",
    "shap_items",
    "shapley",
    "similarity_scores",
    "slopes",
    "smallest_prefix",
    "smallest_size",
    "soft_maximum",
    "soft_rank",
    "spinrec",
    "stacked",
    "target_rank",
    "tf_idf",
    "top_item",
    "users_of",
    "weighted_ridge",
]
