"""Run every notebook of a dataset, from raw ratings to tables and figures: `python run_all.py --help`."""

import argparse
import math
import os
import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from lxr.data.datasets import DATASETS
from lxr.explainers.registry import EXPLAINERS, SAME
from lxr.recommenders.registry import RECOMMENDERS
from lxr.runs.data_source import SMOKE, WITH_FEATURES, add_file_options, check_name, name_of, place, source_of
from lxr.runs.pipeline import Pipeline
from lxr.runs.stage import NOTEBOOKS
from lxr.runs.stages import EXPLORE, REPORT, TINY_DATASET, stages_of
from lxr.runs.summary import count, main_tables, stage_table, time_table
from lxr.runs.terminal import coloured, print_anything
from lxr.runs.verify import TOLERANCE, committed_run, tables_of, verify
from lxr.tuning.records import load_tuned
from lxr.utils.environment import PROJECT_ROOT, choose_device, data_directory
from lxr.utils.locks import only_run
from lxr.utils.records import read_json, write_json

DEFAULT_RECOMMENDERS = ["mf", "vae"]
DEFAULT_EXPLAINERS = [name for name in EXPLAINERS if name not in SAME]
EXAMPLES = """examples:
  python run_all.py                                    everything of MovieLens 100K; again: what has changed
  python run_all.py --smoke                            a tiny run on generated data, offline, in two minutes
  python run_all.py --dataset ml-1m --recommenders mf  another dataset, one recommender
  python run_all.py --ratings my.csv --min-rating 4    a file of your own; with --dry-run: what is kept of it
  python run_all.py --list                             which stages are done, stale or missing
  python run_all.py --verify                           compare the tables of a run here with the committed ones
"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; a bad one exits with status 2."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        check_numbers(options)
        check_together(options)
        complete(options)
        options.source = source_of(options)
        check_places(options)
        choose_device(options.device)
    except ValueError as error:
        parser.error(str(error))
    return options


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command line. Options that not every command uses are None unless they are given."""
    parser = argparse.ArgumentParser(
        usage="python run_all.py [options]",
        description="Regenerate every table and figure of a dataset by running the notebooks that are not up to date.\n"
        "What an option is without being given stands in brackets.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_what_to_run(parser.add_argument_group("what to run"))
    add_data(parser.add_argument_group("data and results"))
    add_tuning(parser.add_argument_group("tuning"))
    add_how(parser.add_argument_group("how to run"))
    add_instead(parser.add_argument_group("instead of a run"))
    add_file_options(parser)
    return parser


def add_what_to_run(group: argparse._ArgumentGroup) -> None:
    """Add the options that choose stages."""
    default = f"ml-100k, or {TINY_DATASET} with --smoke"
    group.add_argument("--dataset", metavar="NAME", help=f"{', '.join(DATASETS)}, or of a file of your own ({default})")
    group.add_argument(
        "--recommenders",
        nargs="+",
        choices=list(RECOMMENDERS),
        default=DEFAULT_RECOMMENDERS,
        metavar="NAME",
        help=f"some of {' '.join(RECOMMENDERS)} ({' '.join(DEFAULT_RECOMMENDERS)})",
    )
    group.add_argument(
        "--explainers",
        nargs="+",
        choices=list(EXPLAINERS),
        metavar="NAME",
        help=f"some of {' '.join(DEFAULT_EXPLAINERS)} (all)",
    )
    group.add_argument(
        "--seed", type=int, default=42, metavar="N", help="of the split, the training and the explainers (42)"
    )
    group.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=[],
        metavar="N",
        help="repeat all training with these seeds, on the same split",
    )
    group.add_argument("--ablation", action="store_true", help="also train LXR without each of its parts")
    group.add_argument("--smoke", action="store_true", help="tiny run: the notebooks' own parameters, on synthetic data")
    notebooks = [path.stem for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))] + [EXPLORE]
    group.add_argument("--before", choices=notebooks, metavar="NOTEBOOK", help="only what this notebook needs, as 05_lxr")


def add_data(group: argparse._ArgumentGroup) -> None:
    """Add the options of data and results."""
    group.add_argument("--data-dir", type=place, metavar="DIR", help="raw data ($LXR_DATA_DIR, else Data/)")
    group.add_argument(
        "--results", type=place, default=PROJECT_ROOT / "results", metavar="DIR", help="directory of all results (results/)"
    )
    group.add_argument(
        "--test-users", type=int, metavar="N", help="explain and judge a random sample of so many test users, not all"
    )
    group.add_argument(
        "--user-features",
        action="store_true",
        help="histories also hold what is known of the users (personal data); results go to user-features/ of the results",
    )


def add_tuning(group: argparse._ArgumentGroup) -> None:
    """Add the options of tuning."""
    group.add_argument(
        "--hyperparameters",
        choices=["tuned", "published"],
        help="those found by --tune for this split, or LXR's published ones and the defaults of everything else (tuned)",
    )
    group.add_argument(
        "--tune",
        choices=["recommenders", "explainers"],
        help="only look for hyperparameters, and leave them in tuned_*.json of the results; goes on with what is there",
    )
    group.add_argument("--trials", type=int, metavar="N", help="of every study (20, or 5 if tiny)")
    group.add_argument("--minutes", type=float, metavar="M", help="after which no study begins another trial")
    group.add_argument("--workers", type=int, metavar="N", help="processes that share each study (1)")


def add_how(group: argparse._ArgumentGroup) -> None:
    """Add the options of the machine, and of what is there already."""
    jobs = min(2, os.cpu_count() or 1)
    group.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="a GPU if there is one (auto)")
    group.add_argument("--jobs", type=int, default=jobs, metavar="N", help=f"notebooks at a time ({jobs})")
    group.add_argument("--force", action="store_true", help="run everything, unchanged or not")
    group.add_argument("--wait", action="store_true", help="wait for another run in the same results to end, do not refuse")


def add_instead(group: argparse._ArgumentGroup) -> None:
    """Add the options that look at a command or its results."""
    one = group.add_mutually_exclusive_group()
    one.add_argument("--dry-run", action="store_true", help="only say what is kept of the data")
    one.add_argument("--list", action="store_true", help="only say which stages are done, stale or missing, and why")
    one.add_argument(
        "--verify",
        nargs="?",
        type=place,
        const=True,
        metavar="DIR",
        help="run in a temporary directory, or take what an earlier run with --results DIR has left, and compare its tables "
        "with those of the results as committed, or as they are outside of git; the exit status is 1 if a value differs",
    )
    group.add_argument(
        "--against", metavar="REV", help="compare with the tables of this commit, branch or tag, with --verify (HEAD)"
    )
    group.add_argument(
        "--tolerance",
        type=float,
        metavar="SHARE",
        help=f"of the largest value of a column, by which its numbers may differ with --verify ({TOLERANCE}); 0: none may",
    )


def check_together(options: argparse.Namespace) -> None:
    """Refuse options that do nothing without another one, or beside it.

    Those that look at a command or its results (``--dry-run``, ``--list``, ``--verify``) go with any other.

    Raises:
        ValueError: names them.
    """
    for needed, names in (("tune", ("trials", "minutes", "workers")), ("verify", ("tolerance", "against"))):
        for name in names:
            if getattr(options, name) is not None and getattr(options, needed) is None:
                raise ValueError(f"argument {option(name)}: expected --{needed} beside it")
    tiny = options.smoke or options.dataset == TINY_DATASET
    alone = f"--smoke or --dataset {TINY_DATASET}"
    for name, other, refused in (
        ("tune", "--seeds", options.seeds),
        ("tune", "--ablation", options.ablation),
        ("tune", "--before", options.before),
        ("hyperparameters", alone, tiny),
        ("hyperparameters", "--tune recommenders", options.tune == "recommenders"),
        ("explainers", "--tune recommenders", options.tune == "recommenders"),
        ("ablation", f"--before {options.before}", options.before and options.before != REPORT),
    ):
        if refused and getattr(options, name) not in (None, False):
            raise ValueError(f"argument {option(name)}: expected alone, found {other} beside it")
    for name in ("tune", "before"):
        if options.verify is not None and getattr(options, name):
            raise ValueError(f"argument --verify: expected a whole run, found {option(name)} beside it")


def check_numbers(options: argparse.Namespace) -> None:
    """Refuse numbers beyond their bounds, and the same seed twice.

    Raises:
        ValueError: names the option, its bounds and the number.
    """
    for name, lowest in (
        ("jobs", 1),
        ("workers", 1),
        ("trials", 0),
        ("minutes", 0),
        ("test_users", 1),
        ("tolerance", 0),
        ("min_items_per_user", 1),
        ("min_users_per_item", 1),
        ("min_rating", -math.inf),
    ):
        value = getattr(options, name)
        if value is not None and not lowest <= value < math.inf:
            bound = f"at least {lowest}" if lowest > -math.inf else "a number"
            raise ValueError(f"argument {option(name)}: expected {bound}, found {value}")
    for name, seeds in (("--seed", [options.seed]), ("--seeds", options.seeds)):
        for seed in seeds:
            if not 0 <= seed < 2**32:  # NumPy's and scikit-learn's bounds
                raise ValueError(f"argument {name}: expected 0 to {2**32 - 1}, found {seed}")
    if len(set(options.seeds)) < len(options.seeds):
        raise ValueError(f"argument --seeds: expected different seeds, found {' '.join(map(str, options.seeds))}")
    if options.seed in options.seeds:
        raise ValueError(f"argument --seeds: expected other seeds than that of --seed, found {options.seed}")


def check_places(options: argparse.Namespace) -> None:
    """Refuse directories that cannot be read or written.

    Raises:
        ValueError: names the option and the place.
    """
    for name in ("data_dir", "results"):
        path = getattr(options, name)
        there = next(folder for folder in (path, *path.parents) if folder.exists())
        if not there.is_dir():
            raise ValueError(f"argument {option(name)}: expected a directory, found a file {there}")
    looks = options.dry_run or options.list or options.verify is not None
    if not looks and not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"argument --results: expected a directory that can be written, found {there}")


def complete(options: argparse.Namespace) -> None:
    """Fill in what was not given, and make paths absolute.

    Raises:
        ValueError: an option does not go with the dataset or the explainers.
    """
    default = TINY_DATASET if options.smoke else "ml-100k"
    options.named = options.dataset is not None
    if not options.named:
        options.dataset = name_of(options.ratings) if options.ratings else default
    check_name(options)
    options.hyperparameters = options.hyperparameters or "tuned"
    options.workers = options.workers or 1
    options.tolerance = TOLERANCE if options.tolerance is None else options.tolerance
    options.data_dir, options.results = data_directory(options.data_dir).resolve(), options.results.resolve()
    if options.smoke and options.dataset != TINY_DATASET:
        options.results /= SMOKE  # a tiny run never replaces a full one
    if options.user_features and options.results.name != WITH_FEATURES:
        options.results /= WITH_FEATURES  # nor one with user features one without
    telling = [name for name, dataset in DATASETS.items() if dataset.read_users]
    if options.user_features and options.dataset not in telling:
        found = f"expected one of {', '.join(telling)} as --dataset, found {options.dataset}"
        raise ValueError(f"argument --user-features: {found}")
    # In the order of the registry, each once.
    options.recommenders = [name for name in RECOMMENDERS if name in options.recommenders]
    wanted = {SAME.get(name, name) for name in options.explainers or DEFAULT_EXPLAINERS}
    options.explainers = [name for name in EXPLAINERS if name in wanted]
    if options.tune == "explainers" and not any(EXPLAINERS[name].search_space for name in options.explainers):
        raise ValueError(f"argument --tune: none of {', '.join(options.explainers)} has options")


def option(name: str) -> str:
    """An option as it is called on the command line."""
    return f"--{name.replace('_', '-')}"


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


if __name__ == "__main__":
    sys.exit(main())
