"""One stage of a run: a notebook with its parameters, or a function."""

import ast
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lxr.utils.environment import PROJECT_ROOT
from lxr.utils.records import read_json

NOTEBOOKS = PROJECT_ROOT / "notebooks"
EXAMPLES = NOTEBOOKS / "examples"  # not stages of a run
# Parameters of directories, which do not change the results.
DIRECTORIES = ("results", "data_dir")


@dataclass(frozen=True)
class Stage:
    """One notebook with its parameters, or a function instead of a notebook.

    Attributes:
        name: unique name, the notebook's name with a suffix: ``"05_lxr-mf"``. A folder before it,
            ``"seeds/1/ml-1m/05_lxr-mf"``, is the place of its files below the pipeline's root.
        notebook: file of the notebook; None if there is an action.
        parameters: injected below the notebook's cell tagged ``parameters``, or arguments of the action.
        needs: names of the stages whose outputs it reads.
        resumable: whether the stage runs even if nothing has changed, and continues its earlier work.
        action: called with the pipeline, the stage's workspace and the parameters. It reads, writes and finishes by the
            workspace, as a notebook does.

    Example:
        >>> stage = Stage("05_lxr-mf", NOTEBOOKS / "05_lxr.ipynb", {"recommender": "mf"}, needs=("02_mf",))
        >>> stage.label, stage.path(Path("results/synthetic"), "logs", "log").as_posix()
        ('notebooks/05_lxr.ipynb', 'results/synthetic/logs/05_lxr-mf.log')
    """

    name: str
    notebook: Path | None
    parameters: dict
    needs: tuple[str, ...] = ()
    resumable: bool = False
    action: Callable[..., None] | None = None

    def path(self, root: Path, kind: str, suffix: str) -> Path:
        """Path of a stage's file of a kind below ``root``: ``<kind>/<name>.<suffix>``."""
        name = root / self.name
        return name.parent / kind / f"{name.name}.{suffix}"

    def record(self, root: Path) -> dict | None:
        """The record of the stage, with the key of its stamp after it is finished; None if there is no record."""
        return read_json(self.path(root, "stages", "json"))

    @property
    def label(self) -> str:
        """Name of the stage in messages."""
        return f"notebooks/{self.notebook.name}" if self.notebook else self.name


@dataclass(frozen=True)
class NotebookCode:
    """The code of a notebook.

    Attributes:
        parameters: source of the cell with that tag.
        cells: sources of all other code cells.
        defaults: sources of the values of its parameters, by their names.
    """

    parameters: str
    cells: tuple[str, ...]
    defaults: dict[str, str]


def read_code(notebook: Path) -> NotebookCode:
    """Read the code of a notebook."""
    cells: dict[bool, list[str]] = {True: [], False: []}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            cells["parameters" in cell["metadata"].get("tags", ())].append("".join(cell["source"]))
    parameters = "\n".join(cells[True])
    return NotebookCode(parameters, tuple(cells[False]), _assigned(parameters))


def _assigned(source: str) -> dict[str, str]:
    """Names that a source assigns → sources of their values."""
    found: dict[str, str] = {}
    for node in ast.parse(source).body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            found |= {target.id: ast.unparse(node.value) for target in targets if isinstance(target, ast.Name)}
    return found


def check_parameters(stage: Stage, code: NotebookCode) -> None:
    """Refuse a parameter that the notebook does not have: papermill would only log it.

    Raises:
        ValueError: names the notebook and the parameter.
    """
    unknown = [name for name in stage.parameters if name not in code.defaults]
    if stage.notebook and unknown:
        known = ", ".join(code.defaults)
        raise ValueError(f"{stage.notebook.name}: unknown parameter {unknown[0]}: expected some of {known}")
