"""The committed tables, as the claims on them ask for them: numbers as they are printed, and what contradicts a claim."""

import functools
import itertools
import json
from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from lxr.metrics import HIGHER, direction
from lxr.utils.environment import PROJECT_ROOT

LEVEL = 0.05
HEADLINE = ("POS@5", "POS@20", "NDCG", "DEL", "INS", "CDCG@Ke=5")
RANKS = ("POS@5", "POS@10", "POS@20", "NDCG", "CDCG@Ke=5")
SIMILARITIES = ("jaccard", "cosine", "tf-idf")
ALL = ("mf", "vae", "ncf")
EXPLAINED = {"ml-100k": ALL, "ml-1m": ("mf", "vae"), "pinterest": ("mf",)}  # recommenders of each run


@functools.cache
def table(path: str) -> pd.DataFrame:
    """A table by its path below ``results``, ``"ml-1m/bars_rank_mf"``, with the columns that its file has."""
    run, _, name = path.partition("/")
    return pd.read_csv(PROJECT_ROOT / "results" / run / f"tables/{name}.csv")


@functools.cache
def record(run: str) -> dict:
    """``run.json`` of a run."""
    return json.loads((PROJECT_ROOT / "results" / run / "run.json").read_text(encoding="utf-8"))


def cell(path: str, row: str, column: str) -> float:
    """The entry of a table, by the name in its first column."""
    frame = table(path)
    return frame.set_index(frame.columns[0]).loc[row, column]


def points(*values: float, digits: int = 3) -> list[str]:
    """Numbers below 1 as prose writes them: ``.437``."""
    return [f"{value:.{digits}f}".replace("0.", ".", 1) for value in values]


def unless(holds: bool, says: str) -> Iterator[str]:
    """Return the problem, unless the condition holds."""
    if not holds:
        yield says


def verdict(run: str, recommender: str, explainer: str, other: str, metric: str) -> str:
    """Verdict of the paired test on an explainer: ``"ahead"``, ``"behind"`` of the other, or ``"open"``."""
    tests = table(f"{run}/tests_{recommender}").query("metric == @metric")
    rows = {(row.explainer, row.other): row for row in tests.itertuples()}
    sign, row = (1, rows[explainer, other]) if (explainer, other) in rows else (-1, rows[other, explainer])
    if row.p_holm >= LEVEL:
        return "open"
    return "ahead" if (sign * row.difference > 0) == (direction(metric) == HIGHER) else "behind"


def unlike(
    expected: str,
    explainer: str,
    others: Sequence[str] | str,
    *,
    on: Sequence[str] | str = HEADLINE,
    run: str = "ml-1m",
    by: Sequence[str] | str = (),
) -> Iterator[str]:
    """Tests that do not say what is expected of an explainer: ``"ahead"``, ``"behind"`` or ``"open"``.

    Args:
        expected: of every other, metric and recommender.
        explainer: of which it is expected.
        others: one name or several.
        on: metrics.
        run: folder of the results.
        by: recommenders; all of the run by default.
    """
    lists = [[names] if isinstance(names, str) else names for names in (by or EXPLAINED[run], others, on)]
    for recommender, other, metric in itertools.product(*lists):
        found = verdict(run, recommender, explainer, other, metric)
        yield from unless(found == expected, f"{run}, {recommender}, {metric}: {explainer} is {found} of {other}")


def apart(explainer: str, others: Sequence[str] | str, *, on: Sequence[str], **where) -> Iterator[str]:
    """Tests that find an explainer ahead of or behind others, though no difference is expected on these metrics."""
    return unlike("open", explainer, others, on=on, **where)


def column_unlike(path: str, column: str, holds: Callable[[object], bool], **where: object) -> Iterator[str]:
    """Rows of a table whose entry in a column is not as expected; ``where`` are columns and the values to look at."""
    frame = table(path)
    for name, values in where.items():
        frame = frame[frame[name].isin([values] if isinstance(values, str) else values)]
    yield from unless(len(frame) > 0, f"{path}: no row with {where}")
    for row in frame.to_dict("records"):
        yield from unless(holds(row[column]), f"{path}: {column} is {row[column]} in {row}")


def is_(*expected: object) -> Callable[[object], bool]:
    """Whether an entry is one of these."""
    return lambda value: value in expected


def minutes(run: str, *stages: str) -> int:
    """Minutes that the stages of a run took together, by the beginnings and ends of their names (``"07_*-mf"``)."""
    import fnmatch

    seconds = (
        value["seconds"] for name, value in record(run)["stages"].items() if any(fnmatch.fnmatch(name, s) for s in stages)
    )
    return round(sum(seconds) / 60)
