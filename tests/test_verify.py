"""Verification: what counts as the same table, what is said of the rest, and the command's exit status."""

import argparse
from pathlib import Path

import pandas as pd
import pytest

import run_all
from lxr.storage import DataError
from lxr.verify import compare_tables, read_table, verify

TABLE = pd.DataFrame(
    {
        "explainer": ["lxr", "lime"],
        "NDCG ↓": ["0.512 [0.400, 0.600]", "0.457 [0.400, 0.500]"],
        "n_users": ["188", "187"],
        "p": ["0.0104", "1.0"],
        "difference": ["-0.2", "0.0004"],
        "fails": ["False", ""],
    }
)
SHARES = {
    "nothing": ({}, []),
    "a mean": ({(0, "NDCG ↓"): "0.506 [0.400, 0.600]"}, [0.01]),
    "a bound": ({(1, "NDCG ↓"): "0.457 [0.430, 0.500]"}, [0.05]),
    "a count": ({(1, "n_users"): "188"}, [float("inf")]),
    "a number with another sign": ({(1, "difference"): "-0.0196"}, [0.1]),
    "a number that is none": ({(0, "difference"): "nan"}, [float("inf")]),
    "an interval that is gone": ({(0, "NDCG ↓"): "0.512"}, [float("inf")]),
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
    assert cell.share == float("inf") and cell.committed.startswith("2 rows of explainer, NDCG ↓, n_users")


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
        ({(0, "NDCG ↓"): "0.511 [0.400, 0.600]", (0, "p"): "0.9"}, "3.5", 0, ["NDCG ↓", "p"]),
        ({(0, "NDCG ↓"): "0.511 [0.400, 0.600]", (0, "p"): "0.9"}, "3.5", 0.01, []),
        ({(0, "NDCG ↓"): "0.411 [0.400, 0.600]"}, "3.4", 0.1, ["NDCG ↓"]),
        ({(0, "NDCG ↓"): "0.411 [0.400, 0.600]"}, "3.4", 0.02, ["passes [share of users]", "NDCG ↓"]),
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
    assert before[-2] == "not compared, since committed, but not made: old"
    assert before[-1] == "not compared, since made, but not committed: new"
    assert len(before) == 2 + bool(differing) + len(differing)
    assert last.startswith("14 values of 2 tables: ") and last.endswith(f"{len(differing)} beyond it")


def test_it_says_how_close_what_is_close_is(committed, tmp_path):
    found = write(tmp_path / "found", {"tests_mf": changed({(0, "NDCG ↓"): "0.506 [0.400, 0.600]", (0, "p"): "0.9"})})
    described = verify(committed, found).describe()
    assert "2 differ within the tolerance (by at most 0.0100 of the largest of their column), 0 beyond it" in described


@pytest.mark.parametrize("tables", [{}, {"other": TABLE}])
def test_nothing_to_compare_is_an_error(committed, tmp_path, tables):
    with pytest.raises(DataError, match=r"found/ml-100k/tables: expected tables .*, found none"):
        verify(committed, write(tmp_path / "found", tables))


@pytest.mark.parametrize(("changes", "status"), [({}, 0), ({(0, "n_users"): "1"}, 1)])
def test_the_command_compares_what_an_earlier_run_has_left(committed, tmp_path, capsys, changes, status):
    write(tmp_path / "found", {"tests_mf": changed(changes)})
    told = ["--results", str(committed.parent), "--verify", str(tmp_path / "found")]
    assert run_all.main(told) == status
    printed = capsys.readouterr().out
    assert f"{status} beyond it" in printed
    assert ("tests_mf 1: lxr n_users" in " ".join(printed.split())) == bool(status)


@pytest.mark.parametrize(("status", "expected"), [(0, 1), (130, 130)])
def test_the_command_runs_elsewhere_with_the_same_hyperparameters(committed, monkeypatch, capsys, status, expected):
    (committed / "tuned_mf.json").write_text("{}")
    places = []

    def run(options: argparse.Namespace) -> int:
        places.append(options.results)
        assert [path.name for path in (options.results / "ml-100k").iterdir()] == ["tuned_mf.json"]
        write(options.results, {"tests_mf": changed({(1, "n_users"): "1"})})
        return status

    monkeypatch.setattr(run_all, "run", run)
    assert run_all.main(["--results", str(committed.parent), "--verify"]) == expected
    printed = capsys.readouterr()
    assert ("1 beyond it" in printed.out) == (status == 0)
    assert ("nothing of it is kept" in printed.err) == (status != 0)
    (place,) = places
    assert place != committed.parent and not place.exists()


def test_nothing_is_run_where_nothing_is_committed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run_all, "run", lambda options: pytest.fail("it ran"))
    assert run_all.main(["--results", str(tmp_path), "--verify"]) == 1
    assert f"{tmp_path / 'ml-100k' / 'tables'}: expected tables of a run (*.csv), found none" in capsys.readouterr().err
