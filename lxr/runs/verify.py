"""Comparison of a run's tables with the committed tables: every value, within a tolerance.

Sums of floating-point numbers depend on a processor's order and instructions. On another machine, most means differ in
their last digit, and means of explainers that are trained by many small steps may differ more. Numbers with decimals may
therefore differ by :data:`TOLERANCE`; everything else (names, counts, the order of rows) must be the same. Measured times
are not compared.
"""

import itertools
import re
import subprocess
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pandas as pd

from lxr.utils.storage import DataError

# Allowed difference, as a share of a column's largest value: about twice the difference on MovieLens 100K without AVX.
TOLERANCE = 0.1
# Small differences change p values arbitrarily; the differences themselves are in the next column.
P_VALUES = ("p", "p_holm")
MEASURED = re.compile(r"\[s\b|^(seconds|minutes)$")
NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
VALUE = re.compile(rf"({NUMBER})(?: \[({NUMBER}), ({NUMBER})\])?")  # a mean, perhaps with its interval


@dataclass(frozen=True)
class Verification:
    """Result of comparing two runs.

    Attributes:
        cells: cells that differ: ``table``, ``row``, ``column``, ``committed``, ``found``, ``share`` (see
            :func:`compare_tables`), and whether they are ``close`` enough.
        n_values: number of compared values.
        n_tables: number of compared tables.
        not_made: tables of the committed run only.
        not_committed: tables of the other run only.
    """

    cells: pd.DataFrame
    n_values: int
    n_tables: int
    not_made: list[str]
    not_committed: list[str]

    @property
    def differences(self) -> pd.DataFrame:
        """``table``, ``row``, ``column``, ``committed``, ``found`` of values that differ by more than the tolerance."""
        return self.cells.loc[~self.cells["close"], ["table", "row", "column", "committed", "found"]]

    def describe(self) -> str:
        """Describe the differences, the tables that could not be compared, and the number compared."""
        lines = [self.differences.to_string(index=False)] if len(self.differences) else []
        for what, names in (("committed, but not made", self.not_made), ("made, but not committed", self.not_committed)):
            lines += [f"not compared ({what}): {', '.join(names)}"] if names else []
        close = self.cells[self.cells["close"]]
        largest = close.loc[~close["column"].isin(P_VALUES), "share"].max()
        within = f"{len(close)} differ within the tolerance"
        within += f" (by at most {largest:.4f} of the largest value of their column)" if largest > 0 else ""
        lines.append(f"{self.n_values} values of {self.n_tables} tables: {within}, {len(self.differences)} beyond it")
        return "\n".join(lines)


def verify(committed: Path, found: Path, tolerance: float = TOLERANCE) -> Verification:
    """Compare the tables of two runs.

    Args:
        committed, found: directories of the runs, ``<results>/<dataset>``, with ``tables/*.csv`` in them.
        tolerance: largest allowed share (see :func:`compare_tables`) of a difference; p values may differ by any amount,
            unless it is 0.

    Raises:
        DataError: the runs have no table in common.
    """
    expected, made = tables_of(committed), tables_of(found)
    both = [name for name in expected if name in made]
    if not both:
        raise DataError(f"{found / 'tables'}: expected tables that are also in {committed / 'tables'}, found none")
    compared, n_values = [], 0
    for name in both:
        table = read_table(expected[name])
        n_values += table.size
        compared.append(compare_tables(table, read_table(made[name])).assign(table=name))
    cells = pd.concat(compared, ignore_index=True)
    cells["close"] = (cells["share"] <= tolerance) | (cells["column"].isin(P_VALUES) & (tolerance > 0))
    not_made, not_committed = sorted(expected.keys() - made.keys()), sorted(made.keys() - expected.keys())
    return Verification(cells, n_values, len(both), not_made, not_committed)


def committed_run(root: Path, empty: Path, revision: str | None = None) -> tuple[Path, str]:
    """Find the tables and hyperparameters to compare a run with.

    Args:
        root: directory of the results, ``<results>/<dataset>``.
        empty: an empty directory for the committed files.
        revision: commit, branch or tag; HEAD by default.

    Returns:
        ``empty`` with the committed files or, if git has none, ``root``; and a description of it.

    Raises:
        DataError: git has no tables of the given revision.
    """
    shown = _committed_files(root, revision or "HEAD")
    names = [name for name in shown if re.fullmatch(r"tables/.*\.csv|tuned_.*\.json", name)]
    if not any(name.endswith(".csv") for name in names):
        if revision:
            raise DataError(f"argument --against: expected a commit with {root / 'tables'}, found {revision!r}")
        return root, f"{root} itself: git has no tables of it"
    for name in names:
        path = empty / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(git(root, "cat-file", "blob", shown[name]).stdout)
    described = git(root, "log", "-1", "--format=%h of %cs", revision or "HEAD").stdout.decode().strip()
    return empty, f"{root}, as in commit {described}"


def _committed_files(root: Path, revision: str) -> dict[str, str]:
    """Paths below a directory → git's names of their contents in a commit; empty outside of a repository."""
    top = git(root, "rev-parse", "--show-toplevel")
    if top.returncode:
        return {}
    below = root.resolve().relative_to(Path(top.stdout.decode().rstrip("\n")).resolve()).as_posix()
    listed = git(root, "ls-tree", "-r", "-z", "--full-tree", revision, "--", f":(literal){below}")
    if listed.returncode:
        return {}
    entries = [entry.split("\t", 1) for entry in listed.stdout.decode().split("\0") if entry]
    return {name.removeprefix(f"{below}/"): about.split()[2] for about, name in entries}


def git(root: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Call git in a directory or, if it does not exist, in the nearest existing parent."""
    existing = next(folder for folder in (root, *root.parents) if folder.is_dir())
    command = ["git", *arguments]
    try:
        return subprocess.run(command, cwd=existing, capture_output=True, check=False)
    except FileNotFoundError:  # git is not installed
        return subprocess.CompletedProcess(command, 1, b"", b"")


def tables_of(root: Path) -> dict[str, Path]:
    """Name → file of the tables of a run.

    Raises:
        DataError: there are no tables.
    """
    tables = {path.stem: path for path in sorted((root / "tables").glob("*.csv"))}
    if not tables:
        raise DataError(f"{root / 'tables'}: expected tables of a run (*.csv), found none")
    return tables


def read_table(path: Path) -> pd.DataFrame:
    """A table with every cell as a string, without columns of measured times."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return table[[column for column in table if not MEASURED.search(column)]]


def compare_tables(committed: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Differing cells of two tables of strings.

    Returns:
        One row each: ``row`` (its number, from 1, and its first names), ``column``, ``committed``, ``found``, and the
        ``share``: the difference of numbers with decimals relative to the largest absolute value of the committed column,
        infinite for other cells. Tables of different shapes differ as a whole.

    Example:
        >>> first = pd.DataFrame({"explainer": ["lxr", "lime"], "users": ["9", "9"], "NDCG": ["0.50", "0.40"]})
        >>> second = pd.DataFrame({"explainer": ["lxr", "lime"], "users": ["9", "8"], "NDCG": ["0.48", "0.40"]})
        >>> compare_tables(first, second).values.tolist()
        [['2: lime', 'users', '9', '8', inf], ['1: lxr', 'NDCG', '0.50', '0.48', 0.04]]
    """
    shapes = [f"{len(table)} rows of {', '.join(table)}" for table in (committed, found)]
    cells = [("all", "all", *shapes, float("inf"))] if shapes[0] != shapes[1] else []
    for column in [] if cells else committed:
        largest = max((abs(number) for cell in committed[column] for number in _numbers_of(cell)), default=0)
        for row, (a, b) in enumerate(zip(committed[column], found[column], strict=True)):
            if a != b:
                cells.append((label(committed, row), column, a, b, difference(a, b) / float(largest or 1)))
    return pd.DataFrame(cells, columns=["row", "column", "committed", "found", "share"]).astype({"share": float})


def difference(committed: str, found: str) -> float:
    """Difference of the numbers of two cells; infinite if they are integers or not of the same kind."""
    first, second = _numbers_of(committed), _numbers_of(found)
    exponents = [number.as_tuple().exponent for number in first + second]
    whole = any(not isinstance(exponent, int) or exponent >= 0 for exponent in exponents)
    if whole or not first or len(first) != len(second):
        return float("inf")
    return float(max(abs(a - b) for a, b in zip(first, second, strict=True)))


def _numbers_of(cell: str) -> list[Decimal]:
    """The number in a cell, or the mean and the bounds of its interval; empty for other cells."""
    found = VALUE.fullmatch(cell)
    return [Decimal(number) for number in found.groups() if number] if found else []


def label(table: pd.DataFrame, row: int) -> str:
    """Number of a row, from 1, and its first names."""
    names = itertools.takewhile(lambda cell: not VALUE.fullmatch(cell), table.iloc[row])
    return f"{row + 1}: {', '.join(names)}".rstrip(": ")
