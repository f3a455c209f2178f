"""Level 7: studies that create explainers: bounds, sanity checks, costs, comparisons with publications.

Example:
    >>> import lxr, torch  # item 0 speaks for item 3, item 1 half as much for item 2
    >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
    >>> with lxr.evaluation.measure_cost(model) as cost:
    ...     bound = lxr.evaluation.greedy_bound(model, [[1, 1, 0, 0]], target=[3])
    >>> bound.fixed["POS@1"][:, 0], cost.n_scored > 0  # without item 0, item 3 is no longer first
    (array([0.]), True)
"""

from lxr.evaluation.bounds import exhaustive_optimum, fidelity_gain, greedy_bound, random_bound
from lxr.evaluation.cost import Cost, cost_table, measure_cost
from lxr.evaluation.one_shot import against_table, bars_table, between_table, one_shot_rivals
from lxr.evaluation.order_study import MaskedOneOut, age_table, correlation_table, order_effect
from lxr.evaluation.path_analysis import path_agreement_table, reliance_table, signal_table
from lxr.evaluation.protocol import target_of_rank, target_table
from lxr.evaluation.published import (
    authors_recommender,
    compare_with_published,
    in_published_layout,
    published_fidelity,
    published_test_users,
)
from lxr.evaluation.sanity import least_influential_item, randomized, shuffled_histories, stability
from lxr.evaluation.set_study import LeavingTop, SetStudy, counterfactual_study
from lxr.explainers.greedy import GreedySearch

__all__ = [
    "Cost",
    "GreedySearch",
    "LeavingTop",
    "MaskedOneOut",
    "SetStudy",
    "against_table",
    "age_table",
    "authors_recommender",
    "bars_table",
    "between_table",
    "compare_with_published",
    "correlation_table",
    "cost_table",
    "counterfactual_study",
    "exhaustive_optimum",
    "fidelity_gain",
    "greedy_bound",
    "in_published_layout",
    "least_influential_item",
    "measure_cost",
    "one_shot_rivals",
    "order_effect",
    "path_agreement_table",
    "published_fidelity",
    "published_test_users",
    "random_bound",
    "randomized",
    "reliance_table",
    "shuffled_histories",
    "signal_table",
    "stability",
    "target_of_rank",
    "target_table",
]
