"""Tables of a run as Markdown and LaTeX, made from the committed CSV files: ``python -m lxr.runs.export``.

A run writes every table in all formats. Git has only the CSV, and ``tables/marks/<name>.csv`` for tables with marks.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lxr.reporting.formats import FORMATS, from_csv
from lxr.runs.terminal import print_anything
from lxr.runs.verify import tables_of
from lxr.utils.environment import PROJECT_ROOT
from lxr.utils.storage import DataError, atomic_path

TEXTS = [name for name in FORMATS if name != "csv"]
MOST_DECIMALS = 4  # default digits of a run's tables


def export_table(path: Path, extension: str, decimals: int | None = None) -> str:
    """A table in another format.

    Args:
        path: path of its CSV, ``<results>/<dataset>/tables/<name>.csv``.
        extension: a key of :data:`lxr.reporting.formats.FORMATS`.
        decimals: digits after the point; by default as many as the CSV has, and at most four.

    Returns:
        The text, with the marks of the best entries if there are any.
    """
    table, found = from_csv(path.read_text(encoding="utf-8"))
    return FORMATS[extension](table, min(found, MOST_DECIMALS) if decimals is None else decimals, _marks_of(path))


def _marks_of(path: Path) -> pd.DataFrame | None:
    """Marks of a table, by the path of its CSV, or None."""
    marks = path.parent / "marks" / path.name
    return pd.read_csv(marks, index_col=0, dtype=str, keep_default_na=False) if marks.is_file() else None


def export(
    root: Path,
    extensions: Sequence[str],
    names: Sequence[str] = (),
    *,
    decimals: int | None = None,
    out: Path | None = None,
) -> list[Path]:
    """Write tables of a run in other formats.

    Args:
        root: directory of the run, ``<results>/<dataset>``.
        extensions: file extensions of the formats.
        names: names of the tables; all by default.
        decimals: see :func:`export_table`.
        out: directory of the new files; the directory of the tables by default.

    Returns:
        Paths of the new files.

    Raises:
        DataError: the run has no tables, or no table of that name.
    """
    tables = tables_of(root)
    if unknown := sorted(set(names) - set(tables)):
        raise DataError(f"{root / 'tables'}: expected {', '.join(unknown)} among its tables, found {len(tables)} others")
    written = []
    for name in names or tables:
        for extension in extensions:
            path = (out or root / "tables") / f"{name}.{extension}"
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary:
                temporary.write_text(export_table(tables[name], extension, decimals), encoding="utf-8")
            written.append(path)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line of the export.

    Returns:
        The exit status: 0; or 1 if there are no such tables (one line states it).
    """
    print_anything()
    options = parser().parse_args(arguments)
    try:
        for name in options.dataset or datasets_of(options.results, options.tables):
            root, out = options.results / name, options.out and options.out / name
            written = export(root, options.formats, options.tables, decimals=options.decimals, out=out)
            print(f"{len(written)} files in {written[0].parent}")
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m lxr.runs.export", description="Write tables as Markdown and LaTeX.")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="names of tables, such as headline_mf (all)")
    parser.add_argument("--results", type=Path, default=PROJECT_ROOT / "results", metavar="DIR", help="(results/)")
    parser.add_argument("--dataset", nargs="+", metavar="NAME", help="directories of the results (all that have the tables)")
    parser.add_argument("--formats", nargs="+", choices=TEXTS, default=TEXTS, metavar="EXT", help=f"({' '.join(TEXTS)})")
    parser.add_argument("--decimals", type=int, metavar="N", help="digits after the point (those of the CSV, at most 4)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write to DIR/<dataset>/ instead of next to the tables")
    return parser


def datasets_of(results: Path, names: Sequence[str] = ()) -> list[str]:
    """Names of the runs below a directory that have all tables of ``names``.

    Raises:
        DataError: there is no such run.
    """
    folders = {path.parent for path in results.glob("*/tables/*.csv")}
    found = [folder.parent.name for folder in folders if all((folder / f"{name}.csv").is_file() for name in names)]
    if not found:
        raise DataError(f"{results}: expected a run with tables {' '.join(names)}".rstrip() + ", found none")
    return sorted(found)


if __name__ == "__main__":
    sys.exit(main())
