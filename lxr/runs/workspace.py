"""Inputs, outputs and records of the stages of a run.

A run of one dataset lives in ``<results>/<dataset>/``:

    interactions.npz, split.npz           data (01)
    <recommender>/recommender.pt          weights (02 to 04, 19 to 22)
    <recommender>/<explainer>.pt          explainer networks (05, 07)
    <recommender>/studies/*.journal       studies; <recommender>/tuned/*.json their results (11)
    <recommender>/importance/<name>.npz   scores of the entries of the test users (05, 07, 10)
    <recommender>/cost/<name>.parquet     cost of explaining (05, 07, 10)
    <recommender>/fidelity/<name>.parquet every metric of every test user (12)
    tables/, figures/                     results for readers; tables/marks/ marks of tables
    stages/<stage>.json                   parameters, inputs and outputs of each stage
    notebooks/<stage>.ipynb               executed copies; <stage>.failed.ipynb if it failed
    logs/<stage>.log                      their standard output and error
    run.json                              commit, versions, machine, parameters, data and durations of the whole
    report.html                           the last notebook as a page
    run.lock                              the process that runs stages here, during a run
"""

import io
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lxr.data.interactions import Interactions
from lxr.data.splits import load_split
from lxr.distributed.cluster import connect
from lxr.reporting.formats import FORMATS, from_csv, rounded, to_csv
from lxr.utils.environment import PROJECT_ROOT, environment, in_checkout, results_directory
from lxr.utils.extras import extra
from lxr.utils.records import read_json, write_json
from lxr.utils.storage import DataError, atomic_path, sha256

PREPARATION = "01_data_preparation"
RUN = "LXR_RUN"  # environment variable of a run's notebooks: the locked directory of the run
SCHEDULER = "LXR_SCHEDULER"  # environment variable of a run's notebooks: the scheduler that takes shards of users


class Workspace:
    """Access of one stage to the files of a run; collects its inputs and outputs for its record.

    Args:
        stage: name of the notebook, ``"05_lxr"``.
        parameters: parameters of the stage, for its record. The workspace itself uses three of them: ``dataset``, the name
            of the dataset and of the directory below the results; ``results``, the directory of all results (a relative one
            starts at the project root or, for an installed package, at the working directory); and ``recommender``, if the
            stage is about one.

    Example:
        >>> import lxr
        >>> parameters = {"dataset": "synthetic", "recommender": "mf", "results": "results", "seed": 42}
        >>> workspace = lxr.runs.Workspace("05_lxr", parameters)
        >>> workspace.name
        '05_lxr-mf'
    """

    def __init__(self, stage: str, parameters: Mapping[str, Any]):
        self.stage, self.dataset, self.results = stage, parameters["dataset"], results_directory(parameters["results"])
        self.recommender: str | None = parameters.get("recommender")
        # Results can be moved, so their directory is not a parameter of the computation.
        self.parameters = {name: value for name, value in parameters.items() if name != "results"}
        self.name = f"{stage}-{self.recommender}" if self.recommender else stage
        self.root = self.results / self.dataset
        self.started = time.perf_counter()
        self.inputs: dict[Path, str] = {}  # path -> hash of an input
        self.outputs: list[Path] = []
        self.n_users: int | None = None  # checksum of the data, after reading them

    @cached_property
    def executor(self) -> Executor | None:
        """Executor for shards of users: over the workers of the run's cluster, or None in a run of one machine."""
        address = os.environ.get(SCHEDULER)
        return connect(address) if address else None

    def input(self, relative: str) -> Path:
        """Path of a file that an earlier stage made.

        Raises:
            DataError: it is missing; names the command that makes it.
        """
        path = self.root / relative
        if not path.is_file():
            raise DataError(f"{path} is missing: {self._remedy()}")
        self.inputs[path] = self.inputs.get(path) or sha256(path)
        return path

    def _remedy(self) -> str:
        """Command that makes a missing input."""
        running = os.environ.get(RUN)
        if running and self.root.is_relative_to(running):
            return f"no stage that {self.name} needs has made it"
        if not in_checkout():
            return "only a clone of the repository has the notebooks that make it"
        command = ["python", "run_all.py", "--dataset", self.dataset]
        command += [] if self.results == PROJECT_ROOT / "results" else ["--results", str(self.results)]
        command += ["--before", self.stage, *(["--recommenders", self.recommender] if self.recommender else [])]
        return f"run {shlex.join(command + self._options_of_the_data())}"

    def _options_of_the_data(self) -> list[str]:
        """Options of ``run_all.py`` that prepared the data; others would replace them."""
        prepared = stage_parameters(self.root, PREPARATION)
        values = {"--seed": prepared.get("seed"), "--test-users": prepared.get("n_test")}
        if prepared.get("data_dir"):  # a notebook's path may be relative
            values["--data-dir"] = (PROJECT_ROOT / "notebooks" / Path(prepared["data_dir"]).expanduser()).resolve()
        given = [part for name, value in values.items() if value is not None for part in (name, str(value))]
        return given + ["--user-features"] * bool(prepared.get("user_features"))

    def output(self, relative: str) -> Path:
        """Path of a file that this stage makes."""
        path = self.root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        self.outputs.append(path)
        return path

    def interactions(self) -> Interactions:
        """Prepared data of the run."""
        data = Interactions.load(self.input("interactions.npz"))
        self.n_users = len(data.user_ids)
        return data

    def split(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Index arrays of the training, validation and test users of the run."""
        return load_split(self.input("split.npz"), n_users=self.n_users)

    def table(self, name: str, folder: str = "") -> pd.DataFrame:
        """Read a table of an earlier stage, with its first column as index.

        Args:
            name: name of its files.
            folder: folder of a repeated training, below the run's: ``"seeds/1/ml-1m/"``.
        """
        return pd.read_csv(self.input(f"{folder}tables/{name}.csv"), index_col=0)

    def save_table(
        self,
        frame: pd.DataFrame,
        name: str,
        *,
        decimals: int = 4,
        marks: pd.DataFrame | None = None,
        formats: Sequence[str] = tuple(FORMATS),
    ) -> pd.DataFrame:
        """Write a rounded table as ``tables/<name>.csv``, ``.md`` and ``.tex``; returns the rounded table.

        Marks are shown in Markdown and LaTeX, and saved as ``tables/marks/<name>.csv`` for :mod:`lxr.runs.export`.

        Args:
            frame: the table.
            name: name of the files.
            decimals: digits after the point; small metrics have more, see :func:`lxr.reporting.formats.digits`.
            marks: marks of the best entries and of those without a significant difference to them, see
                :func:`lxr.reporting.tables.mark_best`.
            formats: keys of :data:`lxr.reporting.formats.FORMATS`; long tables need only CSV.
        """
        rounded_frame = rounded(frame, decimals)
        csv = to_csv(rounded_frame, decimals)
        table, _ = from_csv(csv)  # equal to the table that an export reads
        texts = {kind: csv if kind == "csv" else FORMATS[kind](table, decimals, marks) for kind in formats}
        files = {f"tables/{name}.{kind}": text for kind, text in texts.items()}
        if marks is not None:
            files[f"tables/marks/{name}.csv"] = marks.to_csv()
        for file, text in files.items():
            with atomic_path(self.output(file)) as temporary:
                temporary.write_text(text, encoding="utf-8")
        return rounded_frame

    def save_figure(self, figure, name: str) -> None:
        """Write a matplotlib figure as ``figures/<name>.png``, for reading, and ``.pdf``, for papers."""
        with extra("plots"):
            from PIL import Image

        with atomic_path(self.output(f"figures/{name}.png")) as temporary:
            buffer = io.BytesIO()
            figure.savefig(buffer, dpi=200)
            # 256 colours look the same in a third of the bytes.
            image = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)
            image.save(temporary, format="png", optimize=True)
        figure.set_layout_engine("none")  # not changed; to search it again would take as long as all the rest
        with atomic_path(self.output(f"figures/{name}.pdf")) as temporary:
            # Without date and version, equal figures give equal files.
            figure.savefig(temporary, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})

    def finish(self, *, sources: Sequence[str] = (), **found: Any) -> None:
        """Write the stage's record, ``stages/<name>.json``, as the last step of a stage.

        Args:
            sources: raw input files outside the run's directory.
            found: facts that the stage has found; the record keeps them with the parameters.
        """
        record = {
            "stage": self.name,
            "parameters": self.parameters | found,
            "sources": {str(path): sha256(Path(path)) for path in sources},
            "inputs": {path.relative_to(self.root).as_posix(): digest for path, digest in self.inputs.items()},
            "outputs": {path.relative_to(self.root).as_posix(): sha256(path) for path in dict.fromkeys(self.outputs)},
            "environment": environment(),
            "seconds": round(time.perf_counter() - self.started, 2),
        }
        write_json(record, self.root / "stages" / f"{self.name}.json")


def stage_parameters(root: Path, stage: str) -> dict:
    """Parameters of a stage of a run, by its record.

    Args:
        root: directory of the run, ``<results>/<dataset>``.
        stage: name of the stage.

    Returns:
        Name → value; empty if the stage has left no record.

    Raises:
        DataError: the record is damaged.

    Example:
        >>> stage_parameters(Path("nowhere"), "02_mf")
        {}
    """
    path = root / "stages" / f"{stage}.json"
    record = read_json(path)
    if record is None and path.is_file():
        raise DataError(f"{path} is damaged: delete it and run the stage that makes it")
    return (record or {}).get("parameters", {})
