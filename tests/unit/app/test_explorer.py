"""The explorer's session without widgets, and its widgets without a browser."""

import dataclasses
import shutil
import threading

import numpy as np
import pytest
import torch

import lxr
from lxr.app import Exploration, Explorer, TrainedModels, trained
from lxr.app.panels import ROWS
from lxr.app.widgets import OWN
from lxr.explainers import LXR_FAMILIES
from lxr.utils.records import write_json


@pytest.fixture(scope="module")
def models(trained_results):
    return TrainedModels(trained_results, "synthetic", "mf")


@pytest.fixture
def explorer(trained_results):
    """Its left panel by leave-one-out, its right one by LXR; everything is answered before anything is drawn."""
    return Explorer(trained_results, explainers=("leave-one-out", "lxr"))


def answered(explorer):
    """Once everything that was asked for has been shown."""
    for asker in (*explorer.panels, explorer.counterfactual):
        asker.pending.result(timeout=60)
    with explorer.lock:
        explorer.pool.submit(int).result(timeout=60)
    return explorer


def test_what_is_trained_is_found(trained_results):
    assert trained(trained_results) == {"synthetic": ["mf"]}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (
            {"dataset": "ml-1m"},
            "ml-1m/<recommender>/recommender.pt, found no such file: python run_all.py --dataset ml-1m makes",
        ),
        (
            {"dataset": "synthetic", "recommender": "vae"},
            "python run_all.py --dataset synthetic --recommenders vae makes it",
        ),
    ],
)
def test_what_is_missing_is_told_with_the_command_that_makes_it(trained_results, tmp_path, told, message):
    with pytest.raises(lxr.DataError, match=message):
        trained(trained_results, **told)
    with pytest.raises(lxr.DataError, match=r"python run_all\.py makes it"):
        trained(tmp_path)


def test_explainers_are_those_of_the_run(trained_results, models, tmp_path):
    root = tmp_path / "synthetic"
    shutil.copytree(trained_results / "synthetic", root)
    record = {"parameters": {"seed": 5, "options": {"lime": {"n_samples": 70}}}}
    write_json(record, root / "stages/10_baselines-mf.json")
    write_json({"parameters": {"seed": 5, "options": {"lxr-refined": {"steps": 3}}}}, root / "stages/05_lxr-mf.json")
    model, histories = models.model, (models.data.matrix[models.train[:50]], models.data.matrix[models.validation])
    path = lxr.EXPLAINERS["lxr-path-pure"](model, *histories, epochs=1)
    path.save(root / "mf/lxr-path-pure-rank.pt")
    models = TrainedModels(tmp_path, "synthetic", "mf")
    assert models.explainer("lxr-path-pure-rank").settings == path.settings
    assert (models.explainer("lime").seed, models.explainer("lime").n_samples) == (5, 70)
    assert models.explainer("lxr-refined").steps == 3
    assert models.explainer("lxr") is models.explainer("lxr")
    assert [name for name in models.names if lxr.EXPLAINERS[name].family in LXR_FAMILIES] == [
        "lxr",
        "lxr-refined",
        "lxr-path-pure-rank",
    ]
    (root / "mf/lxr.pt").unlink()
    assert not {"lxr", "lxr-refined"} & set(TrainedModels(tmp_path, "synthetic", "mf").names)
    explorer = Explorer(tmp_path, explainers=("cosine", "lxr"))
    assert [panel.name.value for panel in explorer.panels] == ["cosine", "leave-one-out"]
    assert "Not trained: lxr," in explorer.note.value


def test_a_case_is_that_of_explain(models):
    user = int(models.test[4])
    exploration = Exploration(models, user)
    expected = lxr.explain(models.model, models.data, rows=user, explainer=models.explainer("lxr"))[0]
    assert exploration.recommendation.target == exploration.recommendations()["item"].iloc[0] == expected.target
    np.testing.assert_array_equal(exploration.recommendation.explanation("lxr").items, expected.items)
    assert exploration.recommendation.sentence == expected.sentence
    exploration.remove(expected.items[:3])
    exploration.put_back(expected.items[:1])
    found = exploration.what_if()
    assert found["rank"].tolist() == [1, expected.without(expected.items[1:3]).rank]
    exploration.choose_target(int(exploration.recommendations()["item"].iloc[1]))
    assert exploration.removed == set() and exploration.what_if()["rank"].tolist() == [2, 2]


def test_a_history_of_ones_own(models):
    exploration = Exploration(models)
    exploration.start_empty()
    assert exploration.recommendation is None
    exploration.add(3)
    exploration.add(11)
    assert (
        exploration.user is None
        and exploration.recommendation.explanation("gradient").to_frame()["item"].isin([3, 11]).all()
    )
    assert not exploration.recommendations()["item"].isin([3, 11]).any()


def test_a_click_changes_what_is_shown(explorer):
    answered(explorer)
    left, right = explorer.panels
    explorer.targets.value = explorer.targets.options[2][1]
    recommendation = answered(explorer).exploration.recommendation
    assert "rank 3 → 3" in explorer.outcome.value and " place 3 " in explorer.counterfactual.view.value
    assert [check.description for check in left.checks] == recommendation.explanation("leave-one-out").to_frame(ROWS)[
        "title"
    ].tolist()

    left.checks[0].value = False
    (removed,) = explorer.exploration.removed
    assert f"rank 3 → {recommendation.without([removed]).rank}" in explorer.outcome.value
    assert [not check.value for check in right.checks] == [item == removed for item in right.shown]

    right.count.value = 2
    right.first.click()
    assert explorer.exploration.removed == set(recommendation.explanation("lxr").items[:2].tolist())
    assert [not check.value for check in right.checks] == [row < 2 for row in range(ROWS)]
    assert ["lxr-removed" in bar for bar in right.bars.value.split('class="lxr-bar')[1:]] == [row < 2 for row in range(ROWS)]
    explorer.restore.click()
    assert "rank 3 → 3" in explorer.outcome.value and all(check.value for check in left.checks)


def test_pages_and_explainers_of_a_panel(explorer):
    panel = answered(explorer).panels[0]
    order = panel.explanation.items
    panel.on.click()
    panel.on.click()
    assert panel.shown.tolist() == order[(len(order) - 1) // ROWS * ROWS :].tolist()
    panel.back.click()
    panel.name.value = "cosine"
    assert (
        answered(explorer).panels[0].shown.tolist()
        == explorer.exploration.recommendation.explanation("cosine").items[:ROWS].tolist()
    )


def test_users_and_a_history_by_titles(explorer):
    explorer.user.value = explorer.user.options[5][1]
    assert explorer.exploration.user == explorer.exploration.models.test[5]
    explorer.empty.click()
    assert answered(explorer).user.value == OWN and not explorer.targets.options
    assert "Add items" in explorer.panels[0].note.value and explorer.outcome.value == ""
    assert explorer.targets.value is None and "lxr-gone" in explorer.targets._dom_classes
    assert explorer.exploration.what_if().empty and list(explorer.exploration.what_if()) == ["rank", "probability", "first"]
    explorer.search.value = "no such title"
    assert explorer.exploration.recommendation is None and "No title has “no such title” in it." in explorer.said.value
    explorer.search.value = "GROUP B, "
    assert explorer.exploration.recommendation is None and explorer.said.value.startswith("20 titles: “Group B, item 1”, ")
    assert "and 12 more. Which one?" in explorer.said.value
    explorer.search.value = " b,  item 17"  # a part of one title alone
    assert answered(explorer).panels[0].checks[0].description == "Group B, item 17" and explorer.said.value == ""
    explorer.empty.click()
    explorer.search.value = "Group B, item 3"
    assert answered(explorer).panels[0].checks[0].description == "Group B, item 3"
    assert len(explorer.targets.options) == 10 and explorer.search.value == ""
    assert (
        explorer.targets.value == explorer.exploration.recommendation.target
        and "lxr-gone" not in explorer.targets._dom_classes
    )
    explorer.panels[0].checks[0].value = False
    assert "without 1 of 1 history items" in explorer.outcome.value


def test_the_list_follows_the_what_if(explorer):
    exploration = answered(explorer).exploration
    assert explorer.targets.value == exploration.recommendation.target == explorer.targets.options[0][1]
    before = [label for label, _ in explorer.targets.options]
    explorer.panels[0].first.click()
    labels, items = zip(*explorer.targets.options, strict=True)
    removed = sorted(exploration.removed)
    for place, (label, item) in enumerate(zip(labels, items, strict=True), start=1):
        rank = exploration.recommendation.models.model(exploration.history.index_fill(1, torch.tensor(removed), 0))
        rank = rank.detach()[0].masked_fill(exploration.history[0] > 0, -torch.inf).argsort(descending=True, stable=True)
        assert label.startswith(f"{place} → {1 + rank.tolist().index(item)}. ")
    after = exploration.recommendations_without(10)["item"]
    new = [
        title
        for title, item in zip(exploration.recommendations_without(10)["title"], after, strict=True)
        if item not in items
    ]
    assert all(f"“{title}”" in explorer.outcome.value for title in new)
    assert not set(after) & set(removed) and explorer.targets.value == exploration.recommendation.target
    explorer.restore.click()
    assert [label for label, _ in explorer.targets.options] == before


def test_bars_of_an_explainer_without_signs_have_one_colour_and_one_scale(explorer):
    left, right = answered(explorer).panels
    assert not right.explanation.is_signed and (right.explanation.scores[right.explanation.items] < 0).any()
    assert "from 0 (least) to 1 (most)" in right.note.value and "against" not in right.note.value
    right.on.click()
    assert "#b5b5b5" not in right.bars.value and "width: 100.0%" not in right.bars.value
    assert ("#b5b5b5" in left.bars.value) == ("speaks against" in left.note.value)


def test_each_of_two_items_of_one_title_can_be_added(trained_results, tmp_path):
    shutil.copytree(trained_results / "synthetic", tmp_path / "synthetic")
    data = lxr.load_dataset("synthetic")
    titles = data.item_titles.astype("<U30")
    titles[[4, 90]] = "Ulee's Gold (1997)"
    dataclasses.replace(data, item_titles=titles).save(tmp_path / "synthetic/interactions.npz")
    explorer = Explorer(tmp_path, explainers=("leave-one-out", "cosine"))
    for item in (4, 90):
        explorer.empty.click()
        explorer.search.value = f"Ulee's Gold (1997) [{data.item_ids[item]}]"
        assert explorer.exploration.history[0].nonzero().ravel().tolist() == [item]


def test_nobody_waits_for_a_slow_explainer_and_the_latest_question_counts(explorer, monkeypatch):
    models, go_on = answered(explorer).exploration.models, threading.Event()
    scores = type(models.explainer("lime"))._explain_checked
    monkeypatch.setattr(
        models.explainer("lime"), "_explain_checked", lambda *about: (go_on.wait(60), scores(models.made["lime"], *about))[1]
    )
    left, right = explorer.panels
    right.name.value = "lime"
    assert right.explanation is None and "explaining" in right.note.value
    left.checks[0].value = False
    assert "without 1 of" in explorer.outcome.value
    right.on.click()
    right.checks[0].value = False  # a click that comes too late
    assert "without 1 of" in explorer.outcome.value
    right.first.click()
    assert "without 0 of" in explorer.outcome.value and "explaining" in right.note.value
    slow, right.name.value = right.pending, "gradient"
    go_on.set()
    slow.result(timeout=60)
    assert answered(explorer).panels[1].explanation.explainer == "gradient" and all(check.value for check in right.checks)


def test_what_an_explainer_complains_about_is_shown(explorer, monkeypatch):
    def refuse(*about):
        raise ValueError("no <gradient>")

    monkeypatch.setattr(answered(explorer).exploration.models.explainer("gradient"), "_explain_checked", refuse)
    explorer.panels[0].name.value = "gradient"
    with pytest.raises(ValueError):
        answered(explorer)
    assert "no &lt;gradient&gt;" in explorer.panels[0].note.value


def test_it_is_shown_as_a_widget_with_a_stable_text(explorer):
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == f"Explorer(dataset='synthetic', recommender='mf', user={explorer.exploration.user})"
