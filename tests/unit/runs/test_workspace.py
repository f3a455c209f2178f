"""What a stage reads, writes and records."""

import hashlib
import json
import os
import platform
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
    return lxr.Workspace(tmp_path, "toy", "05_lxr", "mf")


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
    workspace.finish(sources=(str(source),), seed=7, explainers=["lxr", "random"], path="é")

    record = json.loads((workspace.root / "stages" / "05_lxr-mf.json").read_text())
    assert record["stage"] == "05_lxr-mf"
    assert record["parameters"] == {"seed": 7, "explainers": ["lxr", "random"], "path": "é"}
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
    workspace = lxr.Workspace(tmp_path, "toy", "01_data_preparation")
    workspace.finish()
    record = read_json(tmp_path / "toy" / "stages" / "01_data_preparation.json")
    assert record["outputs"] == record["inputs"] == record["parameters"] == {}


def test_relative_results_are_below_the_project(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert lxr.Workspace("results", "toy", "05_lxr").root == workspace_module.PROJECT_ROOT / "results" / "toy"


@pytest.fixture
def installed(monkeypatch, tmp_path) -> Path:
    """The package as if it was installed: no project around it, but somebody's repository; the working directory."""
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
    workspace = lxr.Workspace("results", "toy", "05_lxr")
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


def test_an_installed_package_says_that_it_has_no_notebooks(installed, runs):
    commands = runs(0)
    with pytest.raises(lxr.DataError, match=r"mf/recommender.pt is missing, and only a clone of the repository has"):
        lxr.Workspace("results", "toy", "05_lxr", "mf").input("mf/recommender.pt")
    assert commands == []


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


@pytest.fixture
def runs(monkeypatch):
    """Replace the run of the earlier stages: (return code, what it does); the commands are noted."""
    commands = []

    def replace(returncode, work=lambda: None):
        def run(command, **options):
            commands.append(command)
            work()
            return subprocess.CompletedProcess(command, returncode, "", "notebook 02_mf failed in cell 3\n")

        monkeypatch.setattr(workspace_module.subprocess, "run", run)
        return commands

    return replace


@pytest.mark.parametrize("returncode", [0, 1])
def test_an_input_that_cannot_be_made_is_named(workspace, runs, returncode):
    runs(returncode)
    with pytest.raises(lxr.DataError) as caught:
        workspace.input("mf/recommender.pt")
    message = str(caught.value)
    assert str(workspace.root / "mf" / "recommender.pt") in message and "notebook 02_mf failed in cell 3" in message
    assert "run_all.py --dataset toy" in message and "--before 05_lxr --recommenders mf" in message
    assert not workspace.inputs


def test_an_input_that_is_there_although_the_run_failed_is_not_trusted(workspace, runs):
    runs(1, lambda: workspace.output("half.npz").write_text("half"))
    with pytest.raises(lxr.DataError, match=r"half\.npz"):
        workspace.input("half.npz")


def test_a_missing_input_is_made_by_the_earlier_stages(workspace, runs):
    path = workspace.root / "interactions.npz"

    def make():
        path.parent.mkdir(parents=True)
        path.write_text("made")

    commands = runs(0, make)
    assert workspace.input("interactions.npz") == path
    command = [sys.executable, "run_all.py", "--dataset", "toy", "--results", str(workspace.results)]
    assert commands == [[*command, "--before", "05_lxr", "--recommenders", "mf", "--wait"]]
    assert workspace.input("interactions.npz") == path and len(commands) == 1  # it is there now


def test_what_is_missing_is_made_as_the_data_were(workspace, runs):
    record = workspace.root / "stages" / "01_data_preparation.json"
    record.parent.mkdir(parents=True)
    cases = [
        ({}, []),
        ({"user_features": True, "n_test": None}, ["--user-features"]),
        ({"n_test": 9}, ["--test-users", "9"]),
        ({"data_dir": "/raw"}, ["--data-dir", "/raw"]),
        ({"data_dir": "../raw"}, ["--data-dir", str(workspace_module.PROJECT_ROOT / "raw")]),  # from the notebooks
    ]
    for parameters, told in cases:
        record.write_text(json.dumps({"parameters": {"seed": 7} | parameters}))
        commands = runs(1)
        with pytest.raises(lxr.DataError):
            workspace.input("mf/recommender.pt")
        command = commands[-1]
        assert command[command.index("--seed") :] == ["--seed", "7", *told]


def test_a_directory_of_raw_data_stays_the_same_for_the_run_that_is_started(workspace, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    environments = []

    def run(command, env, **options):
        environments.append(env)
        return subprocess.CompletedProcess(command, 1, "", "")

    monkeypatch.setattr(workspace_module.subprocess, "run", run)
    for told, expected in (("raw", str(tmp_path / "raw")), ("", "")):
        monkeypatch.setenv("LXR_DATA_DIR", told)
        with pytest.raises(lxr.DataError):
            workspace.input("mf/recommender.pt")
        assert environments[-1]["LXR_DATA_DIR"] == expected


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


def test_within_a_run_no_other_is_started_in_its_directory(workspace, monkeypatch, runs, tmp_path):
    commands = runs(1)
    monkeypatch.setenv("LXR_RUN", str(workspace.root))
    for place in (workspace, lxr.Workspace(workspace.root / "seeds" / "1", "toy", "05_lxr", "mf")):
        with pytest.raises(lxr.DataError, match="is missing: none of the stages that 05_lxr-mf needs has made it"):
            place.input("mf/recommender.pt")
    assert commands == []
    with pytest.raises(lxr.DataError):
        lxr.Workspace(tmp_path, "another", "05_lxr", "mf").input("mf/recommender.pt")
    assert len(commands) == 1


def test_the_data_of_a_run_are_read_and_noted(workspace):
    data, split = lxr.load_dataset("synthetic"), lxr.split_users(600, seed=42)
    data.save(workspace.root / "interactions.npz")
    lxr.data.save_split(*split, workspace.root / "split.npz")
    assert (workspace.interactions().matrix != data.matrix).nnz == 0
    for found, expected in zip(workspace.split(), split, strict=True):
        assert found.tolist() == expected.tolist()
    assert [path.name for path in workspace.inputs] == ["interactions.npz", "split.npz"]
