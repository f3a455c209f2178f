"""Report as one self-contained HTML file, from an executed notebook."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lxr.utils.extras import extra
from lxr.utils.markup import html_attribute, html_text
from lxr.utils.storage import atomic_path

with extra("runs"):
    import nbformat
    from nbformat import NotebookNode

if TYPE_CHECKING:
    from IPython.display import Image

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>
body {{ max-width: 62rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; color: #222; }}
h1, h2, h3 {{ line-height: 1.2; margin-top: 2em; }}
h1 {{ margin-top: 0; }}
img {{ max-width: 100%; height: auto; }}
table, th, td {{ border: 0; }}
table {{ border-collapse: collapse; margin: 1em 0; font-size: 0.85em; font-variant-numeric: tabular-nums; }}
.output_subarea, .jp-OutputArea-output {{ overflow-x: auto; }}
th, td {{ padding: 0.25em 0.7em; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }}
thead th {{ border-bottom: 1px solid #888; }}
tbody th {{ font-weight: normal; }}
th:first-child, td:first-child {{ text-align: left; }}
pre {{ white-space: pre-wrap; font-size: 0.85em; }}
.anchor-link {{ display: none; }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""
HIDDEN = "not-in-report"  # tag of cells for people who run a notebook; reports leave them out
CAPTIONS = {  # file name of a figure, without the name of the recommender -> its caption
    "fidelity": "Perturbation curves and fixed-length metrics of all explainers",
    "pareto": "One metric of all explainers against another, and the Pareto front",
    "gain": "Fidelity gain of all explainers, from random order (0) to greedy search (1)",
    "sets": "Sizes of the counterfactual sets of all explainers, as multiples of the smallest",
    "sanity": "Rank correlation of explanations after the recommender is randomized",
    "groups": "Fidelity of all explainers in quarters of the users",
    "cost": "Fidelity of all explainers over their computing time",
}


def figure(path: Path) -> "Image":
    """Figure of a run, with its caption as alternative text.

    Args:
        path: ``figures/<kind>_<recommender>.png``, its kind one of :data:`CAPTIONS`.
    """
    with extra("runs"):
        from IPython.display import Image

    kind, _, recommender = path.stem.partition("_")
    return Image(path, alt=f"{CAPTIONS[kind]}: {recommender}")


def export_html(notebook: Path, path: Path, title: str) -> None:
    """Write an executed notebook, without its code, as a self-contained page.

    Titles and names are escaped where they are displayed. In addition, the page forbids browsers to run scripts and to load
    other files.

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
    body, _ = exporter.from_notebook_node(shown)
    with atomic_path(path) as temporary:
        temporary.write_text(PAGE.format(name=html_attribute(title), title=html_text(title), body=body), encoding="utf-8")


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
    displayed = (output.output_type in ("display_data", "execute_result") for cell in code for output in cell.outputs)
    return not code or any(displayed)
