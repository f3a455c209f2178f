"""Tables as CSV, Markdown and LaTeX."""

import shutil
import subprocess

import pandas as pd
import pytest

from lxr.reporting import from_csv, to_csv, to_latex, to_markdown
from lxr.reporting.formats import digits, rounded


def test_a_table_as_text():
    table = pd.DataFrame(
        {"NDCG": [0.25, 0.3, 0.5], "note": ["50 %", "a_b", "-"], "n": [1, 2, 3]}, index=["lxr", "x_y", "random"]
    )
    marks = pd.DataFrame("", table.index, table.columns)
    marks["NDCG"] = ["best", "tie", ""]
    table.index.name = "explainer"
    markdown = [line.split() for line in to_markdown(table, 3, marks).splitlines()]
    assert markdown[2] == ["|", "lxr", "|", "**0.250**", "|", "50", "%", "|", "1", "|"]
    assert markdown[3][3:5] == ["0.300", "†"]
    assert markdown[4][3] == "0.500"
    latex = to_latex(table, 3, marks)
    for part in (
        "\\toprule",
        "\\bottomrule",
        "explainer & NDCG $\\downarrow$ & note & n",
        "lxr & \\textbf{0.250} & 50 \\% & 1",
        "x\\_y & 0.300$^\\dagger$ & a\\_b & 2",
        "random & 0.500 & - & 3",
    ):
        assert part in latex
    assert to_csv(table, 3, marks).splitlines()[1] == "lxr,0.25,50 %,1"


SMALL = pd.DataFrame(
    {"DEL": [0.01744, 0.0098], "INS": [0.5, 0.01234], "p": [0.001234, 0.0006], "users": [3, 4]},
    pd.Index(["random", "lxr"], name="explainer"),
)


def test_small_metrics_have_more_digits_and_other_columns_not():
    assert [digits(column, 3) for _, column in SMALL.items()] == [4, 3, 3, 3]
    assert rounded(SMALL, 3)["DEL"].tolist() == [0.0174, 0.0098] and rounded(SMALL, 3)["p"].tolist() == [0.001, 0.001]
    row = [cell.strip() for cell in to_markdown(SMALL, 3).splitlines()[3].split("|")[1:-1]]
    assert row == ["lxr", "0.0098", "0.012", "0.001", "4"]
    assert "lxr & 0.0098 & 0.012 & 0.001 & 4" in to_latex(SMALL, 3)


def test_a_table_from_its_csv_is_printed_with_the_same_digits():
    table, decimals = from_csv(to_csv(rounded(SMALL, 3), 3))
    assert decimals == 3 and to_markdown(table, decimals) == to_markdown(rounded(SMALL, 3), 3)


def test_a_wide_latex_table_fits_a_page(tmp_path):
    wide = pd.DataFrame(0.123, ["integrated-gradients-rank"], ["POS@5", "POS@20", "NDCG", "DEL", "INS", "CDCG@Ke=5"])
    assert "resizebox" in to_latex(wide, 3) and "resizebox" not in to_latex(wide.iloc[:, :2], 3)
    if not shutil.which("pdflatex"):
        pytest.skip("no pdflatex")
    body = "\n\n".join(to_latex(wide.iloc[:, :count], 3) for count in range(1, 7))
    head = r"\documentclass{article}\usepackage{booktabs,graphicx}\parindent0pt\begin{document}"
    (tmp_path / "page.tex").write_text(head + body + r"\end{document}", encoding="utf-8")
    run = subprocess.run(["pdflatex", "-halt-on-error", "page.tex"], cwd=tmp_path, capture_output=True, check=False)
    assert run.returncode == 0 and b"Overfull" not in run.stdout
