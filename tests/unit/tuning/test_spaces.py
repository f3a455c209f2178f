"""Search spaces: grids, choices, starts, and what is impossible."""

import pytest
from toy_studies import STEPS, Parabola, states

import lxr
from lxr.tuning.spaces import grid, points_inside

# --- search spaces ---------------------------------------------------------------------------------------------------


def test_small_spaces_are_tried_point_by_point(journal):
    space = {"x": [0.1, 0.2, 0.4], "kind": ["a", "b"]}
    task = Parabola(space=space, start={"x": 0.4, "kind": "a"}, warmup=STEPS + 1)
    study = lxr.tuning.tune(task, journal, lxr.tuning.Budget(20))
    assert task.seen[0] == {"x": 0.4, "kind": "a"}
    assert sorted(map(str, task.seen)) == sorted(map(str, grid(space))) and len(task.seen) == 6
    assert lxr.tuning.tune(task, journal, lxr.tuning.Budget(20)).trials == study.trials


@pytest.mark.parametrize("space", [{"x": [0.5]}, {"x": (0.5, 0.5)}, {"x": (1, 1), "kind": ["a"]}], ids=str)
def test_a_space_of_one_point_has_one_trial(journal, space):
    task = Parabola(space=space, start={})
    study = lxr.tuning.tune(task, journal, lxr.tuning.Budget(20))
    assert states(study) == ["complete"]
    assert task.seen == grid(space)


def test_choices_may_be_none(journal):
    task = Parabola(space={"x": [0.1, 0.2], "kind": [None, 5]}, start={"kind": None})
    lxr.tuning.tune(task, journal, lxr.tuning.Budget(20))
    assert [options["kind"] for options in task.seen].count(None) == 2


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "space: expected at least one option to tune, found none"),
        *(
            ({"x": values}, r"space of x: expected a list of choices, \(low, high\) or \(low, high, 'log'\), found")
            for values in [(1.0, 0.0), (0.1, 1.0, "square"), [], (1,), (0.0, 1.0, "log"), ("a", "b")]
        ),
    ],
)
def test_impossible_spaces_are_refused_before_a_file_is_made(journal, space, message):
    with pytest.raises(ValueError, match=message):
        lxr.tuning.tune(Parabola(space=space), journal)
    assert not journal.exists()


def test_the_start_is_tried_as_far_as_it_is_within_the_space():
    space = {"x": (0.0, 1.0), "n": [1, 2], "kind": [None, "a"]}
    assert points_inside({"x": 2.0, "n": 2, "kind": None, "other": 1}, space) == {"n": 2, "kind": None}
    assert points_inside({"x": None}, space) == {}
