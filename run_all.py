"""Run every notebook of a dataset, from raw ratings to tables and figures: `python run_all.py --help`."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from lxr.datasets import DATASETS, PROJECT_ROOT, data_directory
from lxr.explainers import EXPLAINERS
from lxr.pipeline import NOTEBOOKS, Pipeline, Stage
from lxr.recommenders import RECOMMENDERS
from lxr.report import export_html
from lxr.source import add_file_options, name_of, source_of
from lxr.storage import DataError
from lxr.training import choose_device
from lxr.tuning import load_tuned
from lxr.workspace import PREPARATION, environment, read_json, write_json

RECOMMENDER_NOTEBOOKS = {"mf": "02_mf", "vae": "03_vae", "ncf": "04_ncf"}
DEFAULT_RECOMMENDERS = ["mf", "vae"]
TUNING, LXR_NOTEBOOK, ABLATION = "05_tuning", "05_lxr", "05_ablation"
JUDGING = ("07_evaluation", "07_bounds", "07_sanity")  # repeated trainings end with the first of them
REPORT = "08_report"
EXPLORE = "explore"  # no stage of a run, but it may ask for what it needs
LXR_FAMILY = [name for name in EXPLAINERS if name.startswith("lxr")]
SAME = {"lxr-combined": "lxr"}
DEFAULT_EXPLAINERS = [name for name in EXPLAINERS if name not in SAME]
BASELINES = [name for name in EXPLAINERS if name not in LXR_FAMILY]
# Of a full run: hyperparameters of the recommenders that tuning may replace, and those that it may not.
RECOMMENDER_START = {
    "mf": {"n_factors": 64, "dropout": 0.3, "batch_size": 256, "learning_rate": 0.002},
    "vae": {"n_hidden": 512, "n_latent": 128, "dropout": 0.5, "beta": 0.2, "batch_size": 128, "learning_rate": 0.001},
    "ncf": {"n_factors": 64, "dropout": 0.5, "batch_size": 256, "learning_rate": 0.003},
}
RECOMMENDER_FIXED = {"mf": {"epochs": 300}, "vae": {"epochs": 200, "anneal_steps": 500}, "ncf": {"epochs": 200}}
# The notebooks' own defaults are the tiny run; these make it a full one.
FULL = {
    LXR_NOTEBOOK: {"epochs": 40},
    TUNING: {"trials": 20, "n_users": 300},
    ABLATION: {"epochs": 40},
    "07_evaluation": {"n_resamples": 1000},
    "07_bounds": {"n_users": 200, "n_exhaustive": 100},
    # Explaining is repeated for every changed recommender, and LXR trained: fewer users and epochs where that is slow.
    "07_sanity-mf": {"n_users": 60, "lxr_epochs": 5},
    "07_sanity-vae": {"n_users": 30, "lxr_epochs": 2},
    "07_sanity-ncf": {"n_users": 30, "lxr_epochs": 2},
}
FIT_OPTIONS = ("epochs", "batch_size", "learning_rate")
TINY_DATASET = "synthetic"
WITH_FEATURES = "user-features"
RAW_PLACES = ("data_dir", "ratings_file")


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
            learns = what in EXPLAINERS and EXPLAINERS[what].learns
            options[what] = record["options"] | ({"criterion": record["metric"]} if learns else {})
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
                fixed = {name: FULL[LXR_NOTEBOOK] for name in parameters["tuned"] if EXPLAINERS[name].learns}
                if "lxr" not in fixed:  # lxr-refined refines it
                    fixed["lxr"] = FULL[LXR_NOTEBOOK] | self.chosen(recommender).get("lxr", {})
                parameters["fixed"] = fixed
        self.add(TUNING, parameters, needs, recommender)

    def explain(self, recommender: str, needs: list[str]) -> list[str]:
        """Add the explainers of a recommender."""
        chosen, added = self.chosen(recommender), []
        for notebook, names in ((LXR_NOTEBOOK, LXR_FAMILY), ("06_baselines", BASELINES)):
            names = [name for name in self.options.explainers if name in names]
            if names:
                needed = {*names, "lxr"} if "lxr-refined" in names else names  # which refines it
                told = {"explainers": names, "options": {name: chosen[name] for name in chosen if name in needed}}
                added.append(self.add(notebook, told | {"device": self.options.device}, needs, recommender))
        return added

    def judge(self, recommender: str, needs: list[str], notebooks: Sequence[str]) -> None:
        """Add what judges the explanations of a recommender."""
        explainers = self.options.explainers
        options = {name: value for name, value in self.chosen(recommender).items() if name in explainers}
        parameters = {
            "07_evaluation": {"explainers": explainers, "options": options},
            "07_bounds": {"explainers": explainers},
            # Explaining is repeated for every changed recommender, and LXR trained: one stands for its family.
            "07_sanity": {
                "explainers": [name for name in explainers if name == "lxr" or name not in LXR_FAMILY],
                "options": options,
            }
            | {name: value for name, value in self.training(recommender).items() if name in FIT_OPTIONS},
        }
        for notebook in notebooks:
            self.add(notebook, parameters[notebook] | {"device": self.options.device}, needs, recommender)


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
                about = {"device": options.device, "options": run.chosen(recommender).get("lxr", {})}
                run.add(ABLATION, about, needs, recommender)
            run.judge(recommender, [*needs, *explained], JUDGING if last else JUDGING[:1])
    if not options.tune:
        before = [stage.name for run in runs for stage in run.stages]
        reported = {name: getattr(options, name) for name in ("recommenders", "explainers", "seeds", "ablation")}
        tuned = {name: records for name in options.recommenders if (records := runs[-1].tuned(name))}
        runs[-1].add(REPORT, reported | {"tuned": tuned}, before)
    return [stage for run in runs for stage in run.stages]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; a bad one exits with status 2."""
    parser = argparse.ArgumentParser(
        description="Regenerate every table and figure of a dataset by running the notebooks that are not up to date.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    notebooks = [path.stem for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))] + [EXPLORE]
    known = ", ".join(DATASETS)
    default = "ml-100k, or synthetic with --smoke, unless given"
    parser.add_argument("--dataset", metavar="NAME", help=f"{known}, or of a file of your own; {default}")
    parser.add_argument(
        "--recommenders", nargs="+", choices=list(RECOMMENDERS), default=DEFAULT_RECOMMENDERS, metavar="NAME"
    )
    parser.add_argument("--explainers", nargs="+", choices=list(EXPLAINERS), default=DEFAULT_EXPLAINERS, metavar="NAME")
    parser.add_argument(
        "--user-features",
        action="store_true",
        help="histories also hold what is known of the users (personal data); results go to user-features/ of the results",
    )
    parser.add_argument("--data-dir", type=Path, help="raw data; else the environment's LXR_DATA_DIR, else Data/")
    parser.add_argument("--results", type=Path, default=PROJECT_ROOT / "results", help="directory of all results")
    parser.add_argument(
        "--test-users", type=int, metavar="N", help="explain and judge a random sample of so many test users, not all"
    )
    parser.add_argument("--seed", type=int, default=42, help="of the split, the training and the explainers")
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=[],
        metavar="N",
        help="repeat all training with these seeds, on the same split",
    )
    parser.add_argument(
        "--hyperparameters",
        choices=["tuned", "published"],
        default="tuned",
        help="those found by --tune for this split, or LXR's published ones and the defaults of everything else",
    )
    parser.add_argument("--ablation", action="store_true", help="also train LXR without each of its parts")
    parser.add_argument(
        "--tune",
        choices=["recommenders", "explainers"],
        help="only look for hyperparameters, and leave them in tuned_*.json of the results; goes on with what is there",
    )
    parser.add_argument("--trials", type=int, metavar="N", help="of every study of --tune; 20 (or 5, if tiny) unless given")
    parser.add_argument("--minutes", type=float, metavar="M", help="after which no study begins another trial")
    parser.add_argument("--workers", type=int, default=1, help="processes that share each study")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="notebooks at a time")
    parser.add_argument("--smoke", action="store_true", help="tiny run: the notebooks' own parameters, in two minutes")
    parser.add_argument("--force", action="store_true", help="run everything, unchanged or not")
    parser.add_argument("--before", choices=notebooks, metavar="NOTEBOOK", help="run only what this notebook needs")
    parser.add_argument("--dry-run", action="store_true", help="only say what is kept of the data, and run nothing")
    add_file_options(parser)
    options = parser.parse_args(arguments)
    default = name_of(options.ratings) if options.ratings else TINY_DATASET if options.smoke else "ml-100k"
    options.dataset = options.dataset or default
    options.data_dir, options.results = data_directory(options.data_dir).resolve(), options.results.resolve()
    if options.smoke and options.dataset != TINY_DATASET:
        options.results /= "smoke"  # a tiny run never replaces a full one
    if options.user_features and options.results.name != WITH_FEATURES:
        options.results /= WITH_FEATURES  # nor one with user features one without
    for argument, lowest in (("jobs", 1), ("workers", 1), ("trials", 0), ("minutes", 0), ("test_users", 1)):
        value = getattr(options, argument)
        if value is not None and not value >= lowest:
            parser.error(f"argument --{argument.replace('_', '-')}: expected at least {lowest}, found {value}")
    for argument, seeds in (("--seed", [options.seed]), ("--seeds", options.seeds)):
        if min(seeds, default=0) < 0:
            parser.error(f"argument {argument}: expected at least 0, found {min(seeds)}")
        if len(set(seeds)) < len(seeds):
            parser.error(f"argument {argument}: expected different seeds, found {' '.join(map(str, seeds))}")
    for argument in ("seeds", "ablation", "before"):
        if options.tune and getattr(options, argument):
            parser.error(f"argument --tune: expected alone, found --{argument} beside it")
    try:
        options.source = source_of(options)
    except ValueError as error:
        parser.error(str(error))
    try:
        choose_device(options.device)
    except ValueError as error:
        parser.error(f"argument --device: {error}")
    telling = [name for name, dataset in DATASETS.items() if dataset.read_users]
    if options.user_features and options.dataset not in telling:
        found = f"expected one of {', '.join(telling)} as --dataset, found {options.dataset}"
        parser.error(f"argument --user-features: {found}")
    # In the order of the registry, each once.
    options.recommenders = [name for name in RECOMMENDERS if name in options.recommenders]
    wanted = {SAME.get(name, name) for name in options.explainers}
    options.explainers = [name for name in EXPLAINERS if name in wanted]
    if options.tune == "explainers" and not any(EXPLAINERS[name].search_space for name in options.explainers):
        parser.error(f"argument --tune: none of {', '.join(options.explainers)} has options")
    return options


def restrict(stages: list[Stage], notebook: str) -> list[Stage]:
    """The stages that a notebook needs, directly or through others."""
    needed = {need for stage in stages if stage.notebook.stem == notebook for need in stage.needs}
    for stage in reversed(stages):
        if stage.name in needed:
            needed.update(stage.needs)
    return [stage for stage in stages if stage.name in needed]


def collect_tuned(root: Path, recommender: str) -> Path:
    """Put what has been tuned of a recommender and its explainers beside the tables, into one file; returns its path."""
    path = root / f"tuned_{recommender}.json"
    found = {record.stem: read_json(record) for record in (root / recommender / "tuned").glob("*.json")}
    known = load_tuned(root.name, recommender, root.parent)
    order = ["recommender", *EXPLAINERS]
    write_json({name: value for name in order if (value := found.get(name, known.get(name)))}, path)
    return path


def say_what_is_untuned(options: argparse.Namespace) -> None:
    """Tell of hyperparameters that are there, but were tuned on the validation users of another split."""
    for recommender in options.recommenders:
        seeds = {record["seed"] for record in load_tuned(options.dataset, recommender, options.results).values()}
        if seeds and options.seed not in seeds:
            print(f"{recommender}: hyperparameters were tuned on the split of --seed {min(seeds)}, and are not used")


def main_tables(root: Path, recommenders: list[str]) -> str:
    """The headline metrics of every explainer, from the tables that the evaluation has written."""
    parts = []
    for recommender in recommenders:
        path = root / "tables" / f"headline_{recommender}.csv"
        if path.is_file():
            parts.append(f"{recommender}\n{pd.read_csv(path, index_col=0).to_string(float_format='{:.3f}'.format)}")
    return "\n\n".join(parts)


def stages_of(options: argparse.Namespace) -> list[Stage]:
    """The stages that a command runs: all, or those that the notebook of ``--before`` needs."""
    if not options.before:
        return build_stages(options)
    trained = [name for name, notebook in RECOMMENDER_NOTEBOOKS.items() if notebook == options.before]
    whole = {
        "ablation": options.before == ABLATION,
        "tune": "explainers" if options.before == TUNING else None,
        "recommenders": trained or options.recommenders,
    }
    return restrict(build_stages(argparse.Namespace(**vars(options) | whole)), options.before)


def write_run(root: Path, stages: list[Stage], threads: int) -> None:
    """Leave ``run.json`` beside the tables: the command's parameters, versions, data and durations."""
    records = {stage.name: read_json(stage.path(root, "stages", "json")) for stage in stages}
    data = records[PREPARATION]["sources"]
    # A run of some stages keeps the records of the others, as far as they are still there.
    previous = (read_json(root / "run.json") or {}).get("stages", {})
    previous = {
        name: record for name, record in previous.items() if Stage(name, root, {}).path(root, "stages", "json").is_file()
    }
    run = {
        "environment": environment() | {"threads_per_notebook": threads},
        "data": {Path(path).name: digest for path, digest in data.items()},
        "stages": previous
        | {
            name: {
                # Without paths; the names and checksums of files are in "data".
                "parameters": {key: value for key, value in record["parameters"].items() if key not in RAW_PLACES},
                "commit": record["environment"]["commit"],
                "seconds": record["seconds"],
            }
            for name, record in records.items()
        },
    }
    write_json(run, root / "run.json")


def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, or 1 if a notebook failed."""
    options = parse(arguments)
    started = time.perf_counter()
    try:
        if options.dry_run:
            print(options.source.describe(options.seed, options.user_features, options.test_users))
            return 0
        stages = stages_of(options)
        if not (options.tune or options.smoke) and options.hyperparameters == "tuned":
            say_what_is_untuned(options)
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    root = options.results / options.dataset
    print(f"{options.dataset}: {len(stages)} stages, results in {root}")
    pipeline = Pipeline(stages, root, options.jobs, options.force)
    try:
        outcomes = pipeline.run()
    except KeyboardInterrupt:
        print("\ninterrupted: what was finished is kept, the next run goes on from there", file=sys.stderr)
        return 130
    failures = {name: outcome for name, outcome in outcomes.items() if outcome.state in ("failed", "not run")}
    if not failures and options.tune:
        for recommender in options.recommenders:
            print(f"hyperparameters  {collect_tuned(root, recommender)}")
    elif not failures and not options.before:
        report = root / "report.html"
        if any(outcome.state == "done" for outcome in outcomes.values()) or not report.is_file():
            write_run(root, stages, pipeline.threads)
            export_html(stages[-1].path(root, "notebooks", "ipynb"), report, f"LXR on {options.dataset}")
        print(f"\n{main_tables(root, options.recommenders)}\n")
        print(f"tables   {root / 'tables'}\nfigures  {root / 'figures'}\nreport   {report}")
        print(f"notebooks as they ran  {root / 'notebooks'}")
    counts = ", ".join(
        f"{sum(outcome.state == state for outcome in outcomes.values())} {state}"
        for state in ("done", "skipped", "failed", "not run")
    )
    print(f"{counts}; {time.perf_counter() - started:.1f} s")
    for name, outcome in failures.items():
        print(f"{outcome.state}: {name}: {outcome.detail}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
