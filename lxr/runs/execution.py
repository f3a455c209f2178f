"""Execution of notebooks by papermill, each in a new kernel, on this machine or on a worker of a cluster."""

import json
import logging
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from lxr.distributed.cluster import is_wanted, leave_slot
from lxr.runs.plugins import loaded_plugins
from lxr.runs.stage import NOTEBOOKS, Stage
from lxr.utils.environment import PROJECT_ROOT
from lxr.utils.extras import extra
from lxr.utils.storage import DataError, sha256, sweep, temporary_name

with extra("runs"):
    import papermill
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from traitlets.config import Config


class _OwnKernel(AsyncKernelManager):
    """Kernel manager that starts this interpreter with this library, whatever other kernels are installed."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """Command, names and environment of the kernel."""
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))
        environment = {"PYTHONPATH": path.replace("$", "$$")}  # Jupyter would replace names after a $
        return KernelSpec(argv=command, display_name="Python 3", language="python", env=environment)


# Options for the start and the end of a notebook's kernel.
KERNEL: dict[str, Any] = {
    "kernel_name": "python3",
    "kernel_manager_class": _OwnKernel,
    "config": Config(KernelManager={"transport_encryption": "auto"}),
    "extra_arguments": ["--log-level=CRITICAL"],  # it may log its own shutdown as an error
    "shutdown_kernel": "immediate",  # all is written by then; a normal end takes a second
}
PAUSE = 0.2  # seconds between two looks whether a task is still wanted


def execute(stage: Stage, root: Path) -> str:
    """Run a notebook to a temporary copy, which replaces the executed one at the end; printed text goes to a log.

    Returns:
        An empty string, or the failure: the notebook, the cell, the message, the executed copy to open, and the log.

    Raises:
        ValueError: the stage has no notebook.
    """
    notebook = stage.notebook
    if notebook is None:
        raise ValueError(f"stage {stage.name}: expected a notebook, found none")
    executed, log = stage.path(root, "notebooks", "ipynb"), stage.path(root, "logs", "log")
    failed = executed.with_suffix(".failed.ipynb")
    partial = temporary_name(executed)  # no other process writes to it
    for path in (executed, log):
        path.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("papermill").setLevel(logging.ERROR)
    message = ""
    with log.open("w", encoding="utf-8") as printed:
        try:
            stage.path(root, "stages", "json").unlink(missing_ok=True)
            papermill.execute_notebook(
                _literal(notebook),
                _literal(partial),
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
        except Exception as error:  # a dead kernel, a time-out, a full disk: papermill raises many kinds
            message = f"{type(error).__name__}: {error}"
            printed.write(message)
    if not message:
        return ""
    if partial.is_file():
        partial.replace(failed)
    return f"{stage.label}, {message}\n       executed copy: {failed}\n       log: {log}"


def _literal(path: Path) -> str:
    """A path for papermill, which would replace names in braces by parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


@dataclass(frozen=True)
class Errand:
    """A stage on its way to a worker, which has its own copy of the repository.

    Attributes:
        stage: the stage; its notebook is relative to the project, if it is inside.
        root: directory of the run, which all machines share.
        environment: environment variables of the kernel.
        hashes: hashes of the notebook and of all plugins.
    """

    stage: Stage
    root: Path
    environment: dict[str, str]
    hashes: dict[Path, str]

    @classmethod
    def of(cls, stage: Stage, root: Path, environment: dict[str, str]) -> "Errand":
        """The errand of a stage of this machine."""
        assert stage.notebook, stage.name
        inside = stage.notebook.is_relative_to(PROJECT_ROOT)
        notebook = stage.notebook.relative_to(PROJECT_ROOT) if inside else stage.notebook
        hashes = {notebook: sha256(stage.notebook), **{path: sha256(path) for path in loaded_plugins()}}
        return cls(replace(stage, notebook=notebook), root, environment, hashes)

    def received(self) -> Stage:
        """The stage with the notebook of this machine.

        Raises:
            DataError: a file is missing here or differs; names it.
        """
        assert self.stage.notebook, self.stage.name
        for name, expected in self.hashes.items():
            path = PROJECT_ROOT / name  # plugins and notebooks outside are absolute
            found = sha256(path) if path.is_file() else "none"
            if found != expected:
                raise DataError(f"{path}: expected the client's file ({expected[:12]}), found {found[:12]} on this worker")
        return replace(self.stage, notebook=PROJECT_ROOT / self.stage.notebook)


def execute_on_worker(errand: Errand) -> str:
    """On a worker: run the notebook of a stage in a process of its own; other tasks run meanwhile.

    The process and its kernel end if the task is cancelled, and with the worker, however it ends.

    Returns:
        An empty string, or the failure, as :func:`execute`.

    Raises:
        DataError: the notebook or a plugin is missing here or differs.
    """
    stage, threads = errand.received(), leave_slot()
    sweep(errand.root)
    path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | errand.environment | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": path}
    command = [sys.executable, "-m", "lxr.runs.execution"]
    with (
        tempfile.TemporaryFile() as printed,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=printed, env=environment) as process,
    ):
        assert process.stdin and process.stdout
        process.stdin.write(pickle.dumps((stage, errand.root)))
        process.stdin.flush()
        while True:
            try:
                process.wait(PAUSE)
                break
            except subprocess.TimeoutExpired:
                if not is_wanted():
                    process.stdin.close()  # it ends itself and its kernel
        if process.returncode == 0:
            return json.loads(process.stdout.read())
        printed.seek(0)
        last = printed.read().decode(errors="replace").strip().splitlines()[-1:]
        return f"{stage.label}: its process ended with status {process.returncode}: {' '.join(last)}"


def _end_with_worker() -> None:
    """End this process and its kernel when the worker closes the pipe, or ends."""
    while os.read(0, 1):  # a buffered reader that waits in a thread would break the end of the process
        pass
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(1)


def main() -> None:
    """Run a stage for a worker, which sends it by a pipe; return the failure, as JSON, by the standard output."""
    stage, root = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_worker, daemon=True).start()
    answer = os.dup(1)
    os.dup2(2, 1)  # whatever a kernel prints goes to the standard error
    os.write(answer, json.dumps(execute(stage, root)).encode())


if __name__ == "__main__":
    main()
