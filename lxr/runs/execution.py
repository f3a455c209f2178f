"""Execution of notebooks by papermill, each in a new kernel."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

from lxr.runs.stage import NOTEBOOKS, Stage
from lxr.utils.environment import PROJECT_ROOT
from lxr.utils.extras import extra
from lxr.utils.storage import temporary_name

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
