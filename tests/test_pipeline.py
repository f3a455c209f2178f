"""The orchestration of notebooks: order, skipping, resuming, failures, bad command lines; and a tiny run from end to end."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

import run_all
from lxr.datasets import PROJECT_ROOT, Dataset
from lxr.interactions import Interactions, load_split, split_users
from lxr.pipeline import Pipeline, Stage
from lxr.workspace import Workspace

TOY = """
import lxr
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "netflix"], "invalid choice: 'netflix'"),
        (["--recommenders", "knn"], "invalid choice: 'knn'"),
        (["--explainers", "oracle"], "invalid choice: 'oracle'"),
        (["--jobs", "0"], "--jobs: expected at least 1, found 0"),
        (["--seed", "-1"], "--seed: expected at least 0, found -1"),
        (["--seeds", "1", "-1"], "--seeds: expected at least 0, found -1"),
        (["--seeds", "1", "1"], "--seeds: expected different seeds, found 1 1"),
        (["--tune", "everything"], "invalid choice: 'everything'"),
        (["--hyperparameters", "mine"], "invalid choice: 'mine'"),
        (["--tune", "explainers", "--seeds", "1"], "--tune: expected alone, found --seeds beside it"),
        (["--tune", "explainers", "--explainers", "cosine"], "--tune: none of cosine has options"),
        (["--tune", "recommenders", "--ablation"], "--tune: expected alone, found --ablation beside it"),
        (["--trials", "-1"], "--trials: expected at least 0, found -1"),
        (["--minutes", "-0.5"], "--minutes: expected at least 0, found -0.5"),
        (["--minutes", "nan"], "--minutes: expected at least 0, found nan"),
        (["--test-users", "0"], "--test-users: expected at least 1, found 0"),
        (["--workers", "0"], "--workers: expected at least 1, found 0"),
        (["--sede", "1"], "unrecognized arguments"),
        (["--before", "99_nothing"], "invalid choice: '99_nothing'"),
    ],
)
def test_a_bad_command_line_exits_with_2_and_says_what_is_known(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_info:
        run_all.parse(arguments)
    assert exit_info.value.code == 2
    printed = capsys.readouterr().err
    assert message in printed
    if "choice" in message:
        assert "choose from" in printed


def test_the_graph_has_a_stage_per_notebook_and_recommender():
    stages = run_all.build_stages(run_all.parse(["--dataset", "ml-100k"]))
    assert [stage.name for stage in stages] == [
        "01_data_preparation",
        "02_mf",
        "05_lxr-mf",
        "06_baselines-mf",
        "07_evaluation-mf",
        "07_bounds-mf",
        "07_sanity-mf",
        "03_vae",
        "05_lxr-vae",
        "06_baselines-vae",
        "07_evaluation-vae",
        "07_bounds-vae",
        "07_sanity-vae",
        "08_report",
    ]
    only = run_all.build_stages(run_all.parse(["--recommenders", "mf", "--explainers", "random"]))
    assert [stage.name for stage in only][:4] == ["01_data_preparation", "02_mf", "06_baselines-mf", "07_evaluation-mf"]
    assert set(only[-1].needs) == {stage.name for stage in only[:-1]}
    assert [stage.name for stage in run_all.restrict(only, "06_baselines")] == ["01_data_preparation", "02_mf"]


def test_seeds_repeat_the_training_on_the_same_split():
    options = run_all.parse(["--dataset", "ml-100k", "--recommenders", "mf", "--explainers", "lxr", "--seeds", "1", "2"])
    stages = run_all.build_stages(options)
    folders = ["seeds/1/ml-100k/", "seeds/2/ml-100k/"]
    names = ["01_data_preparation", "02_mf", "05_lxr-mf", "07_evaluation-mf"]
    assert [stage.name for stage in stages][:8] == [folder + name for folder in folders for name in names]
    for stage, seed in zip(stages[:4], [42, 1, 1, 1], strict=True):
        assert stage.parameters["seed"] == seed
        assert stage.parameters["results"] == str(options.results / "ml-100k" / "seeds" / "1")
        assert all(need.startswith(folders[0]) for need in stage.needs)
    root = options.results / "ml-100k"
    assert stages[1].path(root, "stages", "json") == root / "seeds" / "1" / "ml-100k" / "stages" / "02_mf.json"
    assert stages[-1].parameters["seeds"] == [1, 2]


TUNED = {
    "recommender": {"options": {"n_factors": 32, "learning_rate": 0.01}, "metric": "HR@10", "seed": 42},
    "lime": {"options": {"n_samples": 99}, "metric": "NDCG", "seed": 42},
    "lxr": {"options": {"lambda_pos": 3.0}, "metric": "NDCG", "seed": 42},
    "spinrec": {"options": {"n_samples": 2}, "metric": "NDCG", "seed": 42},
}
LXR_TOLD = {"lambda_pos": 3.0, "criterion": "NDCG"}


@pytest.fixture
def tuned_results(tmp_path) -> Path:
    """A directory of results in which MF has been tuned on MovieLens 100K."""
    (tmp_path / "ml-100k").mkdir()
    (tmp_path / "ml-100k" / "tuned_mf.json").write_text(json.dumps(TUNED))
    return tmp_path


def place_of(results: Path) -> list[str]:
    return ["--results", str(results)]


def parameters(*arguments: str) -> dict[str, dict]:
    options = run_all.parse(["--dataset", "ml-100k", "--recommenders", "mf", *arguments])
    return {stage.name: stage.parameters for stage in run_all.build_stages(options)}


def test_tuned_hyperparameters_reach_every_stage_that_uses_them(tuned_results):
    chosen = ["--explainers", "random", "lime", "lxr", "spinrec", "--results", str(tuned_results)]
    told = parameters(*chosen, "--ablation", "--seeds", "1")
    for folder in ("", "seeds/1/ml-100k/"):
        assert told[f"{folder}02_mf"]["n_factors"] == 32 and told[f"{folder}02_mf"]["learning_rate"] == 0.01
        assert told[f"{folder}02_mf"]["batch_size"] == run_all.RECOMMENDER_START["mf"]["batch_size"]
        assert told[f"{folder}05_lxr-mf"]["options"] == {"lxr": LXR_TOLD}
        assert told[f"{folder}06_baselines-mf"]["options"] == {"lime": {"n_samples": 99}, "spinrec": {"n_samples": 2}}
        assert told[f"{folder}07_evaluation-mf"]["options"]["spinrec"] == {"n_samples": 2}
    assert told["05_ablation-mf"]["options"] == LXR_TOLD
    assert told["07_sanity-mf"]["learning_rate"] == 0.01
    assert told["07_sanity-mf"]["options"] == {name: TUNED[name]["options"] for name in ("lime", "spinrec")} | {
        "lxr": LXR_TOLD
    }
    refined = parameters(*place_of(tuned_results), "--explainers", "random", "lxr-refined")
    assert refined["05_lxr-mf"]["options"] == {"lxr": LXR_TOLD}  # which it refines
    assert told["08_report"]["tuned"] == {"mf": TUNED} and told["08_report"]["ablation"] is True
    assert "seeds/1/ml-100k/05_ablation-mf" not in told
    published = parameters(*chosen, "--hyperparameters", "published")
    assert published["02_mf"]["n_factors"] == 64
    assert published["05_lxr-mf"]["options"] == {} == published["06_baselines-mf"]["options"]
    assert published["08_report"]["tuned"] == {}
    assert parameters(*chosen, "--smoke")["06_baselines-mf"]["options"] == {}


def test_damaged_hyperparameters_are_named(tuned_results, capsys):
    (tuned_results / "ml-100k" / "tuned_mf.json").write_text("{")
    assert run_all.main(["--recommenders", "mf", "--results", str(tuned_results)]) == 1
    assert "tuned_mf.json: expected records of tuning" in capsys.readouterr().err


def test_tuning_has_a_graph_of_its_own(tuned_results):
    place = place_of(tuned_results)
    recommenders = parameters(*place, "--tune", "recommenders", "--minutes", "2.5", "--workers", "2")
    assert list(recommenders) == ["01_data_preparation", "05_tuning-mf"]
    told = recommenders["05_tuning-mf"]
    assert (told["tuned"], told["trials"], told["minutes"], told["workers"]) == (["recommender"], 20, 2.5, 2)
    assert told["start"]["recommender"]["n_factors"] == 64
    explainers = parameters(*place, "--tune", "explainers", "--trials", "7", "--explainers", "cosine", "lime", "lxr")
    assert list(explainers) == ["01_data_preparation", "02_mf", "05_tuning-mf"]
    assert explainers["02_mf"]["n_factors"] == 32
    told = explainers["05_tuning-mf"]
    assert (told["tuned"], told["trials"], told["fixed"]) == (["lime", "lxr"], 7, {"lxr": {"epochs": 40}})
    told = parameters(*place, "--tune", "explainers", "--explainers", "lxr-refined")["05_tuning-mf"]
    assert (told["tuned"], told["fixed"]) == (["lxr-refined"], {"lxr": {"epochs": 40} | LXR_TOLD})


def test_hyperparameters_of_another_split_are_not_used(tuned_results, capsys):
    assert parameters(*place_of(tuned_results), "--seed", "7")["02_mf"]["n_factors"] == 64
    run_all.say_what_is_untuned(run_all.parse([*place_of(tuned_results), "--recommenders", "mf", "--seed", "7"]))
    assert "mf: hyperparameters were tuned on the split of --seed 42, and are not used" in capsys.readouterr().out


def test_lxr_combined_is_lxr():
    assert run_all.parse(["--explainers", "lxr-combined", "random"]).explainers == ["random", "lxr"]
    assert "lxr-combined" not in run_all.parse([]).explainers


def test_what_was_tuned_is_collected_and_what_was_not_is_kept(tuned_results):
    root = tuned_results / "ml-100k"
    (root / "mf" / "tuned").mkdir(parents=True)
    (root / "mf" / "tuned" / "lime.json").write_text('{"options": {"n_samples": 300}, "seed": 42}')
    assert run_all.collect_tuned(root, "mf") == root / "tuned_mf.json"
    found = json.loads((root / "tuned_mf.json").read_text())
    assert found == TUNED | {"lime": {"options": {"n_samples": 300}, "seed": 42}}
    assert list(found) == ["recommender", "lime", "lxr", "spinrec"]


def test_a_tiny_tuning_is_resumed_and_collected(tmp_path):
    command = ["--smoke", "--recommenders", "mf", "--explainers", "rank-margin", "lxr", "--results", str(tmp_path)]
    for trials in ("2", "3"):
        finished = subprocess.run(
            [sys.executable, "run_all.py", *command, "--tune", "explainers", "--trials", trials],
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        found = json.loads((tmp_path / "synthetic" / "tuned_mf.json").read_text())
        assert {name: record["trials"] for name, record in found.items()} == {"lxr": int(trials), "rank-margin": int(trials)}
    assert len(list((tmp_path / "synthetic" / "mf" / "studies").glob("*.journal"))) == 2
    assert "tuned_mf.json" in finished.stdout and "POS@20 ↓" not in finished.stdout


def test_a_tiny_run_never_replaces_a_full_one():
    full, tiny = (run_all.parse(["--dataset", "ml-100k", *more]) for more in ([], ["--smoke"]))
    assert tiny.results == full.results / "smoke"
    assert "n_factors" not in run_all.build_stages(tiny)[1].parameters
    assert run_all.parse(["--smoke"]).results == full.results


def test_user_features_need_a_dataset_that_has_them(monkeypatch, capsys):
    monkeypatch.setitem(run_all.DATASETS, "nameless", Dataset(lambda data_dir: None, 4))
    with pytest.raises(SystemExit):
        run_all.parse(["--dataset", "nameless", "--user-features"])
    assert (
        "--user-features: expected one of synthetic, ml-100k, ml-1m as --dataset, found nameless" in capsys.readouterr().err
    )


def test_a_run_with_user_features_never_replaces_one_without():
    plain, told = (run_all.parse(["--dataset", "ml-100k", *more]) for more in ([], ["--user-features"]))
    assert told.results == plain.results / "user-features"
    again = run_all.parse(["--dataset", "ml-100k", "--user-features", "--results", str(told.results)])
    assert again.results == told.results  # what a notebook that is opened there asks for
    assert run_all.build_stages(told)[0].parameters["user_features"] is True
    assert "user_features" not in run_all.build_stages(plain)[0].parameters
    assert (
        run_all.parse(["--smoke", "--user-features", "--dataset", "ml-1m"]).results == plain.results / "smoke/user-features"
    )


def test_a_tiny_run_with_user_features_and_a_sample_of_test_users(tmp_path):
    told = ["--user-features", "--test-users", "100"]
    finished = run(tmp_path, *told, "--explainers", "random", "leave-one-out", "lxr")
    assert finished.returncode == 0, finished.stderr
    root = tmp_path / "user-features" / "synthetic"
    assert Interactions.load(root / "interactions.npz").n_features == 2
    *_, sample = load_split(root / "split.npz")
    assert len(sample) == 100 and np.isin(sample, split_users(600)[2]).all()
    features = pd.read_csv(root / "tables" / "features_mf.csv", index_col=0)
    assert features.columns.tolist() == ["hand, first", "all, first", "hand, first 5", "all, first 5"]
    assert 0 < features["all, first 5"]["random"] < 0.2
    quality = pd.read_csv(root / "tables" / "recommender_mf.csv", index_col=0)
    assert quality["HR@10 ↑"]["mf"] > quality["HR@10 ↑"]["popularity"]


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """A complete tiny run of one recommender in a directory of its own."""
    results = tmp_path_factory.mktemp("results")
    return results, run(results)


def run(results: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "run_all.py", "--smoke", "--recommenders", "mf", "--explainers", "random", "cosine", "lxr"]
    command += ["--results", str(results), *arguments]
    return subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=600, check=False)


def test_a_tiny_run_makes_every_table_and_figure(tiny_run):
    results, finished = tiny_run
    assert finished.returncode == 0, finished.stderr
    root = results / "synthetic"
    for name in ("data", "recommender_mf", "headline_mf", "intervals_mf", "cost_mf", "gain_mf", "sanity_mf"):
        assert (root / "tables" / f"{name}.csv").stat().st_size > 0
        assert (root / "tables" / f"{name}.md").read_text().startswith("|")
        assert "\\toprule" in (root / "tables" / f"{name}.tex").read_text()
    for name in ("data", "training_mf", "training_lxr_mf", "fidelity_mf", "groups_mf", "cost_mf", "gain_mf", "sanity_mf"):
        assert (root / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (root / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert "POS@20 ↓" in finished.stdout
    assert str(root / "tables") in finished.stdout
    assert "8 done, 0 skipped, 0 failed, 0 not run" in finished.stdout
    assert not list(root.rglob("*.partial.ipynb"))


def test_the_report_is_one_page_that_needs_nothing_else(tiny_run):
    results, _ = tiny_run
    page = (results / "synthetic" / "report.html").read_text()
    assert "<title>LXR on synthetic</title>" in page
    assert "## Parameters" not in page and ">Parameters" not in page
    assert page.count('src="data:image/png;base64,') >= 5
    assert re.findall(r"""(?:src|href)=["'](?!data:|#)[^"']*|url\(|@import|https?://""", page) == []
    assert "would have been recommended instead of" in page
    assert "workspace" not in page  # no code
    assert str(results) not in page and str(PROJECT_ROOT) not in page


def test_run_json_has_the_provenance_and_no_path_of_the_machine(tiny_run):
    results, _ = tiny_run
    text = (results / "synthetic" / "run.json").read_text()
    record = json.loads(text)
    assert record["environment"]["packages"]["torch"]
    assert record["stages"]["05_lxr-mf"]["parameters"]["seed"] == 42
    assert str(results) not in text
    assert str(PROJECT_ROOT) not in text


def test_a_second_run_skips_everything_and_another_seed_nothing(tiny_run):
    results, _ = tiny_run
    second = run(results)
    assert second.returncode == 0
    assert "0 done, 8 skipped" in second.stdout
    copy = results.parent / "other-seed"
    shutil.copytree(results, copy)
    other = run(copy, "--seed", "7")
    assert "8 done, 0 skipped" in other.stdout


def test_the_same_seed_gives_the_same_tables(tiny_run, tmp_path):
    results, _ = tiny_run
    assert run(tmp_path).returncode == 0
    tables = sorted((results / "synthetic" / "tables").iterdir())
    assert tables
    for table in tables:
        again = tmp_path / "synthetic" / "tables" / table.name
        if table.name == "cost_mf.csv":  # times are measured, passes are counted
            passes = [pd.read_csv(path).filter(like="passes") for path in (table, again)]
            assert passes[0].shape == (3, 3)
            assert passes[0].equals(passes[1])
        elif table.stem != "cost_mf":
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
    assert "1 done, 7 skipped" in again.stdout


@pytest.mark.parametrize("notebook, needs", [("05_tuning", ["02_mf"]), ("05_ablation", ["02_mf"]), ("04_ncf", [])])
def test_what_a_notebook_outside_the_default_run_needs_is_known(notebook, needs):
    options = run_all.parse(["--before", notebook, "--recommenders", "mf"])
    assert [stage.name for stage in run_all.stages_of(options)] == ["01_data_preparation", *needs]


def test_no_trials_are_a_tiny_tuning_too(tmp_path):
    finished = run(tmp_path, "--tune", "explainers", "--trials", "0")
    assert finished.returncode == 0, finished.stderr
    assert json.loads((tmp_path / "synthetic" / "tuned_mf.json").read_text())["lxr"]["options"] == {}


def test_a_notebook_opened_on_its_own_makes_what_it_needs(tmp_path):
    path = Workspace(tmp_path, "synthetic", "02_mf").input("interactions.npz")
    assert path == tmp_path / "synthetic" / "interactions.npz"
    assert path.is_file()


def test_an_interrupted_run_keeps_what_was_finished(tmp_path):
    command = [sys.executable, "run_all.py", "--smoke", "--recommenders", "mf", "--results", str(tmp_path), "--jobs", "1"]
    process = subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    stamp = tmp_path / "synthetic" / "stages" / "01_data_preparation.json"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (stamp.is_file() and '"key"' in stamp.read_text()):
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "what was finished is kept" in errors
    assert "key" in json.loads(stamp.read_text())
    assert "skip 01_data_preparation" in run(tmp_path, "--before", "05_lxr").stdout
