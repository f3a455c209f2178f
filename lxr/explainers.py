"""The registry of explainers: one line each."""

from collections.abc import Callable

from lxr.explainer import Explainer
from lxr.gradients import GradientTimesInput
from lxr.network import default_settings, settings_from, train_lxr
from lxr.perturbation import LeaveOneOut
from lxr.registry import Registry
from lxr.similarity import Cosine, Jaccard, PopularItems, RandomOrder, TfIdf


def from_model(cls: type[Explainer]) -> Callable[..., Explainer]:
    """Factory of an explainer that asks the recommender alone."""

    def make(model, train_matrix, validation_matrix=None, seed=0, **options):
        return cls(model, **options)

    return make


def from_similarity(cls: type[Explainer]) -> Callable[..., Explainer]:
    """Factory of an explainer that asks the training users alone."""

    def make(model, train_matrix, validation_matrix=None, seed=0, **options):
        return cls(model, train_matrix, **options)

    return make


def random_order(model, train_matrix, validation_matrix=None, seed=0, **options):
    """Factory of the random order."""
    return RandomOrder(model, seed, **options)


def learning_to_explain(model, train_matrix, validation_matrix=None, seed=0, **options):
    """Factory of LXR; options are the fields of :class:`lxr.LXRSettings`, published values by default."""
    return train_lxr(model, train_matrix, validation_matrix, seed, settings_from(options, default_settings(model)))


# name -> factory(model, train_matrix, validation_matrix=None, seed=0, **options). Figures keep this order and its colours.
EXPLAINERS: dict[str, Callable[..., Explainer]] = Registry(
    "explainer",
    {
        "random": random_order,
        "popularity": from_similarity(PopularItems),
        "jaccard": from_similarity(Jaccard),
        "cosine": from_similarity(Cosine),
        "tf-idf": from_similarity(TfIdf),
        "lxr": learning_to_explain,
        "leave-one-out": from_model(LeaveOneOut),
        "gradient": from_model(GradientTimesInput),
    },
)
