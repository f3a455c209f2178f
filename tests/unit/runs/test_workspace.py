"""Inputs, outputs and records of a stage."""

import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import lxr
from lxr.app import trained
from lxr.runs import workspace as workspace_module
from lxr.tuning import load_tuned
from lxr.utils import environment
from lxr.utils.environment import processor_name
from lxr.utils.records import read_json, write_json


def digest(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def workspace(tmp_path):
    parameters = {"dataset": "toy", "results": tmp_path, "recommender": "mf", "seed": 7, "explainers": ["lxr"], "path": "é"}
    return lxr.runs.Workspace("05_lxr", parameters)


def figure() -> Figure:
    figure = Figure(figsize=(2, 2))
    figure.subplots().plot([1, 3, 2])
    return figure


# --- tables and figures ----------------------------------------------------------------------------------------------

TABLE = pd.DataFrame({"explainer": ["lxr", "random"], "POS@20": [0.123456, 0.5], "n_users": [10, 12]}).set_index("explainer")


def test_a_table_is_written_rounded(workspace):
    before = TABLE.copy()
    returned = workspace.save_table(TABLE, "fidelity", decimals=3)
    directory = workspace.root / "tables"
    assert (directory / "fidelity.csv").read_text() == "explainer,POS@20,n_users\nlxr,0.123,10\nrandom,0.5,12\n"
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (directory / "fidelity.md").read_text().splitlines()
    ]
    assert rows[0] == ["explainer", "POS@20 ↓", "n_users"]
    assert rows[2:] == [["lxr", "0.123", "10"], ["random", "0.500", "12"]]
    pd.testing.assert_frame_equal(pd.read_csv(directory / "fidelity.csv", index_col=0), returned)
    pd.testing.assert_frame_equal(TABLE, before)
    assert sorted(path.name for path in directory.iterdir()) == ["fidelity.csv", "fidelity.md", "fidelity.tex"]
    workspace.save_table(TABLE, "long", formats=["csv"])
    assert [path.name for path in directory.glob("long.*")] == ["long.csv"]
    pd.testing.assert_frame_equal(workspace.table("fidelity"), returned)


def test_a_figure_is_the_same_file_every_time(workspace):
    workspace.save_figure(figure(), "curves")
    path = workspace.root / "figures" / "curves.png"
    first = path.read_bytes()
    assert first.startswith(b"\x89PNG\r\n\x1a\n")
    assert b"matplotlib" not in first.lower()  # its version would tell machines apart
    workspace.save_figure(figure(), "curves")
    assert path.read_bytes() == first
    other = Figure(figsize=(2, 2))
    workspace.save_figure(other, "curves")
    assert path.read_bytes() != first


# --- the record ------------------------------------------------------------------------------------------------------


def test_the_record_tells_what_was_read_written_and_told(workspace, tmp_path):
    (workspace.root / "mf").mkdir(parents=True)
    (workspace.root / "mf" / "recommender.pt").write_text("weights")
    source = tmp_path / "ratings.dat"
    source.write_text("1::1::5::0\n")
    workspace.input("mf/recommender.pt")
    workspace.input("mf/recommender.pt")
    workspace.output("mf/lxr.pt").write_text("network")
    workspace.save_table(TABLE, "fidelity")
    workspace.save_figure(figure(), "curves")
    workspace.finish(sources=(str(source),), settings={"lxr": {"epochs": 3}})

    record = json.loads((workspace.root / "stages" / "05_lxr-mf.json").read_text())
    assert record["stage"] == "05_lxr-mf"
    expected = {"dataset": "toy", "recommender": "mf", "seed": 7, "explainers": ["lxr"], "path": "é"}
    assert record["parameters"] == expected | {"settings": {"lxr": {"epochs": 3}}}
    assert record["sources"] == {str(source): digest(source)}
    assert record["inputs"] == {"mf/recommender.pt": hashlib.sha256(b"weights").hexdigest()}
    tables = [f"tables/fidelity.{kind}" for kind in ("csv", "md", "tex")]
    outputs = ["mf/lxr.pt", *tables, "figures/curves.png", "figures/curves.pdf"]
    assert record["outputs"] == {name: digest(workspace.root / name) for name in outputs}
    assert record["outputs"]["mf/lxr.pt"] == hashlib.sha256(b"network").hexdigest()
    assert record["seconds"] >= 0
    environment = record["environment"]
    assert environment["python"] == sys.version.split()[0]
    machine = environment["machine"]
    assert (machine["architecture"], machine["processors"]) == (platform.machine(), os.cpu_count())
    assert machine["memory_gib"] > 0
    assert machine.keys() == {"architecture", "processor", "processors", "memory_gib"}  # and nobody's name
    assert environment["packages"]["numpy"] == np.__version__ and environment["packages"]["pandas"] == pd.__version__


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="only Linux tells its processor in a file")
def test_the_processor_is_named_as_the_system_names_it():
    lines = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    assert processor_name() == (lines[0].partition(":")[2].strip() if lines else None)


def test_a_stage_without_a_recommender_has_its_own_name(tmp_path):
    workspace = lxr.runs.Workspace("01_data_preparation", {"dataset": "toy", "results": tmp_path})
    workspace.finish()
    record = read_json(tmp_path / "toy" / "stages" / "01_data_preparation.json")
    assert record["outputs"] == record["inputs"] == {} and record["parameters"] == {"dataset": "toy"}


def test_relative_results_are_below_the_project(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    workspace = lxr.runs.Workspace("05_lxr", {"dataset": "toy", "results": "results"})
    assert workspace.root == workspace_module.PROJECT_ROOT / "results" / "toy"


@pytest.fixture
def installed(monkeypatch, tmp_path) -> Path:
    """The package as if installed: inside another repository instead of the project; the working directory."""
    packages = tmp_path / "repository" / "site-packages"
    packages.mkdir(parents=True)
    subprocess.run(["git", "init", "-q"], cwd=packages.parent, check=True)
    for module in ("utils.environment", "runs.workspace"):
        monkeypatch.setattr(f"lxr.{module}.PROJECT_ROOT", packages)
    monkeypatch.delenv("LXR_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    yield tmp_path / "work"
    assert not list(packages.iterdir())


def test_an_installed_package_writes_to_the_working_directory_and_reads_from_a_cache(installed):
    workspace = lxr.runs.Workspace("05_lxr", {"dataset": "toy", "results": "results"})
    assert workspace.root == installed / "results" / "toy"
    workspace.save_table(TABLE, "fidelity")
    workspace.finish()
    assert (installed / "results" / "toy" / "stages" / "05_lxr.json").is_file()
    assert lxr.utils.environment.data_directory().name == "lxr" and installed.parent not in (
        None,
        lxr.utils.environment.data_directory(),
    )
    assert not lxr.utils.environment.data_directory().is_relative_to(workspace_module.PROJECT_ROOT)
    assert load_tuned("ml-100k", "mf") == {} and environment.commit() is None
    with pytest.raises(lxr.DataError, match=rf"^expected {installed}/results/<dataset>"):
        trained("results")


def test_an_installed_package_says_that_it_has_no_notebooks(installed):
    parameters = {"dataset": "toy", "results": "results", "recommender": "mf"}
    with pytest.raises(lxr.DataError, match=r"mf/recommender.pt is missing: only a clone of the repository has"):
        lxr.runs.Workspace("05_lxr", parameters).input("mf/recommender.pt")


def test_outside_a_checkout_there_is_no_commit(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "PROJECT_ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert environment.commit() is None

    def no_git(*arguments, **options):
        raise FileNotFoundError("git")

    monkeypatch.setattr(environment.subprocess, "run", no_git)
    assert environment.commit() is None


@pytest.mark.parametrize("text", ['{"stage": "05', "", "[1, 2]", "null", b"\xff\xfe{}", None], ids=repr)
def test_a_damaged_record_is_none(tmp_path, text):
    path = tmp_path / "record.json"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert read_json(path) is None


def test_what_is_written_is_read(tmp_path):
    value = {"stage": "05_lxr", "name": "Misérables", "numbers": [1, 2.5], "nothing": None}
    write_json(value, tmp_path / "below" / "record.json")
    assert read_json(tmp_path / "below" / "record.json") == value
    with pytest.raises(ValueError, match=r"record\['stage'\]: expected numbers, texts"):
        write_json({"stage": object()}, tmp_path / "below" / "record.json")
    assert [path.name for path in (tmp_path / "below").iterdir()] == ["record.json"]
    assert read_json(tmp_path / "below" / "record.json") == value


# --- inputs ----------------------------------------------------------------------------------------------------------


def test_a_missing_input_is_named_with_the_command_that_makes_it(workspace):
    with pytest.raises(lxr.DataError) as caught:
        workspace.input("mf/recommender.pt")
    command = f"python run_all.py --dataset toy --results {workspace.results} --before 05_lxr --recommenders mf"
    assert str(caught.value) == f"{workspace.root / 'mf' / 'recommender.pt'} is missing: run {command}"
    assert not workspace.inputs and not workspace.root.exists()


def test_the_command_is_the_one_of_the_quickstart(tmp_path, monkeypatch):
    monkeypatch.setattr(workspace_module, "PROJECT_ROOT", tmp_path)
    parameters = {"dataset": "synthetic", "recommender": "mf", "results": tmp_path / "results"}
    with pytest.raises(lxr.DataError) as caught:
        lxr.runs.Workspace("05_lxr", parameters).input("mf/recommender.pt")
    _, _, command = str(caught.value).partition(" is missing: run ")
    assert command.startswith("python run_all.py --dataset synthetic --before 05_lxr")
    assert f"`{command}`" in (environment.PROJECT_ROOT / "notebooks/00_quickstart.ipynb").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("parameters", "options"),
    [
        ({}, []),
        ({"user_features": True, "n_test": None}, ["--user-features"]),
        ({"n_test": 9}, ["--test-users", "9"]),
        ({"data_dir": "/raw data"}, ["--data-dir", "/raw data"]),
        ({"data_dir": "../raw"}, ["--data-dir", str(workspace_module.PROJECT_ROOT / "raw")]),  # from the notebooks
    ],
    ids=str,
)
def test_the_command_keeps_the_data_as_they_were_prepared(workspace, parameters, options):
    record = workspace.root / "stages" / "01_data_preparation.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"parameters": {"seed": 7} | parameters}))
    with pytest.raises(lxr.DataError) as caught:
        workspace.input("mf/recommender.pt")
    command = shlex.split(str(caught.value))
    assert command[command.index("--seed") :] == ["--seed", "7", *options]


def test_an_input_is_noted_as_it_was_read(workspace):
    """And not as it is at the end of a stage, when another run may have replaced it."""
    path = workspace.root / "mf" / "recommender.pt"
    path.parent.mkdir(parents=True)
    path.write_text("read")
    expected = digest(workspace.input("mf/recommender.pt"))
    path.write_text("replaced")
    workspace.finish()
    record = read_json(workspace.root / "stages" / "05_lxr-mf.json")
    assert record["inputs"] == {"mf/recommender.pt": expected}


def test_within_a_run_the_graph_of_stages_is_at_fault(workspace, monkeypatch, tmp_path):
    monkeypatch.setenv("LXR_RUN", str(workspace.root))
    repeated = {"dataset": "toy", "results": workspace.root / "seeds" / "1", "recommender": "mf"}
    for each in (workspace, lxr.runs.Workspace("05_lxr", repeated)):
        with pytest.raises(lxr.DataError, match="is missing: no stage that 05_lxr-mf needs has made it"):
            each.input("mf/recommender.pt")
    with pytest.raises(lxr.DataError, match=r"is missing: run python run_all\.py --dataset another"):
        lxr.runs.Workspace("05_lxr", {"dataset": "another", "results": tmp_path}).input("mf/recommender.pt")


def test_the_data_of_a_run_are_read_and_noted(workspace):
    data, split = lxr.load_dataset("synthetic"), lxr.split_users(600, seed=42)
    data.save(workspace.root / "interactions.npz")
    lxr.data.save_split(*split, workspace.root / "split.npz")
    assert (workspace.interactions().matrix != data.matrix).nnz == 0
    for found, expected in zip(workspace.split(), split, strict=True):
        assert found.tolist() == expected.tolist()
    assert [path.name for path in workspace.inputs] == ["interactions.npz", "split.npz"]
