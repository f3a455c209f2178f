"""A report that opens anywhere: an executed notebook as one HTML file."""

from pathlib import Path

import nbformat

from lxr.storage import atomic_path

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
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


HIDDEN = "not-in-report"  # tag of the cells that matter to those who run a notebook, not to those who read its report


def export_html(notebook: Path, path: Path, title: str) -> None:
    """Write an executed notebook, without its code, as a page that needs nothing beside itself.

    Args:
        notebook: the executed copy; cells with the tag :data:`HIDDEN` are left out.
        path: of the page.
        title: of the page.
    """
    from nbconvert import HTMLExporter  # a second to import, and only a finished run needs it
    from traitlets.config import Config

    config = Config(TagRemovePreprocessor={"enabled": True, "remove_cell_tags": [HIDDEN]})
    exporter = HTMLExporter(
        config=config,
        template_name="basic",
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        embed_images=True,
    )
    body, _ = exporter.from_notebook_node(nbformat.read(notebook, as_version=4))
    with atomic_path(path) as temporary:
        temporary.write_text(PAGE.format(title=title, body=body), encoding="utf-8")
