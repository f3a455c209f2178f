"""The orchestration of notebooks: order, skipping, resuming, failures, logs, states."""

import io
import json
import os
import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from lxr.runs.canonical_notebooks import canonicalize
from lxr.runs.execution import execute
from lxr.runs.pipeline import Pipeline
from lxr.runs.stage import Stage
from lxr.runs.summary import stage_table
from lxr.runs.terminal import COLOURS, coloured
from lxr.utils.environment import PROJECT_ROOT
from lxr.utils.records import read_json, write_json
from lxr.utils.storage import DataError, sha256

TOY = """
import sys
import lxr
print(f"{name} goes to standard output")
print(f"{name} goes to standard error", file=sys.stderr)
workspace = lxr.runs.Workspace(name, {"dataset": "toy", "results": results})
text = "".join(workspace.input(f"{need}.txt").read_text() for need in needs)
if fail:
    raise RuntimeError("the toy was told to fail")
workspace.output(f"{name}.txt").write_text(text + name)
workspace.finish(name=name)
"""


@pytest.fixture(scope="module")
def toy_notebook(tmp_path_factory) -> Path:
    """A notebook that appends its name to what it reads."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    parameters = nbformat.v4.new_code_cell('results = ""\nname = "a"\nneeds = []\nfail = False')
    parameters.metadata["tags"] = ["parameters"]
    notebook.cells = [parameters, nbformat.v4.new_code_cell(TOY)]
    path = tmp_path_factory.mktemp("notebooks") / "toy.ipynb"
    nbformat.write(notebook, path)
    return path


def toy_pipeline(notebook: Path, results: Path, failing: str = "", **options) -> Pipeline:
    """a → b, and c by itself."""

    def stage(name: str, needs: tuple[str, ...] = ()) -> Stage:
        parameters = {"results": str(results), "name": name, "needs": list(needs), "fail": name == failing}
        return Stage(name, notebook, parameters, needs)

    return Pipeline([stage("a"), stage("b", ("a",)), stage("c")], results / "toy", jobs=2, **options)


@pytest.fixture(scope="module")
def finished_toys(toy_notebook, tmp_path_factory) -> Path:
    """Results in which the toy stages are done."""
    results = tmp_path_factory.mktemp("results")
    assert set(states(toy_pipeline(toy_notebook, results)).values()) == {"done"}
    return results


@pytest.fixture
def finished(finished_toys, tmp_path) -> Path:
    """A copy of results in which the toy stages are done, to be changed."""
    return Path(shutil.copytree(finished_toys, tmp_path / "results"))


@pytest.fixture(scope="module")
def plain_notebook(tmp_path_factory) -> Path:
    """A notebook that starts fast: it knows nothing of the library, and fails if it is run by another Python."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    parameters = nbformat.v4.new_code_cell('results = ""\npython = ""\nfail = False')
    parameters.metadata["tags"] = ["parameters"]
    code = "import sys\nassert sys.executable == python, sys.executable\nassert not fail\nprint(results)"
    notebook.cells = [parameters, nbformat.v4.new_code_cell(code)]
    path = tmp_path_factory.mktemp("notebooks") / "plain.ipynb"
    nbformat.write(notebook, path)
    return path


def plain_stage(notebook: Path, results: Path, fail: bool = False) -> Stage:
    return Stage("a", notebook, {"results": str(results), "python": sys.executable, "fail": fail})


def states(pipeline: Pipeline) -> dict[str, str]:
    return {name: outcome.state for name, outcome in pipeline.run().items()}


@pytest.mark.slow
def test_stages_run_once_in_order_and_are_then_skipped(toy_notebook, tmp_path):
    assert set(states(toy_pipeline(toy_notebook, tmp_path)).values()) == {"done"}
    assert (tmp_path / "toy" / "b.txt").read_text() == "ab"
    assert (tmp_path / "toy" / "notebooks" / "b.ipynb").is_file()
    assert set(states(toy_pipeline(toy_notebook, tmp_path)).values()) == {"skipped"}


@pytest.mark.slow
def test_a_failure_stops_only_what_needs_it_and_the_next_run_goes_on(toy_notebook, tmp_path):
    pipeline = toy_pipeline(toy_notebook, tmp_path, failing="a")
    outcomes = pipeline.run()
    assert {name: outcome.state for name, outcome in outcomes.items()} == {"a": "failed", "b": "not run", "c": "done"}
    for part in ("toy.ipynb", "cell 3", "RuntimeError", "the toy was told to fail", "a.failed.ipynb"):
        assert part in outcomes["a"].detail
    assert (tmp_path / "toy" / "notebooks" / "a.failed.ipynb").is_file()
    assert "it needs a" in outcomes["b"].detail
    assert states(toy_pipeline(toy_notebook, tmp_path)) == {"a": "done", "b": "done", "c": "skipped"}
    assert not (tmp_path / "toy" / "notebooks" / "a.failed.ipynb").exists()


@pytest.mark.slow
def test_damaged_missing_and_forced_outputs_are_made_again(toy_notebook, tmp_path):
    states(toy_pipeline(toy_notebook, tmp_path))
    (tmp_path / "toy" / "b.txt").write_text("damage")
    pipeline = toy_pipeline(toy_notebook, tmp_path)
    assert "b.txt has changed or is damaged" in pipeline.why_stale(pipeline.by_name["b"])
    assert states(pipeline) == {"a": "skipped", "b": "done", "c": "skipped"}
    (tmp_path / "toy" / "c.txt").unlink()
    assert states(toy_pipeline(toy_notebook, tmp_path)) == {"a": "skipped", "b": "skipped", "c": "done"}
    (tmp_path / "toy" / "stages" / "a.json").write_text("{")
    assert states(toy_pipeline(toy_notebook, tmp_path)) == {"a": "done", "b": "skipped", "c": "skipped"}
    (tmp_path / "toy" / "stages" / "a.json").write_text('{"key": "some"}')
    assert toy_pipeline(toy_notebook, tmp_path).why_stale(Stage("a", toy_notebook, {})) == "its record is damaged"
    assert set(states(toy_pipeline(toy_notebook, tmp_path, force=True)).values()) == {"done"}


def test_the_key_follows_code_parameters_and_needs_but_not_places(toy_notebook, tmp_path):
    before = toy_pipeline(toy_notebook, tmp_path).keys
    assert toy_pipeline(toy_notebook, tmp_path / "elsewhere").keys == before
    told_otherwise = toy_pipeline(toy_notebook, tmp_path, failing="a").keys
    assert [name for name in "abc" if told_otherwise[name] != before[name]] == ["a", "b"]
    notebook = nbformat.read(toy_notebook, as_version=4)
    notebook.cells[1].source += "\nprint('more')"
    changed = tmp_path / "toy.ipynb"
    nbformat.write(notebook, changed)
    assert all(toy_pipeline(changed, tmp_path).keys[name] != before[name] for name in "abc")
    notebook = nbformat.read(toy_notebook, as_version=4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("prose"))
    nbformat.write(notebook, changed)
    assert toy_pipeline(changed, tmp_path).keys == before


def test_an_unknown_parameter_is_refused(toy_notebook, tmp_path):
    stage = Stage("a", toy_notebook, {"nmae": "a"})
    with pytest.raises(ValueError, match=r"toy.ipynb: unknown parameter nmae: expected some of results, name"):
        Pipeline([stage], tmp_path)


def test_an_unwritable_results_directory_fails_the_stage_clearly(toy_notebook, tmp_path):
    (tmp_path / "toy").write_text("a file in the place of a directory")
    outcomes = toy_pipeline(toy_notebook, tmp_path).run()
    assert outcomes["a"].state == "failed"
    assert f"cannot write to {tmp_path / 'toy'}" in outcomes["a"].detail


@pytest.mark.slow
def test_what_notebooks_print_is_kept_and_the_traceback_of_those_that_fail(toy_notebook, tmp_path):
    outcomes = toy_pipeline(toy_notebook, tmp_path, failing="a").run()
    logs = {name: tmp_path / "toy" / "logs" / f"{name}.log" for name in "abc"}
    for name in "ac":
        for stream in ("output", "error"):
            assert f"{name} goes to standard {stream}\n" in logs[name].read_text()
    assert "RuntimeError: the toy was told to fail" in logs["a"].read_text() and "\033" not in logs["a"].read_text()
    assert str(logs["a"]) in outcomes["a"].detail
    assert "RuntimeError" not in logs["c"].read_text() and not logs["b"].exists()
    toy_pipeline(toy_notebook, tmp_path).run()
    assert "RuntimeError" not in logs["a"].read_text()


@pytest.mark.slow
def test_the_table_of_stages_tells_their_states_and_runs_nothing(toy_notebook, tmp_path):
    pipeline = toy_pipeline(toy_notebook, tmp_path)
    assert stage_table(pipeline).splitlines() == [
        "stage  state    seconds  why it has to run",
        *(f"{name}      missing           not finished before" for name in "abc"),
        "0 done, 0 stale, 3 missing",
    ]
    assert not (tmp_path / "toy").exists()
    pipeline.run()
    (tmp_path / "toy" / "c.txt").write_text("damage")
    stamp = tmp_path / "toy" / "stages" / "a.json"
    write_json(read_json(stamp) | {"seconds": 12.5}, stamp)
    (tmp_path / "toy" / "stages" / "b.json").unlink()
    _, *rows, last = stage_table(pipeline).splitlines()
    assert rows[0] == "a      done        12.5"
    assert rows[1] == "b      missing           not finished before"
    assert rows[2].split()[:2] == ["c", "stale"] and rows[2].endswith("c.txt has changed or is damaged")
    assert last == "1 done, 1 stale, 1 missing"


# --- inputs are those that the needed stages have made ----------------------------------------------------------------


@pytest.mark.slow
def test_the_record_has_the_key_of_the_maker_of_every_input(toy_notebook, finished):
    pipeline = toy_pipeline(toy_notebook, finished)
    assert set(states(pipeline).values()) == {"skipped"}  # wherever the results are
    record = pipeline.by_name["b"].record(pipeline.root)
    assert record["made_by"] == {"a.txt": pipeline.keys["a"]} and record["inputs"].keys() == {"a.txt"}
    assert record["outputs"].keys() == {"b.txt", "notebooks/b.ipynb"}
    assert pipeline.by_name["c"].record(pipeline.root)["made_by"] == {}


@pytest.mark.slow
def test_what_somebody_else_has_written_in_the_meantime_fails_the_stage(toy_notebook, tmp_path, monkeypatch):
    """Two runs with different parameters meet in one directory, and one ignores locks."""
    toys, run_stage = toy_pipeline(toy_notebook, tmp_path), Pipeline.run_stage
    pipeline = Pipeline(toys.stages[:2], toys.root)

    def run_and_disturb(self, stage):
        outcome = run_stage(self, stage)
        if stage.name == "a":
            (self.root / "a.txt").write_text("of another run")
        return outcome

    with monkeypatch.context() as context:
        context.setattr(Pipeline, "run_stage", run_and_disturb)
        outcomes = pipeline.run()
    assert {name: outcome.state for name, outcome in outcomes.items()} == {"a": "done", "b": "failed"}
    said = f"it has read {pipeline.root / 'a.txt'}, which has changed since a wrote it"
    assert said in outcomes["b"].detail and "Run again" in outcomes["b"].detail
    assert "key" not in pipeline.by_name["b"].record(pipeline.root)
    assert states(Pipeline(toys.stages[:2], toys.root)) == {"a": "done", "b": "done"}
    assert (pipeline.root / "b.txt").read_text() == "ab"


@pytest.mark.slow
def test_a_notebook_that_was_opened_in_the_meantime_may_do_the_same_once_more(toy_notebook, finished):
    pipeline = toy_pipeline(toy_notebook, finished)
    states(pipeline)
    first, second = pipeline.by_name["a"], pipeline.by_name["b"]
    (pipeline.root / "a.txt").write_text("other measured times")
    record, again = second.record(pipeline.root), first.record(pipeline.root)
    record["inputs"]["a.txt"] = again["outputs"]["a.txt"] = sha256(pipeline.root / "a.txt")
    write_json(record, second.path(pipeline.root, "stages", "json"))
    for part in ("parameters", "inputs", "sources"):
        write_json(again | {part: {"something": "else"}}, first.path(pipeline.root, "stages", "json"))
        with pytest.raises(DataError, match="which has changed since a wrote it"):
            pipeline.stamp(second)
    write_json(again, first.path(pipeline.root, "stages", "json"))
    pipeline.stamp(second)


@pytest.mark.slow
def test_an_input_of_no_needed_stage_fails_the_stage(toy_notebook, finished):
    parameters = {"results": str(finished), "name": "d", "needs": ["c"], "fail": False}
    pipeline = toy_pipeline(toy_notebook, finished)
    stages = [*pipeline.stages, Stage("d", toy_notebook, parameters, ("b",))]
    outcome = Pipeline(stages, pipeline.root).run()["d"]
    assert outcome.state == "failed" and "c.txt, which none of the stages that it needs has made" in outcome.detail


@pytest.mark.slow
def test_a_missing_input_of_a_stage_starts_no_other_run(toy_notebook, tmp_path):
    parameters = {"results": str(tmp_path), "name": "d", "needs": ["nothing"], "fail": False}
    outcome = Pipeline([Stage("d", toy_notebook, parameters)], tmp_path / "toy").run()["d"]
    assert outcome.state == "failed"
    assert f"{tmp_path / 'toy' / 'nothing.txt'} is missing: no stage that d needs has made it" in outcome.detail


# --- everything that a stage leaves is its output ---------------------------------------------------------------------


def write_page(pipeline: Pipeline, workspace, text: str) -> None:
    """An action: it reads an executed notebook."""
    executed = workspace.input("notebooks/b.ipynb").read_text()
    assert len(pipeline.stages) == 4 and workspace.name == "page"
    if text == "fail":
        raise KeyError("what is not there")
    workspace.output("page.html").write_text(f"{text}: {len(executed)}")
    workspace.finish(text=text)


def with_page(notebook: Path, results: Path, text: str = "page") -> Pipeline:
    """The toy stages, and an action after them."""
    toys = toy_pipeline(notebook, results)
    page = Stage("page", None, {"text": text}, ("a", "b", "c"), action=write_page)
    return Pipeline([*toys.stages, page], toys.root, jobs=2)


@pytest.mark.slow
def test_a_function_is_a_stage_like_a_notebook(toy_notebook, finished):
    failed = with_page(toy_notebook, finished, "fail").run()["page"]
    assert (failed.state, failed.detail) == ("failed", "page: KeyError: 'what is not there'")
    toys = {"a": "skipped", "b": "skipped", "c": "skipped"}
    assert states(with_page(toy_notebook, finished)) == toys | {"page": "done"}
    assert states(with_page(toy_notebook, finished)) == toys | {"page": "skipped"}
    assert states(with_page(toy_notebook, finished, "another")) == toys | {"page": "done"}
    page = finished / "toy" / "page.html"
    expected = page.read_bytes()
    for damage in (lambda: page.write_bytes(b"damage"), page.unlink):
        damage()
        assert states(with_page(toy_notebook, finished, "another")) == toys | {"page": "done"}
        assert page.read_bytes() == expected
    (finished / "toy" / "stages" / "page.json").unlink()  # killed before its record
    assert states(with_page(toy_notebook, finished, "another")) == toys | {"page": "done"}


@pytest.mark.slow
def test_a_damaged_or_missing_executed_notebook_is_made_again(toy_notebook, finished):
    assert states(with_page(toy_notebook, finished))["page"] == "done"
    executed = finished / "toy" / "notebooks" / "b.ipynb"
    for damage in (lambda: executed.write_text("{}"), executed.unlink):
        damage()
        again = states(with_page(toy_notebook, finished))
        assert again == {"a": "skipped", "b": "done", "c": "skipped", "page": "done"}
        nbformat.read(executed, as_version=4)


# --- how a notebook is executed ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_any_path_of_results_will_do(toy_notebook, tmp_path):
    results = tmp_path / "{results} {0} {}" / "a b%20%s é'ü\" $HOME & [x]"
    pipeline = toy_pipeline(toy_notebook, results, failing="c")
    assert states(pipeline) == {"a": "done", "b": "done", "c": "failed"}
    assert (results / "toy" / "b.txt").read_text() == "ab"
    kept = sorted(path.name for path in (results / "toy" / "notebooks").iterdir())
    assert kept == ["a.ipynb", "b.ipynb", "c.failed.ipynb"]
    assert [path.name for path in tmp_path.iterdir()] == ["{results} {0} {}"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["{results} {0} {}", "a b%20%s é'ü\" $HOME & [x]"])
def test_a_notebook_in_any_place_will_do(plain_notebook, tmp_path, name):
    place = tmp_path / name
    place.mkdir()
    notebook = Path(shutil.copy(plain_notebook, place))
    assert execute(plain_stage(notebook, place), place) == ""
    cells = nbformat.read(place / "notebooks" / "a.ipynb", as_version=4).cells
    assert cells[-1].outputs[0].text == f"{place}\n"
    assert "cell 3: AssertionError" in execute(plain_stage(notebook, place, fail=True), place)
    assert sorted(path.name for path in (place / "notebooks").iterdir()) == ["a.failed.ipynb", "a.ipynb"]


@pytest.mark.slow
def test_the_kernel_is_this_interpreter_whatever_is_on_the_path(plain_notebook, tmp_path, monkeypatch):
    other = tmp_path / "jupyter" / "kernels" / "python3"
    other.mkdir(parents=True)
    argv = ["/bin/sh", "-c", "exit 3", "{connection_file}"]
    (other / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Other", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    assert execute(plain_stage(plain_notebook, tmp_path), tmp_path) == ""
    canonicalized = shutil.copy(plain_notebook, tmp_path)
    with pytest.raises(CellExecutionError, match=re.escape(sys.executable)):  # as told by that one
        canonicalize(Path(canonicalized))


def test_the_kernel_uses_the_library_of_the_run(plain_notebook, tmp_path, monkeypatch):
    for name in ("lxr", "other_$HOME"):
        (tmp_path / "$HOME" / name).mkdir(parents=True)
        (tmp_path / "$HOME" / name / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "$HOME"))  # as where another clone is installed
    notebook = nbformat.read(plain_notebook, as_version=4)
    code = "from importlib.util import find_spec\nprint(find_spec('lxr').origin, find_spec('other_$HOME').origin)"
    notebook.cells.append(nbformat.v4.new_code_cell(code))
    nbformat.write(notebook, tmp_path / "plain.ipynb")
    assert execute(plain_stage(tmp_path / "plain.ipynb", tmp_path), tmp_path) == ""
    cells = nbformat.read(tmp_path / "notebooks" / "a.ipynb", as_version=4).cells
    expected = [PROJECT_ROOT / "lxr", tmp_path / "$HOME" / "other_$HOME"]
    assert cells[-1].outputs[0].text.split() == [str(path / "__init__.py") for path in expected]


def test_the_environment_is_as_before_after_a_run(toy_notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "17")
    monkeypatch.delenv("LXR_RUN", raising=False)
    Pipeline([], tmp_path).run()
    assert os.environ["OMP_NUM_THREADS"] == "17" and "LXR_RUN" not in os.environ


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_alone(monkeypatch):
    for variable in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(variable, raising=False)
    assert coloured("done  ", Terminal()) == "\033[32mdone  \033[0m"
    assert coloured("FAIL", Terminal()) == "\033[31mFAIL\033[0m"
    assert [coloured(word, io.StringIO()) for word in COLOURS] == list(COLOURS)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert coloured("stale") == "\033[33mstale\033[0m"
    for variable, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as context:
            context.setenv(variable, value)
            assert coloured("done") == "done"
    monkeypatch.setenv("NO_COLOR", "")
    assert coloured("done") != "done"
