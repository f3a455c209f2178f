"""Level 5: explainers and the objectives that they explain; LXR is one family of them.

Each class documents its options. :data:`lxr.EXPLAINERS` makes them by name, and fills in training users and seed.
:func:`register` adds a class to it.

Example:
    >>> import lxr
    >>> from lxr.explainers import LeaveOneOut
    >>> model = lxr.MF(4)
    >>> LeaveOneOut(model, batch_size=64).batch_size, lxr.EXPLAINERS["leave-one-out"].cls is LeaveOneOut
    (64, True)
"""

from lxr.explainers.accent import ACCENT
from lxr.explainers.base import Explainer
from lxr.explainers.gradients import GradientTimesInput, IntegratedGradients, RankMarginGradient, SPINRec
from lxr.explainers.learned import LearnedExplainer
from lxr.explainers.leave_one_out import LeaveOneOut
from lxr.explainers.lime import LIME, LIRE
from lxr.explainers.lxr_network import LXR
from lxr.explainers.lxr_path import PathLXR
from lxr.explainers.lxr_refined import RefinedLXR
from lxr.explainers.paths import GradientPath, InsertionPath, RankMarginPath, SoftRankPath
from lxr.explainers.registry import EXPLAINERS, ExplainerSpec, register
from lxr.explainers.shapley import SHAPClusters, SHAPItems
from lxr.explainers.similarity import Cosine, Jaccard, PopularItems, RandomOrder, TfIdf

__all__ = [
    "ACCENT",
    "EXPLAINERS",
    "LIME",
    "LIRE",
    "LXR",
    "Cosine",
    "Explainer",
    "ExplainerSpec",
    "GradientPath",
    "GradientTimesInput",
    "InsertionPath",
    "IntegratedGradients",
    "Jaccard",
    "LearnedExplainer",
    "LeaveOneOut",
    "PathLXR",
    "PopularItems",
    "RandomOrder",
    "RankMarginGradient",
    "RankMarginPath",
    "RefinedLXR",
    "SHAPClusters",
    "SHAPItems",
    "SPINRec",
    "SoftRankPath",
    "TfIdf",
    "register",
]
