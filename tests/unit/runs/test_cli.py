"""The command line: what it refuses, and the graph of notebooks that it asks for."""

import ast
import json
import re
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import papermill
import pytest

import lxr
from lxr.data.datasets import DATASETS, Dataset
from lxr.delivery import COMPARED
from lxr.runs import cli
from lxr.runs.options import OptionError, RunOptions
from lxr.runs.plan import HEADLINE, ONE_SHOT_OPPONENTS, STUDIES, TUNABLE_PARAMETERS
from lxr.runs.stage import read_code
from lxr.runs.stages import build_stages, plan_stages, restrict
from lxr.utils.records import read_json


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "netflix"], "invalid choice: 'netflix'"),
        (["--recommenders", "knn"], "invalid choice: 'knn'"),
        (["--explainers", "oracle"], "invalid choice: 'oracle'"),
        (["--jobs", "0"], "--jobs: expected at least 1, found 0"),
        (["--seed", "-1"], "--seed: expected 0 to 4294967295, found -1"),
        (["--seeds", "1", "-1"], "--seeds: expected 0 to 4294967295, found -1"),
        (["--seed", "4294967296"], "--seed: expected 0 to 4294967295, found 4294967296"),
        (["--seeds", "1", "1"], "--seeds: expected different seeds, found 1 1"),
        (["--splits", "1", "1"], "--splits: expected different seeds, found 1 1"),
        (["--splits", "42"], "--splits: expected seeds other than --seed, found 42"),
        (["--tune", "explainers", "--splits", "1"], "--tune: cannot be combined with --splits"),
        (["--tune", "everything"], "invalid choice: 'everything'"),
        (["--hyperparameters", "mine"], "invalid choice: 'mine'"),
        (["--tune", "explainers", "--seeds", "1"], "--tune: cannot be combined with --seeds"),
        (["--tune", "explainers", "--explainers", "cosine"], "--tune: none of cosine has options"),
        (["--tune", "recommenders", "--ablation"], "--tune: cannot be combined with --ablation"),
        (["--tune", "recommenders", "--studies"], "--tune: cannot be combined with --studies"),
        (["--trials", "-1"], "--trials: expected at least 0, found -1"),
        (["--minutes", "-0.5"], "--minutes: expected at least 0, found -0.5"),
        (["--minutes", "nan"], "--minutes: expected at least 0, found nan"),
        (["--test-users", "0"], "--test-users: expected at least 1, found 0"),
        (["--tolerance", "-1"], "--tolerance: expected at least 0, found -1"),
        (["--verify", "--tune", "explainers"], "--verify: cannot be combined with --tune"),
        (["--verify", "--before", "05_lxr"], "--verify: cannot be combined with --before"),
        (["--list", "--dry-run"], "--dry-run: not allowed with argument --list"),
        (["--workers", "0"], "--workers: expected at least 1, found 0"),
        (["--sede", "1"], "unrecognized arguments"),
        (["--before", "99_nothing"], "invalid choice: '99_nothing'"),
        (["--seed", "3", "--seeds", "1", "3"], "--seeds: expected seeds other than --seed, found 3"),
        (["--seeds", "42"], "--seeds: expected seeds other than --seed, found 42"),
        (["--tolerance", "inf", "--verify"], "--tolerance: expected at least 0, found inf"),
        (["--minutes", "inf", "--tune", "explainers"], "--minutes: expected at least 0, found inf"),
        (["--min-items-per-user", "-3"], "--min-items-per-user: expected at least 1, found -3"),
        (["--min-users-per-item", "0"], "--min-users-per-item: expected at least 1, found 0"),
        (["--min-rating", "nan"], "--min-rating: expected a number, found nan"),
        (["--trials", "3"], "--trials: requires --tune"),
        (["--minutes", "3"], "--minutes: requires --tune"),
        (["--workers", "1"], "--workers: requires --tune"),
        (["--tolerance", "0"], "--tolerance: requires --verify"),
        (["--list", "--tolerance", "0"], "--tolerance: requires --verify"),
        (["--against", "HEAD"], "--against: requires --verify"),
        (
            ["--smoke", "--hyperparameters", "tuned"],
            "--hyperparameters: cannot be combined with --smoke",
        ),
        (["--dataset", "synthetic", "--hyperparameters", "published"], "--hyperparameters: cannot be combined"),
        (["--tune", "explainers", "--tuned-on", "ml-100k"], "--tuned-on: cannot be combined with --tune"),
        (["--smoke", "--tuned-on", "ml-100k"], "--tuned-on: cannot be combined with --tune"),
        (["--tune", "recommenders", "--hyperparameters", "tuned"], "cannot be combined with --tune recommenders"),
        (
            ["--tune", "recommenders", "--explainers", "lxr"],
            "--explainers: cannot be combined with --tune recommenders",
        ),
        (["--ablation", "--before", "05_lxr"], "--ablation: cannot be combined with --before 05_lxr"),
        (["--dataset", ""], "--dataset: expected a name, found '', which is not a valid name of a directory"),
        (["--dataset", "../ml-100k"], "--dataset: expected a name, found '../ml-100k', which is not a valid name"),
        (["--dataset", "/etc"], "--dataset: expected a name, found '/etc', which is not a valid name of a directory"),
        (["--dataset", "a\\b"], "which is not a valid name of a directory"),
        (["--dataset", "."], "--dataset: expected a name, found '.', which is not a valid name of a directory"),
        (["--dataset", " "], "--dataset: expected a name, found ' ', which is not a valid name of a directory"),
        (["--dataset", "two\nlines"], "which is not a valid name of a directory"),
        (["--dataset", "smoke"], "--dataset: expected a name, found 'smoke', which is reserved"),
        (["--dataset", "Seeds"], "--dataset: expected a name, found 'Seeds', which is reserved"),
        (["--dataset", "user-features"], "found 'user-features', which is reserved"),
        (["--results", ""], "--results: expected a path, found an empty text"),
        (["--data-dir", ""], "--data-dir: expected a path, found an empty text"),
        (["--verify", ""], "--verify: expected a path, found an empty text"),
        (["--results", "~nobody-of-that-name/results"], "--results: ~nobody-of-that-name/results: "),
        (["--results", __file__], f"--results: expected a directory, found a file {__file__}"),
        (["--results", f"{__file__}/below"], f"--results: expected a directory, found a file {__file__}"),
        (["--data-dir", __file__], f"--data-dir: expected a directory, found a file {__file__}"),
    ],
)
def test_a_bad_command_line_exits_with_2_and_says_what_is_known(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_info:
        cli.parse(arguments)
    assert exit_info.value.code == 2
    printed = capsys.readouterr().err
    assert message in printed
    if "choice" in message:
        assert "choose from" in printed


def test_a_place_that_cannot_be_written_is_refused_by_what_writes(tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr("lxr.runs.options.os.access", lambda path, mode: asked.append(path))
    below = ["--results", str(tmp_path / "below" / "results")]
    with pytest.raises(SystemExit):
        cli.parse(below)
    assert f"--results: expected a directory that can be written, found {tmp_path}" in capsys.readouterr().err
    for looking in (["--list"], ["--dry-run"], ["--verify", "elsewhere"]):
        cli.parse([*below, *looking])
    assert asked == [tmp_path]


def test_what_looks_at_a_command_goes_with_any_of_its_options():
    command = ["--recommenders", "mf", "--explainers", "lxr", "--seeds", "1", "--ablation", "--force", "--jobs", "1"]
    for looking in (["--list"], ["--dry-run"], ["--verify"], ["--verify", "elsewhere", "--tolerance", "0"]):
        cli.parse([*command, *looking])
    assert cli.parse(["--verify"]).verify is True and cli.parse([]).verify is None


def test_a_tilde_is_the_home_directory_in_every_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "plays.csv").touch()
    places = [
        "--results",
        "~/r",
        "--data-dir",
        "~/d",
        "--verify",
        "~/v",
        "--ratings",
        "~/plays.csv",
        "--items",
        "~/plays.csv",
    ]
    options = cli.parse([*places, "--implicit"])
    assert (options.results, options.raw_data, options.verify) == tuple(tmp_path / name for name in "rdv")
    assert options.source.file["path"] == options.source.file["items_path"] == str(tmp_path / "plays.csv")
    monkeypatch.setenv("LXR_DATA_DIR", "~/raw")
    assert cli.parse([]).raw_data == tmp_path / "raw"
    assert lxr.runs.Workspace("02_mf", {"dataset": "toy", "results": "~/r"}).root == tmp_path / "r" / "toy"


def test_relative_paths_start_where_the_command_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LXR_DATA_DIR", "raw")
    options = cli.parse(["--results", "here"])
    assert (options.results, options.raw_data) == (tmp_path / "here", tmp_path / "raw")


def test_too_few_users_are_one_line_and_no_traceback(tmp_path, capsys):
    pd.DataFrame({"user": [1, 1, 2, 2], "item": [1, 2, 1, 2], "rating": 5}).to_csv(tmp_path / "two.csv", index=False)
    command = ["--ratings", str(tmp_path / "two.csv"), "--min-rating", "4", "--results", str(tmp_path)]
    assert cli.main([*command, "--dry-run"]) == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and "2" in said and "Traceback" not in said


@pytest.mark.parametrize("error", [ValueError("a value"), OSError("a place"), MemoryError()], ids=repr)
def test_whatever_is_wrong_with_the_data_is_one_line(tmp_path, monkeypatch, capsys, error):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(cli, "run", fail)
    assert cli.main(["--smoke", "--results", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"{str(error) or 'MemoryError'}\n"


def test_without_notebooks_that_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("lxr.runs.stages.NOTEBOOKS", tmp_path / "notebooks")
    assert cli.main(["--smoke", "--results", str(tmp_path)]) == 1
    assert f"{tmp_path / 'notebooks'}: expected the notebooks of the repository, found none" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_whole_run_ends_with_a_summary_of_all_its_stages():
    options = cli.parse(["--recommenders", "mf", "--seeds", "1"])
    *others, last = plan_stages(options)
    assert others == build_stages(options) and last.name == "summary"
    assert set(last.needs) == {stage.name for stage in others} and last.parameters["report"] == "18_report"
    for partly in (["--before", "18_report"], ["--tune", "recommenders"]):
        assert "summary" not in [stage.name for stage in plan_stages(cli.parse(partly))]


def test_the_graph_has_a_stage_per_notebook_and_recommender():
    default = {stage.name: stage.parameters for stage in build_stages(cli.parse(["--dataset", "ml-100k"]))}
    assert default["18_report"]["explainers"] == [name for name in lxr.EXPLAINERS if name in COMPARED]
    assert not {"15_one_shot-mf", "16_protocol-mf", "14_sanity-mf"} & set(default) and not default["18_report"]["sanity"]
    studied = {stage.name: stage.parameters for stage in build_stages(cli.parse(["--dataset", "ml-100k", "--studies"]))}
    assert set(studied) - set(default) == {f"{study}-{name}" for study in STUDIES for name in ("mf", "vae")}
    assert studied["18_report"]["sanity"] and studied["18_report"]["protocol"]
    stages = build_stages(cli.parse(["--dataset", "ml-100k", "--explainers", "all"]))
    assert [stage.name for stage in stages] == [
        "01_data_preparation",
        "02_mf",
        "05_lxr-mf",
        "07_lxr_path-mf",
        "10_baselines-mf",
        "08_lxr_path_analysis-mf",
        "14_sanity-mf",
        "16_protocol-mf",
        "13_bounds-mf",
        "17_counterfactual_sets-mf",
        "12_evaluation-mf",
        "15_one_shot-mf",
        "03_vae",
        "05_lxr-vae",
        "07_lxr_path-vae",
        "10_baselines-vae",
        "08_lxr_path_analysis-vae",
        "14_sanity-vae",
        "16_protocol-vae",
        "13_bounds-vae",
        "17_counterfactual_sets-vae",
        "12_evaluation-vae",
        "15_one_shot-vae",
        "18_report",
    ]
    only = build_stages(cli.parse(["--recommenders", "mf", "--explainers", "random"]))
    assert [stage.name for stage in only][:4] == ["01_data_preparation", "02_mf", "10_baselines-mf", "13_bounds-mf"]
    assert set(only[-1].needs) == {stage.name for stage in only[:-1]}
    assert [stage.name for stage in restrict(only, "10_baselines")] == ["01_data_preparation", "02_mf"]


def test_recommenders_that_use_the_order_have_one_more_notebook_and_baseline():
    command = ["--recommenders", "mf", "sasrec", "--explainers", "random", "recent", "lime", "--dataset", "ml-100k"]
    told = {stage.name: stage.parameters for stage in build_stages(cli.parse(command))}
    assert told["21_sasrec"]["n_layers"] == 2 and "23_order-mf" not in told
    assert told["23_order-sasrec"]["n_users"] == 500
    assert told["10_baselines-mf"]["explainers"] == ["random", "lime"]
    assert told["10_baselines-sasrec"]["explainers"] == ["random", "recent", "lime"] == told["18_report"]["explainers"]
    for default in ([], ["--explainers", "all"], ["--smoke"]):
        command = ["--recommenders", "gru4rec", "mf", *default]
        told = {stage.name: stage.parameters for stage in build_stages(cli.parse(command))}
        assert "recent" in told["12_evaluation-gru4rec"]["explainers"]
        assert "recent" not in told["12_evaluation-mf"]["explainers"]
    assert [stage.name for stage in plan_stages(cli.parse(["--before", "23_order", "--recommenders", "sasrec"]))] == [
        "01_data_preparation",
        "21_sasrec",
    ]
    with pytest.raises(OptionError, match=r"explainers: expected one that can explain mf, found recent"):
        RunOptions(recommenders=("mf", "sasrec"), explainers=("recent",))


def test_the_first_trained_imitator_of_paths_is_analysed_once():
    told = parameters("--explainers", "lxr-path-chosen", "lxr-path-pure-score", "--seeds", "1", "--splits", "7")
    assert told["08_lxr_path_analysis-mf"]["explainer"] == "lxr-path-rank"  # lxr-path-chosen is made from it
    assert not [name for name in told if name.startswith(("seeds", "splits")) and "08_lxr_path_analysis" in name]
    assert "08_lxr_path_analysis-mf" not in parameters("--explainers", "lxr", "lime")
    stages = build_stages(cli.parse(["--recommenders", "mf", "--explainers", "lxr-path-score"]))
    analysis = next(stage for stage in stages if stage.name == "08_lxr_path_analysis-mf")
    assert analysis.parameters["explainer"] == "lxr-path-score"
    assert analysis.needs == ("01_data_preparation", "02_mf", "07_lxr_path-mf")


def test_one_shot_methods_are_judged_in_every_training_where_all_that_they_stand_against_is_there():
    told = parameters("--seeds", "1", "--explainers", "all")
    for folder in ("", "seeds/1/ml-100k/"):
        one_shot = told[f"{folder}15_one_shot-mf"]["one_shot"]
        assert {"random", "lire", "lire-rank", "leave-one-out", "spinrec", "spinrec-rank"} < set(one_shot)
        assert not [name for name in one_shot if "lxr" in name or "path" in name]
    assert told["18_report"]["one_shot"] is True
    few = parameters("--explainers", *ONE_SHOT_OPPONENTS)
    assert few["15_one_shot-mf"]["one_shot"] == ["leave-one-out"]
    for name in ONE_SHOT_OPPONENTS:
        fewer = parameters("--explainers", *(ONE_SHOT_OPPONENTS - {name}))
        assert "15_one_shot-mf" not in fewer and fewer["18_report"]["one_shot"] is False


def test_seeds_repeat_the_training_on_the_same_split():
    options = cli.parse(["--dataset", "ml-100k", "--recommenders", "mf", "--explainers", "lxr", "--seeds", "1", "2"])
    stages = build_stages(options)
    folders = ["seeds/1/ml-100k/", "seeds/2/ml-100k/"]
    names = ["01_data_preparation", "02_mf", "05_lxr-mf", "12_evaluation-mf"]
    assert [stage.name for stage in stages][:8] == [folder + name for folder in folders for name in names]
    for stage, seed in zip(stages[:4], [42, 1, 1, 1], strict=True):
        assert stage.parameters["seed"] == seed
        assert stage.parameters["results"] == str(options.results / "ml-100k" / "seeds" / "1")
        assert all(need.startswith(folders[0]) for need in stage.needs)
    root = options.results / "ml-100k"
    assert stages[1].path(root, "stages", "json") == root / "seeds" / "1" / "ml-100k" / "stages" / "02_mf.json"
    assert stages[-1].parameters["seeds"] == [1, 2]


def test_splits_repeat_the_headline_on_other_users_with_the_options_of_the_first(tuned_results):
    told = parameters("--splits", "7", "8", "--seeds", "7", "--explainers", "all", *place_of(tuned_results))
    repeated = [name for name in told if name.startswith("splits/7/")]
    notebooks = ["01_data_preparation", "02_mf", "05_lxr-mf", "07_lxr_path-mf", "10_baselines-mf", "12_evaluation-mf"]
    assert repeated == [f"splits/7/ml-100k/{name}" for name in notebooks]
    data, *others = (told[name] for name in repeated)
    assert (
        data["seed"] == 7
        and told["01_data_preparation"]["seed"] == 42 == told["seeds/7/ml-100k/01_data_preparation"]["seed"]
    )
    for stage, name in zip(others, notebooks[1:], strict=True):
        assert stage["seed"] == 42 and stage["results"] == str(tuned_results / "ml-100k" / "splits" / "7")
        main = {key: value for key, value in told[name].items() if key not in ("results", "explainers", "options")}
        assert stage == stage | main  # what is trained is trained as on the first split
    assert told[repeated[-1]]["explainers"] == [name for name in lxr.EXPLAINERS if name in HEADLINE]
    assert told[repeated[3]]["options"] == {"lxr-path-rank": PATH_TOLD} and told[repeated[1]]["n_factors"] == 32
    assert told[repeated[4]]["options"] == {"spinrec": {"n_samples": 2}}
    assert told["18_report"]["splits"] == [7, 8] and set(told["18_report"]["explainers"]) > set(HEADLINE) - {"recent"}
    chosen = parameters("--splits", "7", "--explainers", "lime", "lxr")
    assert chosen["splits/7/ml-100k/12_evaluation-mf"]["explainers"] == ["lime", "lxr"]


def test_the_protocol_needs_an_order_of_headline_explainers():
    told = parameters("--explainers", "all")
    assert set(told["16_protocol-mf"]["explainers"]) == set(HEADLINE) - {"recent"} <= set(lxr.EXPLAINERS)
    assert told["16_protocol-mf"]["positive_weights"] == [1, 10, 60] and told["18_report"]["protocol"] is True
    few = parameters("--explainers", "lxr", "lime", "--studies")
    assert "16_protocol-mf" not in few and few["18_report"]["protocol"] is False
    command = ["--dataset", "ml-100k", "--recommenders", "vae", "--studies"]
    vae = {stage.name: stage.parameters for stage in build_stages(cli.parse(command))}
    assert vae["16_protocol-vae"]["positive_weights"] == []


TUNED = {
    "recommender": {"options": {"n_factors": 32, "learning_rate": 0.01}, "metric": "HR@10", "seed": 42},
    "lime": {"options": {"n_samples": 99}, "metric": "NDCG", "seed": 42},
    "lxr": {"options": {"lambda_pos": 3.0}, "metric": "NDCG", "seed": 42},
    "lxr-path-rank": {"options": {"n_pairs": 32}, "metric": "NDCG", "seed": 42},
    "spinrec": {"options": {"n_samples": 2}, "metric": "NDCG", "seed": 42},
}
LXR_TOLD = {"lambda_pos": 3.0, "criterion": "NDCG"}
PATH_TOLD = {"n_pairs": 32, "criterion": "NDCG"}


@pytest.fixture
def tuned_results(tmp_path) -> Path:
    """A directory of results in which MF has been tuned on MovieLens 100K."""
    (tmp_path / "ml-100k").mkdir()
    (tmp_path / "ml-100k" / "tuned_mf.json").write_text(json.dumps(TUNED))
    return tmp_path


def place_of(results: Path) -> list[str]:
    return ["--results", str(results)]


def parameters(*arguments: str) -> dict[str, dict]:
    options = cli.parse(["--dataset", "ml-100k", "--recommenders", "mf", *arguments])
    return {stage.name: stage.parameters for stage in build_stages(options)}


def test_tuned_hyperparameters_reach_every_stage_that_uses_them(tuned_results):
    chosen = ["--explainers", "random", "lime", "lxr", "lxr-path", "spinrec", "--studies", "--results", str(tuned_results)]
    told = parameters(*chosen, "--ablation", "--seeds", "1")
    for folder in ("", "seeds/1/ml-100k/"):
        assert told[f"{folder}02_mf"]["n_factors"] == 32 and told[f"{folder}02_mf"]["learning_rate"] == 0.01
        assert told[f"{folder}02_mf"]["batch_size"] == TUNABLE_PARAMETERS["mf"]["batch_size"]
        assert told[f"{folder}05_lxr-mf"]["options"] == {"lxr": LXR_TOLD}
        assert told[f"{folder}07_lxr_path-mf"]["explainers"] == ["lxr-path-rank"]
        assert told[f"{folder}07_lxr_path-mf"]["options"] == {"lxr-path-rank": PATH_TOLD}
        assert told[f"{folder}10_baselines-mf"]["options"] == {"lime": {"n_samples": 99}, "spinrec": {"n_samples": 2}}
        assert told[f"{folder}12_evaluation-mf"]["options"]["spinrec"] == {"n_samples": 2}
    assert told["06_lxr_ablation-mf"]["options"] == LXR_TOLD
    assert told["09_lxr_path_ablation-mf"]["options"] == PATH_TOLD
    assert told["14_sanity-mf"]["learning_rate"] == 0.01
    assert told["14_sanity-mf"]["options"] == {name: TUNED[name]["options"] for name in ("lime", "spinrec")} | {
        "lxr": LXR_TOLD,
        "lxr-path-rank": PATH_TOLD,
    }
    assert told["14_sanity-mf"]["explainers"] == ["random", "lime", "lxr", "spinrec"]
    few = parameters("--explainers", "spinrec", "spinrec-rank", "--studies")
    assert few["14_sanity-mf"]["explainers"] == ["spinrec"]
    refined = parameters(*place_of(tuned_results), "--explainers", "random", "lxr-refined")
    assert refined["05_lxr-mf"]["options"] == {"lxr": LXR_TOLD}  # which it refines
    assert told["18_report"]["tuned"] == {"mf": TUNED} and told["18_report"]["ablation"] is True
    assert "seeds/1/ml-100k/06_lxr_ablation-mf" not in told
    published = parameters(*chosen, "--ablation", "--hyperparameters", "published")
    assert published["02_mf"]["n_factors"] == 64
    assert published["10_baselines-mf"]["options"] == {}
    reported = asdict(lxr.explainers.published_settings("ml-1m", "mf"))
    assert reported == published["05_lxr-mf"]["options"]["lxr"] | {"epochs": reported["epochs"]}
    assert published["14_sanity-mf"]["options"]["lxr"] == published["06_lxr_ablation-mf"]["options"]
    assert published["18_report"]["tuned"] == {}
    assert parameters(*chosen, "--smoke")["10_baselines-mf"]["options"] == {}


def test_explainers_take_hyperparameters_of_another_dataset_and_recommenders_their_own(tuned_results):
    own = {
        "recommender": TUNED["recommender"] | {"options": {"n_factors": 32}},
        "lime": {"options": {"n_samples": 9}, "seed": 42},
    }
    (tuned_results / "pinterest").mkdir()
    (tuned_results / "pinterest" / "tuned_mf.json").write_text(json.dumps(own))
    place = ["--results", str(tuned_results), "--recommenders", "mf", "--dataset", "pinterest", "--tuned-on", "ml-100k"]
    told = parameters(*place, "--explainers", "random", "lime", "lxr", "lxr-path", "leave-one-out", "rank-margin-path")
    assert told["02_mf"]["n_factors"] == 32
    assert told["10_baselines-mf"]["options"] == {"lime": TUNED["lime"]["options"]}
    assert told["05_lxr-mf"]["options"]["lxr"] == LXR_TOLD
    assert told["18_report"]["tuned"] == {"mf": own}


def test_hyperparameters_of_a_dataset_that_was_not_tuned_are_refused(tuned_results, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.parse(["--results", str(tuned_results), "--dataset", "pinterest", "--tuned-on", "yahoo-music"])
    assert stopped.value.code == 2
    assert "--tuned-on: expected a dataset with tuned hyperparameters, found 'yahoo-music'" in capsys.readouterr().err


def test_damaged_hyperparameters_are_named(tuned_results, capsys):
    (tuned_results / "ml-100k" / "tuned_mf.json").write_text("{")
    assert cli.main(["--recommenders", "mf", "--results", str(tuned_results)]) == 1
    assert "tuned_mf.json: expected records of tuning" in capsys.readouterr().err


def test_tuning_has_a_graph_of_its_own(tuned_results):
    place = place_of(tuned_results)
    recommenders = parameters(*place, "--tune", "recommenders", "--minutes", "2.5", "--workers", "2")
    assert list(recommenders) == ["01_data_preparation", "11_tuning-mf"]
    told = recommenders["11_tuning-mf"]
    assert (told["tuned"], told["trials"], told["minutes"], told["workers"]) == (["recommender"], 20, 2.5, 2)
    assert told["start"]["recommender"]["n_factors"] == 64
    explainers = parameters(
        *place, "--tune", "explainers", "--trials", "7", "--explainers", "cosine", "lime", "lxr", "lxr-path"
    )
    assert list(explainers) == ["01_data_preparation", "02_mf", "11_tuning-mf"]
    assert explainers["02_mf"]["n_factors"] == 32
    told = explainers["11_tuning-mf"]
    assert (told["tuned"], told["trials"], told["fixed"]) == (["lime", "lxr", "lxr-path-rank"], 7, {"lxr": {"epochs": 60}})
    told = parameters(*place, "--tune", "explainers", "--explainers", "lxr-refined")["11_tuning-mf"]
    assert (told["tuned"], told["fixed"]) == (["lxr-refined"], {"lxr": {"epochs": 60} | LXR_TOLD})


def test_hyperparameters_of_another_split_are_not_used(tuned_results, capsys):
    assert parameters(*place_of(tuned_results), "--seed", "7")["02_mf"]["n_factors"] == 64
    cli.say_what_is_untuned(cli.parse([*place_of(tuned_results), "--recommenders", "mf", "--seed", "7"]))
    assert "mf: hyperparameters were tuned on the split of --seed 42, and are not used" in capsys.readouterr().out


def test_second_names_are_first_ones():
    assert cli.parse(["--explainers", "lxr-combined", "random"]).chosen_explainers == ["random", "lxr"]
    assert cli.parse(["--explainers", "lxr-path-pure", "lxr-path"]).chosen_explainers == [
        "lxr-path-rank",
        "lxr-path-pure-rank",
    ]
    for everything in ("--explainers all", "--explainers lime all", "--smoke", "--verify", "--tune explainers"):
        assert cli.parse(everything.split()).chosen_explainers == list(lxr.EXPLAINERS)


def test_what_was_tuned_is_collected_and_what_was_not_is_kept(tuned_results):
    root = tuned_results / "ml-100k"
    (root / "mf" / "tuned").mkdir(parents=True)
    (root / "mf" / "tuned" / "lime.json").write_text('{"options": {"n_samples": 300}, "seed": 42}')
    assert cli.collect_tuned(root, "mf") == root / "tuned_mf.json"
    found = read_json(root / "tuned_mf.json")
    assert found == TUNED | {"lime": {"options": {"n_samples": 300}, "seed": 42}}
    assert list(found) == list(TUNED)


def test_a_tiny_run_asks_of_a_notebook_what_it_does_by_itself():
    """Notebooks that are tested side by side write to the same directory as the tiny run that makes their inputs."""
    differs = {"dataset", "recommender", "recommenders", "seeds", "ablation", "results", "data_dir"}  # by nature
    for stage in build_stages(cli.parse(["--dataset", "synthetic", "--ablation"])):
        own = {name: known["default"] for name, known in papermill.inspect_notebook(stage.notebook).items()}
        code = "\n".join(read_code(stage.notebook).cells)
        for name in stage.parameters.keys() - differs:
            default = ast.literal_eval(own[name])
            if default is None:
                all_of_them = re.search(rf"^{name} = {name} or (.+)$", code, flags=re.MULTILINE)[1]
                default = eval(all_of_them, {"lxr": lxr, "LXR_FAMILIES": lxr.explainers.LXR_FAMILIES})
            assert stage.parameters[name] == default, (stage.name, name)


def test_a_tiny_run_never_replaces_a_full_one():
    full, tiny = (cli.parse(["--dataset", "ml-100k", *more]) for more in ([], ["--smoke"]))
    assert tiny.results_root == full.results_root / "smoke"
    assert "n_factors" not in build_stages(tiny)[1].parameters
    assert cli.parse(["--smoke"]).results_root == full.results_root


def test_user_features_need_a_dataset_that_has_them(monkeypatch, capsys):
    monkeypatch.setitem(DATASETS, "nameless", Dataset(lambda data_dir: None, 4))
    with pytest.raises(SystemExit):
        cli.parse(["--dataset", "nameless", "--user-features"])
    assert (
        "--user-features: expected one of synthetic, ml-100k, ml-1m as --dataset, found nameless" in capsys.readouterr().err
    )


def test_a_run_with_user_features_never_replaces_one_without():
    plain, told = (cli.parse(["--dataset", "ml-100k", *more]) for more in ([], ["--user-features"]))
    assert told.results_root == plain.results_root / "user-features"
    again = cli.parse(["--dataset", "ml-100k", "--user-features", "--results", str(told.results_root)])
    assert again.results_root == told.results_root  # what a notebook that is opened there asks for
    assert build_stages(told)[0].parameters["user_features"] is True
    assert "user_features" not in build_stages(plain)[0].parameters
    assert (
        cli.parse(["--smoke", "--user-features", "--dataset", "ml-1m"]).results_root
        == plain.results_root / "smoke/user-features"
    )


def test_the_list_of_stages_is_that_of_the_command(tmp_path, capsys):
    told = ["--list", "--recommenders", "mf", "--results", str(tmp_path)]
    assert cli.main([*told, "--before", "10_baselines"]) == 0
    _, *rows, last = capsys.readouterr().out.splitlines()
    assert [row.split()[:2] for row in rows] == [["01_data_preparation", "missing"], ["02_mf", "missing"]]
    assert last == "0 done, 0 stale, 2 missing"
    assert cli.main([*told, "--before", "01_data_preparation"]) == 0
    assert capsys.readouterr().out.endswith("\n0 done, 0 stale, 0 missing\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "notebook, needs",
    [
        ("11_tuning", ["02_mf"]),
        ("06_lxr_ablation", ["02_mf"]),
        ("08_lxr_path_analysis", ["02_mf", "07_lxr_path-mf"]),
        ("09_lxr_path_ablation", ["02_mf"]),
        ("04_ncf", []),
        ("explore", ["02_mf", "05_lxr-mf", "07_lxr_path-mf"]),
    ],
)
def test_what_a_notebook_outside_the_default_run_needs_is_known(notebook, needs):
    options = cli.parse(["--before", notebook, "--recommenders", "mf"])
    assert [stage.name for stage in plan_stages(options)] == ["01_data_preparation", *needs]
