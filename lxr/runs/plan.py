"""Names of the notebooks and their parameters in a full run, as tables for the plan of a run."""

from collections.abc import Iterable
from typing import Any

from lxr.delivery.compare import COMPARED
from lxr.explainers.registry import EXPLAINERS

TINY_DATASET, TINY_SEQUENCES = "synthetic", "synthetic-sequences"
ALL = "all"  # stands for all names of explainers
RECOMMENDER_NOTEBOOKS = {
    "mf": "02_mf",
    "vae": "03_vae",
    "ncf": "04_ncf",
    "ease": "19_ease",
    "lightgcn": "20_lightgcn",
    "sasrec": "21_sasrec",
    "gru4rec": "22_gru4rec",
}
TUNING, LXR_NOTEBOOK, PATH_NOTEBOOK, BASELINES = "11_tuning", "05_lxr", "07_lxr_path", "10_baselines"
EXPLAINING = (LXR_NOTEBOOK, PATH_NOTEBOOK, BASELINES)
PATH_ANALYSIS = "08_lxr_path_analysis"
SANITY, ONE_SHOT, PROTOCOL, REPORT = "14_sanity", "15_one_shot", "16_protocol", "18_report"
STUDIES = (SANITY, PROTOCOL)  # of reliability; the default run leaves them out
ORDER = "23_order"  # of recommenders that use the order of entries
EXPLORE = "explore"  # not a stage of a run, but an argument of --before
QUICKSTART = "00_quickstart"  # not a stage of a run; it needs no stages
ABLATIONS = {"06_lxr_ablation": "lxr", "09_lxr_path_ablation": "lxr-path-rank"}  # notebook → the ablated explainer
# The slowest first, to keep all processors busy at the end.
JUDGING = (SANITY, PROTOCOL, "13_bounds", "17_counterfactual_sets", "12_evaluation", ONE_SHOT)
JUDGING_OF_REPEATED_SEEDS = ("12_evaluation", ONE_SHOT)

# Explainers in the comparison with one-shot methods: LXR on paths, the paths, and the published LXR.
ONE_SHOT_OPPONENTS = {"lxr", "leave-one-out", *EXPLAINERS.names("path", "lxr-path")}

# Explainers of the repetitions on further splits and with other targets.
HEADLINE = (
    "random",
    "cosine",
    "recent",
    "lxr",
    "lxr-path-rank",
    "leave-one-out",
    "gradient",
    "spinrec",
    "spinrec-rank",
    "rank-margin-path",
)

# Hyperparameters of the recommenders in a full run: those that tuning may replace, and fixed ones.
TUNABLE_PARAMETERS: dict[str, dict[str, Any]] = {
    "mf": {"n_factors": 64, "dropout": 0.3, "batch_size": 256, "learning_rate": 0.002},
    "vae": {"n_hidden": 512, "n_latent": 128, "dropout": 0.5, "beta": 0.2, "batch_size": 128, "learning_rate": 0.001},
    "ncf": {"n_factors": 64, "dropout": 0.5, "batch_size": 256, "learning_rate": 0.003},
    "ease": {"regularization": 500.0},
    "lightgcn": {"n_factors": 64, "n_layers": 1, "dropout": 0.5, "batch_size": 256, "learning_rate": 0.01},
    "sasrec": {"n_factors": 64, "n_layers": 2, "dropout": 0.3, "batch_size": 256, "learning_rate": 0.002},
    "gru4rec": {"n_factors": 64, "dropout": 0.3, "batch_size": 256, "learning_rate": 0.002},
}
FIXED_PARAMETERS: dict[str, dict[str, Any]] = {
    "mf": {"epochs": 300},
    "vae": {"epochs": 200, "anneal_steps": 500},
    "ncf": {"epochs": 200},
    "ease": {},
    "lightgcn": {"epochs": 200},
    "sasrec": {"epochs": 200},
    "gru4rec": {"epochs": 200},
}
FIT_OPTIONS = ("epochs", "batch_size", "learning_rate")  # hyperparameters of the training, not of the class

# The notebooks' defaults are the tiny run; these are the full run. Keys: a notebook, or a notebook and a recommender.
FULL_RUN_PARAMETERS: dict[str, dict[str, Any]] = {
    LXR_NOTEBOOK: {"epochs": 60},  # the best ones are often among the last of 40
    TUNING: {"trials": 20, "n_users": 300},
    "06_lxr_ablation": {"epochs": 60},
    "09_lxr_path_ablation": {"epochs": 20, "n_users": 5000, "fewer_users": [100, 300, 1000, 3000]},
    "12_evaluation": {"n_resamples": 1000},
    "13_bounds": {"n_users": 200, "n_exhaustive": 100},
    "17_counterfactual_sets": {"n_users": 100, "time_limit": 2.0},
    # The recommender is trained for every weight, and LXR for each recommender.
    PROTOCOL: {"lxr_epochs": 40, "positive_weights": []},
    f"{PROTOCOL}-mf": {"positive_weights": [1, 10, 60]},
    # Explanations and the training of LXR are repeated for every changed recommender: fewer users and epochs if slow.
    f"{SANITY}-mf": {"n_users": 60, "lxr_epochs": 5},
    f"{SANITY}-vae": {"n_users": 30, "lxr_epochs": 2},
    **{f"{SANITY}-{name}": {"n_users": 30, "lxr_epochs": 2} for name in ("ncf", "ease", "lightgcn", "sasrec", "gru4rec")},
    ORDER: {"n_users": 500},
}


def notebook_of(explainer: str) -> str:
    """The notebook that makes an explainer."""
    return {"lxr": LXR_NOTEBOOK, "lxr-path": PATH_NOTEBOOK}.get(EXPLAINERS[explainer].family, BASELINES)


def default_explainers(*reasons: object) -> list[str]:
    """Default explainers of a run: those of :func:`lxr.compare`, of plugins and by order, or all if there is a reason."""
    if any(reasons):
        return [ALL]
    shown = [name for name, spec in EXPLAINERS.items() if name in COMPARED or spec.family == "registered"]
    return [*shown, *EXPLAINERS.by_name]


def in_registry_order(names: Iterable[str]) -> list[str]:
    """Primary names of explainers in the order of the registry, each once; ``"all"`` stands for all."""
    given = set(names)
    known = [*EXPLAINERS.names("similarity"), *EXPLAINERS.by_name, *EXPLAINERS.names(without=("similarity",))]
    wanted = {EXPLAINERS.primary(name) for name in (known if ALL in given else given)}
    return [name for name in known if name in wanted]


def explainers_of(names: Iterable[str], *, ordered: bool) -> list[str]:
    """Named explainers that can explain a recommender, as :func:`in_registry_order` lists them.

    Args:
        names: names of explainers, or ``"all"``.
        ordered: whether the recommender uses the order of entries. If so, explainers that ignore it, ``"shap"``, are left
            out; if not, explainers by order, ``"recent"``.
    """

    def fits(name: str) -> bool:
        return not EXPLAINERS[name].cls.ignores_order if ordered else name not in EXPLAINERS.by_name

    return [name for name in in_registry_order(names) if fits(name)]
