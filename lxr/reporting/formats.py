"""A table as text: CSV for programs, Markdown for readers, LaTeX (booktabs) for papers."""

from collections.abc import Callable

import pandas as pd

from lxr.utils.extras import extra
from lxr.utils.markup import latex_text, markdown_text

# What is put around an entry by its mark: "best", or "tie" for what no test tells apart from the best.
MARKDOWN_MARKS = {"best": "**{}**", "tie": "{} †", "": "{}"}


LATEX_MARKS = {"best": r"\textbf{{{}}}", "tie": r"{}$^\dagger$", "": "{}"}


def to_csv(frame: pd.DataFrame, decimals: int, marks: pd.DataFrame | None = None) -> str:
    """Plain numbers; marks are left out."""
    return frame.to_csv()


def to_markdown(frame: pd.DataFrame, decimals: int, marks: pd.DataFrame | None = None) -> str:
    """A Markdown table."""
    with extra("plots"):
        import tabulate  # noqa: F401 (pandas uses it)

    text = escaped(frame, markdown_text)
    if marks is None:
        return text.astype(object).to_markdown(floatfmt=f".{decimals}f") + "\n"
    text = marked(text, decimals, marks, MARKDOWN_MARKS)
    return text.to_markdown(colalign=["left"] + ["right"] * frame.shape[1], disable_numparse=True) + "\n"


def to_latex(frame: pd.DataFrame, decimals: int, marks: pd.DataFrame | None = None) -> str:
    """A LaTeX table for the package booktabs, the name of the index in the corner."""
    text = marked(escaped(frame, latex_text), decimals, marks, LATEX_MARKS)
    rows = [[label, *entries] for label, entries in zip(text.index, text.to_numpy(), strict=True)]
    header, *body = (" & ".join(map(str, row)) + r" \\" for row in [[text.index.name or "", *text.columns], *rows])
    lines = [rf"\begin{{tabular}}{{l{'r' * frame.shape[1]}}}", r"\toprule", header, r"\midrule", *body, r"\bottomrule"]
    return "\n".join([*lines, r"\end{tabular}", ""])


def escaped(frame: pd.DataFrame, escape: Callable[[object], str]) -> pd.DataFrame:
    """A table whose words, in cells, labels and the names of both, are text in a markup; numbers stay."""

    def of(value):
        return escape(value) if isinstance(value, str) else value

    text = frame.map(of)
    text.index, text.columns = frame.index.map(of), frame.columns.map(of)
    return text.rename_axis(index=of(frame.index.name), columns=of(frame.columns.name))


def marked(frame: pd.DataFrame, decimals: int, marks: pd.DataFrame | None, around: dict[str, str]) -> pd.DataFrame:
    """The entries as text, each with what its mark puts around it."""
    text = frame.map(lambda value: f"{value:.{decimals}f}" if isinstance(value, float) else str(value))
    if marks is None:
        return text
    rows = zip(text.to_numpy(), marks.to_numpy(), strict=True)
    entries = [[around[mark].format(value) for value, mark in zip(*row, strict=True)] for row in rows]
    return pd.DataFrame(entries, text.index, text.columns)


# File extension -> table, decimals, marks -> text.
FORMATS: dict[str, Callable[..., str]] = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
