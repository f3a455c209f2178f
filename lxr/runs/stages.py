"""Which notebooks a command runs, with which parameters, and which of them need which."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lxr.explainers.registry import EXPLAINERS, LXR_FAMILIES
from lxr.runs.stage import NOTEBOOKS, Stage
from lxr.runs.summary import add_summary
from lxr.runs.workspace import PREPARATION
from lxr.tuning.records import load_tuned
from lxr.utils.storage import DataError

RECOMMENDER_NOTEBOOKS = {"mf": "02_mf", "vae": "03_vae", "ncf": "04_ncf"}
TUNING, LXR_NOTEBOOK, PATH_NOTEBOOK = "05_tuning", "05_lxr", "05_path"
ABLATIONS = {"05_ablation": "lxr", "05_path_ablation": "lxr-path-rank"}  # notebook → whose parts it takes away
ONE_SHOT = "07_one_shot"
JUDGING_AGAIN = ("07_evaluation", ONE_SHOT)  # of repeated trainings
JUDGING = ("07_sanity", "07_bounds", *JUDGING_AGAIN)  # the slowest first, so that no processor waits for it at the end
REPORT = "08_report"
EXPLORE = "explore"  # no stage of a run, but it may ask for what it needs
BASELINES = "06_baselines"
EXPLAINING = (LXR_NOTEBOOK, PATH_NOTEBOOK, BASELINES)
# What the one-shot methods stand against: all that imitates paths, the paths, and the published LXR.
AGAINST_ONE_SHOT = {"lxr", "leave-one-out"} | {
    name for name, spec in EXPLAINERS.items() if spec.family in ("path", "lxr-path")
}
# Of a full run: hyperparameters of the recommenders that tuning may replace, and those that it may not.
RECOMMENDER_START = {
    "mf": {"n_factors": 64, "dropout": 0.3, "batch_size": 256, "learning_rate": 0.002},
    "vae": {"n_hidden": 512, "n_latent": 128, "dropout": 0.5, "beta": 0.2, "batch_size": 128, "learning_rate": 0.001},
    "ncf": {"n_factors": 64, "dropout": 0.5, "batch_size": 256, "learning_rate": 0.003},
}
RECOMMENDER_FIXED = {"mf": {"epochs": 300}, "vae": {"epochs": 200, "anneal_steps": 500}, "ncf": {"epochs": 200}}
# The notebooks' own defaults are the tiny run; these make it a full one.
FULL: dict[str, dict[str, Any]] = {
    LXR_NOTEBOOK: {"epochs": 40},
    TUNING: {"trials": 20, "n_users": 300},
    "05_ablation": {"epochs": 40},
    "05_path_ablation": {"epochs": 20, "n_users": 5000, "fewer_users": [100, 300, 1000, 3000]},
    "07_evaluation": {"n_resamples": 1000},
    "07_bounds": {"n_users": 200, "n_exhaustive": 100},
    # Explaining is repeated for every changed recommender, and LXR trained: fewer users and epochs where that is slow.
    "07_sanity-mf": {"n_users": 60, "lxr_epochs": 5},
    "07_sanity-vae": {"n_users": 30, "lxr_epochs": 2},
    "07_sanity-ncf": {"n_users": 30, "lxr_epochs": 2},
}
FIT_OPTIONS = ("epochs", "batch_size", "learning_rate")
TINY_DATASET = "synthetic"


@dataclass
class Run:
    """The stages of one run, from raw ratings on, as they are added.

    Attributes:
        options: of the command line.
        results: directory of all results of the run.
        seed: of all but the split, which is that of the command.
        folder: of the stages' names.
        stages: so far.
    """

    options: argparse.Namespace
    results: Path
    seed: int
    folder: str = ""
    stages: list[Stage] = field(default_factory=list)

    @property
    def tiny(self) -> bool:
        """Whether notebooks keep their own parameters."""
        return self.options.smoke or self.options.dataset == TINY_DATASET

    @property
    def one_shot(self) -> bool:
        """Whether there is what one-shot methods stand against."""
        return set(self.options.explainers) >= AGAINST_ONE_SHOT

    def tuned(self, recommender: str) -> dict[str, dict]:
        """``"recommender"`` and explainers → records of their tuning; what is not there keeps its own options.

        Only of the split of the command: the validation users of another one may be test users here.
        """
        if self.tiny or self.options.hyperparameters == "published":
            return {}
        records = load_tuned(self.options.dataset, recommender, self.options.results)
        return {what: record for what, record in records.items() if record["seed"] == self.options.seed}

    def chosen(self, recommender: str) -> dict[str, dict]:
        """``"recommender"`` and explainers → tuned options; what learns chooses its epoch by the metric of its tuning."""
        options = {}
        for what, record in self.tuned(recommender).items():
            is_trained = what in EXPLAINERS and EXPLAINERS[what].is_trained
            options[what] = record["options"] | ({"criterion": record["metric"]} if is_trained else {})
        return options

    def add(self, notebook: str, parameters: dict, needs: Sequence[str] = (), recommender: str | None = None) -> str:
        """Add a notebook; returns the stage's name."""
        about = {"dataset": self.options.dataset, "results": str(self.results), "seed": self.seed}
        name, full = notebook, FULL.get(notebook, {})
        if recommender:
            about["recommender"] = recommender
            name, full = f"{notebook}-{recommender}", full | FULL.get(f"{notebook}-{recommender}", {})
        parameters = about | ({} if self.tiny else full) | parameters
        path = NOTEBOOKS / f"{notebook}.ipynb"
        self.stages.append(Stage(self.folder + name, path, parameters, tuple(needs), goes_on=notebook == TUNING))
        return self.folder + name

    def prepare(self) -> str:
        """Add the preparation of the data."""
        told = {"user_features": True} if self.options.user_features else {}
        told |= {"n_test": self.options.test_users} if self.options.test_users else {}
        return self.add(PREPARATION, self.options.source.parameters | told | {"seed": self.options.seed})

    def training(self, recommender: str) -> dict:
        """Hyperparameters of a recommender; none in a tiny run."""
        if self.tiny:
            return {}
        tuned = self.chosen(recommender).get("recommender", {})
        return RECOMMENDER_FIXED[recommender] | RECOMMENDER_START[recommender] | tuned

    def train(self, recommender: str, data: str) -> str:
        """Add the training of a recommender."""
        parameters = {"device": self.options.device} | self.training(recommender)
        return self.add(RECOMMENDER_NOTEBOOKS[recommender], parameters, [data])

    def tune(self, recommender: str, needs: list[str]) -> None:
        """Add the tuning of a recommender, or of all its explainers that have options."""
        budget = {
            name: getattr(self.options, name) for name in ("trials", "minutes") if getattr(self.options, name) is not None
        }
        parameters = {"device": self.options.device, "workers": self.options.workers} | budget
        if self.options.tune == "recommenders":
            parameters["tuned"] = ["recommender"]
            if not self.tiny:
                parameters["fixed"] = {"recommender": RECOMMENDER_FIXED[recommender]}
                parameters["start"] = {"recommender": RECOMMENDER_START[recommender]}
        else:
            parameters["tuned"] = [name for name in self.options.explainers if EXPLAINERS[name].search_space]
            if not self.tiny:
                made = [name for name in parameters["tuned"] if maker(name) == LXR_NOTEBOOK]
                fixed = {name: FULL[LXR_NOTEBOOK] for name in made if EXPLAINERS[name].is_trained}
                if "lxr" not in fixed:  # lxr-refined refines it
                    fixed["lxr"] = FULL[LXR_NOTEBOOK] | self.chosen(recommender).get("lxr", {})
                parameters["fixed"] = fixed
        self.add(TUNING, parameters, needs, recommender)

    def explain(self, recommender: str, needs: list[str]) -> list[str]:
        """Add the explainers of a recommender."""
        chosen, added = self.chosen(recommender), []
        for notebook in EXPLAINING:
            names = [name for name in self.options.explainers if maker(name) == notebook]
            if names:
                needed = {*names, *(EXPLAINERS[name].depends_on for name in names)}
                told = {"explainers": names, "options": {name: chosen[name] for name in chosen if name in needed}}
                added.append(self.add(notebook, told | {"device": self.options.device}, needs, recommender))
        return added

    def judge(self, recommender: str, needs: list[str], notebooks: Sequence[str]) -> None:
        """Add what judges the explanations of a recommender."""
        explainers = self.options.explainers
        options = {name: value for name, value in self.chosen(recommender).items() if name in explainers}
        parameters = {
            "07_evaluation": {"explainers": explainers, "options": options},
            ONE_SHOT: {"one_shot": [name for name in explainers if EXPLAINERS[name].family not in ("path", *LXR_FAMILIES)]},
            "07_bounds": {"explainers": explainers},
            # Explaining is repeated for every changed recommender, and LXR trained: one stands for its family.
            "07_sanity": {
                "explainers": [name for name in explainers if name == "lxr" or maker(name) == BASELINES],
                "options": options,
            }
            | {name: value for name, value in self.training(recommender).items() if name in FIT_OPTIONS},
        }
        for notebook in notebooks:
            if notebook == ONE_SHOT and not self.one_shot:
                continue
            self.add(notebook, parameters[notebook] | {"device": self.options.device}, needs, recommender)


def maker(explainer: str) -> str:
    """The notebook that makes an explainer."""
    return {"lxr": LXR_NOTEBOOK, "lxr-path": PATH_NOTEBOOK}.get(EXPLAINERS[explainer].family, BASELINES)


def build_stages(options: argparse.Namespace) -> list[Stage]:
    """The graph of notebooks for the chosen dataset, recommenders, explainers and seeds; or of their tuning."""
    runs = [
        Run(options, options.results / options.dataset / f"seeds/{seed}", seed, f"seeds/{seed}/{options.dataset}/")
        for seed in options.seeds
    ]
    runs.append(Run(options, options.results, options.seed))
    for run in runs[-1:] if options.tune else runs:
        last = run is runs[-1]
        data = run.prepare()
        for recommender in options.recommenders:
            if options.tune == "recommenders":
                run.tune(recommender, [data])
                continue
            needs = [data, run.train(recommender, data)]
            if options.tune:
                run.tune(recommender, needs)
                continue
            explained = run.explain(recommender, needs)
            if options.before == EXPLORE:
                run.add(EXPLORE, {}, [*needs, *(name for name in explained if LXR_NOTEBOOK in name)], recommender)
            if options.ablation and last:
                for notebook, name in ABLATIONS.items():
                    about = {"device": options.device, "options": run.chosen(recommender).get(name, {})}
                    run.add(notebook, about, needs, recommender)
            run.judge(recommender, [*needs, *explained], JUDGING if last else JUDGING_AGAIN)
    if not options.tune:
        before = [stage.name for run in runs for stage in run.stages]
        reported = {name: getattr(options, name) for name in ("recommenders", "explainers", "seeds", "ablation")}
        tuned = {name: records for name in options.recommenders if (records := runs[-1].tuned(name))}
        runs[-1].add(REPORT, reported | {"tuned": tuned, "one_shot": runs[-1].one_shot}, before)
    return [stage for run in runs for stage in run.stages]


def restrict(stages: list[Stage], notebook: str) -> list[Stage]:
    """The stages that a notebook needs, directly or through others."""
    needed = {need for stage in stages if stage.notebook and stage.notebook.stem == notebook for need in stage.needs}
    for stage in reversed(stages):
        if stage.name in needed:
            needed.update(stage.needs)
    return [stage for stage in stages if stage.name in needed]


def stages_of(options: argparse.Namespace) -> list[Stage]:
    """The stages that a command runs: all, with the summary of the run, or those that the notebook of ``--before`` needs.

    Raises:
        DataError: there are no notebooks.
    """
    if not NOTEBOOKS.is_dir():
        raise DataError(f"{NOTEBOOKS}: expected the notebooks of the repository, found none: run it in a clone")
    if options.tune and not options.before:
        return build_stages(options)
    if not options.before:
        return add_summary(build_stages(options), options.dataset, options.recommenders)
    trained = [name for name, notebook in RECOMMENDER_NOTEBOOKS.items() if notebook == options.before]
    whole = {
        "ablation": options.ablation or options.before in ABLATIONS,
        "tune": "explainers" if options.before == TUNING else None,
        "recommenders": trained or options.recommenders,
    }
    return restrict(build_stages(argparse.Namespace(**vars(options) | whole)), options.before)
