"""Level 5: explainers, LXR among them, and the objectives that they explain.

Each class documents its options. :data:`lxr.EXPLAINERS` makes them by name, with training users and seed. :func:`register`
adds a class to it.

Example:
    >>> import lxr
    >>> from lxr.explainers import LeaveOneOut
    >>> model = lxr.MF(4)
    >>> LeaveOneOut(model, batch_size=64).batch_size, lxr.EXPLAINERS["leave-one-out"].cls is LeaveOneOut
    (64, True)
"""

from lxr.explainers.accent import ACCENT
from lxr.explainers.base import Explainer
from lxr.explainers.batch import load_scores, mean_fidelity, save_scores
from lxr.explainers.gradients import GradientTimesInput, IntegratedGradients, RankMarginGradient, SPINRec
from lxr.explainers.learned.base import LXR_FAMILIES, LearnedExplainer
from lxr.explainers.learned.lxr_network import LXR, ExplainerNetwork, lxr_loss, train_lxr
from lxr.explainers.learned.lxr_path import PathLXR, train_path_lxr
from lxr.explainers.learned.lxr_path_settings import PathSettings, default_path_settings
from lxr.explainers.learned.lxr_path_signals import CoarsePath, PathGradients, SingleItemAnswers
from lxr.explainers.learned.lxr_refined import ChosenPathLXR, RefinedLXR
from lxr.explainers.learned.lxr_settings import LXRSettings, default_settings, published_settings
from lxr.explainers.leave_one_out import LeaveOneOut
from lxr.explainers.lime import LIME, LIRE, mask_function
from lxr.explainers.objectives import OBJECTIVES, RankMargin, SoftRank
from lxr.explainers.paths import GradientPath, InsertionPath, RankMarginPath, SoftRankPath
from lxr.explainers.registry import EXPLAINERS, ExplainerSpec, register
from lxr.explainers.shapley import SHAPClusters, SHAPItems
from lxr.explainers.similarity import Cosine, Jaccard, NewestFirst, PopularItems, RandomOrder, TfIdf

__all__ = [
    "ACCENT",
    "EXPLAINERS",
    "LIME",
    "LIRE",
    "LXR",
    "LXR_FAMILIES",
    "OBJECTIVES",
    "ChosenPathLXR",
    "CoarsePath",
    "Cosine",
    "Explainer",
    "ExplainerNetwork",
    "ExplainerSpec",
    "GradientPath",
    "GradientTimesInput",
    "InsertionPath",
    "IntegratedGradients",
    "Jaccard",
    "LXRSettings",
    "LearnedExplainer",
    "LeaveOneOut",
    "NewestFirst",
    "PathGradients",
    "PathLXR",
    "PathSettings",
    "PopularItems",
    "RandomOrder",
    "RankMargin",
    "RankMarginGradient",
    "RankMarginPath",
    "RefinedLXR",
    "SHAPClusters",
    "SHAPItems",
    "SPINRec",
    "SingleItemAnswers",
    "SoftRank",
    "SoftRankPath",
    "TfIdf",
    "default_path_settings",
    "default_settings",
    "load_scores",
    "lxr_loss",
    "mask_function",
    "mean_fidelity",
    "published_settings",
    "register",
    "save_scores",
    "train_lxr",
    "train_path_lxr",
]
