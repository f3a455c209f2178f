"""LXR: learning to explain recommendations.

Model-agnostic, post-hoc explanations of any recommender that is differentiable in its input, and their evaluation.
"""

from lxr.datasets import DATASETS, load_ratings
from lxr.explainer import Explainer, explain_users, top_items
from lxr.explainers import EXPLAINERS
from lxr.fidelity import FidelityResult, evaluate_fidelity, evaluate_users
from lxr.interactions import Interactions, dense, load_dataset, prepare, split_users
from lxr.network import LXR, ExplainerNetwork, LXRSettings, lxr_loss, published_settings, train_lxr
from lxr.objectives import OBJECTIVES
from lxr.ranking import rank_quality
from lxr.recommenders import (
    MF,
    RECOMMENDERS,
    VAE,
    Popularity,
    Recommender,
    load_recommender,
    save_recommender,
    top_item,
    wrap,
)
from lxr.storage import DataError
from lxr.training import choose_device, fit

__version__ = "0.1.0"

__all__ = [
    "DATASETS",
    "EXPLAINERS",
    "LXR",
    "MF",
    "OBJECTIVES",
    "RECOMMENDERS",
    "VAE",
    "DataError",
    "Explainer",
    "ExplainerNetwork",
    "FidelityResult",
    "Interactions",
    "LXRSettings",
    "Popularity",
    "Recommender",
    "choose_device",
    "dense",
    "evaluate_fidelity",
    "evaluate_users",
    "explain_users",
    "fit",
    "load_dataset",
    "load_ratings",
    "load_recommender",
    "lxr_loss",
    "prepare",
    "published_settings",
    "rank_quality",
    "save_recommender",
    "split_users",
    "top_item",
    "top_items",
    "train_lxr",
    "wrap",
]
