"""LXR: learning to explain recommendations.

Model-agnostic, post-hoc explanations of any recommender that is differentiable in its input, and their evaluation. All that
is needed from outside is here; users are always rows, B of them in a batch, I is the number of items.

The folders are floors: each imports from lower ones only.

1. `lxr.utils`: checks, storage, sparse matrices, weights, the machine
2. `lxr.data`: ratings, histories, splits, datasets and files
3. `lxr.recommenders`: MF, VAE, NCF, `wrap`; training, ranking, recommending
4. `lxr.metrics`: fidelity, agreement, statistics
5. `lxr.explainers`: LXR and its rivals, objectives
6. `lxr.evaluation`, `lxr.tuning`, `lxr.reporting`: bounds and sanity checks; Optuna studies; tables, figures, pages
7. `lxr.runs`: notebooks as stages, their files, verification
8. `lxr.app`: the explorer

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

from lxr.data.datasets import DATASETS, Dataset, load_ratings, rule_of
from lxr.data.files import read_ratings_file
from lxr.data.interactions import Interactions
from lxr.data.preparation import load_dataset, prepare
from lxr.data.splits import save_split, split_users
from lxr.evaluation.bounds import GreedySearch, exhaustive_optimum, fidelity_gain, greedy_bound, random_bound
from lxr.evaluation.cost import Cost, cost_table, measure
from lxr.evaluation.sanity import least_influential_item, randomised, shuffled_histories, stability
from lxr.explainers.accent import Counterfactual
from lxr.explainers.base import Explainer
from lxr.explainers.batch import explain_users, load_scores, mean_fidelity, save_scores
from lxr.explainers.lime import mask_function
from lxr.explainers.lxr_network import LXR, ExplainerNetwork, lxr_loss, train_lxr
from lxr.explainers.lxr_path import PathLXR, PathSettings, train_path_lxr
from lxr.explainers.lxr_refined import RefinedLXR
from lxr.explainers.lxr_settings import LXRSettings, published_settings
from lxr.explainers.objectives import OBJECTIVES, RankMargin, SoftRank
from lxr.explainers.registry import EXPLAINERS
from lxr.metrics.agreement import rank_biased_overlap, rank_correlation
from lxr.metrics.fidelity import evaluate_fidelity, evaluate_users, ranks_without_most
from lxr.metrics.ground_truth import true_reasons
from lxr.metrics.result import FidelityResult
from lxr.recommenders.base import Recommender
from lxr.recommenders.mf import MF
from lxr.recommenders.ncf import NCF
from lxr.recommenders.popularity import Popularity
from lxr.recommenders.ranking import rank_quality
from lxr.recommenders.recommend import top_item, top_items
from lxr.recommenders.registry import RECOMMENDERS
from lxr.recommenders.saving import load_recommender, save_recommender
from lxr.recommenders.training import fit, train_recommender
from lxr.recommenders.vae import VAE
from lxr.recommenders.wrapped import wrap
from lxr.reporting.explanation import UserExplanation, explain_user
from lxr.runs.plugins import load_plugins_of_run
from lxr.tuning.records import load_tuned
from lxr.tuning.studies import Budget, open_study, tune
from lxr.tuning.subjects import ExplainerTuning, RecommenderTuning, Tuning
from lxr.utils.environment import choose_device
from lxr.utils.progress import progress
from lxr.utils.sparse import dense
from lxr.utils.storage import DataError, save_frame

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

load_plugins_of_run()
