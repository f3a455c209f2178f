"""Records of tuning: the table, and options that are read."""

import pytest
from toy_studies import STEPS, Parabola

import lxr
from lxr.explainers.learned.lxr_settings import settings_from
from lxr.recommenders.training import FIT_SPACE
from lxr.reporting import tuning_table
from lxr.reporting.families import PATH_RED
from lxr.reporting.tuning_plots import plot_tuning
from lxr.tuning.records import tuning_record
from lxr.tuning.spaces import points_inside
from lxr.utils.environment import PROJECT_ROOT

# --- what was found --------------------------------------------------------------------------------------------------


def test_the_table_says_who_was_given_how_much(journal):
    task = Parabola(warmup=STEPS + 1)
    record = tuning_record(lxr.tuning.tune(task, journal, lxr.tuning.Budget(4)), task)
    table = tuning_table({"recommender": record, "lime": record | {"seconds": 90.0}}, ["cosine", "lime"])
    assert table.index.tolist() == ["recommender", "cosine", "lime"]
    assert table["trials"].tolist() == [4, 0, 4]
    assert table["options"]["cosine"] == "none" and "kind" in table["options"]["lime"]
    assert table["minutes"]["lime"] == "1.5"


@pytest.mark.parametrize("trials", [1, 2, 12])
def test_every_study_can_be_drawn(journal, trials):
    study = lxr.tuning.tune(Parabola(), journal, lxr.tuning.Budget(trials))
    history, importance, *options = plot_tuning(study).axes
    assert history.get_ylabel() == "height of validation users" and "importance" in importance.get_xlabel()
    assert {ax.get_xlabel() for ax in options} == {"x", "kind"}
    (panel,) = (ax for ax in options if ax.get_xlabel() == "x")
    (best,) = (dot for dot in panel.lines if dot.get_color() == PATH_RED)
    assert best.get_xydata()[0].tolist() == [study.best_params["x"], study.best_value]


def test_tuned_options_are_read_from_the_results_first_and_checked(tmp_path):
    assert lxr.tuning.load_tuned("nothing", "mf") == {}
    path = tmp_path / "toy" / "tuned_mf.json"
    path.parent.mkdir()
    path.write_text('{"lime": {"options": {"n_samples": 100}, "seed": 42}}')
    assert lxr.tuning.load_tuned("toy", "mf", tmp_path) == {"lime": {"options": {"n_samples": 100}, "seed": 42}}
    for content in ("{", "[]", '{"lime": {}}', '{"lime": 5}', '{"lime": {"options": {}}}'):
        path.write_text(content)
        with pytest.raises(lxr.DataError, match=r"tuned_mf\.json: expected records of tuning"):
            lxr.tuning.load_tuned("toy", "mf", tmp_path)


COMMITTED = sorted((PROJECT_ROOT / "results").glob("*/tuned_*.json"))


@pytest.mark.parametrize("path", COMMITTED, ids=[f"{path.parent.name}-{path.stem}" for path in COMMITTED])
def test_the_committed_options_are_of_what_they_say(path):
    recommender = path.stem.removeprefix("tuned_")
    for name, record in lxr.tuning.load_tuned(path.parent.name, recommender).items():
        cls = lxr.RECOMMENDERS[recommender]
        space = cls.search_space | FIT_SPACE if name == "recommender" else lxr.EXPLAINERS[name].search_space
        outside = record["options"].items() - points_inside(record["options"], space).items() - record["fixed"].items()
        assert not outside or (name == "lire" and outside == {("n_neighbours", 0)})  # found before it was ruled out
        assert record["trials"] > 0 and record["users"] > 0
        if name in ("lxr", "lxr-pos", "lxr-neg"):
            settings_from(record["options"], lxr.LXRSettings())
