"""Put committed tables, as Markdown, into the pages that contain their marks: `python docs/fill_tables.py`.

A mark is `<!-- table: ml-1m/tables/headline_vae.csv -->`, or for some rows and columns of a headline table by `<!-- table:
ml-1m/tables/headline_vae.csv | lxr lime | NDCG INS -->`, in this order. The place ends with `<!-- end -->`. The mark
`<!-- models that fit -->` is for `docs/models_that_fit.csv`, which a contract test compares with the adapters.
"""

import re
from pathlib import Path

import pandas as pd

from lxr.reporting import mark_best
from lxr.reporting.formats import FORMATS, from_csv
from lxr.runs.export import export_table
from lxr.utils.environment import PROJECT_ROOT

RESULTS = PROJECT_ROOT / "results"
MARKED = re.compile(r"<!-- table: (\S+)((?: \| [^|]+?)*) -->\n(.*?)<!-- end -->", flags=re.DOTALL)
FITS = re.compile(r"<!-- models that fit -->\n(.*?)<!-- end -->", flags=re.DOTALL)
PAGES = [PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").rglob("*.md"))]


def asked(path: str, parts: str) -> str:
    """A table as Markdown with its marks: the whole table, or the rows and columns in `parts`."""
    if not parts:
        return export_table(RESULTS / path, "md").strip()
    rows, columns = (part.split() for part in parts.removeprefix(" | ").split(" | "))
    table, decimals = from_csv((RESULTS / path).read_text(encoding="utf-8"))
    tests = pd.read_csv(RESULTS / path.replace("headline_", "tests_")).query("explainer in @rows and other in @rows")
    chosen = table.loc[rows, columns]
    return FORMATS["md"](chosen, decimals, mark_best(chosen, tests)).strip()


def fill(match: re.Match) -> str:
    """A marked place with the current content of its CSV."""
    path, parts, _ = match.groups()
    return f"<!-- table: {path}{parts} -->\n\n{asked(path, parts)}\n\n<!-- end -->"


def models_that_fit() -> str:
    """Models of other libraries as Markdown: one row for all that are explained alike."""
    table = pd.read_csv(PROJECT_ROOT / "docs/models_that_fit.csv", keep_default_na=False)
    lines = [["models", *table.columns[2:]], ["---"] * (len(table.columns) - 1)]
    for alike, rows in sorted(table.groupby([*table.columns[2:]], sort=False), key=lambda group: group[0][-1] == "none"):
        names = rows.groupby("library", sort=False)["model"].agg(", ".join)
        lines.append(["; ".join(f"{library}: {models}" for library, models in names.items()), *alike])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fill_page(path: Path) -> None:
    """Fill all places of a page."""
    text = MARKED.sub(fill, path.read_text(encoding="utf-8"))
    path.write_text(FITS.sub(f"<!-- models that fit -->\n\n{models_that_fit()}\n\n<!-- end -->", text), encoding="utf-8")


if __name__ == "__main__":
    for page in PAGES:
        fill_page(page)
