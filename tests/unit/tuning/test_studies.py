"""Studies: what they try, how they end, go on, are shared and are refused; and what is tuned, on toys."""

import json
import math
import multiprocessing
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from toy_studies import STEPS, Parabola, states

import lxr
from lxr.tuning.journals import STUDY
from lxr.tuning.records import trial_table, tuning_record
from lxr.tuning.spaces import distributions, grid
from lxr.tuning.studies import run_worker, study_key


def drawn(study) -> list[dict]:
    return [trial.params for trial in study.get_trials(deepcopy=False)]


# --- one study -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_study_begins_with_its_start_and_finds_better(journal):
    task = Parabola(warmup=STEPS + 1)
    study = lxr.tuning.tune(task, journal, lxr.tuning.Budget(15))
    assert task.seen[0] == task.start
    assert len(drawn(study)) == len(task.seen) == 15
    assert study.best_value < 0.01 < study.trials[0].value == pytest.approx(0.36)
    assert all(0 <= options["x"] <= 1 and options["kind"] in "ab" for options in task.seen)


def test_what_is_written_down_is_what_was_tried(journal):
    task = Parabola(warmup=STEPS + 1)
    study = lxr.tuning.tune(task, journal, lxr.tuning.Budget(6))
    table, record = trial_table(study), tuning_record(study, task)
    assert table["x"].tolist() == [options["x"] for options in task.seen]
    assert all(len(f"{x:.10f}".rstrip("0")) <= 8 for x in table["x"])  # four digits after leading zeros
    np.testing.assert_allclose(table["height"], (table["x"] - 0.3) ** 2)
    best = table.loc[table["height"].idxmin()]
    assert record["options"] == {"x": best["x"], "kind": best["kind"]}
    assert (record["trials"], record["pruned"], record["failed"]) == (6, 0, 0)
    assert record["value"] == round(best["height"], 5) and record["start"] == 0.36
    assert json.loads(json.dumps(record)) == record


@pytest.mark.slow
def test_a_study_goes_on_as_if_it_had_not_stopped(tmp_path):
    whole = lxr.tuning.tune(Parabola(), tmp_path / "whole.journal", lxr.tuning.Budget(14))
    for trials in (0, 1, 5, 5, 14):
        parts = lxr.tuning.tune(Parabola(), tmp_path / "parts.journal", lxr.tuning.Budget(trials))
        assert len(drawn(parts)) - (trials == 0) == trials  # the start waits to be tried
    assert drawn(parts) == drawn(whole)
    assert len({options["x"] for options in drawn(whole)}) == 14
    other = lxr.tuning.tune(Parabola(seed=1), tmp_path / "other.journal", lxr.tuning.Budget(14))
    assert drawn(other)[1:] != drawn(whole)[1:]


@pytest.mark.slow
@pytest.mark.parametrize("at", [0, 3], ids=["start", "fourth"])
def test_an_interrupted_trial_is_tried_again_and_changes_nothing(tmp_path, monkeypatch, at):
    whole = lxr.tuning.tune(Parabola(), tmp_path / "whole.journal", lxr.tuning.Budget(9))
    task, evaluate = Parabola(), Parabola.evaluate

    def interrupted(self, options, report):
        if len(self.seen) == at:
            raise KeyboardInterrupt
        return evaluate(self, options, report)

    monkeypatch.setattr(Parabola, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lxr.tuning.tune(task, tmp_path / "parts.journal", lxr.tuning.Budget(9))
    monkeypatch.undo()
    parts = lxr.tuning.tune(task, tmp_path / "parts.journal", lxr.tuning.Budget(9))
    assert states(parts)[at] == "failed" and trial_table(parts)["reason"][at] == "interrupted"
    found = drawn(parts)
    assert found[:at] + found[at + 1 :] == drawn(whole)
    assert found[at] == found[at + 1]
    assert tuning_record(parts, task)["start"] == tuning_record(whole, task)["start"] is not None


def test_an_interrupted_point_of_a_grid_is_tried_again(journal, monkeypatch):
    task = Parabola(space={"x": [0.1, 0.2, 0.4], "kind": ["a", "b"]}, start={}, warmup=STEPS + 1)
    evaluate = Parabola.evaluate
    monkeypatch.setattr(Parabola, "evaluate", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        lxr.tuning.tune(task, journal, lxr.tuning.Budget(20))
    monkeypatch.setattr(Parabola, "evaluate", evaluate)
    lxr.tuning.tune(task, journal, lxr.tuning.Budget(20))
    assert sorted(map(str, task.seen)) == sorted(map(str, grid(task.space)))


def test_a_grid_is_completed_when_the_budget_grows(journal):
    task = Parabola(space={"x": [0.1 * step for step in range(10)]}, start={}, warmup=STEPS + 1)
    lxr.tuning.tune(task, journal, lxr.tuning.Budget(7))
    lxr.tuning.tune(task, journal, lxr.tuning.Budget(10))
    assert {options["x"] for options in task.seen} == {float(f"{x:.4g}") for x in task.space["x"]}


@pytest.mark.slow
def test_the_trial_of_a_killed_process_fails_when_the_study_goes_on(journal):
    context = multiprocessing.get_context("spawn")
    task = Parabola(seconds=60)
    lxr.tuning.tune(task, journal, lxr.tuning.Budget(0))
    process = context.Process(target=run_worker, args=(task, journal, lxr.tuning.Budget(5)))
    process.start()
    deadline = time.monotonic() + 60
    study = lxr.tuning.open_study(journal)
    while [trial.state.name for trial in study.get_trials()] != ["RUNNING"] and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    process.kill()
    process.join()
    study = lxr.tuning.tune(Parabola(), journal, lxr.tuning.Budget(5))
    assert states(study)[0] == "failed" and trial_table(study)["reason"][0] == "interrupted"
    assert len(states(study)) == 6
    assert drawn(study)[1] == task.start  # which was in the hands of the killed one


def test_the_trial_of_a_living_process_is_left_alone(journal):
    task = Parabola()
    lxr.tuning.tune(task, journal, lxr.tuning.Budget(0))
    study = lxr.tuning.open_study(journal, task)
    trial = study.ask(distributions(task.space))
    trial.set_user_attr("worker", lxr.tuning.studies.this_process())
    study = lxr.tuning.tune(task, journal, lxr.tuning.Budget(4))  # of which the other one has begun one
    assert [trial.state.name for trial in study.get_trials()].count("RUNNING") == 1
    assert len(task.seen) == 3


@pytest.mark.slow
def test_two_processes_share_a_study(journal):
    study = lxr.tuning.tune(Parabola(seconds=1.0), journal, lxr.tuning.Budget(8, workers=2))
    assert len(states(study)) == 8
    assert len({trial.user_attrs["worker"][1] for trial in study.trials} - {os.getpid()}) == 2
    assert len({options["x"] for options in drawn(study)}) == 8


class Losing(ThreadPoolExecutor):
    """Workers of other machines, of which the first is lost in its first trial and runs again."""

    lost = False

    def submit(self, function, task, path, budget, **options):
        if not self.lost:
            self.lost = True
            study = lxr.tuning.open_study(path, task)
            trial = study.ask(distributions(task.space))
            trial.set_user_attr("worker", ["elsewhere", 1, 0.0])
            trial.set_user_attr("call", options["call"])
        return super().submit(function, task, path, budget, **options)


def test_workers_of_an_executor_share_a_study_and_a_lost_trial_runs_again(journal):
    task = Parabola(warmup=STEPS + 1)
    with Losing(2) as executor:
        study = lxr.tuning.tune(task, journal, lxr.tuning.Budget(6, workers=2), executor=executor)
    assert sorted(states(study)) == ["complete"] * 6 + ["failed"]
    assert drawn(study)[0] == task.start and drawn(study)[0] in drawn(study)[1:]
    alone = lxr.tuning.tune(Parabola(), journal.with_name("alone.journal"), lxr.tuning.Budget(6))
    with ThreadPoolExecutor(1) as executor:
        one = lxr.tuning.tune(Parabola(), journal.with_name("one.journal"), lxr.tuning.Budget(6), executor=executor)
    assert drawn(one) == drawn(alone)


# --- budgets, pruning, failures --------------------------------------------------------------------------------------


def test_no_trials_are_a_budget_too(journal):
    for budget in (lxr.tuning.Budget(0), lxr.tuning.Budget(5, minutes=0)):
        task = Parabola()
        study = lxr.tuning.tune(task, journal, budget)
        assert task.seen == []
        record = tuning_record(study, task)
        assert (record["options"], record["value"], record["start"], record["trials"]) == ({}, None, None, 0)
        assert trial_table(study).empty


def test_a_time_budget_ends_before_the_trials(journal):
    task = Parabola(seconds=0.2)
    lxr.tuning.tune(task, journal, lxr.tuning.Budget(1000, minutes=0.5 / 60))
    assert 1 <= len(task.seen) <= 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": -1}, "trials: expected an integer of at least 0, found -1"),
        ({"trials": math.nan}, "trials: expected an integer of at least 0, found nan"),
        ({"trials": 1.5}, "trials: expected an integer of at least 0, found 1.5"),
        ({"minutes": -1}, "minutes: expected a number of at least 0, found -1"),
        ({"minutes": math.nan}, "minutes: expected a number of at least 0, found nan"),
        ({"workers": 0}, "workers: expected a positive integer, found 0"),
    ],
)
def test_bad_budgets_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        lxr.tuning.Budget(**options)


@pytest.mark.slow
def test_hopeless_trials_are_pruned_and_the_best_is_not(tmp_path):
    pruned = lxr.tuning.tune(Parabola(warmup=5), tmp_path / "pruned.journal", lxr.tuning.Budget(30))
    table = trial_table(pruned)
    assert (table["state"] == "pruned").sum() >= 5
    assert (table["reports"][table["state"] == "pruned"] < STEPS).all()
    assert (table["reports"][table["state"] == "complete"] == STEPS).all()
    assert table["state"][:5].tolist() == ["complete"] * 5  # there is no median yet
    assert (table["reports"] >= 5).all()
    assert table["state"][table["height"].idxmin()] == "complete"
    best = table[table["state"] == "complete"]["height"].min()
    assert best < (table["x"][table["state"] == "pruned"] - 0.3).pow(2).min()


@pytest.mark.parametrize("value", [math.nan, math.inf, ValueError("training diverged in epoch 1")], ids=str)
def test_what_is_no_number_fails_and_the_study_goes_on(journal, monkeypatch, value):
    evaluate = Parabola.evaluate

    def failing(self, options, report):
        found = evaluate(self, options, report)
        if len(self.seen) in (1, 3):
            if isinstance(value, ValueError):
                raise value
            return value
        return found

    monkeypatch.setattr(Parabola, "evaluate", failing)
    task = Parabola(warmup=STEPS + 1)
    study = lxr.tuning.tune(task, journal, lxr.tuning.Budget(6))
    assert states(study) == ["failed", "complete", "failed", "complete", "complete", "complete"]  # failures count
    reason = trial_table(study)["reason"][0]
    assert reason == (str(value) if isinstance(value, ValueError) else f"height is {value}")
    record = tuning_record(study, task)
    assert record["failed"] == 2 and record["start"] is None and math.isfinite(record["value"])


def test_a_study_without_success_has_no_options(journal, monkeypatch):
    monkeypatch.setattr(Parabola, "evaluate", lambda *arguments: math.nan)
    record = tuning_record(lxr.tuning.tune(Parabola(), journal, lxr.tuning.Budget(3)), Parabola())
    assert record["options"] == {} and record["failed"] == 3


def test_another_error_is_no_failed_trial(journal, monkeypatch):
    monkeypatch.setattr(Parabola, "evaluate", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        lxr.tuning.tune(Parabola(), journal, lxr.tuning.Budget(3))


# --- whose study is it? ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"about": {"what": "line", "metric": "height"}}, "holds another study, what: expected line, found parabola"),
        ({"space": {"x": (0.0, 2.0)}}, r"holds another study, space of x: expected \[0.0, 2.0\], found \[0.0, 1.0\]"),
        ({"space": {"x": (0.0, 1.0)}}, "holds another study, space of kind: expected nothing, found"),
    ],
    ids=["dataset", "bounds", "options"],
)
def test_the_study_of_something_else_is_refused(journal, change, message):
    study = lxr.tuning.tune(Parabola(), journal, lxr.tuning.Budget(2))
    with pytest.raises(lxr.DataError, match=rf"study\.journal {message}.*delete it to start over"):
        lxr.tuning.tune(Parabola(**change), journal, lxr.tuning.Budget(4))
    assert lxr.tuning.open_study(journal, Parabola()).trials == study.trials


def test_missing_and_damaged_journals_are_named(journal, tmp_path):
    with pytest.raises(lxr.DataError, match=r"study\.journal is missing"):
        lxr.tuning.open_study(journal)
    for name, content in {"text": "no journal\n", "table": '{"a": 1}\n', "other": "[1, 2]\n"}.items():
        path = tmp_path / f"{name}.journal"
        path.write_text(content)
        for task in (None, Parabola()):
            with pytest.raises(lxr.DataError, match=rf"{name}\.journal is not a valid study journal"):
                lxr.tuning.open_study(path, task)


def test_a_journal_can_be_read_without_taking_part(journal):
    lxr.tuning.tune(Parabola(), journal, lxr.tuning.Budget(3))
    study = lxr.tuning.open_study(journal)
    assert study.study_name == STUDY and len(study.trials) == 3


def test_a_line_that_a_killed_process_has_begun_is_dropped(journal):
    lxr.tuning.tune(Parabola(), journal, lxr.tuning.Budget(3))
    with journal.open("ab") as file:
        file.write(b'{"op_code": 4, "wor')
    study = lxr.tuning.tune(Parabola(), journal, lxr.tuning.Budget(5))
    assert len(study.trials) == len(lxr.tuning.open_study(journal).trials) == 5


def test_a_place_that_is_no_file_is_an_error_of_its_own(tmp_path):
    with pytest.raises(OSError, match="directory"):
        lxr.tuning.open_study(tmp_path, Parabola())


def test_a_foreign_study_is_not_taken_over(journal):
    import optuna
    from optuna.storages.journal import JournalFileBackend

    journal.parent.mkdir()
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal)))
    optuna.create_study(storage=storage, study_name=STUDY, direction="maximize").enqueue_trial({"y": 1})
    with pytest.raises(lxr.DataError, match=r"study\.journal holds another study, what: expected parabola, found nothing"):
        lxr.tuning.tune(Parabola(), journal)


def test_keys_tell_studies_apart():
    keys = [study_key(Parabola()), study_key(Parabola(space={"x": (0.0, 2.0)})), study_key(Parabola(start={"x": 0.5}))]
    assert len(set(keys)) == 3
    assert study_key(Parabola()) == keys[0]
