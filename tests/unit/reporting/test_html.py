"""The report as a page: contents, figures with captions that stay small."""

import re

import nbformat
import numpy as np
import pytest
from PIL import Image

from lxr.reporting.html import FIGURE_WIDTH, ReportFigure, export_html


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
