"""Pages of prose, as the test of their claims reads them: where a quotation stands, and what nothing covers."""

import re
from collections.abc import Iterator, Sequence

HIDDEN = re.compile(  # no prose: code, formulas, directives, tables, comments, targets of links; or names
    r"```.*?```|`[^`]*`|\$[^$]+\$|^:.*?$|<!--.*?-->|^\|.*?$|(?<=\]\()[^)\s]+(?=\))"
    r"|MovieLens\s+\d+[KM](?:\s+and\s+\d+[KM])?|UTF-8|SHA-256|Python\s+3\.\d+|(?:WWW|SIGIR)\s+\d{4}|\d+(?=h\b)",
    flags=re.DOTALL | re.MULTILINE,
)
NUMBER = r"(?<![\w@=.,/])\.?\d[\d.,]*"
COMPARISON = (
    r"\b(?:better|best|worse|worst|ahead|behind|beats?|faster|slower|cheaper|higher|lower|highest|lowest|twice|half|times"
    r"|(?:more|less|fewer) than|significant(?:ly)?|as good as|(?:even|level) with|outperforms?|same (?:order|level))\b"
)
CLAIMING = re.compile(f"{NUMBER}|{COMPARISON}", flags=re.IGNORECASE)


def places(text: str, quote: str) -> list[tuple[int, int]]:
    """Start and end of each place of a quotation in a text, however its lines are broken."""
    words = r"\s+".join(re.escape(word) for word in quote.split())
    return [match.span() for match in re.finditer(words, text)]


def prose(text: str) -> str:
    """The text with blanks in the place of everything that is hidden; every position stays what it is."""
    return HIDDEN.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def uncovered(text: str, quotes: Sequence[str]) -> Iterator[str]:
    """Numbers and comparisons in the prose of a page that are in no quotation, each as its line and what is around it."""
    covered = [place for quote in quotes for place in places(text, quote)]
    for match in CLAIMING.finditer(prose(text)):
        if not any(start <= match.start() and match.end() <= end for start, end in covered):
            around = " ".join(text[max(0, match.start() - 40) : match.end() + 40].split())
            yield f"line {text.count(chr(10), 0, match.start()) + 1}: {match[0]!r} in … {around} …"
