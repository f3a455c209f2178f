"""The orchestration of notebooks: order, skipping, resuming, failures, logs, states."""

import io
import sys
from pathlib import Path

import nbformat
import pytest

from lxr.pipeline import Pipeline, Stage
from lxr.summary import stage_table
from lxr.terminal import COLOURS, coloured
from lxr.workspace import read_json, write_json

TOY = """
import sys
import lxr
print(f"{name} goes to standard output")
print(f"{name} goes to standard error", file=sys.stderr)
workspace = lxr.Workspace(results, "toy", name)
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


def states(pipeline: Pipeline) -> dict[str, str]:
    return {name: outcome.state for name, outcome in pipeline.run().items()}


def test_stages_run_once_in_order_and_are_then_skipped(toy_notebook, tmp_path):
    assert set(states(toy_pipeline(toy_notebook, tmp_path)).values()) == {"done"}
    assert (tmp_path / "toy" / "b.txt").read_text() == "ab"
    assert (tmp_path / "toy" / "notebooks" / "b.ipynb").is_file()
    assert set(states(toy_pipeline(toy_notebook, tmp_path)).values()) == {"skipped"}


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
