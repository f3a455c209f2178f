"""Keys of stages: which sources some code can use, which stages an edit makes stale, and what is said of it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lxr.runs import Pipeline, RunOptions, imports, plan_stages
from lxr.runs.imports import Library, texts_in
from lxr.runs.stage import NOTEBOOKS
from lxr.utils.environment import PROJECT_ROOT
from lxr.utils.records import write_json

TOY = {
    "__init__.py": "from toy.a import first, second as renamed\nimport toy.pkg\n__version__ = '1'\n",
    "a.py": "from toy.b import helper\nfrom toy.c import unused\ndef first(): return helper()\ndef second(): return 2\n",
    "b.py": "TABLE = here.with_name('table.csv')\ndef helper():\n    import toy.d\n    return toy.d.late(TABLE)\n",
    "c.py": "unused = 1\n",
    "d.py": "def late(x):\n    return x\n",
    "table.csv": "1\n",
    "other.csv": "1\n",
    "pkg/__init__.py": "from toy.pkg.registry import FRUIT\nfrom toy.pkg.apple import Apple\n",
    "pkg/registry.py": "from toy.pkg.apple import Apple\nfrom toy.pkg.pear import Pear\nfrom toy.e import spec\n"
    "FRUIT = Registry('fruit', {'apple': spec(Apple), 'pear': spec(Pear)})\n",
    "pkg/apple.py": "class Apple:\n    'Better than a pear.'\n",
    "pkg/pear.py": "class Pear:\n    pass\n",
    "twin/__init__.py": "from toy.twin.work import work\n",
    "twin/work.py": "def work():\n    return 1\n\ndef rest():\n    return 2\n",
    "e.py": "def spec(cls):\n    return cls\n\nKINDS = ['pear']\n\ndef kinds():\n    return KINDS\n",
}


@pytest.fixture
def toy(tmp_path, monkeypatch) -> Path:
    """A small library instead of this one."""
    for name, source in TOY.items():
        path = tmp_path / "toy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    monkeypatch.setattr(imports, "LIBRARY", tmp_path / "toy")
    return tmp_path / "toy"


FIRST = {"a.py", "b.py", "d.py", "table.csv", "other.csv"}  # no module names other.csv: it counts with its package
ALL = set(TOY)
REGISTRY = {"pkg/registry.py", "e.py"}


@pytest.mark.parametrize(
    ("code", "texts", "expected"),
    [
        ("x = 1", (), set()),
        ("import toy", (), set()),
        ("import toy\ntoy.first()", (), FIRST),
        ("from toy import first\nfirst()", (), FIRST),
        ("from toy.a import first as f\nf()", (), FIRST),
        ("import toy.a as m\nm.first()", (), FIRST),
        ("def f():\n    import toy\n    return toy.first()", (), FIRST),
        ("import toy\ntoy.renamed()", (), {"a.py", "other.csv"}),
        ("import toy\ntoy.pkg.Apple.make()", (), {"pkg/apple.py"}),
        ("from toy import pkg\npkg.Apple", (), {"pkg/apple.py"}),
        ("import toy\ntoy.pkg.FRUIT['apple']", (), REGISTRY | {"pkg/apple.py", "other.csv"}),
        ("import toy\ntoy.pkg.FRUIT[name]", ("pear",), REGISTRY | {"pkg/pear.py", "other.csv"}),
        ("import toy\ntoy.pkg.FRUIT[name]", ("red",), REGISTRY | {"pkg/apple.py", "pkg/pear.py", "other.csv"}),
        ("import toy\nread(f'{x}/pear.csv')\ntoy.pkg.FRUIT", (), REGISTRY | {"pkg/pear.py", "other.csv"}),
        # A literal of code that cannot reach the registry names nothing of it.
        ("import toy\nfrom toy.e import kinds\ntoy.pkg.FRUIT['apple']", (), REGISTRY | {"pkg/apple.py", "other.csv"}),
        ("import toy\ntoy.pkg.unknown", (), {name for name in ALL if name.startswith("pkg/")} | {"e.py", "other.csv"}),
        # A module and a function in it that the package binds to the same name.
        ("from toy.twin.work import rest\nrest()", (), {"twin/work.py"}),
        ("import toy.twin\ntoy.twin.work()", (), {"twin/work.py"}),
        ("import toy\nprint(toy)", (), ALL),
        ("from toy import *", (), ALL),
        ("import toy.pkg\ndir(toy.pkg)", (), {name for name in ALL if name.startswith("pkg/")} | {"e.py", "other.csv"}),
        ("%magic", (), ALL),
    ],
)
def test_the_sources_that_code_can_use(toy, code, texts, expected):
    assert set(Library().sources(code, texts)) == {f"toy/{name}" for name in expected}


def test_texts_are_found_wherever_they_are():
    assert texts_in({"a": ["b", {"c": 1}], "d": None, "e": ("f", 2.5)}) == {"a", "b", "c", "d", "e", "f"}


# --- edits of this library --------------------------------------------------------------------------------------------

EXPLAINERS = ("random", "lime", "lxr", "lxr-path-rank", "leave-one-out")


def pipeline(results: Path) -> Pipeline:
    """The stages of a run with two recommenders, without the report and the summary, which need all others."""
    options = RunOptions(dataset="synthetic", recommenders=("mf", "vae"), explainers=EXPLAINERS, results=results)
    return Pipeline(plan_stages(options)[:-2], options.root)


def finish(pipeline: Pipeline) -> None:
    """Leave records as if all stages had run."""
    for stage in pipeline.stages:
        record = {"key": pipeline.keys[stage.name], "made_from": pipeline.parts[stage.name]}
        path = stage.path(pipeline.root, "stages", "json")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(record | {"sources": {}, "inputs": {}, "outputs": {}}, path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, Path]:
    """A copy of this library, and results in which all stages are done with it."""
    place = tmp_path_factory.mktemp("copy")
    library = Path(shutil.copytree(PROJECT_ROOT / "lxr", place / "lxr", ignore=shutil.ignore_patterns("__pycache__")))
    finish(pipeline(place / "results"))
    return library, place / "results"


def every(*notebooks: str) -> set[str]:
    return {f"{notebook}-{recommender}" for notebook in notebooks for recommender in ("mf", "vae")}


JUDGING = ("12_evaluation", "13_bounds", "17_counterfactual_sets")
PATHS = "08_lxr_path_analysis"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "stale", "kept"),
    [
        ("app/widgets.py", set(), set()),
        ("runs/verify.py", set(), set()),
        ("data/synthetic.py", {"01_data_preparation"}, {"02_mf", "03_vae"}),
        ("recommenders/built_in/ncf.py", set(), set()),
        ("recommenders/built_in/vae.py", {"03_vae", "05_lxr-vae"}, {"02_mf", "05_lxr-mf"}),
        ("recommenders/base.py", {"02_mf", "03_vae"} | every("05_lxr"), {"01_data_preparation"}),
        ("explainers/lime.py", every("10_baselines", *JUDGING), {"02_mf", "03_vae"} | every("05_lxr", "07_lxr_path", PATHS)),
        (
            "explainers/learned/lxr_path_lessons.py",
            every("07_lxr_path", PATHS, *JUDGING),
            {"02_mf"} | every("05_lxr", "10_baselines"),
        ),
        ("explainers/learned/published_hyperparameters.csv", every("05_lxr"), {"02_mf", "03_vae"}),
    ],
)
def test_an_edit_makes_stale_what_can_use_it_and_nothing_else(finished, monkeypatch, name, stale, kept):
    library, results = finished
    monkeypatch.setattr(imports, "LIBRARY", library)
    path = library / name
    before = path.read_bytes()
    path.write_bytes(before + b"\n# edited\n")
    after = pipeline(results)
    path.write_bytes(before)
    reasons = {stage.name: why for stage in after.stages if (why := after.why_stale(stage))}
    own = {stage for stage, why in reasons.items() if why == f"lxr/{name} has changed"}
    assert stale <= own and not kept & own
    if not stale:
        assert reasons == {}
    assert all(why.startswith("it needs ") for stage, why in reasons.items() if stage not in own)


def test_what_has_changed_is_said_by_its_name(tmp_path):
    options = RunOptions(dataset="synthetic", recommenders=("mf",), before="05_lxr", results=tmp_path)
    after = Pipeline(plan_stages(options), options.root)
    finish(after)
    stage = after.by_name["02_mf"]
    assert after.why_stale(stage) == ""
    parts = after.parts["02_mf"]
    for part, change, said in (
        ("parameters", {"seed": 7}, "parameter seed: 42, was 7"),
        ("parameters", {"epochs": 20}, "parameter epochs: None, was 20"),
        ("library", {"lxr/recommenders/mf.py": "other"}, "lxr/recommenders/mf.py has changed"),
        ("plugins", {"mine": "other"}, "the plugin of mine has changed"),
        ("needs", {"01_data_preparation": "other"}, "it needs 01_data_preparation, which has changed"),
        ("packages", {"torch": "1.0"}, f"torch: {parts['packages']['torch']}, was 1.0"),
        ("code", None, "the code of notebooks/02_mf.ipynb has changed"),
    ):
        before = parts | {part: parts[part] | change if change else "other"}
        record = stage.record(after.root) | {"key": "other", "made_from": before}
        write_json(record, stage.path(after.root, "stages", "json"))
        assert after.why_stale(stage) == said


# --- nothing runs that is not among the sources -----------------------------------------------------------------------

TRACED = """
import inspect, json, sys, threading
from pathlib import Path
import matplotlib
matplotlib.use("Agg")
import lxr
from lxr.runs.stage import read_code

notebook, parameters, found = sys.argv[1:]
code, names, called = read_code(Path(notebook)), {"display": print}, set()
exec(code.parameters, names)
names |= json.loads(parameters)
imported, *cells = code.cells
exec(imported, names)  # what runs when a module is imported is not what a stage computes with

def note(frame, event, argument):
    if event == "call":
        called.add(frame.f_code)

threading.setprofile(note)
sys.setprofile(note)
for cell in cells:
    exec(cell, names)
sys.setprofile(None)
functions = {code.co_filename for code in called if code.co_flags & inspect.CO_OPTIMIZED}
Path(found).write_text(json.dumps(sorted(functions)))
"""


@pytest.mark.slow
def test_every_function_that_runs_is_in_a_source_of_the_key(tmp_path):
    explainers = ("random", "lime", "lxr", "lxr-refined", "leave-one-out", "rank-margin-path", "integrated-gradients")
    options = RunOptions(dataset="synthetic", recommenders=("mf",), explainers=explainers, results=tmp_path)
    planned = Pipeline(plan_stages(options), options.root)
    for name in ("01_data_preparation", "02_mf", "05_lxr-mf", "10_baselines-mf", "12_evaluation-mf"):
        stage, found = planned.by_name[name], tmp_path / "found.json"
        traced = [sys.executable, "-c", TRACED, str(stage.notebook), json.dumps(stage.parameters), str(found)]
        subprocess.run(traced, cwd=NOTEBOOKS, check=True, capture_output=True, text=True, timeout=600)
        ran = {Path(path) for path in json.loads(found.read_text()) if Path(path).is_relative_to(PROJECT_ROOT / "lxr")}
        ran_names = {path.relative_to(PROJECT_ROOT).as_posix() for path in ran}
        assert len(ran_names) > 5 and ran_names <= planned.parts[name]["library"].keys(), name
