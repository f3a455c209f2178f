"""The command ``lxr explain``: explanations of any number of users, as a directory of Parquet or JSON lines."""

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import get_args

from lxr.delivery.falls import Sets
from lxr.delivery.files import recorded
from lxr.delivery.records import REASONS
from lxr.delivery.shards import FORMATS, Job, Work, check_directory, note_contents, take_directory, workers, write_shards
from lxr.explainers.registry import EXPLAINERS
from lxr.utils.checks import HIGHEST_SEED, check_positive_numbers
from lxr.utils.directories import whole_directory
from lxr.utils.environment import results_directory
from lxr.utils.locks import only_run
from lxr.utils.progress import progress_bar

EXAMPLES = """examples:
  lxr explain --model mf.pt --data interactions.npz --out explanations
  lxr explain --model bundle --top 10 --out explanations
  lxr explain --results results --dataset ml-1m --recommender mf --explainer lxr-path-pure-rank --top 10 --out explanations
  lxr explain --model mf.pt --data interactions.npz --histories carts.csv --format jsonl --out carts
The output is a directory of files part-00000.parquet, part-00001.parquet, ... The same command
resumes an interrupted one. lxr.delivery.read_explanations reads the directory.
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command line.

    Args:
        arguments: words after ``lxr explain``.

    Returns:
        The exit status: 0; 1 if files or data are unusable (one line states why); 130 if interrupted. A bad command line
        exits with status 2.
    """
    options = _parser().parse_args(arguments)
    try:
        return run(_job_of(options), options.jobs, options.scheduler, options.wait)
    except KeyboardInterrupt:
        print("\ninterrupted: finished files are kept; run the same command to resume", file=sys.stderr)
        return 130
    except (ValueError, OSError, MemoryError, ImportError) as error:  # DataError is a ValueError
        print(f"{error}" or type(error).__name__, file=sys.stderr)
        return 1


def run(job: Job, jobs: int, scheduler: str | None = None, wait: bool = False) -> int:
    """Write the missing shards of a job, and print their number; returns the exit status.

    Args:
        job: the job.
        jobs: processes; so many files or fewer are written by this one.
        scheduler: address or file of a scheduler whose workers write the files, instead of processes.
        wait: wait for another process in the same directory to end.
    """
    started = time.perf_counter()
    check_directory(job)
    with only_run(job.run, wait), workers(job, jobs, scheduler) as executor:
        work = take_directory(job)
        note_contents(work)
        there = [recorded(path) for path in work.shards]
        missing = [number for number, record in enumerate(there) if record is None]
        made = _written(work, missing, executor if scheduler or len(missing) > jobs else None)
    print(_end_line(work, [record for record in there if record], made, time.perf_counter() - started))
    said = [text for record in made for text in record["warnings"]]
    if said:
        print(f"{len(said)} warnings, the first: {said[0]}", file=sys.stderr)
    return 0


def _written(work: Work, numbers: list[int], executor: Executor | None) -> list[dict]:
    """Records of shards as they are written, with a progress bar over users."""
    per_shard, total = work.job.users_per_shard, len(work.rows)
    users = sum(min(per_shard, total - number * per_shard) for number in numbers)
    made = []
    with progress_bar(total=users, desc="explaining", unit="user") as bar:
        for record in write_shards(work, numbers, executor):
            made.append(record)
            bar.update(record["users"])
    return made


def _end_line(work: Work, there: list[dict], made: list[dict], seconds: float) -> str:
    """Final line: number of explanations, number made now, and speed."""
    explanations = sum(record["explanations"] for record in [*there, *made])
    about = f"{explanations} explanations of {len(work.rows)} users by {work.by.name}"
    number = f"{len(work.shards)} file{'s' if len(work.shards) > 1 else ''}"
    files = f"{number} in {work.job.out}" + (f", {len(there)} of them from earlier runs" if there else "")
    now = sum(record["users"] for record in made)
    return f"{about}: {files}; {now} users in {seconds:.1f} s, {now / seconds:.0f} a second"


# --- the command line ------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="lxr explain",
        description="Explain recommendations of any number of users, in bounded memory.\nDefaults are in brackets.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    group = parser.add_argument_group("recommender and data: two files, a bundle, or a run")
    group.add_argument(
        "--model", type=Path, metavar="PATH", help="recommender (a file of model.save) or bundle (of lxr.save)"
    )
    group.add_argument(
        "--data", type=Path, metavar="FILE", help="histories, ids and titles, a file of data.save (the bundle's)"
    )
    group.add_argument("--trusted", action="store_true", help="allow a bundle that runs code")
    group.add_argument("--results", type=Path, metavar="DIR", help="directory of results of run_all.py")
    group.add_argument("--dataset", metavar="NAME", help="dataset of the run")
    group.add_argument("--recommender", metavar="NAME", help="recommender of the run (mf)")
    group = parser.add_argument_group("users, items and explainer")
    group.add_argument(
        "--explainer",
        metavar="NAME|FILE",
        help="name in lxr.EXPLAINERS (trained once if necessary), or a saved explainer (the bundle's, or one that needs no "
        "training)",
    )
    who = group.add_mutually_exclusive_group()
    who.add_argument("--users", nargs="+", default=["all"], metavar="ID", help="user ids (all)")
    who.add_argument("--histories", type=Path, metavar="FILE", help="people outside the data: .csv of user,item or .jsonl")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--top", type=_positive, default=1, metavar="N", help="best recommendations of each user (1)")
    which.add_argument("--items", nargs="+", metavar="ID", help="items to explain, instead of the best ones")
    group.add_argument("--seed", type=_seed, default=0, metavar="N", help="seed of the split and of the explainer (0)")
    group = parser.add_argument_group("the output")
    group.add_argument("--out", type=Path, required=True, metavar="DIR", help="directory of the files")
    group.add_argument("--format", choices=FORMATS, default="parquet", help="format of the files (parquet)")
    group.add_argument(
        "--reasons", type=_positive, default=REASONS, metavar="N", help=f"reasons of each explanation ({REASONS})"
    )
    group.add_argument(
        "--sets",
        choices=get_args(Sets),
        default="prefix",
        help="counterfactual set of each explanation: first reasons, or the smallest set of history items (prefix)",
    )
    group.add_argument("--time-limit", type=_seconds, default=2.0, metavar="S", help="seconds for each smallest set (2)")
    group.add_argument("--users-per-file", type=_positive, default=1000, metavar="N", help="users per file (1000)")
    group.add_argument(
        "--jobs", type=_positive, default=2, metavar="N", help="processes; any number gives the same files (2)"
    )
    group.add_argument(
        "--scheduler",
        metavar="ADDRESS|FILE",
        help="scheduler of dask whose workers write the files, instead of processes; they must share the directory",
    )
    group.add_argument("--wait", action="store_true", help="wait for another run in the same directory to end")
    return parser


def _positive(text: str) -> int:
    """Type of a positive integer on the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer, found {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    """Type of a time on the command line."""
    try:
        seconds = float(text)
        check_positive_numbers(seconds=seconds)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a positive number, found {text!r}") from error
    return seconds


def _seed(text: str) -> int:
    """Type of a seed on the command line."""
    if not text.isdecimal() or int(text) > HIGHEST_SEED:
        raise argparse.ArgumentTypeError(f"expected an integer from 0 to {HIGHEST_SEED}, found {text!r}")
    return int(text)


def _job_of(options: argparse.Namespace) -> Job:
    """Job of a command line; a bad one exits with status 2."""
    explainer = options.explainer
    if explainer is not None and explainer not in EXPLAINERS:
        explainer = Path(explainer)
        if not explainer.is_file():
            known = ", ".join(EXPLAINERS)
            _parser().error(f"argument --explainer: expected a file or one of {known}, found {str(explainer)!r}")
    users = None if options.users == ["all"] or options.histories else tuple(options.users)
    return Job(
        **_sources(options, explainer),
        out=options.out,
        explainer=explainer,
        users=users,
        histories=options.histories,
        items=options.items and tuple(options.items),
        top=options.top,
        reasons=options.reasons,
        sets=options.sets,
        time_limit=options.time_limit,
        format=options.format,
        users_per_shard=options.users_per_file,
        seed=options.seed,
    )


def _sources(options: argparse.Namespace, explainer: str | Path | None) -> dict:
    """Files of the recommender, the data, the split and the trained network; a bad command line exits with status 2."""
    files, run = (options.model, options.data, options.trusted), (options.results, options.dataset)
    has_data = options.data or (options.model and whole_directory(options.model).is_dir())
    if options.model and has_data and not any((*run, options.recommender)):
        return {"model": options.model, "data": options.data, "trusted": options.trusted}
    if not all(run) or any(files):
        _parser().error("expected either --model and --data, or --model with a bundle, or --results and --dataset")
    root = results_directory(options.results) / options.dataset
    folder = root / (options.recommender or "mf")
    sources = {"model": folder / "recommender.pt", "data": root / "interactions.npz", "split": root / "split.npz"}
    if isinstance(explainer, str):
        network = folder / f"{EXPLAINERS[explainer].depends_on or EXPLAINERS.primary(explainer)}.pt"
        sources |= {"network": network} if network.is_file() else {}
    return sources
