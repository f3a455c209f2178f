"""Tables as CSV, Markdown and LaTeX."""

import pandas as pd

from lxr.reporting import (
    to_csv,
    to_latex,
    to_markdown,
)


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
