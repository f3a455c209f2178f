"""LXR: learning to explain recommendations.

Model-agnostic, post-hoc explanations of any recommender that is differentiable in its input, and their evaluation. All that
is needed from outside is here; users are always rows, B of them in a batch, I is the number of items.

* Data: `lxr.datasets` (the registry), `lxr.movielens`, `lxr.synthetic`, `lxr.download`, `lxr.files`, `lxr.raw_text`,
  `lxr.dialect`, `lxr.quotes`, `lxr.columns`, `lxr.ratings`, `lxr.interactions`, `lxr.source`
* Recommenders: `lxr.recommenders`, `lxr.probes` (their checks), `lxr.modes`, `lxr.training`, `lxr.epochs`, `lxr.ranking`
* LXR: `lxr.network`, `lxr.refinement`, `lxr.imitation`, `lxr.signals`, `lxr.learned`, `lxr.chance`,
  `lxr.fingerprint`
* Explainers: `lxr.explainer` (the contract), `lxr.explainers` (the registry), `lxr.similarity`, `lxr.perturbation`,
  `lxr.surrogates`, `lxr.gradients`, `lxr.stepwise`, `lxr.objectives`
* Evaluation: `lxr.fidelity`, `lxr.bounds`, `lxr.statistics`, `lxr.sanity`, `lxr.agreement`, `lxr.ground_truth`, `lxr.cost`,
  `lxr.one_shot`, `lxr.published`
* Tuning: `lxr.tuning`
* One user: `lxr.explanation`, `lxr.exploration`, `lxr.explore`
* Results: `lxr.tables`, `lxr.plots`, `lxr.fonts`, `lxr.formats`, `lxr.report`
* Runs: `lxr.workspace`, `lxr.pipeline`, `lxr.stages`, `lxr.summary`, `lxr.terminal`, `lxr.verify`, `lxr.storage`,
  `lxr.locks`, `lxr.canonical`
* Below all: `lxr.checks`, `lxr.inputs`, `lxr.memory`, `lxr.registry`, `lxr.progress`, `lxr.markup`

Example:
    >>> import lxr
    >>> data = lxr.load_dataset("synthetic")
    >>> train, validation, test = lxr.split_users(data.matrix.shape[0])
    >>> model = lxr.MF(data.matrix.shape[1], n_factors=8)
    >>> training = lxr.fit(model, data.matrix[train], data.matrix[validation], epochs=5)
    >>> target = lxr.top_items(model, data.matrix[test])
    >>> explainer = lxr.EXPLAINERS["rank-margin"](model, data.matrix[train])
    >>> scores = lxr.explain_users(explainer, data.matrix[test], target)
    >>> lxr.evaluate_users(model, data.matrix[test], target, scores).curves["POS@20"].shape  # users, steps
    (120, 11)
"""

from lxr.agreement import rank_biased_overlap, rank_correlation
from lxr.bounds import GreedySearch, exhaustive_optimum, fidelity_gain, greedy_bound, random_bound
from lxr.cost import Cost, cost_table, measure
from lxr.datasets import DATASETS, Dataset, load_ratings, rule_of
from lxr.explainer import Explainer, explain_users, load_scores, mean_fidelity, save_scores, top_items
from lxr.explainers import EXPLAINERS
from lxr.explanation import UserExplanation, explain_user
from lxr.fidelity import FidelityResult, evaluate_fidelity, evaluate_users, ranks_without_most
from lxr.files import read_ratings_file
from lxr.ground_truth import true_reasons
from lxr.imitation import PathLXR, PathSettings, train_path_lxr
from lxr.interactions import Interactions, dense, load_dataset, prepare, save_split, split_users
from lxr.network import LXR, ExplainerNetwork, LXRSettings, lxr_loss, published_settings, train_lxr
from lxr.objectives import OBJECTIVES, RankMargin, SoftRank
from lxr.perturbation import Counterfactual
from lxr.progress import progress
from lxr.ranking import rank_quality
from lxr.recommenders import (
    MF,
    NCF,
    RECOMMENDERS,
    VAE,
    Popularity,
    Recommender,
    load_recommender,
    save_recommender,
    top_item,
    wrap,
)
from lxr.refinement import RefinedLXR
from lxr.sanity import least_influential_item, randomised, shuffled_histories, stability
from lxr.storage import DataError, save_frame
from lxr.surrogates import mask_function
from lxr.training import choose_device, fit, train_recommender
from lxr.tuning import Budget, ExplainerTuning, RecommenderTuning, Tuning, load_tuned, open_study, tune
from lxr.workspace import Workspace

__version__ = "0.1.0"

__all__ = [
    "DATASETS",
    "EXPLAINERS",
    "LXR",
    "MF",
    "NCF",
    "OBJECTIVES",
    "RECOMMENDERS",
    "VAE",
    "Budget",
    "Cost",
    "Counterfactual",
    "DataError",
    "Dataset",
    "Explainer",
    "ExplainerNetwork",
    "ExplainerTuning",
    "FidelityResult",
    "GreedySearch",
    "Interactions",
    "LXRSettings",
    "PathLXR",
    "PathSettings",
    "Popularity",
    "RankMargin",
    "Recommender",
    "RecommenderTuning",
    "RefinedLXR",
    "SoftRank",
    "Tuning",
    "UserExplanation",
    "Workspace",
    "choose_device",
    "cost_table",
    "dense",
    "evaluate_fidelity",
    "evaluate_users",
    "exhaustive_optimum",
    "explain_user",
    "explain_users",
    "fidelity_gain",
    "fit",
    "greedy_bound",
    "least_influential_item",
    "load_dataset",
    "load_ratings",
    "load_recommender",
    "load_scores",
    "load_tuned",
    "lxr_loss",
    "mask_function",
    "mean_fidelity",
    "measure",
    "open_study",
    "prepare",
    "progress",
    "published_settings",
    "random_bound",
    "randomised",
    "rank_biased_overlap",
    "rank_correlation",
    "rank_quality",
    "ranks_without_most",
    "read_ratings_file",
    "rule_of",
    "save_frame",
    "save_recommender",
    "save_scores",
    "save_split",
    "shuffled_histories",
    "split_users",
    "stability",
    "top_item",
    "top_items",
    "train_lxr",
    "train_path_lxr",
    "train_recommender",
    "true_reasons",
    "tune",
    "wrap",
]
