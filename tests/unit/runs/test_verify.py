"""Verification: what counts as the same table, what is said of the rest, and the command's exit status."""

import json
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from lxr.runs import RunOptions, cli
from lxr.runs.verify import committed_run, compare_tables, read_table, verify
from lxr.tuning import load_tuned
from lxr.utils.records import read_json
from lxr.utils.storage import DataError

TABLE = pd.DataFrame(
    {
        "explainer": ["lxr", "lime"],
        "NDCG": ["0.512 [0.400, 0.600]", "0.457 [0.400, 0.500]"],
        "n_users": ["188", "187"],
        "p": ["0.0104", "1.0"],
        "difference": ["-0.2", "0.0004"],
        "fails": ["False", ""],
    }
)
SHARES = {
    "nothing": ({}, []),
    "a mean": ({(0, "NDCG"): "0.506 [0.400, 0.600]"}, [0.01]),
    "a bound": ({(1, "NDCG"): "0.457 [0.430, 0.500]"}, [0.05]),
    "a count": ({(1, "n_users"): "188"}, [float("inf")]),
    "a number with another sign": ({(1, "difference"): "-0.0196"}, [0.1]),
    "a number that is none": ({(0, "difference"): "nan"}, [float("inf")]),
    "an interval that is gone": ({(0, "NDCG"): "0.512"}, [float("inf")]),
    "a name": ({(0, "explainer"): "lxr-pos"}, [float("inf")]),
    "an answer": ({(0, "fails"): "True"}, [float("inf")]),
    "two cells": ({(0, "p"): "0.0204", (1, "p"): "0.99"}, [0.01, 0.01]),
}


def changed(changes: dict) -> pd.DataFrame:
    table = TABLE.copy()
    for (row, column), value in changes.items():
        table.loc[row, column] = value
    return table


@pytest.mark.parametrize(("changes", "shares"), SHARES.values(), ids=SHARES)
def test_what_differs_and_how_much(changes, shares):
    cells = compare_tables(TABLE, changed(changes))
    assert cells["share"].tolist() == pytest.approx(shares)
    for cell, (row, column) in zip(cells.itertuples(), changes, strict=True):
        assert cell.row == f"{row + 1}: {TABLE['explainer'][row]}" and cell.column == column
        assert (cell.committed, cell.found) == (TABLE[column][row], changes[row, column])


@pytest.mark.parametrize("other", [TABLE[:1], TABLE.rename(columns={"p": "q"}), TABLE[TABLE.columns[::-1]]])
def test_tables_of_another_shape_differ_as_wholes(other):
    (cell,) = compare_tables(TABLE, other).itertuples()
    assert cell.share == float("inf") and cell.committed.startswith("2 rows of explainer, NDCG, n_users")


@pytest.fixture
def committed(tmp_path) -> Path:
    """The directory of a run with two tables, one of them with measured times."""
    return write(tmp_path / "committed", {"tests_mf": TABLE, "cost_mf": cost("1.25", "3.5")})


def cost(seconds: str, passes: str) -> pd.DataFrame:
    measured = {"making it [s]": [seconds], "explaining [s / 1,000 users]": [seconds], "seconds": [seconds]}
    return pd.DataFrame({"explainer": ["lxr"], **measured, "passes [share of users]": [passes]})


def write(results: Path, tables: dict[str, pd.DataFrame]) -> Path:
    root = results / "ml-100k"
    (root / "tables").mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(root / "tables" / f"{name}.csv", index=False)
    return root


def test_a_table_is_read_as_it_is_written_without_measured_times(committed):
    pd.testing.assert_frame_equal(read_table(committed / "tables" / "tests_mf.csv"), TABLE)
    assert read_table(committed / "tables" / "cost_mf.csv").columns.tolist() == ["explainer", "passes [share of users]"]


@pytest.mark.parametrize(
    ("changes", "passes", "tolerance", "differing"),
    [
        ({}, "3.5", 0, []),
        ({(0, "NDCG"): "0.511 [0.400, 0.600]", (0, "p"): "0.9"}, "3.5", 0, ["NDCG", "p"]),
        ({(0, "NDCG"): "0.511 [0.400, 0.600]", (0, "p"): "0.9"}, "3.5", 0.01, []),
        ({(0, "NDCG"): "0.411 [0.400, 0.600]"}, "3.4", 0.1, ["NDCG"]),
        ({(0, "NDCG"): "0.411 [0.400, 0.600]"}, "3.4", 0.02, ["passes [share of users]", "NDCG"]),
    ],
)
def test_runs_are_compared_within_a_tolerance(committed, tmp_path, changes, passes, tolerance, differing):
    found = write(tmp_path / "found", {"tests_mf": changed(changes), "cost_mf": cost("9.99", passes), "new": TABLE})
    pd.DataFrame({"a": [1]}).to_csv(committed / "tables" / "old.csv")
    verification = verify(committed, found, tolerance)
    assert verification.differences["column"].tolist() == differing
    assert (verification.n_tables, verification.n_values) == (2, 14)
    assert (verification.not_made, verification.not_committed) == (["old"], ["new"])
    *before, last = verification.describe().splitlines()
    assert before[-2] == "not compared (committed, but not made): old"
    assert before[-1] == "not compared (made, but not committed): new"
    assert len(before) == 2 + bool(differing) + len(differing)
    assert last.startswith("14 values of 2 tables: ") and last.endswith(f"{len(differing)} beyond it")


def test_it_says_how_close_what_is_close_is(committed, tmp_path):
    found = write(tmp_path / "found", {"tests_mf": changed({(0, "NDCG"): "0.506 [0.400, 0.600]", (0, "p"): "0.9"})})
    described = verify(committed, found).describe()
    assert "2 differ within the tolerance (by at most 0.0100 of the largest value of their column), 0 beyond it" in described


@pytest.mark.parametrize("tables", [{}, {"other": TABLE}])
def test_nothing_to_compare_is_an_error(committed, tmp_path, tables):
    with pytest.raises(DataError, match=r"found/ml-100k/tables: expected tables .*, found none"):
        verify(committed, write(tmp_path / "found", tables))


@pytest.mark.parametrize(("changes", "status"), [({}, 0), ({(0, "n_users"): "1"}, 1)])
def test_the_command_compares_what_an_earlier_run_has_left(committed, tmp_path, capsys, changes, status):
    write(tmp_path / "found", {"tests_mf": changed(changes)})
    told = ["--results", str(committed.parent), "--verify", str(tmp_path / "found")]
    assert cli.main(told) == status
    printed = capsys.readouterr().out
    assert f"{status} beyond it" in printed
    assert ("tests_mf 1: lxr n_users" in " ".join(printed.split())) == bool(status)


@pytest.mark.parametrize(("status", "expected"), [(0, 1), (130, 130)])
def test_the_command_runs_elsewhere_with_the_same_hyperparameters(committed, monkeypatch, capsys, status, expected):
    (committed / "tuned_mf.json").write_text("{}")
    places = []

    def run(options: RunOptions) -> int:
        places.append(options.results)
        assert [path.name for path in options.root.iterdir()] == ["tuned_mf.json"]
        write(options.results, {"tests_mf": changed({(1, "n_users"): "1"})})
        return status

    monkeypatch.setattr(cli, "run", run)
    assert cli.main(["--results", str(committed.parent), "--verify"]) == expected
    printed = capsys.readouterr()
    assert ("1 beyond it" in printed.out) == (status == 0)
    assert ("its files are not kept" in printed.err) == (status != 0)
    (place,) = places
    assert place != committed.parent and not place.exists()
    if status == 0:
        assert f"{committed} itself: git has no tables of it, verified:" in printed.out


def git(place: Path, *arguments: str) -> str:
    """Call git with a separate author."""
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", *author, *arguments]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def repository(committed) -> Path:
    """A run in two commits of a repository, and changed again since then: results, odd name included, in a folder."""
    results = committed.parent.rename(committed.parent.parent / "{re}sults é")
    place = results.parent
    git(place, "init", "-q")
    for count in ("187", "186"):
        write(results, {"tests_mf": changed({(1, "n_users"): count})})
        (results / "ml-100k" / "tuned_mf.json").write_text(json.dumps({"lime": {"options": {"n": count}, "seed": 42}}))
        git(place, "add", ".")
        git(place, "commit", "-q", "-m", count)
    write(results, {"tests_mf": changed({(1, "n_users"): "1"}), "not_yet": TABLE})
    (results / "ml-100k" / "tuned_mf.json").write_text("{}")
    (results / "ml-100k" / "tuned_vae.json").write_text(json.dumps({"lime": {"options": {}, "seed": 42}}))
    return results


@pytest.mark.parametrize(
    ("more", "commit", "count", "status"),
    [
        ([], "HEAD", "186", 0),
        ([], "HEAD", "187", 1),
        ([], "HEAD", "1", 1),  # what is in the directory
        (["--against", "HEAD~1"], "HEAD~1", "187", 0),
        (["--against", "HEAD~1"], "HEAD~1", "186", 1),
    ],
)
def test_a_run_is_compared_with_what_is_committed(repository, tmp_path, capsys, more, commit, count, status):
    write(tmp_path / "found", {"tests_mf": changed({(1, "n_users"): count}), "not_yet": TABLE})
    told = ["--results", str(repository), "--verify", str(tmp_path / "found"), *more]
    assert cli.main(told) == status
    printed = capsys.readouterr().out
    name, day = git(repository, "log", "-1", "--format=%h %cs", commit).split()
    assert f"{repository / 'ml-100k'}, as in commit {name} of {day}, verified:" in printed
    assert f"{status} beyond it" in printed and "not compared (made, but not committed): not_yet" in printed


def test_a_committed_run_that_was_removed_can_be_verified(repository, tmp_path, capsys):
    found = write(tmp_path / "found", {"tests_mf": changed({(1, "n_users"): "186"})})
    shutil.rmtree(repository)
    assert cli.main(["--results", str(repository), "--verify", str(found.parent)]) == 0
    assert "as in commit" in capsys.readouterr().out


def test_the_hyperparameters_of_a_verification_are_the_committed_ones(repository, monkeypatch):
    def run(options: RunOptions) -> int:
        tuned = {path.name: read_json(path) for path in options.root.iterdir()}
        assert tuned == {"tuned_mf.json": {"lime": {"options": {"n": "186"}, "seed": 42}}, "tuned_vae.json": {}}
        assert load_tuned("ml-100k", "vae", options.results) == {}
        write(options.results, {"tests_mf": changed({(1, "n_users"): "186"})})
        return 0

    monkeypatch.setattr(cli, "run", run)
    assert cli.main(["--results", str(repository), "--verify"]) == 0


@pytest.mark.parametrize("revision", ["no-such-branch", "--all", "HEAD~9"])
def test_a_commit_without_the_tables_is_refused(repository, tmp_path, capsys, revision):
    told = ["--results", str(repository), "--verify", str(tmp_path), f"--against={revision}"]
    assert cli.main(told) == 1
    assert (
        f"--against: expected a commit with {repository / 'ml-100k' / 'tables'}, found '{revision}'"
        in capsys.readouterr().err
    )


def test_results_that_git_ignores_or_does_not_know_are_compared_as_they_are(repository, tmp_path, monkeypatch):
    new = write(repository / "new", {"tests_mf": TABLE})
    assert committed_run(new, tmp_path / "place") == (new, f"{new} itself: git has no tables of it")
    known = repository / "ml-100k"
    assert committed_run(known, tmp_path / "place")[0] == tmp_path / "place"

    def no_git(*arguments, **options):
        raise FileNotFoundError("git")

    monkeypatch.setattr("lxr.runs.verify.subprocess.run", no_git)
    assert committed_run(known, tmp_path / "another") == (known, f"{known} itself: git has no tables of it")


def test_nothing_is_run_where_nothing_is_committed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "run", lambda options: pytest.fail("it ran"))
    assert cli.main(["--results", str(tmp_path), "--verify"]) == 1
    assert f"{tmp_path / 'ml-100k' / 'tables'}: expected tables of a run (*.csv), found none" in capsys.readouterr().err
