"""A table as text: CSV for programs, Markdown for readers, LaTeX (booktabs) for papers; and a table from its CSV.

Tables and CSV files have plain names of metrics. Tables for readers have an arrow after each name for its direction.
"""

import io
import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from lxr.metrics.names import direction, is_metric
from lxr.utils.extras import extra
from lxr.utils.markup import latex_text, markdown_text

# Markup of an entry by its mark: "best", or "tie" if no test finds a difference to the best.
MARKDOWN_MARKS = {"best": "**{}**", "tie": "{} †", "": "{}"}
LATEX_MARKS = {"best": r"\textbf{{{}}}", "tie": r"{}$^\dagger$", "": "{}"}
PAGE_WIDTH = 60  # characters of a table that fits between the margins of an article
_WHOLE = re.compile(r"-?(0|[1-9]\d*)")  # an id with leading zeros is a word
_NUMBER = re.compile(r"-?(\d+(\.\d+)?(e[-+]?\d+)?|inf)")


def with_direction(label: Any) -> Any:
    """A label, with an arrow if it is the name of a metric.

    Args:
        label: label of a row or a column, or the title of a figure.

    Returns:
        The label.

    Example:
        >>> with_direction("POS@20"), with_direction("seconds"), with_direction(1)
        ('POS@20 ↓', 'seconds', 1)
    """
    return f"{label} {direction(label)}" if is_metric(label) else label


def with_directions(table: pd.DataFrame) -> pd.DataFrame:
    """A table for readers: an arrow after each name of a metric, in columns and rows.

    Names in a column ``metric`` also get arrows, unless there is a column ``direction``.

    Args:
        table: any table; it is not changed.

    Returns:
        A table with the same numbers.

    Example:
        >>> with_directions(pd.DataFrame({"NDCG": [0.25], "users": [9]}, index=["lxr"]))
             NDCG ↓  users
        lxr    0.25      9
    """
    shown = table.rename(index=with_direction, columns=with_direction)
    if "metric" not in shown or "direction" in shown:
        return shown
    return shown.assign(metric=shown["metric"].map(with_direction))


def digits(column: pd.Series, decimals: int) -> int:
    """Digits after the point of a column of a table.

    The probabilities of a softmax over thousands of items are small. A metric whose values are all below 0.1 gets as many
    digits more as it has leading zeros.

    Args:
        column: its name is that of the column.
        decimals: digits of a metric with values up to 1, and of every other column.

    Returns:
        At least ``decimals``; not more than the values have.

    Example:
        >>> digits(pd.Series([0.01234, 0.0098], name="DEL"), 3), digits(pd.Series([0.5, 0.0098], name="DEL"), 3)
        (4, 3)
    """
    if not is_metric(column.name) or not pd.api.types.is_float_dtype(column):
        return decimals
    largest = column.abs().max()
    zeros = max(0, -1 - math.floor(math.log10(largest))) if 0 < largest < math.inf else 0
    present = max((-int(Decimal(repr(value)).as_tuple().exponent) for value in column.dropna().tolist()), default=0)
    return max(decimals, min(decimals + zeros, present))


def rounded(frame: pd.DataFrame, decimals: int) -> pd.DataFrame:
    """A table with its numbers rounded, each column to its own number of digits.

    Args:
        frame: the table.
        decimals: digits after the point.

    Returns:
        A new table.

    Example:
        >>> rounded(pd.DataFrame({"DEL": [0.01234, 0.01111], "NDCG": [0.1234, 0.5]}), 2)
             DEL  NDCG
        0  0.012  0.12
        1  0.011  0.50
    """
    columns = [frame.iloc[:, [at]].round(digits(column, decimals)) for at, (_, column) in enumerate(frame.items())]
    return pd.concat(columns, axis=1) if columns else frame.copy()


def to_csv(frame: pd.DataFrame, decimals: int, marks: pd.DataFrame | None = None) -> str:
    """Table as CSV, with plain names and unrounded numbers.

    Args:
        frame: the table.
        decimals: digits after the point of its numbers, not used.
        marks: marks of the best entries, see :func:`lxr.reporting.mark_best`; not used.

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
        marks: marks of the best entries, of the shape of the table, see :func:`lxr.reporting.mark_best`; none by default.

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
        form = [f".{places}f" for places in [decimals, *(digits(column, decimals) for _, column in frame.items())]]
        return text.where(text.notna(), None).to_markdown(floatfmt=form) + "\n"
    text = _marked(_printed(frame, text, decimals), marks, MARKDOWN_MARKS)
    return text.to_markdown(colalign=["left"] + ["right"] * frame.shape[1], disable_numparse=True) + "\n"


def to_latex(frame: pd.DataFrame, decimals: int, marks: pd.DataFrame | None = None) -> str:
    """A LaTeX table for the package booktabs, the name of the index in the corner; missing values are empty cells.

    A table that is wider than a page is shrunk to its width, by the package graphicx.

    Args:
        frame: the table.
        decimals: digits after the point of its numbers.
        marks: marks of the best entries, of the shape of the table, see :func:`lxr.reporting.mark_best`; none by default.

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
    printed = _printed(frame, _escaped(with_directions(frame), latex_text), decimals)
    text = _marked(printed, marks, LATEX_MARKS)
    rows = [[label, *entries] for label, entries in zip(text.index, text.to_numpy(), strict=True)]
    header, *body = (" & ".join(map(str, row)) + r" \\" for row in [[text.index.name or "", *text.columns], *rows])
    lines = [rf"\begin{{tabular}}{{l{'r' * frame.shape[1]}}}", r"\toprule", header, r"\midrule", *body, r"\bottomrule"]
    lines.append(r"\end{tabular}")
    if _width(_printed(frame, with_directions(frame), decimals)) > PAGE_WIDTH:  # graphicx shrinks it
        lines = [r"\resizebox{\linewidth}{!}{%", *lines[:-1], lines[-1] + "}"]
    return "\n".join([*lines, ""])


def _width(text: pd.DataFrame) -> int:
    """Characters of a row of a table, columns as wide as their longest entry, three for the gap between two."""
    columns = [[text.index.name, *text.index], *([name, *text.iloc[:, at]] for at, name in enumerate(text))]
    return sum(max(len(str(entry)) for entry in column) + 3 for column in columns) - 3


def _printed(frame: pd.DataFrame, text: pd.DataFrame, decimals: int) -> pd.DataFrame:
    """Entries of an escaped table as text, numbers with the digits of their columns in ``frame``."""
    places = [digits(column, decimals) for _, column in frame.items()]

    def of(value: object, places: int) -> str:
        return "" if pd.isna(value) else f"{value:.{places}f}" if isinstance(value, float) else str(value)

    columns = [[of(value, here) for value in text.iloc[:, at]] for at, here in enumerate(places)]
    return pd.DataFrame(dict(enumerate(columns)), text.index, dtype=object).set_axis(text.columns, axis=1)


def _escaped(frame: pd.DataFrame, escape: Callable[[object], str]) -> pd.DataFrame:
    """A table with its words (cells, labels and their names) escaped for a markup; numbers stay."""

    def of(value):
        return escape(value) if isinstance(value, str) else value

    text = frame.map(of)
    text.index, text.columns = frame.index.map(of), frame.columns.map(of)
    return text.rename_axis(index=of(frame.index.name), columns=of(frame.columns.name))


def _marked(text: pd.DataFrame, marks: pd.DataFrame | None, around: dict[str, str]) -> pd.DataFrame:
    """Entries with the markup of their marks."""
    if marks is None:
        return text
    rows = zip(text.to_numpy(), marks.to_numpy(), strict=True)
    entries = [[around[mark].format(value) for value, mark in zip(*row, strict=True)] for row in rows]
    return pd.DataFrame(entries, text.index, text.columns)


def from_csv(text: str) -> tuple[pd.DataFrame, int]:
    """Table from the CSV of :func:`to_csv`.

    Args:
        text: the CSV; its first column is the index.

    Returns:
        The table, and the most digits after the point of a number in it, without the additional digits of small metrics.

    Example:
        >>> table, decimals = from_csv("explainer,NDCG,trials\\nlxr,0.25,9\\nrandom,0.5,\\n")
        >>> table["NDCG"].tolist(), table["trials"].tolist(), decimals
        ([0.25, 0.5], [9, ''], 2)
    """
    cells = pd.read_csv(io.StringIO(text), index_col=0, dtype=str, keep_default_na=False)
    columns = {number: cells.iloc[:, number].tolist() for number in range(cells.shape[1])}
    frame = pd.DataFrame({number: _as_numbers(column) for number, column in columns.items()}, cells.index)
    frame.index = pd.Index(_as_numbers(cells.index), name=cells.index.name)
    frame = frame.set_axis(cells.columns, axis=1)
    small = {number: digits(frame.iloc[:, number], 0) for number in columns}
    return frame, max((_decimals_of(column) - small[number] for number, column in columns.items()), default=0)


def _as_numbers(cells: Sequence[str]) -> list:
    """Cells of a column as numbers if all non-empty cells are numbers, else as text."""
    if all(_WHOLE.fullmatch(cell) for cell in cells if cell):
        return [int(cell) if cell else cell for cell in cells]
    if all(_NUMBER.fullmatch(cell) for cell in cells if cell):
        return [float(cell or "nan") for cell in cells]
    return list(cells)


def _decimals_of(cells: Sequence[str]) -> int:
    """Largest number of digits after the point in a column; 0 for text."""
    numbers = [cell for cell in cells if cell and "inf" not in cell]
    if not all(_NUMBER.fullmatch(cell) for cell in numbers):
        return 0
    return max([0, *(-int(Decimal(cell).as_tuple().exponent) for cell in numbers)])


# File extension -> table, decimals, marks -> text.
FORMATS: dict[str, Callable[..., str]] = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
