"""Graph of the stages of a run: notebooks, their parameters, and their dependencies."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from lxr.explainers.learned.base import LXR_FAMILIES
from lxr.explainers.learned.lxr_settings import Variant, published_settings
from lxr.explainers.registry import EXPLAINERS
from lxr.recommenders.registry import RECOMMENDERS
from lxr.runs.options import RunOptions
from lxr.runs.plan import (
    ABLATIONS,
    ALL,
    BASELINES,
    EXPLAINING,
    EXPLORE,
    FIT_OPTIONS,
    FIXED_PARAMETERS,
    FULL_RUN_PARAMETERS,
    HEADLINE,
    JUDGING,
    JUDGING_OF_REPEATED_SEEDS,
    LXR_NOTEBOOK,
    ONE_SHOT,
    ONE_SHOT_OPPONENTS,
    ORDER,
    PATH_ANALYSIS,
    PATH_NOTEBOOK,
    PROTOCOL,
    RECOMMENDER_NOTEBOOKS,
    REPORT,
    SANITY,
    STUDIES,
    TUNABLE_PARAMETERS,
    TUNING,
    notebook_of,
)
from lxr.runs.stage import EXAMPLES, NOTEBOOKS, Stage
from lxr.runs.summary import add_summary
from lxr.runs.workspace import PREPARATION
from lxr.tuning.records import load_tuned
from lxr.utils.storage import DataError


def published_options(dataset: str, recommender: str) -> dict[str, dict]:
    """LXR and its variants → published hyperparameters for the nearest dataset and recommender, without epochs."""
    variants: dict[str, Variant] = {"lxr": "combined", "lxr-pos": "pos", "lxr-neg": "neg"}
    options = {name: asdict(published_settings(dataset, recommender, variant)) for name, variant in variants.items()}
    return {name: {key: value for key, value in each.items() if key != "epochs"} for name, each in options.items()}


def plan_stages(options: RunOptions) -> list[Stage]:
    """Plan the stages of a run: all, with the summary, or those that the notebook ``options.before`` needs.

    Args:
        options: options of the run.

    Returns:
        The stages, each after those that it needs.

    Raises:
        DataError: there are no notebooks.

    Example:
        >>> import lxr
        >>> options = lxr.runs.RunOptions(dataset="synthetic", before="05_lxr", recommenders=("mf",))
        >>> [stage.name for stage in lxr.runs.plan_stages(options)]
        ['01_data_preparation', '02_mf']
    """
    if not NOTEBOOKS.is_dir():
        raise DataError(f"{NOTEBOOKS}: expected the notebooks of the repository, found none: run it in a clone")
    notebook = options.before
    if notebook is None:
        stages = build_stages(options)
        return stages if options.tune else add_summary(stages, options.dataset_name, options.recommenders)
    trained = [name for name, training in RECOMMENDER_NOTEBOOKS.items() if training == notebook]
    tunes = notebook == TUNING  # with all explainers: its needs do not depend on the tuned ones
    whole = replace(
        options,
        before=None,
        recommenders=trained or options.recommenders,
        ablation=options.ablation or notebook in ABLATIONS,
        studies=options.studies or notebook in STUDIES,
        tune="explainers" if tunes else None,
        explainers=None if tunes else options.explainers,
        seeds=() if tunes else options.seeds,
        splits=() if tunes else options.splits,
    )
    return restrict(build_stages(whole, explore=notebook == EXPLORE), notebook)


def build_stages(options: RunOptions, *, explore: bool = False) -> list[Stage]:
    """The graph of notebooks for the chosen dataset, recommenders, explainers, seeds and splits; or of their tuning.

    Args:
        options: options of the run.
        explore: include the notebook ``explore``, which is not part of a run.
    """
    name, last = options.dataset_name, _Graph(options, options.results_root, options.seed)
    if options.tune:
        last.add_tuning()
        return last.stages
    repeated = [_Graph(options, options.root / f"seeds/{seed}", seed, f"seeds/{seed}/{name}/") for seed in options.seeds]
    repeated += [
        _Graph(options, options.root / f"splits/{split}", options.seed, f"splits/{split}/{name}/", split=split)
        for split in options.splits
    ]
    for graph in (*repeated, last):
        graph.add_everything(explore=explore)
    stages = [stage for graph in (*repeated, last) for stage in graph.stages]
    last.report([stage.name for stage in stages])
    return [*stages, last.stages[-1]]


def restrict(stages: list[Stage], notebook: str) -> list[Stage]:
    """Stages that a notebook needs, directly or through others."""
    needed = {need for stage in stages if stage.notebook and stage.notebook.stem == notebook for need in stage.needs}
    for stage in reversed(stages):
        if stage.name in needed:
            needed.update(stage.needs)
    return [stage for stage in stages if stage.name in needed]


@dataclass
class _Graph:
    """Builder of the stages of one training of everything.

    Attributes:
        options: options of the run.
        results: directory of all results.
        seed: seed of everything but the split.
        folder: folder in the stages' names; empty for the main training. Repetitions evaluate less.
        split: seed of the split if it differs from the options.
        stages: stages so far.
    """

    options: RunOptions
    results: Path
    seed: int
    folder: str = ""
    split: int | None = None
    stages: list[Stage] = field(default_factory=list)

    @property
    def is_repeated(self) -> bool:
        """Whether this is a repetition, with another training or on another split."""
        return bool(self.folder)

    def headline(self, recommender: str) -> list[str]:
        """The headline explainers of a recommender."""
        return [name for name in self.options.explainers_for(recommender) if name in HEADLINE]

    def explainers(self, recommender: str) -> list[str]:
        """Explainers of a recommender in this training; on another split by default only the headline explainers."""
        is_short = self.split is not None and (not self.options.explainers or ALL in self.options.explainers)
        return self.headline(recommender) if is_short else self.options.explainers_for(recommender)

    def add_everything(self, *, explore: bool) -> None:
        """Add all stages but the report."""
        data = self.prepare()
        for recommender in self.options.recommenders:
            needs = [data, self.train(recommender, data)]
            explained = self.explain(recommender, needs)
            if explore:
                self.add(EXPLORE, {}, [*needs, *(name for name in explained if BASELINES not in name)], recommender)
            if not self.is_repeated:
                self.analyse_paths(recommender, [*needs, *(name for name in explained if PATH_NOTEBOOK in name)])
                if RECOMMENDERS[recommender].is_ordered:
                    self.add(ORDER, {"device": self.options.device}, needs, recommender)
            if self.options.ablation and not self.is_repeated:
                self.ablate(recommender, needs)
            self.judge(recommender, [*needs, *explained])

    def add_tuning(self) -> None:
        """Add the tuning of recommenders or explainers, and the stages it needs."""
        data = self.prepare()
        for recommender in self.options.recommenders:
            if self.options.tune == "recommenders":
                self.tune(recommender, [data])
            else:
                self.tune(recommender, [data, self.train(recommender, data)])

    @property
    def compares_one_shot(self) -> bool:
        """Whether the run has all explainers of the comparison with one-shot methods."""
        return all(set(self.explainers(name)) >= ONE_SHOT_OPPONENTS for name in self.options.recommenders)

    @property
    def has_protocol(self) -> bool:
        """Whether other targets and metrics may change an order: every recommender has several headline explainers."""
        return self.options.has_studies and all(len(self.headline(name)) > 1 for name in self.options.recommenders)

    def tuning_records(self, recommender: str) -> dict[str, dict]:
        """``"recommender"`` and explainers → existing records of their tuning on this dataset.

        Only records of the split of the options count: validation users of another split may be test users here. Further
        splits of this run use them too: nothing is tuned on them, but some of their test users were validation users of the
        first.
        """
        if not self.options.uses_tuned:
            return {}
        records = load_tuned(self.options.dataset_name, recommender, self.options.results_root)
        return {subject: record for subject, record in records.items() if record["seed"] == self.options.seed}

    def tuned_options(self, recommender: str) -> dict[str, dict]:
        """``"recommender"`` and explainers → tuned options, or the published ones if requested.

        Trained explainers choose their epoch by the tuned metric.
        """
        if self.options.hyperparameters == "published":
            return published_options(self.options.dataset_name, recommender)
        options, records = {}, self.tuning_records(recommender)
        if self.options.tuned_on:
            own = {subject: record for subject, record in records.items() if subject == "recommender"}
            records = load_tuned(self.options.tuned_on, recommender, self.options.results_root) | own
        for subject, record in records.items():
            is_trained = subject in EXPLAINERS and EXPLAINERS[subject].is_trained
            options[subject] = record["options"] | ({"criterion": record["metric"]} if is_trained else {})
        return options

    def add(self, notebook: str, parameters: dict, needs: Sequence[str] = (), recommender: str | None = None) -> str:
        """Add a notebook; returns the stage's name."""
        common = {"dataset": self.options.dataset_name, "results": str(self.results), "seed": self.seed}
        name, full = notebook, FULL_RUN_PARAMETERS.get(notebook, {})
        if recommender:
            common["recommender"] = recommender
            name = f"{notebook}-{recommender}"
            full = full | FULL_RUN_PARAMETERS.get(name, {})
        parameters = common | ({} if self.options.is_tiny else full) | parameters
        path = (EXAMPLES if notebook == EXPLORE else NOTEBOOKS) / f"{notebook}.ipynb"
        self.stages.append(Stage(self.folder + name, path, parameters, tuple(needs), resumable=notebook == TUNING))
        return self.folder + name

    def prepare(self) -> str:
        """Add the preparation of the data."""
        parameters = self.options.source.parameters | {"seed": self.options.seed if self.split is None else self.split}
        if self.options.user_features:
            parameters["user_features"] = True
        if self.options.test_users:
            parameters["n_test"] = self.options.test_users
        return self.add(PREPARATION, parameters)

    def training(self, recommender: str) -> dict:
        """Hyperparameters of a recommender; empty in a tiny run."""
        if self.options.is_tiny:
            return {}
        tuned = self.tuned_options(recommender).get("recommender", {})
        return FIXED_PARAMETERS[recommender] | TUNABLE_PARAMETERS[recommender] | tuned

    def train(self, recommender: str, data: str) -> str:
        """Add the training of a recommender."""
        parameters = {"device": self.options.device} | self.training(recommender)
        return self.add(RECOMMENDER_NOTEBOOKS[recommender], parameters, [data])

    def tune(self, recommender: str, needs: list[str]) -> None:
        """Add the tuning of a recommender, or of all its explainers with options."""
        budget = {"trials": self.options.trials, "minutes": self.options.minutes}
        parameters = {"device": self.options.device, "workers": self.options.workers or 1}
        parameters |= {name: value for name, value in budget.items() if value is not None}
        if self.options.tune == "recommenders":
            parameters["tuned"] = ["recommender"]
            if not self.options.is_tiny:
                parameters["fixed"] = {"recommender": FIXED_PARAMETERS[recommender]}
                parameters["start"] = {"recommender": TUNABLE_PARAMETERS[recommender]}
        else:
            tuned = [name for name in self.options.explainers_for(recommender) if EXPLAINERS[name].search_space]
            parameters["tuned"] = tuned
            if not self.options.is_tiny:
                parameters["fixed"] = self._fixed(recommender, tuned)
        self.add(TUNING, parameters, needs, recommender)

    def _fixed(self, recommender: str, tuned: Sequence[str]) -> dict[str, dict]:
        """Options that the tuning of explainers must not replace."""
        lxr = FULL_RUN_PARAMETERS[LXR_NOTEBOOK]
        fixed = {name: lxr for name in tuned if notebook_of(name) == LXR_NOTEBOOK and EXPLAINERS[name].is_trained}
        if "lxr" not in fixed:  # lxr-refined refines it
            fixed["lxr"] = lxr | self.tuned_options(recommender).get("lxr", {})
        return fixed

    def explain(self, recommender: str, needs: list[str]) -> list[str]:
        """Add the explainers of a recommender."""
        tuned, added = self.tuned_options(recommender), []
        for notebook in EXPLAINING:
            names = [name for name in self.explainers(recommender) if notebook_of(name) == notebook]
            if names:
                needed = {*names, *(EXPLAINERS[name].depends_on for name in names)}
                parameters = {"explainers": names, "options": {name: tuned[name] for name in tuned if name in needed}}
                added.append(self.add(notebook, parameters | {"device": self.options.device}, needs, recommender))
        return added

    def analyse_paths(self, recommender: str, needs: list[str]) -> None:
        """Add the analysis of the first trained explainer that imitates paths, if there is one."""
        chosen = [name for name in self.explainers(recommender) if notebook_of(name) == PATH_NOTEBOOK]
        names = [EXPLAINERS[name].depends_on or name for name in chosen]
        if names:
            self.add(PATH_ANALYSIS, {"explainer": names[0], "device": self.options.device}, needs, recommender)

    def ablate(self, recommender: str, needs: list[str]) -> None:
        """Add the ablations of the learned explainers."""
        for notebook, name in ABLATIONS.items():
            parameters = {"device": self.options.device, "options": self.tuned_options(recommender).get(name, {})}
            self.add(notebook, parameters, needs, recommender)

    def judge(self, recommender: str, needs: list[str]) -> None:
        """Add the evaluation of the explanations of a recommender."""
        explainers = self.explainers(recommender)
        options = {name: value for name, value in self.tuned_options(recommender).items() if name in explainers}
        one_shot = [name for name in explainers if EXPLAINERS[name].family not in ("path", *LXR_FAMILIES)]
        # Explaining and the training of LXR are repeated for every changed recommender: one represents its family or class.
        sane = [
            name for name in explainers if name == "lxr" or (notebook_of(name) == BASELINES and not EXPLAINERS[name].preset)
        ]
        fit_options = {name: value for name, value in self.training(recommender).items() if name in FIT_OPTIONS}
        parameters: dict[str, dict] = {
            "12_evaluation": {"explainers": explainers, "options": options},
            ONE_SHOT: {"one_shot": one_shot},
            "13_bounds": {"explainers": explainers},
            "17_counterfactual_sets": {"explainers": explainers},
            PROTOCOL: {"explainers": self.headline(recommender), "options": options} | fit_options,
            SANITY: {"explainers": sane, "options": options} | fit_options,
        }
        for notebook in JUDGING_OF_REPEATED_SEEDS if self.is_repeated else JUDGING:
            wanted = {
                ONE_SHOT: self.compares_one_shot,
                PROTOCOL: self.has_protocol,
                SANITY: self.options.has_studies,
            }
            if wanted.get(notebook, True):
                self.add(notebook, parameters[notebook] | {"device": self.options.device}, needs, recommender)

    def report(self, needs: Sequence[str]) -> None:
        """Add the report."""
        tuned = {name: records for name in self.options.recommenders if (records := self.tuning_records(name))}
        parameters = {
            "recommenders": list(self.options.recommenders),
            "explainers": self.options.chosen_explainers,
            "seeds": list(self.options.seeds),
            "splits": list(self.options.splits),
            "ablation": self.options.ablation,
            "tuned": tuned,
            "one_shot": self.compares_one_shot,
            "protocol": self.has_protocol,
            "sanity": self.options.has_studies,
        }
        self.add(REPORT, parameters, needs)
