"""Packaging: a light core, extras that are imported where they are used, and pins for all of it."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator

import pytest
from light_core import absent_modules, distribution, run_in_core

from lxr.utils.environment import PROJECT_ROOT

PROJECT = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE, EXTRAS = PROJECT["dependencies"], PROJECT["optional-dependencies"]
MODULES = sorted((PROJECT_ROOT / "lxr").rglob("*.py"))
WITH = {"jupyter-client": "nbclient", "traitlets": "nbclient", "ipython": "ipykernel"}  # packages that come with another


def modules_of(node: ast.AST) -> list[str]:
    """Modules that a statement imports."""
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [name.name for name in node.names] if isinstance(node, ast.Import) else []


def extra_of(node: ast.AST) -> str | None:
    """Name of the extra in ``with extra(name):``."""
    if isinstance(node, ast.With) and isinstance(call := node.items[0].context_expr, ast.Call):
        return call.args[0].value if getattr(call.func, "id", "") == "extra" else None
    return None


def imports(node: ast.AST, extra: str | None = None) -> Iterator[tuple[str, str | None]]:
    """Modules that a source imports when it runs, each with the extra around it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING":
            continue
        yield from ((module, extra) for module in modules_of(child))
        yield from imports(child, extra_of(child) or extra)


def misplaced(source: str) -> list[str]:
    """Imports of packages that neither the core nor the extra around them installs."""
    found = []
    for module, extra in imports(ast.parse(source)):
        top = module.partition(".")[0]
        if top == "lxr" or top in sys.stdlib_module_names:
            continue
        name = distribution(module)
        if WITH.get(name, name) not in (CORE if extra is None else EXTRAS[extra]):
            found.append(f"{module}, extra {extra}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=[path.relative_to(PROJECT_ROOT).as_posix() for path in MODULES])
def test_a_module_imports_the_core_and_the_extras_that_it_names(path):
    assert misplaced(path.read_text(encoding="utf-8")) == []


def test_the_test_sees_an_extra_without_its_name():
    assert misplaced("import torch\nimport optuna") == ["optuna, extra None"]
    assert misplaced('def f():\n    with extra("plots"):\n        from sklearn.cluster import KMeans') == [
        "sklearn.cluster, extra plots"
    ]
    assert misplaced('with extra("tuning"):\n    import optuna\nif TYPE_CHECKING:\n    import shap') == []


def test_every_dependency_is_pinned():
    lines = (PROJECT_ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0] for line in lines if "==" in line}
    wanted = {name for extra, names in EXTRAS.items() if extra not in ("all", "adapters") for name in names}
    assert wanted | set(CORE) <= pinned
    assert pinned <= wanted | set(CORE), "pinned, but named nowhere in pyproject.toml"
    assert lines[-1] == "-e .[all]"
    assert re.search(r"\[(.+)\]", EXTRAS["all"][0])[1].split(",") == [x for x in EXTRAS if x not in ("all", "adapters")]


CORE_ONLY = """
import contextlib, io, pathlib
import torch, lxr

def message(call):
    try:
        call()
    except ImportError as error:
        return str(error)

data = lxr.load_dataset("synthetic")
train, validation, _ = (data.matrix[part] for part in lxr.split_users(data.matrix.shape[0], seed=42))
weights = torch.randn(data.matrix.shape[1], data.matrix.shape[1], generator=torch.Generator().manual_seed(0))
model = lxr.wrap(lambda history: history @ weights, len(weights), "sigmoid")
for name, options in {"leave-one-out": {}, "cosine": {}, "lxr": {"epochs": 1, "hidden_size": 4}}.items():
    explainer = lxr.EXPLAINERS[name](model, train, validation, **options)
    explanation = lxr.explain(model, data, rows=0, explainer=explainer)[0]
    assert len(explanation.items) == data.matrix[[0]].nnz, name
folder = pathlib.Path(__file__).parent
lxr.MF(data.n_items, n_factors=4).save(folder / "mf.pt")
data.save(folder / "data.npz")
words = ["explain", "--model", "mf.pt", "--data", "data.npz", "--users", "3", "--jobs", "1", "--out", "out"]
with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
    import lxr.runs.cli
    assert lxr.runs.cli.main(words) == 0
assert len(lxr.delivery.read_explanations(folder / "out")) == 1
history, target = lxr.utils.dense(data.matrix[:1]), lxr.top_item(model, data.matrix[:1])
lxr.evaluate_fidelity(model, history, torch.as_tensor(target), torch.rand_like(history)).summary()

def importing(module):
    return lambda: __import__(module)

for name in ("lime", "shap", "tf-idf", "integrated-gradients"):
    print(message(lambda: lxr.EXPLAINERS[name](model, train, validation).explain(history, torch.as_tensor(target))))
print(message(explanation.plot))
print(message(lambda: lxr.runs.cli.main(["--smoke"])))
import lxr.app
print(message(lambda: lxr.app.Explorer))
print(message(lambda: lxr.tuning.open_study("x.journal")))
print(message(importing("lxr.service.application")))
"""


@pytest.mark.slow
def test_the_core_explains_a_wrapped_model_and_names_the_extra_of_what_it_lacks(tmp_path):
    assert {"lime", "shap", "sklearn", "optuna", "matplotlib", "papermill", "ipywidgets", "PIL"} <= absent_modules()
    assert run_in_core(CORE_ONLY, tmp_path).splitlines() == [
        'threadpoolctl is not installed: pip install "lxr[explainers]"',
        'sklearn is not installed: pip install "lxr[explainers]"',
        'sklearn is not installed: pip install "lxr[explainers]"',
        'captum is not installed: pip install "lxr[explainers]"',
        'matplotlib is not installed: pip install "lxr[plots]"',
        'papermill is not installed: pip install "lxr[runs]"',
        'ipywidgets is not installed: pip install "lxr[app]"',
        'optuna is not installed: pip install "lxr[tuning]"',
        'fastapi is not installed: pip install "lxr[serve]"',
    ]
