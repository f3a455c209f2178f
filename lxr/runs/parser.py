"""Command-line parser of a run, which returns :class:`lxr.runs.RunOptions`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from lxr.data.datasets import DATASETS
from lxr.data.ratings import REPEATS
from lxr.delivery.compare import COMPARED
from lxr.explainers.registry import EXPLAINERS
from lxr.recommenders.registry import RECOMMENDERS
from lxr.runs.options import DEFAULT_RECOMMENDERS, DEVICES, OptionError, RunOptions, default_jobs, notebook_names
from lxr.runs.plan import HEADLINE, TINY_DATASET
from lxr.runs.verify import TOLERANCE

EXAMPLES = """examples:
  python run_all.py                                    everything for MovieLens 100K; a second time: only changes
  python run_all.py --smoke                            a tiny run on generated data, offline
  python run_all.py --dataset ml-1m --recommenders mf  another dataset, one recommender
  python run_all.py --ratings my.csv --min-rating 4    your own file; add --dry-run to see the kept data
  python run_all.py --sequences Beauty.txt             a sequence file: one user a line, items oldest first
  python run_all.py --list                             show which stages are done, stale or missing
  python run_all.py --verify                           check that this machine reproduces the committed tables
"""


def parse(arguments: Sequence[str] | None = None) -> RunOptions:
    """Read a command line; a bad one exits with status 2.

    Args:
        arguments: words of the command line; those of this process by default.
    """
    parser = make_parser()
    given = vars(parser.parse_args(arguments))
    try:
        return RunOptions(**given)
    except OptionError as error:
        parser.error(f"argument {error.option}: {error.message}")
    except ValueError as error:
        parser.error(str(error))


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line. It omits options that are not given: RunOptions has the defaults."""
    parser = argparse.ArgumentParser(
        usage="python run_all.py [options]",
        description="Run the notebooks that are not up to date, and make every table and figure of a dataset.\n"
        "Defaults are in brackets.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    _add_what_to_run(parser.add_argument_group("stages to run"))
    _add_data(parser.add_argument_group("data and results"))
    _add_tuning(parser.add_argument_group("tuning"))
    _add_how(parser.add_argument_group("how to run"))
    _add_instead(parser.add_argument_group("instead of a run"))
    _add_file_options(parser)
    return parser


def _path(text: str) -> Path:
    """Type of a path on the command line: ``~`` is the home directory, an empty text is an error.

    Raises:
        argparse.ArgumentTypeError: an unknown home directory, or an empty text.
    """
    if not text:
        raise argparse.ArgumentTypeError("expected a path, found an empty text")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error


def _add_what_to_run(group: argparse._ArgumentGroup) -> None:
    """Add the options that choose stages."""
    default = f"ml-100k, or {TINY_DATASET} with --smoke"
    group.add_argument("--dataset", metavar="NAME", help=f"{', '.join(DATASETS)}, or the name of your own file ({default})")
    group.add_argument(
        "--recommenders",
        nargs="+",
        choices=list(RECOMMENDERS),
        metavar="NAME",
        help=f"some of {' '.join(RECOMMENDERS)} ({' '.join(DEFAULT_RECOMMENDERS)})",
    )
    group.add_argument(
        "--explainers",
        nargs="+",
        metavar="NAME",
        help=f"all, or some of {' '.join(EXPLAINERS)} ({' '.join(COMPARED)}, and those of plugins); "
        f"of recommenders that use the order of entries also {' '.join(EXPLAINERS.by_name)}",
    )
    group.add_argument(
        "--plugin",
        nargs="+",
        type=_path,
        dest="plugins",
        metavar="FILE",
        help="Python files that register your own explainers with lxr.explainers.register",
    )
    group.add_argument("--seed", type=int, metavar="N", help="seed of the split, the training and the explainers (42)")
    group.add_argument(
        "--seeds", type=int, nargs="+", metavar="N", help="repeat the training with these seeds on the same split"
    )
    group.add_argument(
        "--splits",
        type=int,
        nargs="+",
        metavar="N",
        help=f"repeat on these splits of the users, with the options of the first: {' '.join(HEADLINE)} (or --explainers)",
    )
    group.add_argument("--ablation", action="store_true", help="also train LXR without each of its parts")
    group.add_argument(
        "--studies",
        action="store_true",
        help="also check sanity, and compare other targets and metrics; --explainers all includes this",
    )
    group.add_argument("--smoke", action="store_true", help="tiny run with the notebooks' own parameters on synthetic data")
    group.add_argument(
        "--before",
        choices=notebook_names(),
        metavar="NOTEBOOK",
        help="run only what this notebook needs, for example 05_lxr",
    )


def _add_data(group: argparse._ArgumentGroup) -> None:
    """Add the options of data and results."""
    group.add_argument("--data-dir", type=_path, metavar="DIR", help="directory of the raw data ($LXR_DATA_DIR, else Data/)")
    group.add_argument("--results", type=_path, metavar="DIR", help="directory of all results (results/)")
    group.add_argument("--test-users", type=int, metavar="N", help="explain and evaluate N random test users (all)")
    group.add_argument(
        "--user-features",
        action="store_true",
        help="include user features (personal data) in histories; results go to user-features/ in the results directory",
    )


def _add_tuning(group: argparse._ArgumentGroup) -> None:
    """Add the options of tuning."""
    group.add_argument(
        "--hyperparameters",
        choices=["tuned", "published"],
        help="use the hyperparameters of --tune on this split, or the published ones of LXR (tuned)",
    )
    group.add_argument("--tuned-on", metavar="NAME", help="use explainers' hyperparameters that were tuned on this dataset")
    group.add_argument(
        "--tune",
        choices=["recommenders", "explainers"],
        help="only search for hyperparameters, and write them to tuned_*.json in the results; resumes earlier studies",
    )
    group.add_argument("--trials", type=int, metavar="N", help="trials of every study (20, or 5 in a tiny run)")
    group.add_argument("--minutes", type=float, metavar="M", help="start no trial after M minutes")
    group.add_argument("--workers", type=int, metavar="N", help="processes per study (1)")


def _add_how(group: argparse._ArgumentGroup) -> None:
    """Add the options of the machine and of earlier results."""
    group.add_argument("--device", choices=DEVICES, help="device of PyTorch; auto takes a GPU if there is one (auto)")
    group.add_argument("--jobs", type=int, metavar="N", help=f"notebooks at a time ({default_jobs()})")
    group.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="run notebooks on the workers of this dask.distributed scheduler: tcp://host:8786, or its scheduler file; "
        "the results must be in a directory that all share",
    )
    group.add_argument("--force", action="store_true", help="run every stage, even if it is up to date")
    group.add_argument(
        "--wait", action="store_true", help="wait for another run in the same results directory instead of failing"
    )


def _add_instead(group: argparse._ArgumentGroup) -> None:
    """Add the options that look at a command or its results."""
    one = group.add_mutually_exclusive_group()
    one.add_argument("--dry-run", action="store_true", help="show statistics of the prepared data; run nothing")
    one.add_argument(
        "--list",
        action="store_true",
        dest="list_stages",
        help="show which stages are done, stale or missing, and why; run nothing",
    )
    one.add_argument(
        "--verify",
        nargs="?",
        type=_path,
        const=True,
        metavar="DIR",
        help="run in a temporary directory, or take an earlier run with --results DIR, and compare its tables with the "
        "committed ones; the exit status is 1 if a value differs",
    )
    group.add_argument(
        "--against", metavar="REV", help="with --verify: compare with the tables of this commit, branch or tag (HEAD)"
    )
    group.add_argument(
        "--tolerance",
        type=float,
        metavar="SHARE",
        help=f"with --verify: allowed difference, as a share of the largest value of a column ({TOLERANCE}); 0: bit for bit",
    )


def _add_file_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a file of ratings or sequences."""
    group = parser.add_argument_group(
        "your own data",
        "Use it instead of a registered dataset. Its results are named after the file or by --dataset;\n"
        "later commands need only that name.",
    )
    group.add_argument(
        "--ratings", type=_path, metavar="PATH", help="ratings: .csv, .tsv, .inter (gzipped or not) or .parquet"
    )
    group.add_argument("--user-column", metavar="NAME", help="column of users (user)")
    group.add_argument("--item-column", metavar="NAME", help="column of items (item)")
    group.add_argument("--rating-column", metavar="NAME", help="column of ratings (rating)")
    group.add_argument("--min-rating", type=float, metavar="R", help="lowest rating that counts")
    group.add_argument("--implicit", action="store_true", help="there are no ratings: every row counts")
    group.add_argument(
        "--time-column",
        "--timestamp-column",
        dest="timestamp_column",
        metavar="NAME",
        help="column of times, numbers or dates, which order the entries of a user (timestamp, if present)",
    )
    group.add_argument(
        "--repeats",
        choices=REPEATS,
        help="if a user has several rows for an item: count the newest, the oldest, their sum (as for plays), or keep all",
    )
    group.add_argument("--min-items-per-user", type=int, metavar="N", help="drop users with fewer items (2)")
    group.add_argument("--min-users-per-item", type=int, metavar="N", help="drop items with fewer users (2)")
    group.add_argument("--items", type=_path, metavar="PATH", help="titles of items, in a file of the same kind (or .item)")
    group.add_argument("--title-column", metavar="NAME", help="column of titles (title)")
    group.add_argument(
        "--sequences",
        type=_path,
        metavar="PATH",
        help="instead of --ratings: one user a line, the user and the items, oldest first, separated by blanks or tabs "
        "(gzipped or not); keeps all items and repeats, and users with two items",
    )
