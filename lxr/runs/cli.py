"""Command line: runs the notebooks of a dataset, from raw ratings to tables and figures."""

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from lxr.delivery import command
from lxr.distributed.cluster import connect
from lxr.explainers.registry import EXPLAINERS
from lxr.runs.options import RunOptions
from lxr.runs.parser import parse
from lxr.runs.pipeline import Pipeline
from lxr.runs.stages import plan_stages
from lxr.runs.summary import count, main_tables, stage_table, time_table
from lxr.runs.terminal import coloured, print_anything
from lxr.runs.verify import TOLERANCE, committed_run, tables_of, verify
from lxr.service import serve_command
from lxr.tuning.records import load_tuned
from lxr.utils.locks import only_run
from lxr.utils.records import read_json, write_json

COMMANDS = {"explain": command.main, "serve": serve_command.main}
"""First words of the command line that do not start a run → functions of the remaining words."""


def collect_tuned(root: Path, recommender: str) -> Path:
    """Write all tuned hyperparameters of a recommender and its explainers to one file; returns its path."""
    path = root / f"tuned_{recommender}.json"
    found = {record.stem: read_json(record) for record in (root / recommender / "tuned").glob("*.json")}
    known = load_tuned(root.name, recommender, root.parent)
    order = ["recommender", *EXPLAINERS]
    write_json({name: value for name in order if (value := found.get(name, known.get(name)))}, path)
    return path


def say_what_is_untuned(options: RunOptions) -> None:
    """Print which tuned hyperparameters are not used because they belong to another split."""
    for recommender in options.recommenders:
        records = load_tuned(options.dataset_name, recommender, options.results_root)
        seeds = {record["seed"] for record in records.values()}
        if seeds and options.seed not in seeds:
            print(f"{recommender}: hyperparameters were tuned on the split of --seed {min(seeds)}, and are not used")


def _verify_run(options: RunOptions) -> int:
    """Compare the tables of a new or an earlier run with the committed ones; returns the exit status."""
    with TemporaryDirectory(prefix="lxr-verify-") as directory:
        temporary = Path(directory)
        expected, said = committed_run(options.root, temporary / "committed", options.against)
        tables_of(expected)  # fail early if there is nothing to compare
        if isinstance(options.verify, Path):
            found = options.in_results(options.verify.resolve())
        else:
            found = options.in_results(temporary)
            _place_tuned(options, expected, found.root)
            if status := run(found):
                print("its files are not kept: to keep them, run with --results DIR, then --verify DIR", file=sys.stderr)
                return status
        tolerance = TOLERANCE if options.tolerance is None else options.tolerance
        verification = verify(expected, found.root, tolerance)
    print(f"\n{said}, verified:\n{verification.describe()}")
    return 1 if len(verification.differences) else 0


def _place_tuned(options: RunOptions, expected: Path, found: Path) -> None:
    """Copy the hyperparameters of the expected tables to the directory that a run reads first."""
    found.mkdir(parents=True)
    for tuned in expected.glob("tuned_*.json"):
        shutil.copy(tuned, found)
    if expected != options.root:  # without committed ones, do not use those of the directory
        for recommender in options.recommenders:
            if not (found / f"tuned_{recommender}.json").exists():
                write_json({}, found / f"tuned_{recommender}.json")


@contextlib.contextmanager
def _workers(options: RunOptions, pipeline: Pipeline) -> Iterator[None]:
    """Context in which a pipeline has the workers of the scheduler of a run, if it has one."""
    if options.scheduler:
        gpu = {"GPU": 1} if options.device == "cuda" else None
        pipeline.executor = connect(options.scheduler, directory=options.root, resources=gpu)
    try:
        yield
    finally:
        if pipeline.executor:
            pipeline.executor.shutdown(wait=False)


def run(options: RunOptions) -> int:
    """Run the stages that are not up to date, and print the results; returns the exit status."""
    started = time.perf_counter()
    stages, root = plan_stages(options), options.root
    pipeline = Pipeline(stages, root, jobs=options.jobs, force=options.force)
    try:
        with only_run(root, options.wait), _workers(options, pipeline):
            print(f"{options.dataset_name}: {len(stages)} stages, results in {root}")
            outcomes = pipeline.run()
            failures = {name: outcome for name, outcome in outcomes.items() if outcome.state in ("failed", "not run")}
            made = {name: root / name for name in ("notebooks", "logs")}
            if not failures and options.tune:
                made |= {f"tuned {name}": collect_tuned(root, name) for name in options.recommenders}
            elif not failures and not options.before:
                print(f"\n{main_tables(root, options.recommenders)}")
                made = {"report": root / "report.html", "tables": root / "tables", "figures": root / "figures"} | made
    except KeyboardInterrupt:
        print("\ninterrupted: finished stages are kept; the next run resumes from there", file=sys.stderr)
        return 130
    if times := time_table(outcomes):
        print(f"\n{times}")
    print("\n" + "\n".join(f"{name:<15}  {path}" for name, path in made.items()))
    counts = count([outcome.state for outcome in outcomes.values()], ("done", "skipped", "failed", "not run"))
    print(f"{counts}; {time.perf_counter() - started:.1f} s")
    for name, outcome in failures.items():
        print(f"{coloured(outcome.state, sys.stderr)}: {name}: {outcome.detail}", file=sys.stderr)
    return 1 if failures else 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: words of the command line; those of this process by default.

    Returns:
        The exit status: 0; or 1 if a notebook failed, a table differs, or files or data are unusable (one line states why).

    Raises:
        ImportError: the extra that runs notebooks is not installed.
    """
    print_anything()
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in COMMANDS:
        return COMMANDS[words[0]](words[1:])
    from lxr.runs import execution  # noqa: F401 - fails early without the extra

    options = parse(arguments)
    try:
        if options.dry_run:
            about = options.source.describe(options.seed, user_features=options.user_features, n_test=options.test_users)
            print(about)
            return 0
        if options.uses_tuned and not options.tune:
            say_what_is_untuned(options)
        if options.list_stages:
            print(stage_table(Pipeline(plan_stages(options), options.root, force=options.force)))
            return 0
        return run(options) if options.verify is None else _verify_run(options)
    except (ValueError, OSError, MemoryError) as error:  # DataError is a ValueError
        print(f"{error}" or type(error).__name__, file=sys.stderr)
        return 1
