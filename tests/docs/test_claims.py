"""Numbers and comparisons in prose follow from the committed tables.

The pages: README.md, results/README.md, concepts and results. How-to guides say nothing of results.
"""

import re

import committed
import pandas as pd
import pytest
from claims import CLAIMS, DEFINITIONS, MEASURED, Claim
from prose import places, uncovered

from lxr.utils.environment import PROJECT_ROOT

PATHS = [PROJECT_ROOT / "README.md", PROJECT_ROOT / "results/README.md", PROJECT_ROOT / "docs/index.md"]
PATHS += [page for folder in ("concepts", "results") for page in sorted((PROJECT_ROOT / "docs" / folder).glob("*.md"))]
PAGES = {path.relative_to(PROJECT_ROOT).as_posix(): path.read_text(encoding="utf-8") for path in PATHS}
QUOTES = [*MEASURED, *DEFINITIONS]


def problems(claim: Claim) -> list[str]:
    """Problems of a claim: its tables contradict it, or no page states it."""
    text = claim.text()
    found = [f"the tables contradict it: {contradiction}" for contradiction in claim.contradictions()]
    if not any(places(page, text) for page in PAGES.values()):
        found.append(f"no page says: {text}")
    return found


def unbound(pages: dict[str, str]) -> list[str]:
    """Numbers and comparisons that neither a claim nor a listed sentence covers."""
    quotes = [*(claim.text() for claim in CLAIMS), *QUOTES]
    return [f"{name}, {where}" for name, page in pages.items() for where in uncovered(page, quotes)]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.quote[:60])
def test_a_claim_is_on_a_page_and_follows_from_the_tables(claim):
    found = problems(claim)
    assert not found, "\n".join([claim.quote, *found])


@pytest.mark.parametrize("quote", QUOTES, ids=lambda quote: quote[:60])
def test_a_sentence_that_is_listed_is_on_a_page(quote):
    assert any(places(page, quote) for page in PAGES.values())


@pytest.mark.parametrize(("quote", "command"), MEASURED.items(), ids=[quote[:60] for quote in MEASURED])
def test_a_measured_figure_has_its_command_on_the_page(quote, command):
    pages = [page for page in PAGES.values() if places(page, quote)]
    assert all(places(page.replace("\n", " "), command) for page in pages)


def test_every_number_and_comparison_is_bound_to_a_claim():
    found = unbound(PAGES)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", PAGES)
def test_marks_of_code_come_in_pairs(name):
    assert re.sub("```", "", PAGES[name]).count("`") % 2 == 0  # else prose would be taken for code


# --- what the test sees


def test_a_wrong_number_is_seen():
    claim = next(claim for claim in CLAIMS if "Reading answers" in claim.quote)
    right = "Reading answers instead of gradients gives " + " and ".join(claim.numbers()) + "."
    page = next(page for page in PAGES.values() if places(page, right))
    wrong = re.sub(r"(Reading\s+answers\s+instead\s+of\s+gradients\s+gives\s+)\.\d+", r"\1.123", page)
    assert not places(wrong, claim.text())
    assert any("'.123'" in where for where in unbound({"README.md": wrong}))


def test_a_number_or_comparison_that_nobody_listed_is_seen():
    page = "| lxr | 0.123 |\n\nOurs is 3.5 times\nfaster. `x = 1` is code. As good as it gets: POS@20.\n```\n7\n```\n"
    found = [where.partition(":")[2].split(" in …")[0].strip() for where in uncovered(page, [])]
    assert found == ["'3.5'", "'times'", "'faster'", "'As good as'"]
    assert list(uncovered(page, ["Ours is 3.5 times faster.", "As good as it gets:"])) == []


def test_tables_that_contradict_are_seen(monkeypatch):
    tests = pd.DataFrame(
        [("NDCG", "lxr", "lime", -0.1, 0.01), ("INS", "lxr", "lime", -0.1, 0.01), ("DEL", "lime", "lxr", -0.1, 0.2)],
        columns=["metric", "explainer", "other", "difference", "p_holm"],
    )
    monkeypatch.setattr(committed, "table", lambda path: tests)
    asked = {"run": "ml-1m", "by": "mf"}
    assert list(committed.unlike("ahead", "lxr", "lime", on="NDCG", **asked)) == []
    assert list(committed.unlike("behind", "lime", "lxr", on="NDCG", **asked)) == []
    assert list(committed.unlike("ahead", "lxr", "lime", on="INS", **asked)) == ["ml-1m, mf, INS: lxr is behind of lime"]
    assert list(committed.apart("lxr", "lime", on=["DEL"], **asked)) == []
    assert list(committed.column_unlike("any", "difference", lambda value: value < 0, metric=("NDCG", "INS"))) == []
    assert len(list(committed.column_unlike("any", "p_holm", lambda p: p < 0.05))) == 1
    assert list(committed.column_unlike("any", "p_holm", lambda p: True, metric="POS@5")) == [
        "any: no row with {'metric': 'POS@5'}"
    ]


def test_numbers_are_written_as_prose_writes_them():
    assert committed.points(0.4371, -0.25, digits=2) == [".44", "-.25"]
