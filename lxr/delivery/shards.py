"""Explanations of any number of users in bounded memory: one file per shard of users, written atomically."""

import json
import math
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from lxr.data.interactions import Interactions
from lxr.data.splits import load_split, split_users
from lxr.delivery.bundle import MANIFEST, Bundle, load
from lxr.delivery.explain import explain_with
from lxr.delivery.explainers import as_explainer, load_explainer
from lxr.delivery.explanations import Delivery
from lxr.delivery.falls import Sets
from lxr.delivery.files import RUN, record_of
from lxr.delivery.people import read_people
from lxr.delivery.records import REASONS, SCHEMA
from lxr.distributed.cluster import connect
from lxr.distributed.shards import map_shards
from lxr.explainers.base import Explainer
from lxr.explainers.registry import EXPLAINERS
from lxr.recommenders.base import Recommender
from lxr.recommenders.recommendations import check_catalogue, training_users
from lxr.utils.directories import whole_directory
from lxr.utils.memory import give_back
from lxr.utils.records import read_json, write_json
from lxr.utils.storage import DataError, sha256
from lxr.utils.threads import torch_threads

Format = Literal["parquet", "jsonl"]
FORMATS = get_args(Format)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run of ``lxr explain``: the options of the command line.

    Attributes:
        model: file of the recommender, or directory of a bundle.
        out: directory of the shards.
        data: file of the interactions; None for the data of the bundle.
        trusted: whether the bundle may run code, see :func:`lxr.load`.
        explainer: name in :data:`lxr.EXPLAINERS`, or file of a saved explainer; None for the explainer of the bundle, or the
            default explainer.
        network: file of the trained network that ``explainer`` is or refines, if any.
        split: file of the split with the training users of explainers; None for :func:`lxr.split_users`.
        users: ids; None for all.
        histories: file of people outside the data, instead of users.
        items: ids of the items to explain; None for the best items.
        top: number of best items to explain.
        reasons: number of reasons of each record.
        sets: kind of counterfactual sets, see :meth:`lxr.Explanations.records`.
        time_limit: seconds for each smallest set.
        format: format of the shards.
        users_per_shard: number of users of a shard.
        seed: seed of the split and of a new explainer.
    """

    model: Path
    out: Path
    data: Path | None = None
    trusted: bool = False
    explainer: str | Path | None = None
    network: Path | None = None
    split: Path | None = None
    users: tuple[str, ...] | None = None
    histories: Path | None = None
    items: tuple[str, ...] | None = None
    top: int = 1
    reasons: int = REASONS
    sets: Sets = "prefix"
    time_limit: float = 2.0
    format: Format = "parquet"
    users_per_shard: int = 1000
    seed: int = 0

    @property
    def run(self) -> Path:
        """Directory of everything but the shards: the manifest, records of shards, trained networks."""
        return self.out / RUN

    @property
    def asked(self) -> dict:
        """All settings that determine the content of the shards, with the SHA-256 of every file."""
        files = {name: getattr(self, name) for name in ("data", "network", "split", "histories")}
        bundle = whole_directory(self.model)
        files["model"] = bundle / MANIFEST if bundle.is_dir() else self.model  # the manifest names all files of a bundle
        explainer: dict | str | None
        if isinstance(self.explainer, Path):
            explainer = {"name": self.explainer.stem, "file": sha256(self.explainer)}
        else:
            explainer = self.explainer
        names = ("users", "items", "top", "reasons", "sets", "time_limit", "format", "users_per_shard", "seed")
        return {
            "schema": SCHEMA,
            "explainer": explainer,
            **{name: path and sha256(path) for name, path in files.items()},
            **{name: list(value) if isinstance(value := getattr(self, name), tuple) else value for name in names},
        }

    @property
    def absolute(self) -> "Job":
        """The same job, by absolute paths."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        paths: dict[str, Any] = {name: path.absolute() for name, path in values.items() if isinstance(path, Path)}
        return replace(self, **paths)

    def shard(self, number: int) -> Path:
        """File of a shard."""
        return self.out / f"part-{number:05}.{self.format}"


@dataclass(frozen=True)
class Work:
    """A job with its files read: everything that explains a shard.

    Attributes:
        job: the job.
        by: recommender, people and explainer.
        rows: (n,) rows of the people to explain.
        items: ids of the items to explain; None for the best items.
    """

    job: Job
    by: Delivery
    rows: np.ndarray
    items: np.ndarray | None

    @property
    def shards(self) -> list[Path]:
        """Files of all shards."""
        return [self.job.shard(number) for number in range(math.ceil(len(self.rows) / self.job.users_per_shard))]

    def write(self, number: int) -> dict:
        """Explain the users of a shard, write its file and then its record, and return the record."""
        job, path = self.job, self.job.shard(number)
        rows = self.rows[number * job.users_per_shard : (number + 1) * job.users_per_shard]
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            explanations = explain_with(self.by, rows=rows, items=self.items, n_recommendations=job.top, progress=False)
            write = explanations.to_parquet if job.format == "parquet" else explanations.to_jsonl
            write(path, reasons=job.reasons, sets=job.sets, time_limit=job.time_limit)
        texts = sorted({str(each.message) for each in said})
        record = {"users": len(rows), "explanations": len(explanations), "file": sha256(path), "warnings": texts}
        write_json(record, record_of(path))
        give_back()  # keeps memory from growing with every shard
        return record


def open_work(job: Job) -> Work:
    """Read the files of a job; trains a missing network and saves it in the job's directory.

    Raises:
        DataError: a file is missing, damaged or does not fit the others.
        ValueError: unknown ids, or an explainer that cannot be made.
    """
    bundle = _bundle_of(job)
    model, data = bundle.model, bundle.data
    if data is None:
        raise DataError(f"{job.model}: expected a bundle with data, or --data, found neither")
    check_catalogue(model, data)
    if job.explainer is None:
        explainer, name = as_explainer(bundle.explainer, model, data, seed=job.seed)
    else:
        explainer, name = _explainer_of(job, job.explainer, model, data)
    people = data if job.histories is None else read_people(job.histories, data)
    rows = np.arange(len(people.user_ids)) if job.users is None else people.rows_of(as_ids(job.users, people.user_ids))
    items = None if job.items is None else as_ids(job.items, people.item_ids)
    if items is not None:
        people.columns_of(items)  # refuse unknown ids first
    return Work(job, Delivery(model, people, explainer, name), rows, items)


def as_ids(texts: tuple[str, ...], known: np.ndarray) -> np.ndarray:
    """Ids of a command line, as integers if the known ids are integers.

    Raises:
        ValueError: a text that is not an integer although the known ids are integers.

    Example:
        >>> as_ids(("7", "3"), np.array([3, 7])), as_ids(("7",), np.array(["7"]))
        (array([7, 3]), array(['7'], dtype='<U1'))
    """
    if known.dtype.kind not in "iu":
        return np.array(texts)
    try:
        return np.array([int(text) for text in texts])
    except ValueError as error:
        raise ValueError(f"expected integer ids, as in the data: {error}") from error


def _bundle_of(job: Job) -> Bundle:
    """Recommender, data and explainer in the files of a job."""
    loaded = load(job.model, trusted=job.trusted)
    bundle = loaded if isinstance(loaded, Bundle) else Bundle(loaded, None, None, {})
    return bundle if job.data is None else replace(bundle, data=Interactions.load(job.data))


def _explainer_of(job: Job, wanted: str | Path, model: Recommender, data: Interactions) -> tuple[Explainer, str]:
    """Explainer of a job, from its name or its file, and its name."""
    if isinstance(wanted, Path):
        read, stem = load_explainer(wanted, model), wanted.stem
        known = EXPLAINERS.get(stem)
        return read, stem if known and known.cls is type(read) else type(read).__name__
    name = EXPLAINERS.primary(wanted)
    spec = EXPLAINERS[name]
    train, validation = (training_users(model, data, rows) for rows in _split_of(job, data))

    def trained(which: str) -> Explainer:
        path = job.network or job.run / "explainer.pt"
        if not path.is_file():
            EXPLAINERS[which](model, train, validation, seed=job.seed).save(path)  # type: ignore[attr-defined]
        return load_explainer(path, model)

    if spec.is_trained:
        return trained(name), name
    options = {"explainer": trained(spec.depends_on)} if spec.depends_on else {}
    return spec(model, train, validation, seed=job.seed, **options), name


def _split_of(job: Job, data: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the training and of the validation users."""
    n_users = data.matrix.shape[0]
    train, validation, _ = load_split(job.split, n_users=n_users) if job.split else split_users(n_users, seed=job.seed)
    return train, validation


# --- a run -----------------------------------------------------------------------------------------------------------


def check_directory(job: Job) -> None:
    """Refuse a directory that holds something else.

    Raises:
        DataError: names the first of its files.
    """
    others = sorted(each.name for each in job.out.iterdir()) if job.out.is_dir() else []
    if others and RUN not in others:
        raise DataError(f"{job.out}: expected a new directory, or one of an earlier run, found one with {others[0]}")


def take_directory(job: Job) -> Work:
    """Open a job in its directory, and write it (:attr:`Job.asked`) to the manifest or compare it with the manifest.

    A job that cannot be opened leaves a new directory free.

    Raises:
        DataError: the directory holds explanations of another command.
        ValueError: what :func:`open_work` refuses.
    """
    path, asked = job.run / "manifest.json", job.asked
    found = read_json(path)
    if found is None:
        write_json(asked, path)
        try:
            return open_work(job)
        except ValueError:
            path.unlink()
            raise
    for name, value in asked.items():
        if found.get(name) != value:
            raise DataError(
                f"{job.out} holds explanations of another command: {name} was {found.get(name)!r} there, and is {value!r} "
                "now: choose another directory with --out, or delete this one"
            )
    return open_work(job)


def note_contents(work: Work) -> None:
    """Record the expected files, and the fingerprints of recommender and explainer."""
    recommender, explainer = work.by.fingerprints
    about = {"explainer": work.by.name, "recommender_fingerprint": recommender, "explainer_fingerprint": explainer}
    write_json({"schema": SCHEMA, **about, "files": [path.name for path in work.shards]}, work.job.run / "contents.json")


def write_shards(work: Work, numbers: list[int], executor: Executor | None = None) -> Iterator[dict]:
    """Write shards and yield their records, in the order of the numbers. Each shard is computed by one thread.

    Args:
        work: an open job.
        numbers: numbers of the shards.
        executor: writes the shards: its workers read the files of the job, each of them once, and write to its directory.
            None for this thread.

    Raises:
        DataError: a shard failed or was lost with its worker; names both.
    """
    job = work.job
    function, shared = (Work.write, (work,)) if executor is None else (_write, (job.absolute, json.dumps(job.asked)))
    with torch_threads(1):
        yield from map_shards(function, numbers, shared=shared, executor=executor, stage=f"{job.out}")


@contextmanager
def workers(job: Job, count: int, scheduler: str | None = None) -> Iterator[Executor | None]:
    """Context with the executor of a job; whatever ends it cancels the shards that have not begun.

    Args:
        job: the job.
        count: number of processes on this machine; None is yielded for one.
        scheduler: address or file of a scheduler, instead of processes; its workers must share the directory of the job.

    Raises:
        ValueError: as :func:`lxr.distributed.connect`.
    """
    if scheduler is None and count == 1:
        yield None
        return
    if scheduler is None:
        executor: Executor = ProcessPoolExecutor(count, get_context("spawn"), _begin)
    else:
        executor = connect(scheduler, directory=job.out)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def _begin() -> None:
    """Prepare a process of this machine: it ignores interruptions and ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process as soon as its parent has ended for any reason."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@lru_cache(maxsize=1)
def _opened(job: Job, asked: str) -> Work:
    """Open a job once in each process; ``asked`` (:attr:`Job.asked`) changes with the content of its files."""
    with warnings.catch_warnings(action="ignore"):  # the caller has shown them
        return open_work(job)


def _write(job: Job, asked: str, number: int) -> dict:
    """Write a shard on a worker."""
    return _opened(job, asked).write(number)
