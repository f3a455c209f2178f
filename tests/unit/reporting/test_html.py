"""The report as a page: contents, figures with captions, and a size that stays small."""

import base64
import io
import re

import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageColor

from lxr.reporting import ShownTable
from lxr.reporting.families import FAMILIES
from lxr.reporting.html import CAPTIONS, FIGURE_WIDTH, ReportFigure, export_html
from lxr.utils.environment import PROJECT_ROOT

COMMITTED = PROJECT_ROOT / "results/ml-100k"
TABLES = (  # of one recommender, as many rows and columns as the report has
    *("headline", "headline", "bars_rank", "bars_score", "bars_pure", "learned", "gain", "gain", "gain", "stability"),
    *("ablation", "path_ablation", "tuning", "bounds", "bounds", "bounds"),
)


def page_of(shown: list, path) -> str:
    """The page of a notebook that displays some objects."""
    outputs = [nbformat.v4.new_output("display_data", {"text/html": each}) for each in shown]
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=outputs)]), path / "n.ipynb")
    export_html(path / "n.ipynb", path / "n.html", "LXR")
    return (path / "n.html").read_text(encoding="utf-8")


@pytest.fixture
def large_figure(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    path = tmp_path / "gain_mf.png"
    Image.fromarray(noise).resize((1880, 1400), Image.Resampling.NEAREST).save(path)
    return path


def test_a_figure_is_shrunk_and_has_a_caption(large_figure):
    html = ReportFigure(large_figure)._repr_html_()
    assert len(html) < large_figure.stat().st_size * 4 / 3 < 1_000_000
    assert re.search(r'alt="Fidelity gain .*: mf"', html) and "<figcaption>Fidelity gain" in html
    assert repr(ReportFigure(large_figure)).endswith(": mf") and FIGURE_WIDTH < 1880


@pytest.mark.slow
def test_a_recommender_takes_less_than_a_third_of_a_megabyte(tmp_path):
    files = [COMMITTED / f"figures/{kind}_mf.png" for kind in CAPTIONS]
    figures = [ReportFigure(path)._repr_html_() for path in files if path.exists()]
    tables = [ShownTable(pd.read_csv(COMMITTED / f"tables/{name}_mf.csv"))._repr_html_() for name in TABLES]
    assert len(figures) == len(CAPTIONS) - 2  # no figures of counterfactual sets and of ages are committed
    page = page_of([*figures, figures[-1], *tables], tmp_path)
    assert page.count("<img") == 7 and page.count("<table") == 16 and len(page.encode()) < 1_000_000 / 3


def test_colours_of_families_are_kept(tmp_path):
    colours = [ImageColor.getrgb(shade) for _, shade in FAMILIES.values()]
    Image.fromarray(np.repeat(np.array([colours], dtype=np.uint8), 9, axis=0)).save(tmp_path / "cost_mf.png")
    source = re.search(r"base64,([^\"]*)", ReportFigure(tmp_path / "cost_mf.png")._repr_html_())[1]
    shown = Image.open(io.BytesIO(base64.b64decode(source))).convert("RGB")
    assert list(shown.crop((0, 0, len(colours), 1)).getdata()) == colours


def test_cells_have_only_the_attributes_that_are_used(tmp_path):
    table = pd.DataFrame({"NDCG": [0.25, 0.5], "users": [1, 2]}, index=["lxr", "random"])
    page = page_of([ShownTable(table)._repr_html_(), '<b class="mine">text</b>'], tmp_path)
    bold = re.search(r"#(T_\w+)[^}]*font-weight: bold", page)[1]
    assert re.findall(r"<t[dhr] [^>]*>", page) == [f'<td id="{bold}">'] and 'class="mine"' in page


@pytest.mark.parametrize(("headings", "links"), [(["A & B", "C", "D"], ["A &amp; B", "C", "D"]), (["A", "B"], [])])
def test_contents_link_to_the_sections(tmp_path, headings, links):
    cells = [nbformat.v4.new_markdown_cell(f"## {heading}\n\nText.") for heading in headings]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "n.ipynb")
    export_html(tmp_path / "n.ipynb", tmp_path / "n.html", "LXR")
    page = (tmp_path / "n.html").read_text(encoding="utf-8")
    found = re.findall(r'<li><a href="#([^"]+)">(.*?)</a></li>', page)
    assert [heading for _, heading in found] == links
    assert all(f'id="{place}"' in page for place, _ in found)
    assert "prefers-color-scheme: dark" in page
