"""Run every notebook of a dataset, from raw ratings to tables and figures: `python run_all.py --help`."""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from lxr.datasets import DATASETS, PROJECT_ROOT, data_directory
from lxr.explainers import EXPLAINERS, SAME
from lxr.pipeline import NOTEBOOKS, Pipeline
from lxr.recommenders import RECOMMENDERS
from lxr.report import export_html
from lxr.source import add_file_options, name_of, source_of
from lxr.stages import EXPLORE, TINY_DATASET, stages_of
from lxr.storage import DataError
from lxr.summary import count, main_tables, stage_table, time_table, write_run
from lxr.terminal import coloured, print_anything
from lxr.training import choose_device
from lxr.tuning import load_tuned
from lxr.verify import TOLERANCE, tables_of, verify
from lxr.workspace import read_json, write_json

DEFAULT_RECOMMENDERS = ["mf", "vae"]
DEFAULT_EXPLAINERS = [name for name in EXPLAINERS if name not in SAME]
WITH_FEATURES = "user-features"
EXAMPLES = """examples:
  python run_all.py                                    everything of MovieLens 100K; again: what has changed
  python run_all.py --smoke                            a tiny run on generated data, offline, in two minutes
  python run_all.py --dataset ml-1m --recommenders mf  another dataset, one recommender
  python run_all.py --ratings my.csv --min-rating 4    a file of your own; with --dry-run: what is kept of it
  python run_all.py --list                             which stages are done, stale or missing
  python run_all.py --verify                           do the committed tables come out here, too?
"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; a bad one exits with status 2."""
    parser = argparse.ArgumentParser(
        usage="python run_all.py [options]",
        description="Regenerate every table and figure of a dataset by running the notebooks that are not up to date.\n"
        "What an option is without being given stands in brackets.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = f"ml-100k, or {TINY_DATASET} with --smoke"
    notebooks = [path.stem for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))] + [EXPLORE]
    what = parser.add_argument_group("what to run")
    what.add_argument("--dataset", metavar="NAME", help=f"{', '.join(DATASETS)}, or of a file of your own ({default})")
    names = " ".join(DEFAULT_RECOMMENDERS)
    what.add_argument(
        "--recommenders",
        nargs="+",
        choices=list(RECOMMENDERS),
        default=DEFAULT_RECOMMENDERS,
        metavar="NAME",
        help=f"some of {' '.join(RECOMMENDERS)} ({names})",
    )
    what.add_argument(
        "--explainers",
        nargs="+",
        choices=list(EXPLAINERS),
        default=DEFAULT_EXPLAINERS,
        metavar="NAME",
        help=f"some of {' '.join(DEFAULT_EXPLAINERS)} (all)",
    )
    what.add_argument("--seed", type=int, default=42, metavar="N", help="of the split, the training and the explainers (42)")
    what.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=[],
        metavar="N",
        help="repeat all training with these seeds, on the same split",
    )
    what.add_argument("--ablation", action="store_true", help="also train LXR without each of its parts")
    what.add_argument("--smoke", action="store_true", help="tiny run: the notebooks' own parameters, on synthetic data")
    what.add_argument("--before", choices=notebooks, metavar="NOTEBOOK", help="only what this notebook needs, as 05_lxr")

    data = parser.add_argument_group("data and results")
    data.add_argument("--data-dir", type=Path, metavar="DIR", help="raw data ($LXR_DATA_DIR, else Data/)")
    data.add_argument(
        "--results", type=Path, default=PROJECT_ROOT / "results", metavar="DIR", help="directory of all results (results/)"
    )
    data.add_argument(
        "--test-users", type=int, metavar="N", help="explain and judge a random sample of so many test users, not all"
    )
    data.add_argument(
        "--user-features",
        action="store_true",
        help="histories also hold what is known of the users (personal data); results go to user-features/ of the results",
    )

    tuning = parser.add_argument_group("tuning")
    tuning.add_argument(
        "--hyperparameters",
        choices=["tuned", "published"],
        default="tuned",
        help="those found by --tune for this split, or LXR's published ones and the defaults of everything else (tuned)",
    )
    tuning.add_argument(
        "--tune",
        choices=["recommenders", "explainers"],
        help="only look for hyperparameters, and leave them in tuned_*.json of the results; goes on with what is there",
    )
    tuning.add_argument("--trials", type=int, metavar="N", help="of every study (20, or 5 if tiny)")
    tuning.add_argument("--minutes", type=float, metavar="M", help="after which no study begins another trial")
    tuning.add_argument("--workers", type=int, default=1, metavar="N", help="processes that share each study (1)")

    how = parser.add_argument_group("how to run")
    jobs = min(2, os.cpu_count() or 1)
    how.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="a GPU if there is one (auto)")
    how.add_argument("--jobs", type=int, default=jobs, metavar="N", help=f"notebooks at a time ({jobs})")
    how.add_argument("--force", action="store_true", help="run everything, unchanged or not")

    instead = parser.add_argument_group("instead of a run")
    one = instead.add_mutually_exclusive_group()
    one.add_argument("--dry-run", action="store_true", help="only say what is kept of the data")
    one.add_argument("--list", action="store_true", help="only say which stages are done, stale or missing, and why")
    one.add_argument(
        "--verify",
        nargs="?",
        const="",
        metavar="DIR",
        help="run in a temporary directory, or take what an earlier run with --results DIR has left, and compare its tables "
        "with those of the results; the exit status is 1 if a value differs",
    )
    instead.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        metavar="SHARE",
        help=f"of the largest value of a column, by which its numbers may differ with --verify ({TOLERANCE}); 0: none may",
    )
    add_file_options(parser)
    options = parser.parse_args(arguments)
    default = name_of(options.ratings) if options.ratings else TINY_DATASET if options.smoke else "ml-100k"
    options.dataset = options.dataset or default
    options.data_dir, options.results = data_directory(options.data_dir).resolve(), options.results.resolve()
    if options.smoke and options.dataset != TINY_DATASET:
        options.results /= "smoke"  # a tiny run never replaces a full one
    if options.user_features and options.results.name != WITH_FEATURES:
        options.results /= WITH_FEATURES  # nor one with user features one without
    for argument, lowest in (
        ("jobs", 1),
        ("workers", 1),
        ("trials", 0),
        ("minutes", 0),
        ("test_users", 1),
        ("tolerance", 0),
    ):
        value = getattr(options, argument)
        if value is not None and not value >= lowest:
            parser.error(f"argument --{argument.replace('_', '-')}: expected at least {lowest}, found {value}")
    for argument, seeds in (("--seed", [options.seed]), ("--seeds", options.seeds)):
        for seed in seeds:
            if not 0 <= seed < 2**32:  # NumPy's and scikit-learn's bounds
                parser.error(f"argument {argument}: expected 0 to {2**32 - 1}, found {seed}")
        if len(set(seeds)) < len(seeds):
            parser.error(f"argument {argument}: expected different seeds, found {' '.join(map(str, seeds))}")
    for argument in ("seeds", "ablation", "before"):
        if options.tune and getattr(options, argument):
            parser.error(f"argument --tune: expected alone, found --{argument} beside it")
    for argument in ("tune", "before"):
        if options.verify is not None and getattr(options, argument):
            parser.error(f"argument --verify: expected a whole run, found --{argument} beside it")
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
    """Compare the tables of a run, made now or before, with those of the results; returns the exit status."""
    committed = options.results / options.dataset
    tables_of(committed)  # nothing is run in vain
    with TemporaryDirectory(prefix="lxr-verify-") as place:
        if options.verify:
            found = Path(options.verify).resolve() / options.dataset
        else:
            found = Path(place) / options.dataset
            found.mkdir()
            for tuned in committed.glob("tuned_*.json"):
                shutil.copy(tuned, found)
            if status := run(argparse.Namespace(**vars(options) | {"results": Path(place)})):
                print("nothing of it is kept: run with --results DIR, and then --verify DIR", file=sys.stderr)
                return status
        verification = verify(committed, found, options.tolerance)
    print(f"\n{committed}, verified:\n{verification.describe()}")
    return 1 if len(verification.differences) else 0


def run(options: argparse.Namespace) -> int:
    """Run what is not up to date, and tell what came out; returns the exit status."""
    started = time.perf_counter()
    stages, root = stages_of(options), options.results / options.dataset
    pipeline = Pipeline(stages, root, options.jobs, options.force)
    print(f"{options.dataset}: {len(stages)} stages, results in {root}")
    try:
        outcomes = pipeline.run()
    except KeyboardInterrupt:
        print("\ninterrupted: what was finished is kept, the next run goes on from there", file=sys.stderr)
        return 130
    failures = {name: outcome for name, outcome in outcomes.items() if outcome.state in ("failed", "not run")}
    places = {name: root / name for name in ("notebooks", "logs")}
    if not failures and options.tune:
        places |= {f"tuned {name}": collect_tuned(root, name) for name in options.recommenders}
    elif not failures and not options.before:
        report = root / "report.html"
        if any(outcome.state == "done" for outcome in outcomes.values()) or not report.is_file():
            write_run(root, stages, pipeline.threads)
            export_html(stages[-1].path(root, "notebooks", "ipynb"), report, f"LXR on {options.dataset}")
        print(f"\n{main_tables(root, options.recommenders)}")
        places = {"report": report, "tables": root / "tables", "figures": root / "figures"} | places
    if times := time_table(outcomes):
        print(f"\n{times}")
    print("\n" + "\n".join(f"{name:<15}  {place}" for name, place in places.items()))
    counts = count([outcome.state for outcome in outcomes.values()], ("done", "skipped", "failed", "not run"))
    print(f"{counts}; {time.perf_counter() - started:.1f} s")
    for name, outcome in failures.items():
        print(f"{coloured(outcome.state, sys.stderr)}: {name}: {outcome.detail}", file=sys.stderr)
    return 1 if failures else 0


def main(arguments: list[str] | None = None) -> int:
    """What the command line asks for; returns the exit status: 0, or 1 if a notebook failed or a table differs."""
    print_anything()
    options = parse(arguments)
    try:
        if options.dry_run:
            print(options.source.describe(options.seed, options.user_features, options.test_users))
            return 0
        if not (options.tune or options.smoke) and options.hyperparameters == "tuned":
            say_what_is_untuned(options)
        if options.list:
            print(stage_table(Pipeline(stages_of(options), options.results / options.dataset, force=options.force)))
            return 0
        return run(options) if options.verify is None else verify_run(options)
    except DataError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
