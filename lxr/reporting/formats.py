"""A table as text: CSV for programs, Markdown for readers, LaTeX (booktabs) for papers; and a table from its CSV.

In a table and in its CSV the names of metrics are plain. Where people read them, they have an arrow for their direction.
"""

import io
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from lxr.metrics.names import direction, is_metric
from lxr.utils.extras import extra
from lxr.utils.markup import latex_text, markdown_text

# What is put around an entry by its mark: "best", or "tie" for no significant difference to the best.
MARKDOWN_MARKS = {"best": "**{}**", "tie": "{} †", "": "{}"}
LATEX_MARKS = {"best": r"\textbf{{{}}}", "tie": r"{}$^\dagger$", "": "{}"}
_WHOLE = re.compile(r"-?(0|[1-9]\d*)")  # an id with leading zeros is a word
_NUMBER = re.compile(r"-?(\d+(\.\d+)?(e[-+]?\d+)?|inf)")


def with_direction(label: Any) -> Any:
    """A label with its arrow if it is the name of a metric; any other label as it is.

    Args:
        label: of a row or a column, or the title of a figure.

    Returns:
        The label.

    Example:
        >>> with_direction("POS@20"), with_direction("seconds"), with_direction(1)
        ('POS@20 ↓', 'seconds', 1)
    """
    return f"{label} {direction(label)}" if is_metric(label) else label


def with_directions(table: pd.DataFrame) -> pd.DataFrame:
    """A table as people read it: each name of a metric with its arrow, whether it names a column or a row.

    So do the names in a column called ``metric``, unless a column ``direction`` says it.

    Args:
        table: any; it is left as it is.

    Returns:
        A table of the same numbers.

    Example:
        >>> with_directions(pd.DataFrame({"NDCG": [0.25], "users": [9]}, index=["lxr"]))
             NDCG ↓  users
        lxr    0.25      9
    """
    shown = table.rename(index=with_direction, columns=with_direction)
    if "metric" not in shown or "direction" in shown:
        return shown
    return shown.assign(metric=shown["metric"].map(with_direction))


def to_csv(frame: pd.DataFrame, decimals: int, marks: pd.DataFrame | None = None) -> str:
    """CSV: plain names and numbers, which are as they are.

    Args:
        frame: the table.
        decimals: digits after the point of its numbers, not used.
        marks: of the best entries, of the shape of the table, see :func:`lxr.reporting.mark_best`; left out.

    Returns:
        The text.

    Example:
        >>> table = pd.DataFrame({"NDCG": [0.25]}, pd.Index(["lxr"], name="explainer"))
        >>> to_csv(table, 3)
        'explainer,NDCG\\nlxr,0.25\\n'
    """
    return frame.to_csv()


def to_markdown(frame: pd.DataFrame, decimals: int, marks: pd.DataFrame | None = None) -> str:
    """A Markdown table; missing values are empty cells.

    Args:
        frame: the table.
        decimals: digits after the point of its numbers.
        marks: of the best entries, of the shape of the table, see :func:`lxr.reporting.mark_best`; none by default.

    Returns:
        The text.

    Example:
        >>> table = pd.DataFrame({"NDCG": [0.25]}, pd.Index(["lxr"], name="explainer"))
        >>> print(to_markdown(table, 3), end="")
        | explainer   |   NDCG ↓ |
        |:------------|---------:|
        | lxr         |    0.250 |
    """
    with extra("plots"):
        import tabulate  # noqa: F401 (pandas uses it)

    text = _escaped(with_directions(frame), markdown_text)
    if marks is None:
        text = text.astype(object)
        return text.where(text.notna(), None).to_markdown(floatfmt=f".{decimals}f") + "\n"
    text = _marked(text, decimals, marks, MARKDOWN_MARKS)
    return text.to_markdown(colalign=["left"] + ["right"] * frame.shape[1], disable_numparse=True) + "\n"


def to_latex(frame: pd.DataFrame, decimals: int, marks: pd.DataFrame | None = None) -> str:
    """A LaTeX table for the package booktabs, the name of the index in the corner; missing values are empty cells.

    Args:
        frame: the table.
        decimals: digits after the point of its numbers.
        marks: of the best entries, of the shape of the table, see :func:`lxr.reporting.mark_best`; none by default.

    Returns:
        The text.

    Example:
        >>> table = pd.DataFrame({"NDCG": [0.25]}, pd.Index(["lxr"], name="explainer"))
        >>> print(to_latex(table, 3), end="")
        \\begin{tabular}{lr}
        \\toprule
        explainer & NDCG $\\downarrow$ \\\\
        \\midrule
        lxr & 0.250 \\\\
        \\bottomrule
        \\end{tabular}
    """
    text = _marked(_escaped(with_directions(frame), latex_text), decimals, marks, LATEX_MARKS)
    rows = [[label, *entries] for label, entries in zip(text.index, text.to_numpy(), strict=True)]
    header, *body = (" & ".join(map(str, row)) + r" \\" for row in [[text.index.name or "", *text.columns], *rows])
    lines = [rf"\begin{{tabular}}{{l{'r' * frame.shape[1]}}}", r"\toprule", header, r"\midrule", *body, r"\bottomrule"]
    return "\n".join([*lines, r"\end{tabular}", ""])


def _escaped(frame: pd.DataFrame, escape: Callable[[object], str]) -> pd.DataFrame:
    """A table whose words, in cells, labels and the names of both, are text in a markup; numbers stay."""

    def of(value):
        return escape(value) if isinstance(value, str) else value

    text = frame.map(of)
    text.index, text.columns = frame.index.map(of), frame.columns.map(of)
    return text.rename_axis(index=of(frame.index.name), columns=of(frame.columns.name))


def _marked(frame: pd.DataFrame, decimals: int, marks: pd.DataFrame | None, around: dict[str, str]) -> pd.DataFrame:
    """The entries as text, each with what its mark puts around it."""
    text = frame.map(
        lambda value: "" if pd.isna(value) else f"{value:.{decimals}f}" if isinstance(value, float) else str(value)
    )
    if marks is None:
        return text
    rows = zip(text.to_numpy(), marks.to_numpy(), strict=True)
    entries = [[around[mark].format(value) for value, mark in zip(*row, strict=True)] for row in rows]
    return pd.DataFrame(entries, text.index, text.columns)


def from_csv(text: str) -> tuple[pd.DataFrame, int]:
    """A table from what :func:`to_csv` has made of it.

    Args:
        text: the CSV, its first column the index.

    Returns:
        The table, and the most digits after the point of a number in it.

    Example:
        >>> table, decimals = from_csv("explainer,NDCG,trials\\nlxr,0.25,9\\nrandom,0.5,\\n")
        >>> table["NDCG"].tolist(), table["trials"].tolist(), decimals
        ([0.25, 0.5], [9, ''], 2)
    """
    cells = pd.read_csv(io.StringIO(text), index_col=0, dtype=str, keep_default_na=False)
    columns = {number: cells.iloc[:, number].tolist() for number in range(cells.shape[1])}
    decimals = max((_decimals_of(column) for column in columns.values()), default=0)
    frame = pd.DataFrame({number: _as_numbers(column) for number, column in columns.items()}, cells.index)
    frame.index = pd.Index(_as_numbers(cells.index), name=cells.index.name)
    return frame.set_axis(cells.columns, axis=1), decimals


def _as_numbers(cells: Sequence[str]) -> list:
    """The cells of a column: numbers if all that are not empty are, else the words as they are."""
    if all(_WHOLE.fullmatch(cell) for cell in cells if cell):
        return [int(cell) if cell else cell for cell in cells]
    if all(_NUMBER.fullmatch(cell) for cell in cells if cell):
        return [float(cell or "nan") for cell in cells]
    return list(cells)


def _decimals_of(cells: Sequence[str]) -> int:
    """The most digits after the point in a column of numbers; 0 in one of words."""
    numbers = [cell for cell in cells if cell and "inf" not in cell]
    if not all(_NUMBER.fullmatch(cell) for cell in numbers):
        return 0
    return max([0, *(-int(Decimal(cell).as_tuple().exponent) for cell in numbers)])


# File extension -> table, decimals, marks -> text.
FORMATS: dict[str, Callable[..., str]] = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
