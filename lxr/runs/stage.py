"""One stage of a run: a notebook with its parameters, and how papermill executes it."""

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxr.utils.environment import PROJECT_ROOT
from lxr.utils.extras import extra
from lxr.utils.records import read_json
from lxr.utils.storage import temporary_name

with extra("runs"):
    import nbformat
    import papermill
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from traitlets.config import Config

NOTEBOOKS = PROJECT_ROOT / "notebooks"
# Where a run writes and reads does not change what it computes.
PLACES = ("results", "data_dir")


class OwnKernel(AsyncKernelManager):
    """Starts this interpreter with this library, whatever kernels and packages there are besides."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """Command, names and environment of the kernel."""
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))
        environment = {"PYTHONPATH": path.replace("$", "$$")}  # Jupyter would replace names after a $
        return KernelSpec(argv=command, display_name="Python 3", language="python", env=environment)


# How the kernel of a notebook is started and ended.
KERNEL: dict[str, Any] = {
    "kernel_name": "python3",
    "kernel_manager_class": OwnKernel,
    "config": Config(KernelManager={"transport_encryption": "auto"}),
    "extra_arguments": ["--log-level=CRITICAL"],  # it may log its own shutdown as an error
    "shutdown_kernel": "immediate",  # all is written by then; to end by itself takes it a second
}


@dataclass(frozen=True)
class Stage:
    """One notebook with its parameters, or a function in the place of a notebook.

    Attributes:
        name: unique, the notebook's name with what distinguishes this run of it: ``"05_lxr-mf"``; a folder before it,
            ``"seeds/1/ml-1m/05_lxr-mf"``, is where below the pipeline's root it keeps its files.
        notebook: its file; None if there is an action.
        parameters: injected below the notebook's cell tagged ``parameters``, or arguments of the action.
        needs: names of the stages whose outputs it reads.
        goes_on: whether it runs even if nothing has changed, since it goes on with work of its own.
        action: called with the pipeline, the stage's workspace and the parameters. It reads, writes and finishes by the
            workspace, as a notebook does.
    """

    name: str
    notebook: Path | None
    parameters: dict
    needs: tuple[str, ...] = ()
    goes_on: bool = False
    action: Callable[..., None] | None = None

    def path(self, root: Path, kind: str, suffix: str) -> Path:
        """Where the stage of a pipeline in ``root`` keeps its file of a kind, as ``<kind>/<name>.<suffix>``."""
        name = root / self.name
        return name.parent / kind / f"{name.name}.{suffix}"

    def record(self, root: Path) -> dict | None:
        """What the stage has left of itself, with the key of its stamp once it is finished; None if there is nothing."""
        return read_json(self.path(root, "stages", "json"))


def execute(stage: Stage, root: Path) -> str:
    """Run a notebook to a temporary copy that replaces the executed one at the end; what it prints goes to its log.

    Returns:
        An empty string, or what failed: the notebook, the cell, the message, the executed copy to open, and the log.
    """
    executed, log = stage.path(root, "notebooks", "ipynb"), stage.path(root, "logs", "log")
    failed = executed.with_suffix(".failed.ipynb")
    partial = temporary_name(executed)  # nobody else writes to it
    for path in (executed, log):
        path.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("papermill").setLevel(logging.ERROR)
    message = ""
    with log.open("w", encoding="utf-8") as printed:
        try:
            stage.path(root, "stages", "json").unlink(missing_ok=True)
            papermill.execute_notebook(
                literal(notebook_of(stage)),
                literal(partial),
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
    return f"{called(stage)}, {message}\n       executed copy: {failed}\n       log: {log}"


def literal(path: Path) -> str:
    """A path for papermill, which would replace names in braces by parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


def called(stage: Stage) -> str:
    """A stage as it is called in messages."""
    return f"notebooks/{stage.notebook.name}" if stage.notebook else stage.name


def code_of(stage: Stage) -> list[str]:
    """The code of a stage's notebook, cell by cell. That of an action is among the sources of the library.

    Raises:
        ValueError: the stage has a parameter that the notebook does not have.
    """
    if not stage.notebook:
        return []
    check_parameters(stage)
    return [cell.source for cell in nbformat.read(stage.notebook, as_version=4).cells if cell.cell_type == "code"]


def notebook_of(stage: Stage) -> Path:
    """The notebook of a stage that has one.

    Raises:
        ValueError: the stage has an action instead.
    """
    if stage.notebook is None:
        raise ValueError(f"stage {stage.name}: expected a notebook, found none")
    return stage.notebook


def check_parameters(stage: Stage) -> None:
    """Refuse a parameter that the notebook does not have: papermill would only log a line and go on.

    Raises:
        ValueError: names the notebook and the parameter.
    """
    notebook = notebook_of(stage)
    known = parameters_of(notebook)
    unknown = [name for name in stage.parameters if name not in known]
    if unknown:
        raise ValueError(f"{notebook.name}: unknown parameter {unknown[0]}: expected some of {', '.join(known)}")


def parameters_of(notebook: Path) -> list[str]:
    """Names of the parameters of a notebook."""
    return list(papermill.inspect_notebook(literal(notebook)))
