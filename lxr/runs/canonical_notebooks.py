"""Canonical form of committed notebooks: `python -m lxr.runs.canonical_notebooks notebooks/*.ipynb`.

Notebooks are executed from top to bottom on a clean kernel with their own (tiny) parameters, after the stages that they
need. Cells are numbered 1 … N, and only text outputs are kept. So two canonical runs are equal byte for byte, and `pytest
--nbval` can compare them.
"""

import ast
import os
import sys
from pathlib import Path

from tqdm.auto import tqdm

from lxr.runs.execution import KERNEL
from lxr.runs.options import RunOptions, notebook_names
from lxr.runs.pipeline import Pipeline
from lxr.runs.stage import Stage, read_code
from lxr.runs.stages import plan_stages
from lxr.utils.extras import extra
from lxr.utils.locks import only_run
from lxr.utils.storage import DataError, atomic_path

with extra("runs"):
    import nbformat
    from nbclient import NotebookClient

KEPT_TYPES = ("text/plain",)


def make_inputs(notebook: Path) -> None:
    """Run the stages that a notebook of this repository needs, with its own parameters, if one of their files is missing.

    Raises:
        DataError: a stage failed.
    """
    if notebook.stem not in notebook_names():  # the quick start and examples need no stages
        return
    defaults = {name: ast.literal_eval(value) for name, value in read_code(notebook).defaults.items()}
    recommender = defaults.get("recommender", "mf")
    options = RunOptions(dataset=defaults["dataset"], recommenders=(recommender,), before=notebook.stem, wait=True)
    stages, root = plan_stages(options), options.root
    if all(_is_made(stage, root) for stage in stages):
        return
    with only_run(root, options.wait):
        outcomes = Pipeline(stages, root, jobs=os.cpu_count() or 1).run()  # one thread each, see use_one_thread
    failures = [outcome.detail for outcome in outcomes.values() if outcome.state == "failed"]
    if failures:
        raise DataError(failures[0])


def use_one_thread() -> None:
    """Make kernels compute with one thread: the last digits of a sum depend on the number of threads."""
    os.environ["OMP_NUM_THREADS"] = "1"


def _is_made(stage: Stage, root: Path) -> bool:
    """Whether a stage (or its notebook, opened directly) has left a record and all outputs in it."""
    record = stage.record(root)
    return record is not None and all((root / name).is_file() for name in record["outputs"])


def canonical(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop everything from an executed notebook that differs between machines or cannot be compared."""
    for count, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
        cell.execution_count = count
        cell.outputs = joined([output for output in map(_text_only, cell.outputs) if output])
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
    for cell in notebook.cells:
        cell.metadata = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def _text_only(output: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    """The output without its images, HTML and widgets; None for text on stderr."""
    if output.output_type == "stream":
        return output if output.name == "stdout" else None
    if output.output_type in ("execute_result", "display_data"):
        output.data = {kind: output.data[kind] for kind in KEPT_TYPES if kind in output.data}
        output.metadata = {}
        return output if output.data else None
    return output


def joined(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Outputs with joined consecutive text: a busy kernel sends printed text in several parts."""
    result: list[nbformat.NotebookNode] = []
    for output in outputs:
        if result and output.output_type == result[-1].output_type == "stream":
            result[-1].text += output.text
        else:
            result.append(output)
    return result


def canonicalize(path: Path) -> None:
    """Execute a notebook and replace it by its canonical form; after an error in a cell it is not changed."""
    make_inputs(path)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(path.parent)}}, **KERNEL).execute()
    with atomic_path(path) as temporary:
        nbformat.write(canonical(notebook), temporary)


def main(paths: list[str]) -> None:
    """Bring notebooks into canonical form, in the given order."""
    os.environ["TQDM_DISABLE"] = "1"  # a progress bar's text differs from run to run
    use_one_thread()
    for path in tqdm(paths, desc="notebooks", disable=None):
        canonicalize(Path(path))


if __name__ == "__main__":
    main(sys.argv[1:])
