"""Registry of explainers: one line each."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import scipy.sparse as sp

from lxr.data.histories import EntryLists
from lxr.explainers.accent import ACCENT
from lxr.explainers.base import Explainer
from lxr.explainers.gradients import GradientTimesInput, IntegratedGradients, RankMarginGradient, SPINRec
from lxr.explainers.learned.base import LearnedExplainer
from lxr.explainers.learned.lxr_network import LXR, train_lxr
from lxr.explainers.learned.lxr_path import PathLXR, train_path_lxr
from lxr.explainers.learned.lxr_path_settings import SEARCH_SPACE as PATH_SEARCH_SPACE
from lxr.explainers.learned.lxr_path_settings import Aim, Kind, PathSettings, default_path_settings
from lxr.explainers.learned.lxr_refined import ChosenPathLXR, RefinedLXR
from lxr.explainers.learned.lxr_settings import LXRSettings, Variant, default_settings, search_space, settings_from
from lxr.explainers.leave_one_out import LeaveOneOut
from lxr.explainers.lime import LIME, LIRE
from lxr.explainers.paths import RankMarginPath, SoftRankPath
from lxr.explainers.shapley import SHAPClusters, SHAPItems
from lxr.explainers.similarity import Cosine, Jaccard, NewestFirst, PopularItems, RandomOrder, TfIdf
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_options, check_seed, default_options
from lxr.utils.registry import Registry

_FILLED = ("train_matrix", "validation_matrix", "seed")  # arguments that a call passes to every class that has them
_IDENTITY = ("objective", "criterion")  # options that distinguish an explainer with a preset from its class


@dataclass(frozen=True)
class ExplainerSpec:
    """A registered explainer: makes explainers of recommenders and describes them.

    It has the docstring of the class; its signature lists the options after the arguments of a call.

    Attributes:
        cls: class of the explainers.
        family: group of explainers with one idea: ``"similarity"``, ``"perturbation"``, ``"surrogate"``, ``"gradient"``,
            ``"path"``, ``"lxr"``, ``"lxr-path"``, or ``"registered"`` for explainers of :func:`register`.
        make: function of a recommender, training and validation histories (CSR, or :class:`lxr.EntryLists` if the
            recommender uses their order), a seed and options.
        options: classes whose arguments with a default are the options.
        search_space: options that :mod:`lxr.tuning` may choose, with their values.
        defaults: default options for a recommender and histories of the training users.
        aliases: further names.
        preset: options with other defaults than in the class.
        depends_on: name of the trained explainer that this one refines (its option ``explainer``), or None.

    Example:
        >>> spec = EXPLAINERS["lxr-path"]  # an alias
        >>> spec.cls.__name__, spec.family, spec.aliases, spec.is_trained, spec.is_signed
        ('PathLXR', 'lxr-path', ('lxr-path',), True, False)
    """

    cls: type[Explainer]
    family: str
    make: Callable[..., Explainer]
    options: tuple[type, ...]
    search_space: Mapping
    defaults: Callable[[Recommender, EntryLists | sp.csr_matrix], dict]
    aliases: tuple[str, ...] = ()
    preset: Mapping = field(default_factory=dict)
    depends_on: str | None = None

    def __post_init__(self):
        object.__setattr__(self, "__doc__", self.cls.__doc__)
        object.__setattr__(self, "__signature__", self._signature())

    def _signature(self) -> inspect.Signature:
        """Arguments of a call, and the options by name."""
        _, *arguments, _ = inspect.signature(type(self).__call__).parameters.values()
        sources: tuple[Callable, ...] = (self.make, *self.options)
        options = {
            each.name: each.replace(kind=each.KEYWORD_ONLY, default=self.preset.get(each.name, each.default))
            for function in sources
            for each in inspect.signature(function).parameters.values()
            if each.default is not each.empty and each.name not in _FILLED
        }
        return inspect.Signature([*arguments, *options.values()], return_annotation=self.cls)

    @property
    def is_trained(self) -> bool:
        """Whether ``make`` trains a network, with the options ``criterion`` and ``report`` of :func:`lxr.train_lxr`."""
        return issubclass(self.cls, LearnedExplainer)

    @property
    def needs_gradient(self) -> bool:
        """Whether the recommender must be differentiable, at least for the training."""
        return self.is_trained or self.cls.needs_gradient

    @property
    def is_signed(self) -> bool:
        """Whether a score below zero means that the item speaks against the recommendation."""
        return self.cls.is_signed

    def fits(self, model: Recommender) -> bool:
        """True if the recommender has the gradient that this explainer needs, and no order that it ignores."""
        return (model.differentiable or not self.needs_gradient) and not (model.is_ordered and self.cls.ignores_order)

    @property
    def load(self) -> Callable[[str | Path, Recommender], Explainer] | None:
        """Function that reads a saved explainer for a recommender; None for explainers without training."""
        return self.cls.load if issubclass(self.cls, LearnedExplainer) else None

    def __call__(
        self,
        model: Recommender,
        train_matrix: EntryLists | sp.csr_matrix,
        validation_matrix: EntryLists | sp.csr_matrix | None = None,
        seed: int = 0,
        **options,
    ) -> Explainer:
        """An explainer of a recommender.

        Args:
            model: the explained recommender.
            train_matrix: histories of the training users: (n, I) CSR, or :class:`lxr.EntryLists`. A recommender that uses
                the order of entries needs the latter.
            validation_matrix: histories for the choice of a trained explainer's epoch, in the same form.
            seed: seed of all randomness.
            options: options of the explainer.

        Raises:
            ValueError: an unknown or impossible option, a recommender that lacks a necessary gradient, or a matrix for a
                recommender that uses the order of entries.
        """
        train_matrix, validation_matrix = (
            each.matrix() if isinstance(each, EntryLists) and not model.is_ordered else each
            for each in (train_matrix, validation_matrix)
        )
        return self.make(model, train_matrix, validation_matrix, check_seed(seed), **options)


def _own_options(cls: type) -> dict:
    """Options of a class with their defaults, without the arguments that a call passes."""
    return {name: value for name, value in default_options(cls).items() if name not in _FILLED}


def made_by_class(cls: type[Explainer], family: str, aliases: tuple[str, ...] = (), **preset) -> ExplainerSpec:
    """Spec of an explainer that its class makes, with training users, validation users and seed if the class takes them.

    ``preset`` are options with other defaults than in the class. Tuning does not change the options that distinguish such
    an explainer from its class: its objective and its criterion.
    """
    known = _own_options(cls) | preset
    taken = [name for name in _FILLED if name in inspect.signature(cls).parameters]

    def make(model, train_matrix, validation_matrix, seed, **options):
        check_options(known, **{cls.__name__: options})
        given = {"train_matrix": train_matrix, "validation_matrix": validation_matrix, "seed": seed}
        return cls(model, **preset | options, **{name: given[name] for name in taken})

    def defaults(model, _):
        return known | cls.catalogue_defaults(model.n_columns) | preset

    space = {name: values for name, values in cls.search_space.items() if name not in preset or name not in _IDENTITY}
    return ExplainerSpec(cls, family, make, (cls,), space, defaults, aliases, preset)


def _learning_to_explain(variant: Variant, *aliases: str) -> ExplainerSpec:
    """Spec of LXR; options are the fields of :class:`lxr.LXRSettings`, with the defaults of :func:`default_settings`."""

    def make(model, train_matrix, validation_matrix, seed, report=None, **options):
        settings = settings_from(options, default_settings(model, train_matrix, variant))
        return train_lxr(model, train_matrix, validation_matrix, seed, settings=settings, report=report)

    def defaults(model, train_matrix):
        return asdict(default_settings(model, train_matrix, variant))

    return ExplainerSpec(LXR, "lxr", make, (LXRSettings,), search_space(variant), defaults, aliases)


def _imitating(objective: Aim, signals: Kind, *aliases: str) -> ExplainerSpec:
    """Spec of LXR on paths; options are the fields of :class:`lxr.PathSettings`."""
    base = default_path_settings(objective, signals)

    def make(model, train_matrix, validation_matrix, seed, report=None, executor=None, **options):
        how = {"settings": settings_from(options, base), "report": report, "executor": executor}
        return train_path_lxr(model, train_matrix, validation_matrix, seed, **how)

    idle = {"score": ("tau", "first_tau"), "answers": ("places",)}  # options without effect for an objective or for signals
    ignored = (*idle.get(objective, ()), *idle.get(signals, ()))
    space = {name: values for name, values in PATH_SEARCH_SPACE.items() if name not in ignored}
    return ExplainerSpec(PathLXR, "lxr-path", make, (PathSettings,), space, lambda *_: asdict(base), aliases)


def _improved(cls: type[Explainer], name: str, trained: ExplainerSpec) -> ExplainerSpec:
    """Spec of a class that refines a trained explainer (given by name) for each user.

    Its options include those of the trained explainer, which is trained unless given as ``explainer``.
    """
    improve: Callable[..., Explainer] = cls
    of_training = default_options(trained.options[0])
    own = {option: value for option, value in default_options(cls).items() if option not in of_training}

    def make(model, train_matrix, validation_matrix, seed, explainer=None, **options):
        mine = {option: options.pop(option) for option in own if option in options}
        check_options(of_training, **{trained.options[0].__name__: options})
        return improve(explainer or trained(model, train_matrix, validation_matrix, seed, **options), **mine)

    def defaults(model, train_matrix):
        return own | trained.defaults(model, train_matrix)

    classes = (cls, *trained.options)
    return ExplainerSpec(cls, trained.family, make, classes, cls.search_space, defaults, depends_on=name)


_LXR = _learning_to_explain("combined", "lxr-combined")
_LXR_PATH = _imitating("rank", "gradients", "lxr-path")
EXPLAINERS: Registry[ExplainerSpec] = Registry(
    "explainer",
    {
        "random": made_by_class(RandomOrder, "similarity"),
        "popularity": made_by_class(PopularItems, "similarity"),
        "jaccard": made_by_class(Jaccard, "similarity"),
        "cosine": made_by_class(Cosine, "similarity"),
        "tf-idf": made_by_class(TfIdf, "similarity"),
        "lime": made_by_class(LIME, "surrogate"),
        "lime-rank": made_by_class(LIME, "surrogate", objective="rank-margin"),
        "lire": made_by_class(LIRE, "surrogate"),
        "lire-rank": made_by_class(LIRE, "surrogate", objective="rank-margin"),
        "shap": made_by_class(SHAPClusters, "surrogate"),
        "shap-items": made_by_class(SHAPItems, "surrogate"),
        "shap-items-rank": made_by_class(SHAPItems, "surrogate", objective="rank-margin"),
        "accent": made_by_class(ACCENT, "perturbation"),
        "lxr": _LXR,
        "lxr-pos": _learning_to_explain("pos"),
        "lxr-neg": _learning_to_explain("neg"),
        "lxr-refined": _improved(RefinedLXR, "lxr", _LXR),
        "lxr-path-rank": _LXR_PATH,
        "lxr-path-chosen": _improved(ChosenPathLXR, "lxr-path-rank", _LXR_PATH),
        "lxr-path-score": _imitating("score", "gradients"),
        "lxr-path-pure-rank": _imitating("rank", "answers", "lxr-path-pure"),
        "lxr-path-pure-score": _imitating("score", "answers"),
        "leave-one-out": made_by_class(LeaveOneOut, "perturbation"),
        "gradient": made_by_class(GradientTimesInput, "gradient"),
        "integrated-gradients": made_by_class(IntegratedGradients, "gradient"),
        "integrated-gradients-rank": made_by_class(IntegratedGradients, "gradient", objective="soft-rank"),
        "spinrec": made_by_class(SPINRec, "gradient"),
        "spinrec-rank": made_by_class(SPINRec, "gradient", objective="soft-rank", criterion="NDCG", n_samples=20, n_steps=5),
        "rank-margin": made_by_class(RankMarginGradient, "gradient"),
        "rank-margin-path": made_by_class(RankMarginPath, "path"),
        "soft-rank-path": made_by_class(SoftRankPath, "path"),
    },
    by_name={"recent": made_by_class(NewestFirst, "similarity")},  # for histories with an order
)
"""Name → spec, called as ``(model, train_matrix, validation_matrix=None, seed=0, **options)``. Figures keep this order."""


def register(name: str, cls: type[Explainer], aliases: tuple[str, ...] = ()) -> None:
    """Add an explainer to :data:`lxr.EXPLAINERS`, for tables, figures, tuning and contract tests.

    The constructor takes the recommender first. It gets ``train_matrix``, ``validation_matrix`` and ``seed`` if it has
    arguments of these names: histories in CSR, or :class:`lxr.EntryLists` for a recommender that uses their order. All
    others are options and need a default. To include it in a run, put the class and this call into a file:
    ``run_all.py --plugin my_explainer.py``.

    Args:
        name: name in the registry, on the command line, in file names and in tables.
        cls: a subclass of :class:`lxr.Explainer`. The same class may be registered again, for example by a cell that runs
            twice.
        aliases: further names.

    Raises:
        ValueError: an invalid or used name, not a subclass of :class:`lxr.Explainer`, or an argument without a default.

    Example:
        >>> import lxr
        >>> class Newest(lxr.Explainer):
        ...     def importance(self, histories, target):
        ...         return histories.real.cumsum(dim=1).float()
        >>> lxr.explainers.register("newest", Newest)
        >>> lxr.EXPLAINERS["newest"].family
        'registered'
        >>> del lxr.EXPLAINERS["newest"]
    """
    if not (isinstance(cls, type) and issubclass(cls, Explainer)):
        raise ValueError(f"cls: expected a subclass of lxr.Explainer, found {cls!r}")
    aliases = tuple(aliases)
    for each in (name, *aliases):
        _check_name(each, cls)
    _, *others = inspect.signature(cls).parameters.values()
    missing = [each.name for each in others if each.default is each.empty and each.name not in _FILLED]
    if missing:
        raise ValueError(f"{cls.__name__}: expected a default for every option, found none for {missing[0]!r}")
    EXPLAINERS[name] = made_by_class(cls, "registered", aliases)


def _check_name(name: object, cls: type[Explainer]) -> None:
    """Refuse a name that is not valid in file names or that another class has."""
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9]+([-_][a-z0-9]+)*", name) or name == "recommender":
        raise ValueError(f"name: expected lower-case letters and digits, joined by hyphens, found {name!r}")
    known = EXPLAINERS.get(name)
    if known and (known.cls.__module__, known.cls.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(f"name: expected a new name, found {name!r}, an explainer of the class {known.cls.__name__}")
