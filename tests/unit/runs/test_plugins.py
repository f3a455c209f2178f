"""Explainers that register themselves: what the registry knows of them, and plugins of the command line."""

import inspect
import os
import subprocess
import sys

import pandas as pd
import pytest
from toys import N_ITEMS, Fading

import lxr
from lxr.explainers import LIME, LXR_FAMILIES, RandomOrder, register
from lxr.reporting.style import colour
from lxr.runs import cli, plugins
from lxr.runs.pipeline import Pipeline
from lxr.runs.stages import build_stages
from lxr.utils.environment import PROJECT_ROOT

MINE = """
import torch

import lxr


class Mine(lxr.Explainer):
    \"\"\"Rare items first.\"\"\"

    def __init__(self, model, train_matrix, power: float = 1.0):
        super().__init__(model)
        self.counts = -torch.tensor(train_matrix.sum(axis=0)).ravel() ** power

    def importance(self, histories, target):
        return self.counts[histories.items]


lxr.explainers.register("mine", Mine)
"""


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """Whatever a test registers and loads is forgotten afterwards."""
    before = dict(lxr.EXPLAINERS)
    monkeypatch.setattr(plugins, "_loaded", {})
    yield
    lxr.EXPLAINERS.clear()
    lxr.EXPLAINERS.update(before)


@pytest.fixture
def plugin(tmp_path):
    """A file that registers an explainer."""
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


class Demanding(lxr.Explainer):
    """An option without a default."""

    def __init__(self, model, strength):
        super().__init__(model)


class Taking(lxr.Explainer):
    """All that a call can fill in, and an option."""

    def __init__(self, model, validation_matrix, seed, train_matrix, power=1):
        super().__init__(model)
        self.taken = train_matrix, validation_matrix, seed, power


# --- the registry ----------------------------------------------------------------------------------------------------


def test_aliases_are_found_and_not_counted():
    assert lxr.EXPLAINERS["lxr-path"] is lxr.EXPLAINERS["lxr-path-rank"] is lxr.EXPLAINERS.get("lxr-path")
    assert lxr.EXPLAINERS.primary("lxr-combined") == "lxr" and "lxr-path-pure" in lxr.EXPLAINERS
    assert not lxr.EXPLAINERS.aliases.keys() & set(lxr.EXPLAINERS)
    assert lxr.EXPLAINERS.get("nothing", 3) == 3 and "nothing" not in lxr.EXPLAINERS


def test_a_spec_describes_itself_as_its_class_does():
    spec = lxr.EXPLAINERS["lime"]
    assert (spec.cls, spec.__doc__, spec.family) == (LIME, LIME.__doc__, "surrogate")
    options = {name: each for name, each in inspect.signature(spec).parameters.items() if each.kind is each.KEYWORD_ONLY}
    own = inspect.signature(LIME).parameters
    assert {name: each.default for name, each in options.items()} == {
        name: each.default for name, each in own.items() if name not in ("model", "seed")
    }
    assert {"lambda_pos", "report"} < inspect.signature(lxr.EXPLAINERS["lxr"]).parameters.keys()


def test_specs_know_what_is_trained_on_what_and_what_a_sign_means():
    specs = lxr.EXPLAINERS.items()
    assert {name for name, spec in specs if spec.is_trained} == {
        name for name, spec in specs if spec.family in LXR_FAMILIES and not spec.depends_on
    }
    assert {name: spec.depends_on for name, spec in specs if spec.depends_on} == {
        "lxr-refined": "lxr",
        "lxr-path-chosen": "lxr-path-rank",
    }
    assert all((spec.load is None) != spec.is_trained for _, spec in specs)
    assert lxr.EXPLAINERS["gradient"].is_signed and not lxr.EXPLAINERS["cosine"].is_signed


def test_defaults_are_options_that_a_call_takes(train_matrix):
    model = lxr.MF(train_matrix.shape[1], n_factors=2)
    for name, spec in lxr.EXPLAINERS.items():
        assert spec.defaults(model, train_matrix).keys() <= inspect.signature(spec).parameters.keys(), name
        if not spec.is_trained and not spec.depends_on:
            spec(model, train_matrix, **spec.defaults(model, train_matrix))


def test_a_preset_changes_defaults_and_keeps_what_its_name_says(train_matrix):
    spec, base = lxr.EXPLAINERS["spinrec-rank"], lxr.EXPLAINERS["spinrec"]
    told = {"objective": "soft-rank", "criterion": "NDCG", "n_samples": 20, "n_steps": 5}
    model = lxr.MF(train_matrix.shape[1], n_factors=2)
    assert spec.preset == told and not base.preset
    assert spec.defaults(model, train_matrix) == base.defaults(model, train_matrix) | told
    assert {name: inspect.signature(spec).parameters[name].default for name in told} == told
    assert inspect.signature(spec).parameters.keys() == inspect.signature(base).parameters.keys()
    assert spec.search_space == {name: base.search_space[name] for name in ("n_samples", "n_steps")}
    for name in ("lime", "lire", "shap-items", "integrated-gradients"):
        ranked = lxr.EXPLAINERS[f"{name}-rank"]
        assert ranked.search_space.keys() == lxr.EXPLAINERS[name].search_space.keys() - {"objective"}
        assert ranked.cls is lxr.EXPLAINERS[name].cls and ranked.family == lxr.EXPLAINERS[name].family


# --- register --------------------------------------------------------------------------------------------------------


def test_arguments_are_filled_by_the_signature():
    register("taking", Taking, aliases=["greedy"])
    model = lxr.MF(4)
    assert lxr.EXPLAINERS["greedy"](model, 1, 2, 3, power=4).taken == (1, 2, 3, 4)
    assert lxr.EXPLAINERS["taking"](model, 1).taken == (1, None, 0, 1)
    with pytest.raises(ValueError, match="unknown option 'strength', expected some of power"):
        lxr.EXPLAINERS["taking"](model, 1, strength=2)


def test_a_registered_explainer_gets_rows_unless_the_order_counts(train_matrix):
    lxr.explainers.register("taking", Taking)
    lists = lxr.EntryLists.of_matrix(train_matrix)
    rows, entries = (
        lxr.EXPLAINERS["taking"](model, lists, lists).taken[:2] for model in (lxr.MF(N_ITEMS, n_factors=2), Fading())
    )
    assert all((each != train_matrix).nnz == 0 for each in rows) and entries == (lists, lists)


def test_a_class_may_be_registered_again_and_keeps_its_place():
    register("taking", Taking)
    register("more", RandomOrder)
    register("taking", Taking)
    assert list(lxr.EXPLAINERS)[-2:] == ["taking", "more"]


@pytest.mark.parametrize(
    ("name", "cls", "message"),
    [
        ("lime", Taking, "name: expected a new name, found 'lime', an explainer of the class LIME"),
        ("lxr-path", Taking, "name: expected a new name, found 'lxr-path'"),
        ("recommender", Taking, "name: expected lower-case"),
        ("../mine", Taking, "name: expected lower-case"),
        (3, Taking, "name: expected lower-case"),
        ("mine", lxr.MF, "cls: expected a subclass of lxr.Explainer"),
        ("mine", "LIME", "cls: expected a subclass of lxr.Explainer, found 'LIME'"),
        ("mine", Demanding, "Demanding: expected a default for every option, found none for 'strength'"),
    ],
)
def test_what_cannot_be_registered_is_refused(name, cls, message):
    before = dict(lxr.EXPLAINERS)
    with pytest.raises(ValueError, match=message):
        register(name, cls)
    assert before == lxr.EXPLAINERS


def test_a_registered_explainer_has_a_colour_of_its_own():
    register("taking", Taking)
    others = {colour(name) for name in lxr.EXPLAINERS if name != "taking"}
    assert colour("taking") not in others


# --- plugins ---------------------------------------------------------------------------------------------------------


def test_a_plugin_registers_once(plugin):
    assert plugins.load_plugin(plugin) == ("mine",)
    plugin.write_text("1 / 0")
    assert plugins.load_plugin(plugin) == ("mine",) and plugins.loaded_plugins() == [plugin]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", "expected a call of lxr.explainers.register, found none"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("if:", "SyntaxError: "),
        (None, "FileNotFoundError"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_a_bad_command_line(tmp_path, capsys, source, message):
    path = tmp_path / "bad.py"
    if source is not None:
        path.write_text(source)
    with pytest.raises(SystemExit) as stopped:
        cli.parse(["--plugin", str(path)])
    assert stopped.value.code == 2
    assert f"argument --plugin: {path}: " in (printed := capsys.readouterr().err) and message in printed


def test_an_explainer_of_a_plugin_is_made_and_judged_with_all_others(plugin, capsys):
    with pytest.raises(SystemExit):
        cli.parse(["--explainers", "mine"])
    assert "invalid choice: 'mine'" in capsys.readouterr().err
    assert cli.parse(["--plugin", str(plugin)]).chosen_explainers[-2:] == ["rank-margin-path", "mine"]
    options = cli.parse(["--plugin", str(plugin), "--recommenders", "mf", "--explainers", "all"])
    assert options.chosen_explainers == [*lxr.EXPLAINERS] and options.chosen_explainers[-1] == "mine"
    told = {stage.name: stage.parameters for stage in build_stages(options)}
    for stage in (
        "10_baselines-mf",
        "12_evaluation-mf",
        "14_sanity-mf",
        "13_bounds-mf",
        "17_counterfactual_sets-mf",
        "18_report",
    ):
        assert "mine" in told[stage]["explainers"]
    assert "mine" in told["15_one_shot-mf"]["one_shot"]
    for stage in ("05_lxr-mf", "07_lxr_path-mf"):
        assert "mine" not in told[stage]["explainers"]


def test_an_edit_of_a_plugin_makes_the_stages_of_its_explainers_stale(plugin, tmp_path):
    arguments = ["--plugin", str(plugin), "--recommenders", "mf", "--explainers", "mine", "lxr"]
    stages = build_stages(cli.parse([*arguments, "--results", str(tmp_path / "results")]))
    before = Pipeline(stages, tmp_path)
    plugin.write_text(MINE + "# edited\n")
    after = Pipeline(stages, tmp_path)
    changed = {name for name in before.keys if before.keys[name] != after.keys[name]}
    kept = {"01_data_preparation", "02_mf", "05_lxr-mf"}
    assert changed == before.keys.keys() - kept
    assert before.environment()[plugins.PLUGINS] == str(plugin)


@pytest.mark.slow
def test_a_plugin_is_in_the_tables_of_a_tiny_run(plugin, tmp_path):
    command = ["--smoke", "--recommenders", "mf", "--explainers", "random", "mine", "--plugin", str(plugin)]
    command += ["--results", str(tmp_path / "results"), "--jobs", "2", "--device", "cpu"]
    run = subprocess.run(
        [sys.executable, "tests/one_stage.py", "12_evaluation-mf", *command],
        cwd=PROJECT_ROOT,
        env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    root = tmp_path / "results/synthetic"
    table = pd.read_csv(root / "tables/fidelity_mf.csv", index_col=0)
    assert table.index.tolist() == ["random", "mine"]
    assert (root / "mf/importance/mine.npz").is_file()
