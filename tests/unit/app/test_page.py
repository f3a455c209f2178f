"""The page of Voilà, and the explorer of a recommender of one's own, without a browser."""

import shutil

import pytest
import torch

import lxr
from lxr.app.models import Models
from lxr.app.page import page


def explorer_text(widget) -> str:
    """All HTML of a page."""
    return "".join(getattr(child, "value", "") for child in widget.children if hasattr(child, "value"))


def test_it_opens_on_the_best_trained_models_and_says_how_to_get_films(trained_results, tmp_path, monkeypatch):
    monkeypatch.setattr("lxr.app.models.FILMS", ("films",))
    shutil.copytree(trained_results / "synthetic", tmp_path / "synthetic")
    shutil.copytree(trained_results / "synthetic", tmp_path / "films")
    (tmp_path / "films/mf/lxr.pt").unlink()
    assert "python run_all.py" not in explorer_text(page(tmp_path))
    choices = page(tmp_path).children[1].children[2].children[0]
    assert choices.options == ("films mf", "synthetic mf") and choices.value == "films mf"


def test_it_shows_generated_data_where_nothing_is_trained(tmp_path):
    shown = page(tmp_path)
    assert "These data are generated" in explorer_text(shown) and "python run_all.py" in explorer_text(shown)


def test_a_recommender_of_ones_own(linear):
    data = lxr.load_dataset("synthetic")
    model = linear(torch.eye(data.n_items).roll(1, 1).tolist())
    mine = lxr.explainers.LeaveOneOut(model)
    explorer = lxr.explore(model, data, users=[3, 5], explainers=(mine, "cosine"))
    assert [panel.name.value for panel in explorer.panels] == ["LeaveOneOut", "cosine"]
    assert explorer.exploration.models.explainer("LeaveOneOut") is mine
    assert explorer.exploration.models.users.tolist() == data.rows_of([3, 5]).tolist()
    assert not {"lxr", "lxr-refined"} & set(explorer.exploration.models.names) and explorer.note.value == ""
    assert "Your own explainer." in explorer.panels[0].help.value and "lxr-gone" in explorer.source._dom_classes
    blind = lxr.wrap(lambda history: history.detach().roll(1, 1), data.n_items, "sigmoid")
    assert Models(blind, data).pair(()) == ["leave-one-out", "cosine"]
    assert not any(lxr.EXPLAINERS[name].needs_gradient for name in Models(blind, data).names)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"users": [-7]}, "unknown user ids -7"),
        ({"explainers": ("nobody",)}, "nobody"),
        ({"explainers": (lxr.explainers.LeaveOneOut(lxr.MF(160)),)}, "an explainer of another model"),
    ],
)
def test_what_does_not_fit_is_named(given, message):
    data = lxr.load_dataset("synthetic")
    with pytest.raises(ValueError, match=message):
        lxr.explore(lxr.MF(data.n_items), data, **given)
