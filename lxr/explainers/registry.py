"""The registry of explainers: one line each."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import scipy.sparse as sp

from lxr.explainers.accent import ACCENT
from lxr.explainers.base import Explainer
from lxr.explainers.gradients import GradientTimesInput, IntegratedGradients, RankMarginGradient, SPINRec
from lxr.explainers.leave_one_out import LeaveOneOut
from lxr.explainers.lime import LIME, LIRE
from lxr.explainers.lxr_network import LXR, train_lxr
from lxr.explainers.lxr_path import SEARCH_SPACE as PATH_SEARCH_SPACE
from lxr.explainers.lxr_path import Aim, Kind, PathLXR, default_path_settings, train_path_lxr
from lxr.explainers.lxr_refined import RefinedLXR
from lxr.explainers.lxr_settings import Variant, default_settings, search_space, settings_from
from lxr.explainers.paths import RankMarginPath, SoftRankPath
from lxr.explainers.shapley import SHAPClusters, SHAPItems
from lxr.explainers.similarity import Cosine, Jaccard, PopularItems, RandomOrder, TfIdf
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_options, check_seed, default_options
from lxr.utils.registry import Registry


@dataclass(frozen=True)
class Factory:
    """Makes explainers of recommenders.

    Attributes:
        make: of a recommender, training and validation histories, a seed and options.
        search_space: what :mod:`lxr.tuning` may choose options from.
        defaults: options that :attr:`make` takes for a recommender unless it is told otherwise.
        needs_gradient: whether the recommender must be differentiable; else it may be a black box.
        load: reads what an explainer that :attr:`make` has trained saved, for a recommender; None if it trains nothing.
    """

    make: Callable[..., Explainer]
    search_space: Mapping = field(default_factory=dict)
    defaults: Callable[[Recommender], dict] = lambda model: {}
    needs_gradient: bool = False
    load: Callable[[str | Path, Recommender], Explainer] | None = None

    @property
    def learns(self) -> bool:
        """Whether :attr:`make` trains, and so takes ``criterion`` and ``report``, as :func:`lxr.train_lxr` does."""
        return self.load is not None

    def __call__(
        self,
        model: Recommender,
        train_matrix: sp.csr_matrix,
        validation_matrix: sp.csr_matrix | None = None,
        seed: int = 0,
        **options,
    ) -> Explainer:
        """An explainer of a recommender.

        Args:
            model: the explained recommender.
            train_matrix: (n, I) CSR histories of the training users.
            validation_matrix: (m, I) CSR histories by which what learns chooses its epoch.
            seed: of all that is random.
            options: of the explainer.

        Raises:
            ValueError: an unknown or impossible option, or a recommender without a gradient where one is needed.
        """
        return self.make(model, train_matrix, validation_matrix, check_seed(seed), **options)


def factory(cls: type[Explainer], *, users: bool = False, seeded: bool = False) -> Factory:
    """Factory of an explainer that may need the training users or a seed beside the recommender."""

    known = [name for name in default_options(cls) if name != "seed"]

    def make(model, train_matrix, validation_matrix, seed, **options):
        check_options(known, **{cls.__name__: options})
        options |= ({"train_matrix": train_matrix} if users else {}) | ({"seed": seed} if seeded else {})
        return cls(model, **options)

    return Factory(make, cls.search_space, lambda model: default_options(cls) | cls.sized(model.n_items), cls.needs_gradient)


def learning_to_explain(variant: Variant) -> Factory:
    """Factory of LXR; options are the fields of :class:`lxr.LXRSettings`, published values of the variant by default."""

    def make(model, train_matrix, validation_matrix, seed, report=None, **options):
        settings = settings_from(options, default_settings(model, variant))
        return train_lxr(model, train_matrix, validation_matrix, seed, settings, report)

    return Factory(
        make,
        search_space(variant),
        lambda model: asdict(default_settings(model, variant)),
        needs_gradient=True,
        load=LXR.load,
    )


def imitating(objective: Aim, signals: Kind) -> Factory:
    """Factory of LXR that imitates paths; options are the fields of :class:`lxr.PathSettings`."""
    base = default_path_settings(objective, signals)

    def make(model, train_matrix, validation_matrix, seed, report=None, **options):
        return train_path_lxr(model, train_matrix, validation_matrix, seed, settings_from(options, base), report)

    space = {name: values for name, values in PATH_SEARCH_SPACE.items() if objective == "rank" or "tau" not in name}
    return Factory(make, space, lambda model: asdict(base), needs_gradient=True, load=PathLXR.load)


def refined() -> Factory:
    """Factory of refined LXR; options are its own and those of LXR, which is trained unless given as ``explainer``."""
    own = {name: value for name, value in default_options(RefinedLXR).items() if name in RefinedLXR.search_space}

    def make(model, train_matrix, validation_matrix, seed, explainer=None, **options):
        refinement = {name: options.pop(name) for name in own if name in options}
        settings = settings_from(options, default_settings(model))
        explainer = explainer or train_lxr(model, train_matrix, validation_matrix, seed, settings)
        return RefinedLXR(explainer, **refinement)

    return Factory(make, RefinedLXR.search_space, lambda model: own | asdict(default_settings(model)), needs_gradient=True)


EXPLAINERS: dict[str, Factory] = Registry(
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
        "lxr": learning_to_explain("combined"),
        "lxr-combined": learning_to_explain("combined"),
        "lxr-pos": learning_to_explain("pos"),
        "lxr-neg": learning_to_explain("neg"),
        "lxr-refined": refined(),
        "lxr-path-rank": imitating("rank", "gradients"),
        "lxr-path": imitating("rank", "gradients"),  # the same
        "lxr-path-score": imitating("score", "gradients"),
        "lxr-path-pure-rank": imitating("rank", "answers"),
        "lxr-path-pure": imitating("rank", "answers"),  # the same
        "lxr-path-pure-score": imitating("score", "answers"),
        "leave-one-out": factory(LeaveOneOut),
        "gradient": factory(GradientTimesInput),
        "integrated-gradients": factory(IntegratedGradients, users=True, seeded=True),
        "spinrec": factory(SPINRec, users=True, seeded=True),
        "rank-margin": factory(RankMarginGradient),
        "rank-margin-path": factory(RankMarginPath),
        "soft-rank-path": factory(SoftRankPath),
    },
)


"""Name → factory(model, train_matrix, validation_matrix=None, seed=0, **options). Figures keep their order and colours."""


SAME = {"lxr-combined": "lxr", "lxr-path": "lxr-path-rank", "lxr-path-pure": "lxr-path-pure-rank"}


"""Second names of explainers → first ones."""
