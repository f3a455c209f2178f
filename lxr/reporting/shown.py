"""Tables for notebooks: styled in a browser, plain text elsewhere."""

from hashlib import sha256

import pandas as pd

from lxr.metrics.names import LOWER, direction, is_metric
from lxr.reporting.formats import digits, rounded, with_directions
from lxr.utils.extras import extra


class ShownTable:
    """A table with arrows after the names of metrics, rounded numbers, and the best value of each metric in bold.

    The last expression of a notebook's cell shows it. The text is the same on every machine, so tests can compare it.

    Args:
        table: one row per method, or any other table; it is not changed.
        decimals: digits after the point of numbers that are not integers.

    Example:
        >>> ShownTable(pd.DataFrame({"NDCG": [0.2511, 0.4], "users": [9, 9]}, index=["lxr", "random"]), decimals=2)
                NDCG ↓  users
        lxr       0.25      9
        random    0.40      9
    """

    def __init__(self, table: pd.DataFrame, *, decimals: int = 3):
        self.table, self.decimals = table, decimals

    def __repr__(self) -> str:
        return with_directions(rounded(self.table, self.decimals)).to_string()

    def _repr_html_(self) -> str:
        with extra("plots"):
            import jinja2  # noqa: F401 (pandas uses it)
        from pandas.io.formats.style import Styler

        shown = with_directions(self.table)
        style, form = Styler(shown, cell_ids=False), {"thousands": ",", "na_rep": "", "escape": "html"}
        for (_, column), label in zip(self.table.items(), shown, strict=True):
            style = style.format(precision=digits(column, self.decimals), subset=[label], **form)
        style = style.format_index(escape="html").format_index(axis="columns", escape="html")
        style = style.set_table_attributes('class="tex2jax_ignore mathjax_ignore"')  # titles may have dollars
        for name, label in zip(self.table, shown, strict=True):
            if is_metric(name) and len(shown) > 1 and pd.api.types.is_numeric_dtype(shown[label]):
                best = style.highlight_min if direction(name) == LOWER else style.highlight_max
                style = best(subset=[label], props="font-weight: bold")
        name = sha256(repr(self).encode()).hexdigest()[:12]  # the same table gives the same page
        return style.set_uuid(name).to_html()
