"""Tables as notebooks show them: the same text everywhere, arrows, digits and the best in bold in a browser."""

import re

import pandas as pd
import pytest

from lxr.reporting import ShownTable

TABLE = pd.DataFrame({"NDCG": [0.2511, 0.4], "INS": [0.3, 0.7], "users": [9123, 9], "who": ["a<b", None]}, ["lxr", "x<y"])


def bold_cells(html):
    rule = re.search(r"([^{}]+){\s*font-weight: bold;\s*}", html)
    return set(re.findall(r"row\d+_col\d+", rule[1])) if rule else set()


def test_the_text_has_arrows_and_rounded_numbers():
    lines = repr(ShownTable(TABLE, decimals=2)).splitlines()
    assert lines[0].split() == ["NDCG", "↓", "INS", "↑", "users", "who"]
    assert lines[1].split() == ["lxr", "0.25", "0.3", "9123", "a<b"]


def test_the_page_marks_the_best_by_direction_and_escapes_titles():
    html = ShownTable(TABLE, decimals=2)._repr_html_()
    assert bold_cells(html) == {"row0_col0", "row1_col1"}  # the lowest NDCG, the highest INS
    assert "9,123" in html and "0.25<" in html and "0.2511" not in html
    assert "a&lt;b" in html and "x&lt;y" in html and "a<b" not in html
    assert re.search(r'<table [^>]*class="tex2jax_ignore mathjax_ignore"', html)  # a title with dollars is no mathematics


def test_one_row_has_no_best():
    assert not bold_cells(ShownTable(TABLE.head(1))._repr_html_())


def test_the_same_table_gives_the_same_page():
    assert ShownTable(TABLE)._repr_html_() == ShownTable(TABLE.copy())._repr_html_()
    assert ShownTable(TABLE)._repr_html_() != ShownTable(TABLE * 2)._repr_html_()


@pytest.mark.parametrize("index", [pd.MultiIndex.from_tuples([("mf", "lxr"), ("vae", "lxr")], names=["model", "by"])])
def test_rows_may_have_several_levels(index):
    html = ShownTable(TABLE.set_axis(index))._repr_html_()
    assert ">mf<" in html and ">vae<" in html
