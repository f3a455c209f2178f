"""The architecture: packages are floors, and each imports from lower ones only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from lxr.utils.environment import PROJECT_ROOT

FLOORS = {
    "utils": 1,
    "data": 2,
    "distributed": 2,
    "recommenders": 3,
    "metrics": 4,
    "explainers": 5,
    "counterfactuals": 6,
    "evaluation": 7,
    "tuning": 7,
    "reporting": 7,
    "delivery": 8,
    "service": 9,
    "runs": 10,
    "app": 11,
}
LIBRARY = PROJECT_ROOT / "lxr"
MODULES = sorted(path for path in LIBRARY.rglob("*.py") if path.parent != LIBRARY)


def imported(source: str) -> Iterator[str]:
    """Names of the modules of this library that a source imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lxr":
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] == "lxr")


def upward(package: str, source: str) -> list[str]:
    """Imports of a source that do not go to its own package or to a lower floor."""
    packages = {name: [*name.split("."), ""][1] for name in imported(source)}
    return [name for name, other in packages.items() if other != package and FLOORS.get(other, 99) >= FLOORS[package]]


def floor(path: Path) -> str:
    """The floor of a module: its outermost folder within the library."""
    return path.relative_to(LIBRARY).parts[0]


@pytest.mark.parametrize("path", MODULES, ids=[path.relative_to(LIBRARY).as_posix() for path in MODULES])
def test_a_module_imports_from_lower_floors_only(path):
    assert upward(floor(path), path.read_text(encoding="utf-8")) == []


def test_the_test_sees_what_goes_up_or_sideways():
    assert upward("data", "from lxr.recommenders.base import Recommender") == ["lxr.recommenders.base"]
    assert upward("tuning", "from lxr.reporting.tables import data_table") == ["lxr.reporting.tables"]
    assert upward("metrics", "import lxr\nfrom lxr import MF") == ["lxr"]
    assert upward("runs", "from lxr.tuning.studies import tune\nfrom lxr.runs.stage import Stage") == []


def test_every_folder_is_a_floor_and_says_what_it_is():
    assert {floor(path) for path in MODULES} == FLOORS.keys()
    for folder in folder_set():
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))), folder


def test_files_and_folders_can_be_read_at_one_sitting():
    lines = {path.relative_to(LIBRARY).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count > 400} == {}
    sizes = {
        folder.name: len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) for folder in folder_set()
    }
    assert {name: count for name, count in sizes.items() if count > 17} == {}
    functions = {f"{path.stem}.{name}": lines for path in MODULES for name, lines in function_lengths(path)}
    assert {name: count for name, count in functions.items() if count > 60} == {}


def function_lengths(path: Path) -> Iterator[tuple[str, int]]:
    """Names of the functions of a module, and their lines without the docstring."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            docstring = node.body[0] if ast.get_docstring(node) else None
            longer = docstring.end_lineno - docstring.lineno + 1 if docstring else 0
            yield node.name, node.end_lineno - node.lineno + 1 - longer


def test_unit_tests_mirror_the_package():
    folders = {path.parent.name for path in (PROJECT_ROOT / "tests/unit").glob("*/test_*.py")}
    assert folders == FLOORS.keys()


def folder_set() -> set[Path]:
    """Folders of the library."""
    return {path.parent for path in MODULES}
