"""The explorer's session without widgets, and its widgets without a browser."""

import dataclasses
import html
import re
import shutil
import threading

import numpy as np
import pytest
import torch

import lxr
from lxr.app import Exploration, Explorer, TrainedModels, trained
from lxr.app.fall import sentence
from lxr.app.help import help_of
from lxr.app.link import query_of, restore
from lxr.app.panels import ROWS
from lxr.explainers import LXR_FAMILIES
from lxr.utils.records import write_json


@pytest.fixture(scope="module")
def models(trained_results):
    return TrainedModels(trained_results, "synthetic", "mf")


@pytest.fixture
def explorer(trained_results):
    """Its left panel by leave-one-out, its right one by LXR."""
    return Explorer(TrainedModels(trained_results, "synthetic", "mf"), ("leave-one-out", "lxr"))


def labels(explorer):
    """The list of recommendations as it is shown, and the titles that are pressed."""
    shown = [button for button in explorer.ranking.buttons if "lxr-gone" not in button._dom_classes]
    return [button.description for button in shown], [button.tooltip for button in shown if button.value]


def answered(explorer):
    """Once everything that was asked for has been shown."""
    for asker in (*explorer.panels, explorer.counterfactual):
        asker.pending.result(timeout=60)
    with explorer.lock:
        explorer.pool.submit(int).result(timeout=60)
    return explorer


def test_what_is_trained_is_found_films_first(trained_results, tmp_path):
    assert trained(trained_results) == {"synthetic": ["mf"]}
    for name in ("ml-100k", "amazon", "synthetic", "ml-1m"):
        (tmp_path / name / "vae").mkdir(parents=True)
        (tmp_path / name / "interactions.npz").touch()
        (tmp_path / name / "vae/recommender.pt").touch()
    assert list(trained(tmp_path)) == ["ml-1m", "ml-100k", "amazon", "synthetic"]


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
    explorer = Explorer(TrainedModels(tmp_path, "synthetic", "mf"), ("cosine", "lxr"))
    assert [panel.name.value for panel in explorer.panels] == ["cosine", "rank-margin-path"]
    assert "Not trained: lxr," in explorer.note.value and "--dataset synthetic --recommenders mf" in explorer.note.value


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
    explorer.ranking.buttons[2].value = True
    recommendation = answered(explorer).exploration.recommendation
    assert " has rank 3 and " in explorer.outcome.value and " place 3 " in explorer.counterfactual.view.value
    assert labels(explorer)[1] == [recommendation.title]
    explorer.ranking.buttons[2].value = False  # it stays the explained one
    assert labels(explorer)[1] == [recommendation.title]
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
    assert " has rank 3 and " in explorer.outcome.value and all(check.value for check in left.checks)


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
    users, data = explorer.exploration.models.test, explorer.exploration.models.data
    explorer.next_user.click()
    assert explorer.exploration.user == users[1]
    explorer.users.view.value = str(data.user_ids[users[5]])
    assert explorer.exploration.user == users[5] and explorer.users.view.value == ""
    explorer.users.view.value = explorer.users.view.options[7]
    assert explorer.exploration.user == users[7] and f"Recommended to user {data.user_ids[users[7]]}," in explorer.who.value
    explorer.users.view.value = "nobody"
    assert explorer.exploration.user == users[7] and "No user has “nobody” in it." in explorer.said.value
    explorer.empty.click()
    assert answered(explorer).exploration.user is None and labels(explorer) == ([], [])
    assert "Add items" in explorer.panels[0].note.value and explorer.outcome.value == explorer.falls.value == ""
    assert explorer.exploration.what_if().empty and list(explorer.exploration.what_if()) == ["rank", "probability", "first"]
    explorer.search.view.value = "no such title"
    assert explorer.exploration.recommendation is None and "No title has “no such title” in it." in explorer.said.value
    explorer.search.view.value = "GROUP B, "
    assert explorer.exploration.recommendation is None and explorer.said.value.startswith("20 titles: “Group B, item 1”, ")
    assert "and 12 more. Which one?" in explorer.said.value
    explorer.search.view.value = " b,  item 17"  # a part of one title alone
    assert answered(explorer).panels[0].checks[0].description == "Group B, item 17" and explorer.said.value == ""
    explorer.empty.click()
    explorer.search.view.value = "Group B, item 3"
    assert answered(explorer).panels[0].checks[0].description == "Group B, item 3"
    assert len(labels(explorer)[0]) == 10 and explorer.search.view.value == ""
    explorer.panels[0].checks[0].value = False
    assert "without 1 of 1 history items" in explorer.outcome.value


def test_the_list_is_ranked_anew_without_what_is_left_out(explorer):
    exploration = answered(explorer).exploration
    before, target = labels(explorer)[0], exploration.recommendation.target
    history = exploration.history.dense()
    full, seen = exploration.models.model(history)[0], history[0] > 0
    explorer.panels[0].count.value = 8
    explorer.panels[0].first.click()
    rest = history.index_fill(1, torch.tensor(sorted(exploration.removed)), 0)
    then = exploration.models.model(rest)[0]
    old, new = (logits.detach().masked_fill(seen, -torch.inf).argsort(descending=True).tolist() for logits in (full, then))
    expected = new[:10] if target in new[:10] else [*new[:10], target]
    assert [row.item for row in explorer.ranking.rows] == expected and expected != old[:10]
    for label, row in zip(labels(explorer)[0], explorer.ranking.rows, strict=True):
        rank, was = new.index(row.item) + 1, old.index(row.item) + 1
        assert label.startswith(f"{rank}. {row.title}" if rank == was else f"{rank} (was {was}). {row.title}")
        assert (row.rank <= 10 < row.was) == (f"“{row.title}”" in explorer.outcome.value.partition("new among")[2])
    assert labels(explorer)[1] == [exploration.recommendation.title]
    explorer.restore.click()
    assert labels(explorer)[0] == before


def test_two_explainers_are_compared_by_the_rank_without_their_first_reasons(explorer):
    recommendation = answered(explorer).exploration.recommendation
    for name in ("leave-one-out", "lxr"):
        items = recommendation.explanation(name).items
        ranks = [recommendation.without(items[:count]).rank for count in range(11)]
        assert recommendation.fall(name) == ranks
        assert sentence(name, ranks) in explorer.falls.value
    assert explorer.falls.value.count("<circle") == 22
    explorer.panels[1].name.value = "leave-one-out"
    assert answered(explorer).falls.value.count("<circle") == 11


@pytest.mark.parametrize(
    ("ranks", "said"),
    [
        ([1, 1, 1], "x: rank 1 holds without its first 2 reasons."),
        ([2, 5], "x: rank 2 is lost without its first reason; without 1, the rank is 5."),
        ([1, 1, 3, 2], "x: rank 1 is lost without its first 2 reasons; without 3, the rank is 2."),
    ],
)
def test_a_fall_in_words(ranks, said):
    assert sentence("x", ranks) == said


def test_everything_is_there_as_text_and_on_a_page_as_a_link(explorer, trained_results, monkeypatch):
    assert "href" not in explorer.text.value
    monkeypatch.setenv("VOILA_KERNEL_ID", "7")
    answered(explorer).ranking.buttons[1].value = True
    answered(explorer).panels[1].first.click()
    recommendation, text = explorer.exploration.recommendation, explorer.text.value
    assert f"Why “{recommendation.title}”, importance by lxr, " in text and ": rank 2 → " in text
    assert html.escape(recommendation.sentence) in text
    query = query_of(explorer)
    assert f'href="{html.escape(query)}"' in text
    monkeypatch.setenv("QUERY_STRING", query.lstrip("?"))  # Voilà puts it there
    other = Explorer(TrainedModels(trained_results, "synthetic", "mf"))
    assert query_of(answered(other)) == query and other.outcome.value == explorer.outcome.value
    explorer.empty.click()
    explorer.search.view.value = "Group B, item 3"
    restore(other, query_of(explorer))
    assert other.exploration.user is None and len(other.exploration.history.entries) == 1
    for wrong in ("?user=nobody", "?item=nothing", "?without=5000", "?by=nobody", "?models=none"):
        with pytest.raises(ValueError, match="which is not here"):
            restore(other, wrong)
    monkeypatch.setenv("QUERY_STRING", "user=<b>")
    assert (
        "“&lt;b&gt;”, which is not here"
        in lxr.explore(explorer.exploration.models.model, other.exploration.models.data).said.value
    )


def test_every_explainer_has_one_line_of_help(explorer):
    lines = {name: help_of(name) for name in lxr.EXPLAINERS}
    assert all(1 < len(line.split()) < 20 and not re.search("[<>`:]", line) for line in lines.values())
    assert lines["lxr"] in explorer.panels[1].help.value


def test_bars_of_an_explainer_without_signs_have_one_colour_and_one_scale(explorer):
    left, right = answered(explorer).panels
    assert not right.explanation.is_signed and (right.explanation.scores < 0).any()
    assert "from 0 (least) to 1 (most)" in right.note.value and "against" not in right.note.value
    right.on.click()
    assert "#b5b5b5" not in right.bars.value and "width: 100.0%" not in right.bars.value
    assert f": </span>{right.explanation.numbers[ROWS]}</span>" in right.bars.value  # beside the bar
    assert ("#b5b5b5" in left.bars.value) == ("speaks against" in left.note.value)


def test_each_of_two_items_of_one_title_can_be_added(trained_results, tmp_path):
    shutil.copytree(trained_results / "synthetic", tmp_path / "synthetic")
    data = lxr.load_dataset("synthetic")
    titles = data.item_titles.astype("<U30")
    titles[[4, 90]] = "Ulee's Gold (1997)"
    dataclasses.replace(data, item_titles=titles).save(tmp_path / "synthetic/interactions.npz")
    explorer = Explorer(TrainedModels(tmp_path, "synthetic", "mf"), ("leave-one-out", "cosine"))
    for item in (4, 90):
        explorer.empty.click()
        explorer.search.view.value = f"Ulee's Gold (1997) [{data.item_ids[item]}]"
        assert explorer.exploration.history.entries.tolist() == [item]


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
    assert "Untick items" in explorer.outcome.value and "explaining" in right.note.value
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
    user = explorer.exploration.user
    assert bundle["text/plain"] == f"Explorer(user={user}, explainers=['leave-one-out', 'lxr'])"
