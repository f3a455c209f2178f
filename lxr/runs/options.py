"""The options of a run: the parser of the command line, and the checks of what it is given."""

import argparse
import math
import os
from pathlib import Path

from lxr.data.datasets import DATASETS
from lxr.data.ratings import REPEATS
from lxr.explainers.registry import EXPLAINERS
from lxr.recommenders.registry import RECOMMENDERS
from lxr.runs.data_source import SMOKE, WITH_FEATURES, check_name, name_of, place, source_of
from lxr.runs.plugins import load_plugin
from lxr.runs.stage import NOTEBOOKS
from lxr.runs.stages import EXPLORE, REPORT, TINY_DATASET
from lxr.runs.verify import TOLERANCE
from lxr.utils.checks import HIGHEST_SEED
from lxr.utils.environment import PROJECT_ROOT, choose_device, data_directory

DEFAULT_RECOMMENDERS = ["mf", "vae"]
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
        metavar="NAME",
        help=f"some of {' '.join(EXPLAINERS)} (all, with those of plugins)",
    )
    group.add_argument(
        "--plugin",
        nargs="+",
        type=place,
        default=[],
        dest="plugins",
        metavar="FILE",
        help="Python files that register explainers of your own: lxr.explainers.register",
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


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """Add the command line's options of a file of one's own."""
    group = parser.add_argument_group(
        "a file of your own",
        "in the place of a registered dataset. Its results are named after it, unless\n"
        "--dataset names them; that name is all that a later command needs.",
    )
    group.add_argument("--ratings", type=place, metavar="PATH", help=".csv, .tsv, .inter (gzipped or not) or .parquet")
    group.add_argument("--user-column", metavar="NAME", help="of users (user)")
    group.add_argument("--item-column", metavar="NAME", help="of items (item)")
    group.add_argument("--rating-column", metavar="NAME", help="of ratings (rating)")
    group.add_argument("--min-rating", type=float, metavar="R", help="what a rating has to reach to count")
    group.add_argument("--implicit", action="store_true", help="there are no ratings: every row counts")
    group.add_argument("--timestamp-column", metavar="NAME", help="of times (timestamp, if there is one)")
    group.add_argument(
        "--repeats",
        choices=REPEATS,
        help="a user's several rows for one item: the newest counts, the oldest, or their sum, as for plays",
    )
    group.add_argument("--min-items-per-user", type=int, metavar="N", help="items that a user needs to be kept (2)")
    group.add_argument("--min-users-per-item", type=int, metavar="N", help="users that an item needs to be kept (2)")
    group.add_argument("--items", type=place, metavar="PATH", help="another such file (or .item), with titles of items")
    group.add_argument("--title-column", metavar="NAME", help="of titles (title)")


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
            if not 0 <= seed <= HIGHEST_SEED:
                raise ValueError(f"argument {name}: expected 0 to {HIGHEST_SEED}, found {seed}")
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
    options.explainers = chosen_explainers(options.explainers, options.plugins)
    if options.tune == "explainers" and not any(EXPLAINERS[name].search_space for name in options.explainers):
        raise ValueError(f"argument --tune: none of {', '.join(options.explainers)} has options")


def chosen_explainers(names: list[str] | None, plugins: list[Path]) -> list[str]:
    """The primary names of explainers in the order of the registry, each once; all of them if none is given.

    Raises:
        ValueError: an unknown name, or a plugin that cannot be used.
    """
    for path in plugins:
        try:
            load_plugin(path)
        except ValueError as error:
            raise ValueError(f"argument --plugin: {error}") from error
    for name in names or ():
        if name not in EXPLAINERS:
            known = ", ".join(map(repr, EXPLAINERS))
            raise ValueError(f"argument --explainers: invalid choice: {name!r} (choose from {known})")
    wanted = {EXPLAINERS.primary(name) for name in names or EXPLAINERS}
    return [name for name in EXPLAINERS if name in wanted]


def option(name: str) -> str:
    """An option as it is called on the command line."""
    return f"--{name.replace('_', '-')}"
