"""The registry of explainers: one line each."""

from collections.abc import Callable

from lxr.explainer import Explainer
from lxr.gradients import GradientTimesInput, IntegratedGradients, RankMarginGradient, RankMarginPath, SPINRec
from lxr.network import default_settings, settings_from, train_lxr
from lxr.perturbation import ACCENT, LeaveOneOut
from lxr.registry import Registry
from lxr.similarity import Cosine, Jaccard, PopularItems, RandomOrder, TfIdf
from lxr.surrogates import LIME, LIRE, SHAPClusters, SHAPItems


def factory(cls: type[Explainer], *, users: bool = False, seeded: bool = False) -> Callable[..., Explainer]:
    """Factory of an explainer that may need the training users or a seed beside the recommender."""

    def make(model, train_matrix, validation_matrix=None, seed=0, **options):
        options |= ({"train_matrix": train_matrix} if users else {}) | ({"seed": seed} if seeded else {})
        return cls(model, **options)

    return make


def learning_to_explain(model, train_matrix, validation_matrix=None, seed=0, **options):
    """Factory of LXR; options are the fields of :class:`lxr.LXRSettings`, published values by default."""
    return train_lxr(model, train_matrix, validation_matrix, seed, settings_from(options, default_settings(model)))


# name -> factory(model, train_matrix, validation_matrix=None, seed=0, **options). Figures keep this order and its colours.
EXPLAINERS: dict[str, Callable[..., Explainer]] = Registry(
    "explainer",
    {
        "random": factory(RandomOrder, seeded=True),
        "popularity": factory(PopularItems, users=True),
        "jaccard": factory(Jaccard, users=True),
        "cosine": factory(Cosine, users=True),
        "tf-idf": factory(TfIdf, users=True),
        "lime": factory(LIME, seeded=True),
        "lire": factory(LIRE, users=True, seeded=True),
        "shap": factory(SHAPClusters, users=True, seeded=True),
        "shap-items": factory(SHAPItems, seeded=True),
        "accent": factory(ACCENT),
        "lxr": learning_to_explain,
        "leave-one-out": factory(LeaveOneOut),
        "gradient": factory(GradientTimesInput),
        "integrated-gradients": factory(IntegratedGradients, users=True, seeded=True),
        "spinrec": factory(SPINRec, users=True, seeded=True),
        "rank-margin": factory(RankMarginGradient),
        "rank-margin-path": factory(RankMarginPath),
    },
)
