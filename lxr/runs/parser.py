"""The command line of a run, as :class:`lxr.runs.RunOptions`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from lxr.data.datasets import DATASETS
from lxr.data.ratings import REPEATS
from lxr.explainers.registry import EXPLAINERS
from lxr.recommenders.registry import RECOMMENDERS
from lxr.runs.options import DEFAULT_RECOMMENDERS, DEVICES, OptionError, RunOptions, default_jobs, notebook_names
from lxr.runs.plan import HEADLINE, TINY_DATASET
from lxr.runs.verify import TOLERANCE

EXAMPLES = """examples:
  python run_all.py                                    everything of MovieLens 100K; again: what has changed
  python run_all.py --smoke                            a tiny run on generated data, offline, in two minutes
  python run_all.py --dataset ml-1m --recommenders mf  another dataset, one recommender
  python run_all.py --ratings my.csv --min-rating 4    a file of your own; with --dry-run: what is kept of it
  python run_all.py --list                             which stages are done, stale or missing
  python run_all.py --verify                           compare the tables of a run here with the committed ones
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
    """The parser of the command line. It leaves options out that are not given: RunOptions has the defaults."""
    parser = argparse.ArgumentParser(
        usage="python run_all.py [options]",
        description="Regenerate every table and figure of a dataset by running the notebooks that are not up to date.\n"
        "Defaults are in brackets.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    _add_what_to_run(parser.add_argument_group("what to run"))
    _add_data(parser.add_argument_group("data and results"))
    _add_tuning(parser.add_argument_group("tuning"))
    _add_how(parser.add_argument_group("how to run"))
    _add_instead(parser.add_argument_group("instead of a run"))
    _add_file_options(parser)
    return parser


def _path(text: str) -> Path:
    """Type of a path on the command line: ``~`` is the home directory, and an empty text is an error.

    Raises:
        argparse.ArgumentTypeError: there is no such home directory, or no path.
    """
    if not text:
        raise argparse.ArgumentTypeError("expected a path, found nothing")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error


def _add_what_to_run(group: argparse._ArgumentGroup) -> None:
    """Add the options that choose stages."""
    default = f"ml-100k, or {TINY_DATASET} with --smoke"
    group.add_argument("--dataset", metavar="NAME", help=f"{', '.join(DATASETS)}, or of a file of your own ({default})")
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
        help=f"some of {' '.join(EXPLAINERS)} (all, with those of plugins)",
    )
    group.add_argument(
        "--plugin",
        nargs="+",
        type=_path,
        dest="plugins",
        metavar="FILE",
        help="Python files that register explainers of your own: lxr.explainers.register",
    )
    group.add_argument("--seed", type=int, metavar="N", help="of the split, the training and the explainers (42)")
    group.add_argument(
        "--seeds", type=int, nargs="+", metavar="N", help="repeat all training with these seeds, on the same split"
    )
    group.add_argument(
        "--splits",
        type=int,
        nargs="+",
        metavar="N",
        help=f"repeat with these splits of the users, with the options of the first: {' '.join(HEADLINE)} (or --explainers)",
    )
    group.add_argument("--ablation", action="store_true", help="also train LXR without each of its parts")
    group.add_argument("--smoke", action="store_true", help="tiny run: the notebooks' own parameters, on synthetic data")
    group.add_argument(
        "--before", choices=notebook_names(), metavar="NOTEBOOK", help="only what this notebook needs, as 05_lxr"
    )


def _add_data(group: argparse._ArgumentGroup) -> None:
    """Add the options of data and results."""
    group.add_argument("--data-dir", type=_path, metavar="DIR", help="raw data ($LXR_DATA_DIR, else Data/)")
    group.add_argument("--results", type=_path, metavar="DIR", help="directory of all results (results/)")
    group.add_argument(
        "--test-users", type=int, metavar="N", help="explain and judge a random sample of so many test users, not all"
    )
    group.add_argument(
        "--user-features",
        action="store_true",
        help="histories also hold what is known of the users (personal data); results go to user-features/ of the results",
    )


def _add_tuning(group: argparse._ArgumentGroup) -> None:
    """Add the options of tuning."""
    group.add_argument(
        "--hyperparameters",
        choices=["tuned", "published"],
        help="those found by --tune for this split, or LXR's published ones; defaults of everything else (tuned)",
    )
    group.add_argument(
        "--tuned-on", metavar="NAME", help="another dataset, on which the hyperparameters of the explainers were tuned"
    )
    group.add_argument(
        "--tune",
        choices=["recommenders", "explainers"],
        help="only look for hyperparameters, and leave them in tuned_*.json of the results; goes on with what is there",
    )
    group.add_argument("--trials", type=int, metavar="N", help="of every study (20, or 5 if tiny)")
    group.add_argument("--minutes", type=float, metavar="M", help="after which no study begins another trial")
    group.add_argument("--workers", type=int, metavar="N", help="processes that share each study (1)")


def _add_how(group: argparse._ArgumentGroup) -> None:
    """Add the options of the machine, and of what is there already."""
    group.add_argument("--device", choices=DEVICES, help="a GPU if there is one (auto)")
    group.add_argument("--jobs", type=int, metavar="N", help=f"notebooks at a time ({default_jobs()})")
    group.add_argument("--force", action="store_true", help="run everything, unchanged or not")
    group.add_argument("--wait", action="store_true", help="wait for another run in the same results to end, do not refuse")


def _add_instead(group: argparse._ArgumentGroup) -> None:
    """Add the options that look at a command or its results."""
    one = group.add_mutually_exclusive_group()
    one.add_argument("--dry-run", action="store_true", help="only say what is kept of the data")
    one.add_argument(
        "--list",
        action="store_true",
        dest="list_stages",
        help="only say which stages are done, stale or missing, and why",
    )
    one.add_argument(
        "--verify",
        nargs="?",
        type=_path,
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


def _add_file_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a file of ratings."""
    group = parser.add_argument_group(
        "a file of your own",
        "in the place of a registered dataset. Its results are named after it, unless\n"
        "--dataset names them; that name is all that a later command needs.",
    )
    group.add_argument("--ratings", type=_path, metavar="PATH", help=".csv, .tsv, .inter (gzipped or not) or .parquet")
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
    group.add_argument("--items", type=_path, metavar="PATH", help="another such file (or .item), with titles of items")
    group.add_argument("--title-column", metavar="NAME", help="of titles (title)")
