"""The documentation is complete: docstrings of all exported names, pages of the API, the worked example of CONTRIBUTING."""

import ast
import inspect
import os
import pkgutil
import re
import subprocess
import sys

import pytest

import lxr
from lxr.utils.environment import PROJECT_ROOT

EXPORTED = {name: getattr(lxr, name) for name in lxr.__all__}
PACKAGES = [value for value in EXPORTED.values() if inspect.ismodule(value)]
OBJECTS = {
    name: value
    for package in [lxr, *PACKAGES]
    for name in package.__all__
    if inspect.isroutine(value := getattr(package, name)) or inspect.isclass(value)
}
SECTION = r"(?:^|\n) *{}: *\n"


def described(docstring: str, section: str) -> set[str]:
    """Names that a section of a docstring describes, several to a line among them."""
    body = re.split(SECTION.format(section), docstring)[1:]
    names = re.findall(r"^ {4,8}(\w+(?:, \w+)*):", body[0].split("\n\n")[0], flags=re.MULTILINE) if body else []
    return {name for group in names for name in group.split(", ")}


@pytest.mark.parametrize("name", OBJECTS)
def test_every_argument_is_described(name):
    value = OBJECTS[name]
    made_by = vars(value).get("__init__", object) if inspect.isclass(value) else value
    docstring = inspect.getdoc(value)
    expected = set(inspect.signature(made_by).parameters) - {"self"}
    assert described(docstring, "Args") | described(docstring, "Attributes") >= expected


@pytest.mark.parametrize("name", [name for name, value in OBJECTS.items() if inspect.isroutine(value)])
def test_what_is_returned_is_described(name):
    value = OBJECTS[name]
    returns = inspect.signature(value).return_annotation
    assert (returns is None) != bool(re.search(SECTION.format("Returns"), value.__doc__))


@pytest.mark.parametrize("name", OBJECTS)
def test_every_name_has_an_example(name):
    docstring = OBJECTS[name].__doc__
    elsewhere = re.search(r"Example:.*see :(?:func|class):`~?(?:[\w.]+\.)?(\w+)`", docstring)
    assert ">>> " in (OBJECTS[elsewhere[1]].__doc__ if elsewhere else docstring)


def test_every_package_is_named():
    packages = {f"lxr.{module.name}" for module in pkgutil.iter_modules(lxr.__path__) if module.ispkg}
    assert packages == set(re.findall(r"`(lxr\.\w+)`", lxr.__doc__))


def test_versions_agree():
    assert f"\nversion: {lxr.__version__}\n" in (PROJECT_ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {lxr.__version__}\n" in (PROJECT_ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f'\nversion = "{lxr.__version__}"\n' in (PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_worked_example_keeps_the_contract(tmp_path):
    (code,) = re.findall(
        r"```python\n(.*?)```", (PROJECT_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    (tmp_path / "keep_one.py").write_text(code)
    options = ["-p", "keep_one", "-o", "addopts=", "-k", "keep-one", "tests/contracts/test_explainers.py"]
    paths = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(PROJECT_ROOT)])}
    command = [sys.executable, "-m", "pytest", *options]
    run = subprocess.run(command, cwd=PROJECT_ROOT, env=os.environ | paths, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert int(re.search(r"(\d+) passed", run.stdout)[1]) > 30


def test_the_reference_has_every_public_name_and_package():
    face = (PROJECT_ROOT / "docs/reference/lxr.md").read_text(encoding="utf-8")
    packages = {name for name, value in EXPORTED.items() if inspect.ismodule(value)}
    assert set(re.findall(r"\{py:obj\}`lxr\.(\w+)`", face)) == EXPORTED.keys() - packages
    pages = {path.stem for path in (PROJECT_ROOT / "docs/reference").glob("*.md")}
    assert pages == packages | {"lxr", "index"}


NOT_FIRST = {"What", "Which", "Whose", "Whom", "Who", "How", "Where", "Why", "By", "As", "Those", "Between", "Is", "So"}
DOCSTRINGS = {
    f"{path.relative_to(PROJECT_ROOT)}:{getattr(node, 'name', '')}": docstring
    for path in sorted((PROJECT_ROOT / "lxr").rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and (docstring := ast.get_docstring(node))
}


def test_the_first_line_of_a_docstring_names_the_thing():
    assert len(DOCSTRINGS) > 1000
    assert [name for name, docstring in DOCSTRINGS.items() if docstring.split()[0] in NOT_FIRST] == []
