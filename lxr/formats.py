"""A table as text: CSV for programs, Markdown for readers, LaTeX (booktabs) for papers."""

from collections.abc import Callable

import pandas as pd

# What is put around an entry by its mark: "best", or "tie" for what no test tells apart from the best.
MARKDOWN_MARKS = {"best": "**{}**", "tie": "{} †", "": "{}"}
LATEX_MARKS = {"best": r"\textbf{{{}}}", "tie": r"{}$^\dagger$", "": "{}"}


def to_csv(frame: pd.DataFrame, decimals: int, marks: pd.DataFrame | None = None) -> str:
    """Plain numbers; marks are left out."""
    return frame.to_csv()


def to_markdown(frame: pd.DataFrame, decimals: int, marks: pd.DataFrame | None = None) -> str:
    """A Markdown table."""
    if marks is None:
        return frame.astype(object).to_markdown(floatfmt=f".{decimals}f") + "\n"
    text = marked(frame, decimals, marks, MARKDOWN_MARKS)
    return text.to_markdown(colalign=["left"] + ["right"] * frame.shape[1], disable_numparse=True) + "\n"


def to_latex(frame: pd.DataFrame, decimals: int, marks: pd.DataFrame | None = None) -> str:
    """A LaTeX table for the package booktabs, arrows as mathematics."""
    escaped = frame.map(lambda value: value.replace("%", r"\%").replace("_", r"\_") if isinstance(value, str) else value)
    text = marked(escaped, decimals, marks, LATEX_MARKS)
    style = text.rename_axis(index=None, columns=frame.index.name).style  # its name in the corner, not in a row of its own
    style = style.format_index(escape="latex", axis="index").format_index(escape="latex", axis="columns")
    latex = style.to_latex(hrules=True, column_format="l" + "r" * frame.shape[1])
    return latex.replace("↓", r"$\downarrow$").replace("↑", r"$\uparrow$")


def marked(frame: pd.DataFrame, decimals: int, marks: pd.DataFrame | None, around: dict[str, str]) -> pd.DataFrame:
    """The entries as text, each with what its mark puts around it."""
    text = frame.map(lambda value: f"{value:.{decimals}f}" if isinstance(value, float) else str(value))
    if marks is None:
        return text
    columns = {name: zip(text[name], marks[name], strict=True) for name in frame}
    return pd.DataFrame(
        {name: [around[mark].format(value) for value, mark in column] for name, column in columns.items()}, frame.index
    )


# File extension -> table, decimals, marks -> text.
FORMATS: dict[str, Callable[..., str]] = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
