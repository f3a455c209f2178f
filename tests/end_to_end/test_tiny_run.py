"""Tiny runs from end to end: what they leave, what is made again, what an interruption keeps."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lxr.data.interactions import Interactions
from lxr.data.splits import load_split, split_users
from lxr.runs import cli
from lxr.runs.pipeline import Pipeline
from lxr.runs.stages import build_stages, plan_stages
from lxr.utils.environment import PROJECT_ROOT
from lxr.utils.records import read_json

pytestmark = pytest.mark.slow
IMPORTING = os.environ | {"PYTHONPATH": str(PROJECT_ROOT)}  # a script in a folder finds the library
CAPTURED: dict = {"capture_output": True, "text": True, "timeout": 600, "check": False}


def test_a_tiny_tuning_is_resumed_and_collected(tmp_path):
    command = ["--smoke", "--recommenders", "mf", "--explainers", "rank-margin", "lxr", "--results", str(tmp_path)]
    for trials in ("0", "2", "3"):
        tuning = [sys.executable, "run_all.py", *command, "--tune", "explainers", "--trials", trials]
        finished = subprocess.run(tuning, cwd=PROJECT_ROOT, **CAPTURED)
        assert finished.returncode == 0, finished.stderr
        found = read_json(tmp_path / "synthetic" / "tuned_mf.json")
        assert {name: record["trials"] for name, record in found.items()} == {"lxr": int(trials), "rank-margin": int(trials)}
        if trials == "0":
            assert found["lxr"]["options"] == {}
    assert len(list((tmp_path / "synthetic" / "mf" / "studies").glob("*.journal"))) == 2
    assert "tuned_mf.json" in finished.stdout and "POS@20 ↓" not in finished.stdout


def test_a_tiny_run_with_user_features_and_a_sample_of_test_users(tmp_path):
    options = ["--smoke", "--recommenders", "mf", "--explainers", "random", "lxr", "--results", str(tmp_path)]
    command = ["tests/one_stage.py", "12_evaluation-mf", *options, "--user-features", "--test-users", "100"]
    finished = subprocess.run([sys.executable, *command], cwd=PROJECT_ROOT, env=IMPORTING, **CAPTURED)
    assert finished.returncode == 0, finished.stderr
    root = tmp_path / "user-features" / "synthetic"
    assert Interactions.load(root / "interactions.npz").n_features == 2
    *_, sample = load_split(root / "split.npz")
    assert len(sample) == 100 and np.isin(sample, split_users(600, seed=42)[2]).all()
    features = pd.read_csv(root / "tables" / "features_mf.csv", index_col=0)
    assert features.columns.tolist() == ["hand, first", "all, first", "hand, first 5", "all, first 5"]
    assert 0 < features["all, first 5"]["random"] < 0.2
    quality = pd.read_csv(root / "tables" / "recommender_mf.csv", index_col=0)
    assert quality["HR@10"]["mf"] > quality["HR@10"]["popularity"]


def test_a_recommender_that_uses_the_order_goes_through_a_whole_run(tmp_path):
    options = ["--dataset", "synthetic-sequences", "--recommenders", "gru4rec", "--results", str(tmp_path)]
    command = [sys.executable, "run_all.py", *options, "--studies", "--explainers", "random", "recent", "leave-one-out"]
    finished = subprocess.run(command, cwd=PROJECT_ROOT, **CAPTURED)
    assert finished.returncode == 0, finished.stderr
    root = tmp_path / "synthetic-sequences"
    tables = {
        name: pd.read_csv(root / "tables" / f"{name}.csv", index_col=0)
        for name in ("headline_gru4rec", "order_gru4rec", "next_item", "ground_truth_gru4rec", "certificates_gru4rec")
    }
    ndcg = tables["headline_gru4rec"]["NDCG"]
    assert ndcg["leave-one-out"] < ndcg["recent"] < ndcg["random"]
    assert tables["order_gru4rec"]["ρ with leave-one-out"]["masking"] == 1  # a GRU's mask is deletion
    assert tables["next_item"]["HR@10"]["gru4rec"] > 2 * tables["next_item"]["HR@10"]["popularity"]
    found = tables["ground_truth_gru4rec"]["precision@1"]  # the newest item of the recommended item's series
    assert found["leave-one-out"] > found["recent"] > found["random"]
    assert "recent" in (root / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """A complete tiny run of one recommender in a new directory."""
    results = tmp_path_factory.mktemp("results")
    return results, run(results)


TINY = ["--smoke", "--recommenders", "mf", "--explainers", "random", "cosine", "lxr", "--studies"]


def run(results: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "run_all.py", *TINY, "--results", str(results), *arguments]
    return subprocess.run(command, cwd=PROJECT_ROOT, **CAPTURED)


def test_a_tiny_run_makes_every_table_and_figure(tiny_run):
    results, finished = tiny_run
    assert finished.returncode == 0, finished.stderr
    root = results / "synthetic"
    names = ("data", "recommender_mf", "headline_mf", "intervals_mf", "cost_mf", "gain_mf", "sanity_mf", "targets_order_mf")
    names += ("counterfactual_sets_mf", "certificates_mf", "set_times_mf")
    for name in names:
        assert (root / "tables" / f"{name}.csv").stat().st_size > 0
        assert (root / "tables" / f"{name}.md").read_text().startswith("|")
        assert "\\toprule" in (root / "tables" / f"{name}.tex").read_text()
    for name in (
        "data",
        "training_mf",
        "training_lxr_mf",
        "fidelity_mf",
        "groups_mf",
        "cost_mf",
        "gain_mf",
        "sets_mf",
        "sanity_mf",
    ):
        assert (root / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (root / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert "POS@20 ↓" in finished.stdout
    assert str(root / "tables") in finished.stdout
    assert "11 done, 0 skipped, 0 failed, 0 not run" in finished.stdout
    assert not list(root.rglob("*.partial.ipynb"))
    times = dict(re.findall(r"^  (\w+(?:-mf)?) +([\d.]+) s$", finished.stdout, flags=re.MULTILINE))
    logs = {path.stem: path.read_text() for path in (root / "logs").iterdir()}
    assert len(times) == 11 and times.keys() - logs.keys() == {"summary"}
    assert "wrote mf/recommender.pt" in logs["02_mf"] and "%|" not in "".join(logs.values())  # no progress bars
    assert "\033" not in finished.stdout


def test_the_report_is_one_page_that_needs_nothing_else(tiny_run):
    results, _ = tiny_run
    page = (results / "synthetic" / "report.html").read_text()
    assert "<title>LXR on synthetic</title>" in page
    assert "## Parameters" not in page and ">Parameters" not in page
    assert page.count('src="data:image/webp;base64,') >= 5
    assert re.findall(r"""src=["'](?!data:)[^"']*|url\(|@import|https?://""", page) == []
    links = re.findall(r"""href=["'](?!#)([^"']*)""", page)
    assert links and all((results / "synthetic" / link).is_file() for link in links)  # to files of the run
    assert "would have been recommended instead of" in page
    assert "workspace" not in page  # no code
    assert str(results) not in page and str(PROJECT_ROOT) not in page


def test_run_json_has_the_provenance_and_no_path_of_the_machine(tiny_run):
    results, _ = tiny_run
    text = (results / "synthetic" / "run.json").read_text()
    record = json.loads(text)
    assert record["environment"]["packages"]["torch"]
    assert record["environment"]["machine"]["processors"] >= 1
    assert record["stages"]["05_lxr-mf"]["parameters"]["seed"] == 42
    assert str(results) not in text
    assert str(PROJECT_ROOT) not in text


def test_a_second_run_skips_everything_and_another_seed_nothing(tiny_run):
    results, _ = tiny_run
    second = run(results)
    assert second.returncode == 0
    assert "0 done, 11 skipped" in second.stdout
    other = cli.parse([*TINY, "--results", str(results), "--seed", "7"])
    pipeline = Pipeline(build_stages(other), results / "synthetic")
    assert [pipeline.why_stale(stage) for stage in pipeline.stages] == ["parameter seed: 7, was 42"] * 10


@pytest.mark.parametrize("name", ["report.html", "run.json", "stages/summary.json"])
@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(path.read_bytes()[:-9]), Path.unlink], ids=["cut", "gone"])
def test_the_page_and_the_provenance_are_made_again(tiny_run, name, damage):
    """The state after a run that was killed when all notebooks were done."""
    results, _ = tiny_run
    options, root = cli.parse([*TINY, "--results", str(results)]), results / "synthetic"
    before = [(root / path).read_bytes() for path in ("report.html", "run.json")]
    damage(root / name)
    outcomes = Pipeline(plan_stages(options), root, jobs=options.jobs).run()
    assert [stage for stage, outcome in outcomes.items() if outcome.state != "skipped"] == ["summary"]
    assert [(root / path).read_bytes() for path in ("report.html", "run.json")] == before


def test_the_same_seed_gives_the_same_tables(tiny_run, tmp_path):
    results, _ = tiny_run
    assert run(tmp_path).returncode == 0
    verified = run(results, "--verify", str(tmp_path), "--tolerance", "0")
    assert verified.returncode == 0, verified.stdout
    assert "0 differ within the tolerance, 0 beyond it" in verified.stdout
    folder = results / "synthetic" / "tables"
    tables = sorted(path for path in folder.rglob("*") if path.is_file())  # those of marks, too
    assert tables
    for table in tables:
        again = tmp_path / "synthetic" / "tables" / table.relative_to(folder)
        if table.name == "cost_mf.csv":  # times are measured, passes are counted
            passes = [pd.read_csv(path).filter(like="passes") for path in (table, again)]
            assert passes[0].shape == (3, 3)
            assert passes[0].equals(passes[1])
        elif table.stem not in ("cost_mf", "set_times_mf"):
            assert table.read_bytes() == again.read_bytes(), table.name


def test_a_corrupt_intermediate_file_is_recomputed_and_said(tiny_run):
    results, _ = tiny_run
    weights = results / "synthetic" / "mf" / "recommender.pt"
    before = weights.read_bytes()
    weights.write_bytes(before[:100])
    again = run(results)
    assert again.returncode == 0, again.stderr
    assert "recommender.pt has changed or is damaged" in again.stdout
    assert weights.read_bytes() == before
    assert "2 done, 9 skipped" in again.stdout


def test_an_interrupted_run_keeps_what_was_finished(tmp_path):
    command = [sys.executable, "run_all.py", "--smoke", "--recommenders", "mf", "--results", str(tmp_path), "--jobs", "1"]
    # What a shell runs in the background ignores the interrupt from the keyboard, and so would what it starts.
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=PROJECT_ROOT, preexec_fn=listen, **pipes)
    stamp = tmp_path / "synthetic" / "stages" / "01_data_preparation.json"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (stamp.is_file() and '"key"' in stamp.read_text()):
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "finished stages are kept" in errors
    assert "key" in json.loads(stamp.read_text())
    assert "skip 01_data_preparation" in run(tmp_path, "--before", "05_lxr").stdout
