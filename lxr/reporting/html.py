"""Report as one self-contained HTML file, from an executed notebook."""

import base64
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lxr.reporting.families import FAMILIES
from lxr.utils.extras import extra
from lxr.utils.markup import html_attribute, html_text
from lxr.utils.storage import atomic_path

with extra("runs"):
    import nbformat
    from nbformat import NotebookNode
    from nbformat.v4 import new_notebook

if TYPE_CHECKING:
    from nbconvert import HTMLExporter

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>
:root {{ color-scheme: light dark; --text: #222; --page: #fff; --line: #ddd; --strong: #888; --link: #0b57d0; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --text: #e4e4e4; --page: #181a1b; --line: #3a3d3f; --strong: #777; --link: #8ab4f8; }}
}}
body {{ max-width: 62rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; }}
body {{ color: var(--text); background: var(--page); }}
a {{ color: var(--link); }}
h1, h2, h3, h4 {{ line-height: 1.2; margin-top: 2em; scroll-margin-top: 1rem; }}
h1 {{ margin-top: 0; }}
details {{ border-top: 1px solid var(--line); padding: 0.6em 0; }}
summary {{ cursor: pointer; }}
summary h3 {{ display: inline; }}
nav ol {{ columns: 15rem; padding-left: 2rem; font-size: 0.9em; }}
figure {{ margin: 1.5em 0; }}
figcaption {{ font-size: 0.85em; margin-top: 0.4em; }}
img {{ max-width: 100%; height: auto; background: #fff; border-radius: 4px; }}
table, th, td {{ border: 0; }}
table {{ border-collapse: collapse; margin: 1em 0; font-size: 0.85em; font-variant-numeric: tabular-nums; }}
.output_subarea, .jp-OutputArea-output {{ overflow-x: auto; }}
th, td {{ padding: 0.25em 0.7em; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }}
thead th {{ border-bottom: 1px solid var(--strong); }}
tbody th {{ font-weight: normal; }}
th:first-child, td:first-child {{ text-align: left; }}
pre {{ white-space: pre-wrap; font-size: 0.85em; }}
.anchor-link {{ display: none; }}
@media (min-width: 90rem) {{
  body {{ margin-left: 21rem; }}
  nav {{ position: fixed; top: 2rem; left: 1.5rem; width: 17rem; max-height: 90vh; overflow-y: auto; }}
  nav ol {{ columns: auto; }}
}}
@media (max-width: 40rem) {{
  body {{ font-size: 15px; }}
  th, td {{ padding: 0.2em 0.45em; }}
}}
</style>
</head>
<body>
<h1>{title}</h1>
{contents}
{body}
</body>
</html>
"""
HEADING = re.compile(r'<(h[34]) id="[^"]*">(.*?)<a class="anchor-link".*?</a>', flags=re.DOTALL)
SECTION = re.compile(r'<h2 id="([^"]+)">(.*?)<a class="anchor-link"', flags=re.DOTALL)
CELL, ATTRIBUTE = re.compile(r"<(?:td|th|tr)\b[^>]*>"), re.compile(r' (?:class|id)="([^"]*)"| style="text-align: ?right;?"')
CLOSING = re.compile(r"</t[dhr]>\n?")  # a row or a cell also ends where the next one begins
WRAPPER = re.compile(r'<div class="(?:cell |inner_cell|input|output|prompt|text_cell)[^"]*"[^>]*>')  # of notebook's cells
FIGURE_WIDTH = 720  # pixels; few of them, in few colours, keep the page small
MOST_WITH_ALL_FIGURES = 3  # recommenders; a page of 1 MB has room for the main figures only of up to eight
GREYS = (0, 0.25, 0.45, 0.7, 0.8, 0.88, 0.94, 0.97, 1)  # black, text, lines, heat maps, bands, white
TINTS = (1, 0.4, 0.12)  # shares of a family's colour in white: lines, their edges, bands
DISPLAYED = ("display_data", "execute_result")  # not printed checks
HIDDEN = "not-in-report"  # tag of cells for people who run a notebook; reports leave them out
CAPTIONS = {  # file name of a figure, up to the name of the recommender -> its caption
    "fidelity": "Perturbation curves (left) and fixed-length metrics (right). A good explainer is low at ↓ and high at ↑",
    "pareto": "Rank against probability. No explainer beats those on the line in both metrics",
    "gain": "Fidelity gain from a random order (0) to a greedy search (1)",
    "sets": "Size of counterfactual sets as a multiple of the smallest: mean, 10th and 90th percentile of users",
    "sanity": "Explanations after the recommender is randomized. Low is good in all columns but the last",
    "groups": "Fidelity in quarters of the users. Where lines cross, the better explainer depends on the user",
    "ages": "Importance of entries by age. 1: the most important of its history. 0.5: as in a random order",
    "cost": "Fidelity against time. No explainer beats those on the line in both",
}


class ReportFigure:
    """A figure of a run for a report: smaller than the file, to which it links, with a caption below.

    Args:
        path: ``figures/<kind>_<recommender>.png``, its kind one of :data:`CAPTIONS`.
        embedded: whether the page has the figure itself; else only its caption and the link.
    """

    def __init__(self, path: Path, *, embedded: bool = True):
        kind, _, self.recommender = path.stem.partition("_")
        self.path, self.caption, self.embedded = path, CAPTIONS[kind], embedded

    def __repr__(self) -> str:
        return f"{self.caption}: {self.recommender}"

    def _repr_html_(self) -> str:
        file = html_attribute(f"{self.path.parent.name}/{self.path.name}")
        if not self.embedded:
            return f'<p>{html_text(self.caption)}: <a href="{file}">{file}</a></p>'
        image = f'<img alt="{html_attribute(repr(self))}" src="data:image/webp;base64,{self._shrunk()}">'
        return f'<figure><a href="{file}">{image}</a><figcaption>{html_text(self.caption)}.</figcaption></figure>'

    def _shrunk(self) -> str:
        """The figure in few pixels and colours, as Base64 of a WebP file."""
        with extra("plots"):
            from PIL import Image

        image, shrunk, palette = Image.open(self.path).convert("RGB"), io.BytesIO(), Image.new("P", (1, 1))
        image.thumbnail((FIGURE_WIDTH, 2 * FIGURE_WIDTH), Image.Resampling.BOX, reducing_gap=None)
        palette.putpalette(_palette())
        few = image.quantize(palette=palette, dither=Image.Dither.NONE).convert("RGB")
        few.save(shrunk, format="webp", lossless=True, method=6)
        return base64.b64encode(shrunk.getvalue()).decode()


def _palette() -> list[int]:
    """Red, green and blue of greys and of tints of all families: the colours of figures, as PIL takes them."""
    with extra("plots"):
        from matplotlib.colors import to_rgb

    greys = np.array(GREYS)[:, None].repeat(3, axis=1)
    shades = np.array([to_rgb(shade) for _, shade in FAMILIES.values()])
    tints = [1 - tint * (1 - shades) for tint in TINTS]
    return (255 * np.vstack([greys, *tints])).round().astype(int).ravel().tolist()


def export_html(notebook: Path, path: Path, title: str) -> None:
    """Write an executed notebook, without its code, as a self-contained page.

    Titles and names are escaped where they are displayed. In addition, the page forbids browsers to run scripts and to load
    other files. Of a cell with several parts, each below a heading of the third level, only the first part is unfolded.

    Args:
        notebook: the executed copy; cells with the tag :data:`HIDDEN` and empty sections are left out.
        path: path of the page.
        title: title of the page, as text.
    """
    with extra("runs"):
        from nbconvert import HTMLExporter  # takes a second to import; only a finished run needs it

    exporter = HTMLExporter(
        template_name="basic",
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        embed_images=True,
    )
    shown = nbformat.read(notebook, as_version=4)
    shown.cells = [cell for section in _sections(shown.cells) if _has_something(section) for cell in section]
    for cell in shown.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.output_type in DISPLAYED]
    body = "".join(_html(exporter, cell) for cell in shown.cells)
    page = PAGE.format(name=html_attribute(title), title=html_text(title), contents=_contents(body), body=_slim(body))
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _html(exporter: "HTMLExporter", cell: NotebookNode) -> str:
    """HTML of a cell; each part that begins with a heading, if there are several, can be folded; the first is unfolded."""
    with extra("runs"):
        from nbconvert.filters import markdown2html

    parts: list[list[NotebookNode]] = []
    for output in cell.get("outputs", []):
        if not parts or _heading(output):
            parts.append([])
        parts[-1].append(output)
    if len(parts) < 2 or any(len(part) < 2 or not _heading(part[0]) for part in parts):
        return exporter.from_notebook_node(new_notebook(cells=[cell]))[0]
    found = []
    for (first, *others), unfolded in zip(parts, [" open", *[""] * len(parts)], strict=False):
        within = exporter.from_notebook_node(new_notebook(cells=[NotebookNode(cell, outputs=others)]))[0]
        found.append(f"<details{unfolded}><summary>{markdown2html(_heading(first))}</summary>{within}</details>")
    return "".join(found)


def _heading(output: NotebookNode) -> str:
    """Markdown of an output that is a heading of the third level, else empty."""
    text = output.data.get("text/markdown", "")
    return text if text.startswith("### ") else ""


def _slim(body: str) -> str:
    """The same body, without what no style names and browsers do not need.

    Cells of tables lose classes, ids, the usual alignment and closing tags; small headings lose ids and links.
    """
    named = set(re.findall(r"#(T_\w+)", body))
    body = CELL.sub(lambda cell: ATTRIBUTE.sub(lambda found: found[0] if found[1] in named else "", cell[0]), body)
    body = WRAPPER.sub(lambda found: '<div class="output_subarea">' if "output_subarea" in found[0] else "<div>", body)
    return HEADING.sub(r"<\1>\2", CLOSING.sub("", body))


def _contents(body: str) -> str:
    """Links to the sections of a page; empty for fewer than three."""
    links = [f'<li><a href="#{place}">{heading}</a></li>' for place, heading in SECTION.findall(body)]
    return f'<nav aria-label="Contents"><ol>{"".join(links)}</ol></nav>' if len(links) > 2 else ""


def _sections(cells: Iterable[NotebookNode]) -> list[list[NotebookNode]]:
    """Visible cells, grouped into sections by headings of the second level."""
    found: list[list[NotebookNode]] = [[]]
    for cell in cells:
        if HIDDEN in cell.metadata.get("tags", []):
            continue
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            found.append([])
        found[-1].append(cell)
    return found


def _has_something(section: Iterable[NotebookNode]) -> bool:
    """Whether a section displays something: text alone does, printed checks of a run do not."""
    code = [cell for cell in section if cell.cell_type == "code"]
    displayed = (output.output_type in DISPLAYED for cell in code for output in cell.outputs)
    return not code or any(displayed)
