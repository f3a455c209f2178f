"""LXR: learning to explain recommendations.

Model-agnostic, post-hoc explanations of any recommender that is differentiable in its input, and their evaluation. Users
are always rows, B of them in a batch. I is the width of histories: the number of items, plus user features if there are
any.

This page has the most important names. Each package lists and documents all of its public names. The packages are floors:
each imports from lower floors only.

1. `lxr.utils`: checks, storage, sparse matrices, weights, the machine
2. `lxr.data`: ratings, histories, splits, datasets and files; `lxr.distributed`: users on many workers
3. `lxr.recommenders`: MF, VAE, NCF, EASE, LightGCN, SASRec, GRU4Rec, `wrap`, `adapt`; training, ranking, recommending
4. `lxr.metrics`: fidelity, agreement, statistics
5. `lxr.explainers`: LXR and its rivals, objectives
6. `lxr.counterfactuals`: smallest sets of history items that change a recommendation, with certificates
7. `lxr.evaluation`, `lxr.tuning`, `lxr.reporting`: bounds and sanity checks; Optuna studies; tables, figures, pages
8. `lxr.delivery`: explanations of many users as files, bundles, comparisons
9. `lxr.service`: a bundle over HTTP
10. `lxr.runs`: notebooks as stages, their files, verification
11. `lxr.app`: the explorer

Example:
    >>> import lxr
    >>> data = lxr.load_dataset("synthetic")
    >>> train, validation, test = lxr.split_users(data.matrix.shape[0])
    >>> model = lxr.MF(data.n_items, n_factors=8)
    >>> training = lxr.fit(model, data.matrix[train], data.matrix[validation], epochs=5)
    >>> lxr.recommend(model, data, rows=test, n=10).shape  # of 120 users
    (1200, 6)
    >>> target = lxr.top_item(model, data.matrix[test])
    >>> explainer = lxr.EXPLAINERS["rank-margin"](model, data.matrix[train])
    >>> scores = explainer.explain(data.matrix[test], target)
    >>> lxr.evaluate_fidelity(model, data.matrix[test], target, scores).curves["POS@20"].shape  # users, steps
    (120, 11)
"""

from lxr import (
    app,
    counterfactuals,
    data,
    delivery,
    distributed,
    evaluation,
    explainers,
    metrics,
    recommenders,
    reporting,
    runs,
    service,
    tuning,
    utils,
)
from lxr.app.explore import explore
from lxr.data.datasets import DATASETS, Dataset, load_ratings
from lxr.data.histories import EntryLists, Histories
from lxr.data.interactions import Interactions
from lxr.data.preparation import load_dataset, prepare
from lxr.data.reading.files import read_ratings_file
from lxr.data.reading.sequences import read_sequences_file
from lxr.data.splits import split_last, split_users
from lxr.delivery.bundle import Bundle, load, save
from lxr.delivery.compare import compare
from lxr.delivery.explain import explain
from lxr.delivery.explanations import Explanations
from lxr.explainers.base import Explainer
from lxr.explainers.learned.lxr_network import LXR, train_lxr
from lxr.explainers.learned.lxr_path import PathLXR, train_path_lxr
from lxr.explainers.learned.lxr_path_settings import PathSettings
from lxr.explainers.learned.lxr_settings import LXRSettings
from lxr.explainers.objectives import OBJECTIVES
from lxr.explainers.registry import EXPLAINERS
from lxr.metrics.fidelity import evaluate_fidelity
from lxr.metrics.result import FidelityResult
from lxr.recommenders.adapters.adapt import adapt
from lxr.recommenders.base import Recommender
from lxr.recommenders.built_in.ease import EASE
from lxr.recommenders.built_in.gru4rec import GRU4Rec
from lxr.recommenders.built_in.lightgcn import LightGCN
from lxr.recommenders.built_in.mf import MF
from lxr.recommenders.built_in.ncf import NCF
from lxr.recommenders.built_in.popularity import Popularity
from lxr.recommenders.built_in.sasrec import SASRec
from lxr.recommenders.built_in.vae import VAE
from lxr.recommenders.ranking import rank_quality
from lxr.recommenders.recommendations import recommend, top_item
from lxr.recommenders.registry import RECOMMENDERS
from lxr.recommenders.sequential import SequentialRecommender
from lxr.recommenders.training import fit, train_recommender
from lxr.recommenders.wrapped import wrap
from lxr.reporting.explanation import UserExplanation
from lxr.runs.plugins import load_plugins_of_run
from lxr.utils.storage import DataError

__version__ = "0.2.0"

__all__ = [
    "DATASETS",
    "EASE",
    "EXPLAINERS",
    "LXR",
    "MF",
    "NCF",
    "OBJECTIVES",
    "RECOMMENDERS",
    "VAE",
    "Bundle",
    "DataError",
    "Dataset",
    "EntryLists",
    "Explainer",
    "Explanations",
    "FidelityResult",
    "GRU4Rec",
    "Histories",
    "Interactions",
    "LXRSettings",
    "LightGCN",
    "PathLXR",
    "PathSettings",
    "Popularity",
    "Recommender",
    "SASRec",
    "SequentialRecommender",
    "UserExplanation",
    "adapt",
    "app",
    "compare",
    "counterfactuals",
    "data",
    "delivery",
    "distributed",
    "evaluate_fidelity",
    "evaluation",
    "explain",
    "explainers",
    "explore",
    "fit",
    "load",
    "load_dataset",
    "load_ratings",
    "metrics",
    "prepare",
    "rank_quality",
    "read_ratings_file",
    "read_sequences_file",
    "recommend",
    "recommenders",
    "reporting",
    "runs",
    "save",
    "service",
    "split_last",
    "split_users",
    "top_item",
    "train_lxr",
    "train_path_lxr",
    "train_recommender",
    "tuning",
    "utils",
    "wrap",
]

load_plugins_of_run()
