"""Tables in other formats, made from their CSV: the same as what a run writes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lxr
from lxr.reporting import from_csv, to_csv
from lxr.runs.export import datasets_of, export, main

TABLE = pd.DataFrame(
    {
        "NDCG": [0.25, 0.3, 0.125678],
        "share": [0.5, np.nan, 1.0],
        "trials": [9, "", 12],
        "value": [0.5, "tanh", True],
        "title": ["M*A*S*H", "R&D 50 %", ""],
        "n": [1, 2, 3],
    },
    index=pd.Index(["lxr", "x_y", "007"], name="explainer"),
)
MARKS = pd.DataFrame("", TABLE.index, TABLE.columns)
MARKS["NDCG"] = ["tie", "", "best"]
KINDS = ("md", "tex")


@pytest.fixture
def results(tmp_path) -> Path:
    """Results of two runs, as they leave them: a table with marks and one without, and the second alone."""
    workspace = lxr.runs.Workspace("12_evaluation", {"dataset": "toy", "results": tmp_path, "recommender": "mf"})
    workspace.save_table(TABLE, "headline_mf", decimals=3, marks=MARKS)
    workspace.save_table(TABLE, "data")
    lxr.runs.Workspace("01_data_preparation", {"dataset": "other", "results": tmp_path}).save_table(TABLE, "data")
    return tmp_path


def texts(folder: Path) -> dict[str, str]:
    """Files of a folder that are no CSV."""
    return {path.name: path.read_text(encoding="utf-8") for kind in KINDS for path in folder.glob(f"*.{kind}")}


def test_an_export_is_what_a_run_writes(results):
    tables = results / "toy" / "tables"
    written = texts(tables)
    assert len(written) == 4
    for name in written:
        (tables / name).unlink()
    assert sorted(path.name for path in export(results / "toy", KINDS)) == sorted(written)
    assert texts(tables) == written
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in written["headline_mf.md"].splitlines()]
    assert rows[0][:3] == ["explainer", "NDCG ↓", "share"]
    assert rows[2] == ["lxr", "0.250 †", "0.500", "9", "0.5", "M&#42;A&#42;S&#42;H", "1"]
    assert rows[3] == ["x_y", "0.300", "", "", "tanh", "R&D 50 %", "2"]
    assert rows[4] == ["007", "**0.126**", "1.000", "12", "True", "", "3"]
    assert r"007 & \textbf{0.126} & 1.000 & 12 & True &  & 3 \\" in written["headline_mf.tex"]


def test_a_table_comes_back_from_its_csv():
    table, decimals = from_csv(to_csv(TABLE, 4))
    assert decimals == 6
    assert [column.dtype.kind for _, column in table.items()] == ["f", "f", "O", "O", "O", "i"]
    assert table["trials"].tolist() == [9, "", 12]
    assert table.index.tolist() == ["lxr", "x_y", "007"] and table.index.name == "explainer"
    assert to_csv(table, 4) == to_csv(TABLE, 4)
    small, decimals = from_csv(",p\n1,1e-05\n2,inf\n")
    assert (small["p"].tolist(), small.index.tolist(), small.index.name, decimals) == ([1e-5, np.inf], [1, 2], None, 5)


def test_the_digits_are_those_of_the_csv_or_of_the_caller(results, tmp_path):
    def first(decimals: int | None) -> str:
        (path,) = export(results / "toy", ["md"], ["data"], decimals=decimals, out=tmp_path / "out")
        return path.read_text(encoding="utf-8").splitlines()[4].split("|")[2].strip()

    assert [first(decimals) for decimals in (None, 2)] == ["0.1257", "0.13"]
    csv = results / "toy/tables/data.csv"
    csv.write_text(csv.read_text(encoding="utf-8").replace("0.1257", "0.1256789"), encoding="utf-8")
    assert first(None) == "0.1257" and first(6) == "0.125679"


def test_the_command_exports_the_runs_that_have_the_table(results, tmp_path, capsys):
    assert datasets_of(results) == ["other", "toy"]
    out = tmp_path / "out"
    assert main(["headline_mf", "--results", str(results), "--formats", "tex", "--out", str(out)]) == 0
    assert [path.relative_to(out).as_posix() for path in out.rglob("*.*")] == ["toy/headline_mf.tex"]
    assert main(["--results", str(results), "--dataset", "other"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == f"2 files in {results / 'other/tables'}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "expected a run with tables nope, found none"),
        (["nope", "--dataset", "toy"], "expected nope among its tables, found 2 others"),
        (["--dataset", "nowhere"], "expected tables of a run (*.csv), found none"),
    ],
)
def test_tables_that_are_not_there_are_named(results, capsys, arguments, message):
    assert main([*arguments, "--results", str(results)]) == 1
    assert message in capsys.readouterr().err
