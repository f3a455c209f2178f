"""The command line: which notebooks of a dataset run, from raw ratings to tables and figures."""

import argparse
import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from lxr.explainers.registry import EXPLAINERS
from lxr.runs.options import parse
from lxr.runs.pipeline import Pipeline
from lxr.runs.stages import TINY_DATASET, stages_of
from lxr.runs.summary import count, main_tables, stage_table, time_table
from lxr.runs.terminal import coloured, print_anything
from lxr.runs.verify import committed_run, tables_of, verify
from lxr.tuning.records import load_tuned
from lxr.utils.locks import only_run
from lxr.utils.records import read_json, write_json


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


def verify_run(options: argparse.Namespace) -> int:
    """Compare the tables of a run, made now or before, with the committed ones; returns the exit status."""
    with TemporaryDirectory(prefix="lxr-verify-") as directory:
        elsewhere = Path(directory)
        expected, said = committed_run(options.results / options.dataset, elsewhere / "committed", options.against)
        tables_of(expected)  # nothing is run in vain
        found = (elsewhere if options.verify is True else options.verify.resolve()) / options.dataset
        if options.verify is True:
            place_tuned(options, expected, found)
            if status := run(argparse.Namespace(**vars(options) | {"results": elsewhere})):
                print("nothing of it is kept: run with --results DIR, and then --verify DIR", file=sys.stderr)
                return status
        verification = verify(expected, found, options.tolerance)
    print(f"\n{said}, verified:\n{verification.describe()}")
    return 1 if len(verification.differences) else 0


def place_tuned(options: argparse.Namespace, expected: Path, found: Path) -> None:
    """Put the hyperparameters that belong to the expected tables where a run looks for them first."""
    found.mkdir()
    for tuned in expected.glob("tuned_*.json"):
        shutil.copy(tuned, found)
    if expected != options.results / options.dataset:  # no committed ones: those of the directory are not used instead
        for recommender in options.recommenders:
            if not (found / f"tuned_{recommender}.json").exists():
                write_json({}, found / f"tuned_{recommender}.json")


def run(options: argparse.Namespace) -> int:
    """Run what is not up to date, and print what came out; returns the exit status."""
    started = time.perf_counter()
    stages, root = stages_of(options), options.results / options.dataset
    pipeline = Pipeline(stages, root, options.jobs, options.force)
    try:
        with only_run(root, options.wait):
            print(f"{options.dataset}: {len(stages)} stages, results in {root}")
            outcomes = pipeline.run()
            failures = {name: outcome for name, outcome in outcomes.items() if outcome.state in ("failed", "not run")}
            places = {name: root / name for name in ("notebooks", "logs")}
            if not failures and options.tune:
                places |= {f"tuned {name}": collect_tuned(root, name) for name in options.recommenders}
            elif not failures and not options.before:
                print(f"\n{main_tables(root, options.recommenders)}")
                places = {"report": root / "report.html", "tables": root / "tables", "figures": root / "figures"} | places
    except KeyboardInterrupt:
        print("\ninterrupted: what was finished is kept, the next run goes on from there", file=sys.stderr)
        return 130
    if times := time_table(outcomes):
        print(f"\n{times}")
    print("\n" + "\n".join(f"{name:<15}  {path}" for name, path in places.items()))
    counts = count([outcome.state for outcome in outcomes.values()], ("done", "skipped", "failed", "not run"))
    print(f"{counts}; {time.perf_counter() - started:.1f} s")
    for name, outcome in failures.items():
        print(f"{coloured(outcome.state, sys.stderr)}: {name}: {outcome.detail}", file=sys.stderr)
    return 1 if failures else 0


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for.

    Returns:
        The exit status: 0; or 1 if a notebook failed, a table differs, or files or data are unusable, as one line says.
    """
    print_anything()
    options = parse(arguments)
    try:
        if options.dry_run:
            print(options.source.describe(options.seed, options.user_features, options.test_users))
            return 0
        tiny = options.smoke or options.dataset == TINY_DATASET
        if not (options.tune or tiny) and options.hyperparameters == "tuned":
            say_what_is_untuned(options)
        if options.list:
            print(stage_table(Pipeline(stages_of(options), options.results / options.dataset, force=options.force)))
            return 0
        return run(options) if options.verify is None else verify_run(options)
    except (ValueError, OSError, MemoryError) as error:  # DataError is a ValueError
        print(f"{error}" or type(error).__name__, file=sys.stderr)
        return 1
