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
from lxr.reporting.html import CAPTIONS, FIGURE_WIDTH, MOST_WITH_ALL_FIGURES, ReportFigure, export_html
from lxr.utils.environment import PROJECT_ROOT

COMMITTED = PROJECT_ROOT / "results/ml-100k"
TABLES = (  # of one recommender; nine explainers, or all rows of a table
    *("headline", "gain", "counterfactual_sets", "stability", "seeds", "repeats", "repeat_ranks", "bounds", "bounds"),
)
WHOLE = ("headline", "bars_rank", "bars_chosen", "bars_score", "bars_pure", "learned", "ablation", "path_ablation", "tuning")
MAIN = ("fidelity", "gain")  # figures of many recommenders


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


def test_a_figure_that_is_not_embedded_is_a_link(large_figure):
    html = ReportFigure(large_figure, embedded=False)._repr_html_()
    folder = large_figure.parent.name
    assert html.startswith("<p>Fidelity gain") and f'<a href="{folder}/gain_mf.png">' in html and "<img" not in html


@pytest.mark.slow
@pytest.mark.parametrize(("recommenders", "kinds"), [(MOST_WITH_ALL_FIGURES, CAPTIONS), (7, MAIN)])
def test_a_report_stays_below_a_megabyte(tmp_path, recommenders, kinds):
    paths = [COMMITTED / f"figures/{kind}_mf.png" for kind in CAPTIONS]
    figures = [ReportFigure(path, embedded=path.stem[:-3] in kinds)._repr_html_() for path in paths if path.exists()]
    assert len(figures) == len(CAPTIONS) - 2  # no figures of counterfactual sets and of ages are committed
    rows = [*((name, 9) for name in TABLES), *((name, None) for name in WHOLE)]
    tables = [pd.read_csv(COMMITTED / f"tables/{name}_mf.csv")[:most] for name, most in rows]
    page = page_of([*figures, figures[-1], *(ShownTable(table)._repr_html_() for table in tables)], tmp_path)
    assert page.count("<table") == len(tables) and len(page.encode()) < 900_000 / recommenders


def test_only_the_first_of_several_parts_of_a_cell_is_unfolded(tmp_path):
    def part(heading):
        markdown, table = {"text/markdown": f"### {heading}"}, {"text/html": f"<table><tr><td>{heading}</td></tr></table>"}
        return [nbformat.v4.new_output("display_data", data) for data in (markdown, table)]

    cells = [nbformat.v4.new_code_cell(outputs=outputs) for outputs in (part("alone"), part("mf") + part("`a` &lt; b"))]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "n.ipynb")
    export_html(tmp_path / "n.ipynb", tmp_path / "n.html", "LXR")
    page = (tmp_path / "n.html").read_text(encoding="utf-8")
    folded = re.findall(r"<details(.*?)><summary><h3>(.*?)</h3></summary>(.*?)</details>", page, flags=re.DOTALL)
    assert [each[:2] for each in folded] == [(" open", "mf"), ("", "<code>a</code> &lt; b")]
    assert [each[2].count("<td>") for each in folded] == [1, 1] and "<h3>alone</h3>" in page


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
