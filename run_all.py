"""Run every notebook of a dataset, from raw ratings to tables and figures: `python run_all.py --help`."""

import argparse
import os
import sys
import time
from pathlib import Path

import pandas as pd

from lxr.datasets import DATASETS, PROJECT_ROOT, data_directory
from lxr.explainers import EXPLAINERS
from lxr.pipeline import NOTEBOOKS, Pipeline, Stage
from lxr.recommenders import RECOMMENDERS
from lxr.report import export_html
from lxr.training import choose_device
from lxr.workspace import environment, read_json, write_json

RECOMMENDER_NOTEBOOKS = {"mf": "02_mf", "vae": "03_vae"}
JUDGING = ("07_evaluation", "07_bounds", "07_sanity")  # repeated trainings end with the first of them
REPORT = "08_report"
TRAINING = {
    "mf": {"epochs": 300, "batch_size": 256, "learning_rate": 0.002},
    "vae": {"epochs": 200, "batch_size": 128, "learning_rate": 0.001},
}
# The notebooks' own defaults are the tiny run; these make it a full one.
FULL = {
    "02_mf": {"n_factors": 64} | TRAINING["mf"],
    "03_vae": {"n_hidden": 512, "n_latent": 128, "anneal_steps": 500} | TRAINING["vae"],
    "05_lxr": {"epochs": 40},
    "07_evaluation": {"n_resamples": 1000},
    "07_bounds": {"n_users": 200, "n_exhaustive": 100},
    # Explaining is repeated for every changed recommender, and LXR trained: fewer users and epochs where that is slow.
    "07_sanity-mf": {"n_users": 60, "lxr_epochs": 5} | TRAINING["mf"],
    "07_sanity-vae": {"n_users": 30, "lxr_epochs": 2} | TRAINING["vae"],
}
TINY_DATASET = "synthetic"


def build_stages(options: argparse.Namespace) -> list[Stage]:
    """The graph of notebooks for the chosen dataset, recommenders, explainers and seeds."""
    tiny = options.smoke or options.dataset == TINY_DATASET
    stages = []

    def add(notebook: str, parameters: dict, needs: list[str], recommender: str | None = None, folder: str = "") -> str:
        name = folder + (f"{notebook}-{recommender}" if recommender else notebook)
        full = {} if tiny else FULL.get(notebook, {}) | FULL.get(f"{notebook}-{recommender}", {})
        stages.append(Stage(name, NOTEBOOKS / f"{notebook}.ipynb", parameters | full, tuple(needs)))
        return name

    def add_run(results: Path, seed: int, judging: tuple[str, ...], folder: str = "") -> None:
        """From raw ratings to judged explanations. The seed is of all but the split, which is that of the command."""
        common = {"dataset": options.dataset, "results": str(results), "seed": seed}
        computing = common | {"device": options.device}
        preparing = common | {"data_dir": str(options.data_dir), "seed": options.seed}
        data = add("01_data_preparation", preparing, [], folder=folder)
        for recommender in options.recommenders:
            trained = add(RECOMMENDER_NOTEBOOKS[recommender], computing, [data], folder=folder)
            about = computing | {"recommender": recommender}
            explained = []
            if "lxr" in options.explainers:
                explained.append(add("05_lxr", about, [data, trained], recommender, folder))
            baselines = [name for name in options.explainers if name != "lxr"]
            if baselines:
                explained.append(
                    add("06_baselines", about | {"explainers": baselines}, [data, trained], recommender, folder)
                )
            for notebook in judging:
                needs = [data, trained, *explained]
                add(notebook, about | {"explainers": options.explainers}, needs, recommender, folder)

    for seed in options.seeds:
        folder = Path("seeds") / str(seed)
        add_run(options.results / options.dataset / folder, seed, JUDGING[:1], f"{folder / options.dataset}/")
    add_run(options.results, options.seed, JUDGING)
    reported = {name: getattr(options, name) for name in ("dataset", "recommenders", "explainers", "seeds", "seed")}
    add(REPORT, reported | {"results": str(options.results)}, [stage.name for stage in stages])
    return stages


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; a bad one exits with status 2."""
    parser = argparse.ArgumentParser(
        description="Regenerate every table and figure of a dataset by running the notebooks that are not up to date.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    notebooks = [path.stem for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))]
    parser.add_argument("--dataset", choices=list(DATASETS), help="ml-100k, or synthetic with --smoke, unless given")
    parser.add_argument("--recommenders", nargs="+", choices=list(RECOMMENDERS), default=list(RECOMMENDERS), metavar="NAME")
    parser.add_argument("--explainers", nargs="+", choices=list(EXPLAINERS), default=list(EXPLAINERS), metavar="NAME")
    parser.add_argument("--data-dir", type=Path, help="raw data; else the environment's LXR_DATA_DIR, else Data/")
    parser.add_argument("--results", type=Path, default=PROJECT_ROOT / "results", help="directory of all results")
    parser.add_argument("--seed", type=int, default=42, help="of the split, the training and the explainers")
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=[],
        metavar="N",
        help="repeat all training with these seeds, on the same split",
    )
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="notebooks at a time")
    parser.add_argument("--smoke", action="store_true", help="tiny run: the notebooks' own parameters, in two minutes")
    parser.add_argument("--force", action="store_true", help="run everything, unchanged or not")
    parser.add_argument("--before", choices=notebooks, metavar="NOTEBOOK", help="run only what this notebook needs")
    options = parser.parse_args(arguments)
    options.dataset = options.dataset or (TINY_DATASET if options.smoke else "ml-100k")
    options.data_dir, options.results = data_directory(options.data_dir).resolve(), options.results.resolve()
    if options.smoke and options.dataset != TINY_DATASET:
        options.results /= "smoke"  # a tiny run never replaces a full one
    if options.jobs < 1:
        parser.error(f"argument --jobs: expected at least 1, found {options.jobs}")
    for argument, seeds in (("--seed", [options.seed]), ("--seeds", options.seeds)):
        if min(seeds, default=0) < 0:
            parser.error(f"argument {argument}: expected at least 0, found {min(seeds)}")
        if len(set(seeds)) < len(seeds):
            parser.error(f"argument {argument}: expected different seeds, found {' '.join(map(str, seeds))}")
    try:
        choose_device(options.device)
    except ValueError as error:
        parser.error(f"argument --device: {error}")
    # In the order of the registry, each once.
    options.recommenders = [name for name in RECOMMENDERS if name in options.recommenders]
    options.explainers = [name for name in EXPLAINERS if name in options.explainers]
    return options


def restrict(stages: list[Stage], notebook: str) -> list[Stage]:
    """The stages that a notebook needs, directly or through others."""
    needed = {need for stage in stages if stage.notebook.stem == notebook for need in stage.needs}
    for stage in reversed(stages):
        if stage.name in needed:
            needed.update(stage.needs)
    return [stage for stage in stages if stage.name in needed]


def main_tables(root: Path, recommenders: list[str]) -> str:
    """The headline metrics of every explainer, from the tables that the evaluation has written."""
    parts = []
    for recommender in recommenders:
        path = root / "tables" / f"headline_{recommender}.csv"
        if path.is_file():
            parts.append(f"{recommender}\n{pd.read_csv(path, index_col=0).to_string(float_format='{:.3f}'.format)}")
    return "\n\n".join(parts)


def write_run(root: Path, stages: list[Stage], threads: int) -> None:
    """Leave ``run.json`` beside the tables: the command's parameters, versions, data and durations."""
    records = {stage.name: read_json(stage.path(root, "stages", "json")) for stage in stages}
    data = records["01_data_preparation"]["sources"]
    previous = (read_json(root / "run.json") or {}).get("stages", {})  # a run of some stages keeps the record of the others
    run = {
        "environment": environment() | {"threads_per_notebook": threads},
        "data": {Path(path).name: digest for path, digest in data.items()},
        "stages": previous
        | {
            name: {
                "parameters": record["parameters"],
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
    stages = build_stages(options)
    if options.before:
        stages = restrict(stages, options.before)
    root = options.results / options.dataset
    print(f"{options.dataset}: {len(stages)} stages, results in {root}")
    pipeline = Pipeline(stages, root, options.jobs, options.force)
    try:
        outcomes = pipeline.run()
    except KeyboardInterrupt:
        print("\ninterrupted: what was finished is kept, the next run goes on from there", file=sys.stderr)
        return 130
    failures = {name: outcome for name, outcome in outcomes.items() if outcome.state in ("failed", "not run")}
    if not failures and not options.before:
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
