"""Notebooks as stages of a directed graph: run by papermill, skipped when nothing they depend on has changed.

A stage is done when its notebook has run to the end and a stamp says so. The stamp carries a key, the hash of the notebook's
code, its parameters, the keys of the stages it needs, the sources of ``lxr`` and the versions of the packages; and the
hashes of every file the stage read and wrote. A stage is skipped when its key and all those files are unchanged.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

import nbformat
import papermill
import psutil
from tqdm.auto import tqdm
from traitlets.config import Config

from lxr.datasets import PROJECT_ROOT
from lxr.storage import sha256, sweep
from lxr.terminal import coloured
from lxr.workspace import package_versions, read_json, write_json

NOTEBOOKS = PROJECT_ROOT / "notebooks"
# Where a run writes and reads does not change what it computes.
PLACES = ("results", "data_dir")
# How the kernel of a notebook is started and ended.
KERNEL = {
    "kernel_name": "python3",
    "config": Config(KernelManager={"transport_encryption": "auto"}),
    "extra_arguments": ["--log-level=CRITICAL"],  # it may log its own shutdown as an error
    "shutdown_kernel": "immediate",  # all is written by then; to end by itself takes it a second
}


@dataclass(frozen=True)
class Stage:
    """One notebook with its parameters.

    Attributes:
        name: unique, the notebook's name with what distinguishes this run of it: ``"05_lxr-mf"``; a folder before it,
            ``"seeds/1/ml-1m/05_lxr-mf"``, is where below the pipeline's root it keeps its files.
        notebook: its file.
        parameters: injected below its cell tagged ``parameters``.
        needs: names of the stages whose outputs it reads.
        goes_on: whether it runs even if nothing has changed, since it goes on with work of its own.
    """

    name: str
    notebook: Path
    parameters: dict
    needs: tuple[str, ...] = ()
    goes_on: bool = False

    def path(self, root: Path, kind: str, suffix: str) -> Path:
        """Where the stage of a pipeline in ``root`` keeps its file of a kind, as ``<kind>/<name>.<suffix>``."""
        name = root / self.name
        return name.parent / kind / f"{name.name}.{suffix}"

    def record(self, root: Path) -> dict | None:
        """What the stage has left of itself, with the key of its stamp once it is finished; None if there is nothing."""
        return read_json(self.path(root, "stages", "json"))


@dataclass
class Outcome:
    """What became of a stage: ``"done"``, ``"skipped"``, ``"failed"`` or ``"not run"``, and why."""

    state: str
    detail: str = ""
    seconds: float = 0.0


@dataclass
class Pipeline:
    """Runs stages in the order of their needs, several at a time.

    Args:
        stages: the graph; every need must be among them.
        root: directory of the run, ``<results>/<dataset>``.
        jobs: notebooks at a time; the processors are shared out among them.
        force: run every stage, whatever its stamp says.
    """

    stages: Sequence[Stage]
    root: Path
    jobs: int = 1
    force: bool = False
    keys: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self.by_name = {stage.name: stage for stage in self.stages}
        for name in TopologicalSorter({stage.name: stage.needs for stage in self.stages}).static_order():
            self.keys[name] = self.key(self.by_name[name])

    @property
    def threads(self) -> int:
        """Threads of each notebook: its share of the processors."""
        return max(1, (os.cpu_count() or 1) // self.jobs)

    def key(self, stage: Stage) -> str:
        """Hash of everything that determines what a stage computes, given its input files."""
        check_parameters(stage)
        cells = nbformat.read(stage.notebook, as_version=4).cells
        parts = {
            "code": [cell.source for cell in cells if cell.cell_type == "code"],
            "parameters": {name: value for name, value in stage.parameters.items() if name not in PLACES},
            "needs": [self.keys[need] for need in stage.needs],
            "sources": library_hash(),
            "packages": package_versions(),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def why_stale(self, stage: Stage) -> str:
        """Why a stage has to run, or an empty string if it has not."""
        if self.force:
            return "forced"
        if stage.goes_on:
            return "it goes on with what is there"
        record = stage.record(self.root)
        if record is None or "key" not in record:
            return "not finished before"
        if not all(isinstance(record.get(kind), dict) for kind in ("sources", "inputs", "outputs")):
            return "its record is damaged"
        data_dir = stage.parameters.get("data_dir")
        if data_dir and not all(Path(name).is_relative_to(data_dir) for name in record["sources"]):
            return "it read another data directory"
        if record["key"] != self.keys[stage.name]:
            return "its code, parameters or what it needs have changed"
        place = (self.root / stage.name).parent
        files = {place / name: expected for kind in ("inputs", "outputs") for name, expected in record[kind].items()}
        files |= {Path(name): expected for name, expected in record["sources"].items()}
        for path, expected in files.items():
            if not path.is_file():
                return f"{path} is missing"
            if sha256(path) != expected:
                return f"{path} has changed or is damaged"
        return ""

    def state(self, stage: Stage) -> tuple[str, str]:
        """``"done"``, ``"stale"`` or ``"missing"`` (it was never finished), and why it has to run."""
        reason = self.why_stale(stage)
        finished = "key" in (stage.record(self.root) or {})
        return ("stale" if finished else "missing") if reason else "done", reason

    def run(self) -> dict[str, Outcome]:
        """Run what is stale; a failed stage stops only what needs it.

        Returns:
            Name → outcome, in the order of the stages.
        """
        sweep(self.root)
        # Before a kernel starts.
        os.environ["OMP_NUM_THREADS"] = str(self.threads)
        outcomes: dict[str, Outcome] = {}
        sorter = TopologicalSorter({stage.name: stage.needs for stage in self.stages})
        sorter.prepare()
        running: dict[Future, str] = {}
        with (
            tqdm(total=len(self.stages), desc="stages", unit="stage", leave=False, disable=None) as progress,
            ThreadPoolExecutor(self.jobs) as pool,
        ):
            try:
                while sorter.is_active():
                    for name in sorter.get_ready():
                        stage = self.by_name[name]
                        blocked = [need for need in stage.needs if outcomes[need].state in ("failed", "not run")]
                        if blocked:
                            outcomes[name] = Outcome("not run", f"it needs {', '.join(blocked)}")
                            sorter.done(name)
                            progress.update()
                        else:
                            running[pool.submit(self.run_stage, stage)] = name
                    finished, _ = wait(running, return_when=FIRST_COMPLETED) if running else ((), ())
                    for future in finished:
                        name = running.pop(future)
                        outcomes[name] = future.result()
                        sorter.done(name)
                        progress.update()
            except BaseException:
                # Kernels outlive an interrupted papermill: end them, so that its threads end too.
                pool.shutdown(wait=False, cancel_futures=True)
                for child in psutil.Process().children(recursive=True):
                    child.kill()
                raise
        return {stage.name: outcomes[stage.name] for stage in self.stages}

    def run_stage(self, stage: Stage) -> Outcome:
        """Run one stage, or say that it need not."""
        reason = self.why_stale(stage)
        if not reason:
            tqdm.write(f"  {coloured('skip')} {stage.name}: unchanged")
            return Outcome("skipped")
        tqdm.write(f"  {coloured('run ')} {stage.name}: {reason}")
        started = time.perf_counter()
        try:
            error = execute(stage, self.root)
            if not error:
                self.stamp(stage)
        except OSError as failure:  # a results directory that is read-only, full, or no directory
            error = f"notebooks/{stage.notebook.name}: cannot write to {self.root}: {failure}"
        seconds = time.perf_counter() - started
        if error:
            tqdm.write(f"  {coloured('FAIL')} {stage.name} after {seconds:.1f} s")
            return Outcome("failed", error, seconds)
        tqdm.write(f"  {coloured('done')} {stage.name} in {seconds:.1f} s")
        return Outcome("done", reason, seconds)

    def stamp(self, stage: Stage) -> None:
        """Declare a stage finished: add its key to the record that its notebook has left."""
        path, record = stage.path(self.root, "stages", "json"), stage.record(self.root)
        if record is None:
            raise FileNotFoundError(f"the notebook ended without its record {path}")
        write_json(record | {"key": self.keys[stage.name]}, path)


def execute(stage: Stage, root: Path) -> str:
    """Run a notebook to a temporary copy that replaces the executed one at the end; what it prints goes to its log.

    Returns:
        An empty string, or what failed: the notebook, the cell, the message, the executed copy to open, and the log.
    """
    executed, log = stage.path(root, "notebooks", "ipynb"), stage.path(root, "logs", "log")
    partial, failed = executed.with_suffix(".partial.ipynb"), executed.with_suffix(".failed.ipynb")
    for path in (executed, log):
        path.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("papermill").setLevel(logging.ERROR)
    message = ""
    with log.open("w", encoding="utf-8") as printed:
        try:
            stage.path(root, "stages", "json").unlink(missing_ok=True)
            papermill.execute_notebook(
                stage.notebook,
                partial,
                parameters=stage.parameters,
                cwd=NOTEBOOKS,
                progress_bar={"desc": f"  {stage.name}", "leave": False, "disable": None},
                stdout_file=printed,
                stderr_file=printed,
                **KERNEL,
            )
            partial.replace(executed)
            failed.unlink(missing_ok=True)
        except papermill.PapermillExecutionError as error:
            message = f"cell {error.exec_count}: {error.ename}: {error.evalue}"
            printed.write(str(error))  # the traceback
        except Exception as error:  # a dead kernel, a time-out, a full disk: papermill knows many
            message = f"{type(error).__name__}: {error}"
            printed.write(message)
    if not message:
        return ""
    if partial.is_file():
        partial.replace(failed)
    return f"notebooks/{stage.notebook.name}, {message}\n       executed copy: {failed}\n       log: {log}"


def check_parameters(stage: Stage) -> None:
    """Refuse a parameter that the notebook does not have: papermill would only log a line and go on.

    Raises:
        ValueError: names the notebook and the parameter.
    """
    known = parameters_of(stage.notebook)
    unknown = [name for name in stage.parameters if name not in known]
    if unknown:
        raise ValueError(f"{stage.notebook.name}: unknown parameter {unknown[0]}: expected some of {', '.join(known)}")


def parameters_of(notebook: Path) -> list[str]:
    """Names of the parameters of a notebook."""
    return list(papermill.inspect_notebook(notebook))


def library_hash() -> str:
    """Hash of the sources of this package."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.iterdir()):
        if path.suffix in (".py", ".csv"):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
