"""The options of a run from Python: the defaults of the command line, values that runs use, errors that name the field."""

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

import lxr
from lxr.runs import OptionError, RunOptions, cli, plan_stages


def test_defaults_are_those_of_the_command_line():
    assert RunOptions() == cli.parse([])
    assert RunOptions(dataset="synthetic", recommenders=["mf"], seeds=[1]) == replace(
        cli.parse(["--dataset", "synthetic", "--recommenders", "mf", "--seeds", "1"]), seeds=[1]
    )


def test_a_run_is_planned_in_one_line():
    stages = plan_stages(lxr.runs.RunOptions(dataset="synthetic", recommenders=("mf",)))
    assert [stage.name for stage in stages] == [
        stage.name for stage in plan_stages(cli.parse(["--dataset", "synthetic", "--recommenders", "mf"]))
    ]
    assert stages[0].name == "01_data_preparation" and stages[-1].name == "summary"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "netflix"}, "dataset: invalid choice: 'netflix'"),
        ({"recommenders": ("knn",)}, "recommenders: invalid choice: 'knn' .choose from 'mf'"),
        ({"recommenders": ()}, "recommenders: expected at least one, found none"),
        ({"explainers": ("oracle",)}, "explainers: invalid choice: 'oracle'"),
        ({"plugins": ("nothing.py",)}, "plugins: .*nothing.py: "),
        ({"device": "gpu"}, "device: invalid choice: 'gpu'"),
        ({"before": "99_nothing"}, "before: invalid choice: '99_nothing'"),
        ({"before": "00_quickstart"}, "before: invalid choice: '00_quickstart'"),
        ({"jobs": 0}, "jobs: expected at least 1, found 0"),
        ({"jobs": 1.5}, "jobs: expected at least 1, found 1.5"),
        ({"seed": "1"}, "seed: expected 0 to 4294967295, found 1"),
        ({"seeds": (42,)}, "seeds: expected seeds other"),
        ({"trials": 3}, "trials: requires --tune"),
        ({"tune": "everything"}, "tune: invalid choice: 'everything'"),
        ({"results": __file__}, "results: expected a directory, found a file"),
        ({"user_features": True, "dataset": "pinterest"}, "user_features: expected one of"),
        ({"implicit": True}, "ratings: required by options of a ratings file"),
    ],
    ids=str,
)
def test_an_error_names_the_field(options, message):
    with pytest.raises(OptionError, match=f"^{message}"):
        RunOptions(**options)


def test_options_are_frozen_and_replaced(tmp_path):
    options = RunOptions(dataset="ml-100k", smoke=True, user_features=True, results=tmp_path)
    with pytest.raises(FrozenInstanceError):
        options.seed = 1
    assert options.root == tmp_path / "smoke" / "user-features" / "ml-100k"
    assert replace(options, seed=7).root == options.root  # nothing is appended twice
    assert replace(options, smoke=False).root == tmp_path / "user-features" / "ml-100k"
    with pytest.raises(OptionError, match=r"^jobs: "):
        replace(options, jobs=-1)


def test_the_same_run_elsewhere_keeps_its_data(tmp_path):
    (tmp_path / "shop.csv").write_text("user,item\n")
    options = RunOptions(ratings=tmp_path / "shop.csv", implicit=True, results=tmp_path / "results")
    elsewhere = options.in_results(tmp_path / "elsewhere")
    assert elsewhere.root == tmp_path / "elsewhere" / "shop" and options.root == tmp_path / "results" / "shop"
    assert elsewhere.source is options.source and options.dataset is None and options.dataset_name == "shop"


def test_values_that_a_run_uses():
    tiny, full = RunOptions(smoke=True), RunOptions()
    assert (tiny.dataset_name, tiny.is_tiny, tiny.uses_tuned) == ("synthetic", True, False)
    assert (full.dataset_name, full.is_tiny, full.uses_tuned) == ("ml-100k", False, True)
    assert RunOptions(hyperparameters="published").uses_tuned is False
    assert RunOptions(explainers=("lxr-combined", "random")).chosen_explainers == ["random", "lxr"]
    assert RunOptions(recommenders=("vae", "mf", "mf")).recommenders == ("mf", "vae")
    assert isinstance(RunOptions(results="~").results, Path) and RunOptions(results="~").results == Path.home()
    assert RunOptions(list_stages=True).only_looks and not full.only_looks
