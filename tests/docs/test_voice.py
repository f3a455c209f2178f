"""Plain English: docstrings, comments, errors, help texts, pages and notebooks are free of some stiff patterns."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lxr.utils.environment import PROJECT_ROOT

PATTERNS = {  # a regular expression that begins and ends with whole words → better wording
    r"(?:told|tells?) (?:\w+ )?apart": "a test finds (no) difference",
    r"(?:is|are|was|were|be|been) told": "gets, knows, receives",
    r"stands? (?:in|on|at|beside|against|above|below|beneath|there)": "is in, is next to",
    r"lest": "so … not",
    r"of one's own": "custom, your own",
    r"(?:an? \w+|\w+s) of your own": "your own …",
    r"beside": "next to, in addition to, with",
    r"(?:of|to|by|from|on|with) whom": "who, or a new sentence",
    r"(?:is|are) to be": "must be, will be",
    r"(?:no|some)body(?:'s)?": "no user, another person; or name them",
    r"what it is worth": "effect, gain",
    r"hands? on": "outputs",
    r"anew": "again, new",
    r"in the place of": "instead of",
    r"in place of": "instead of",
    r"to be had": "available",
    r"if need be": "if necessary",
    r"at hand": "your, this",
    r"whatever (?:its|their|the) \w+ (?:is|are|may be)": "for any …",
    r"of (?:equals|the like|whom|whatever)": "ties; name the things",
    r"(?:left|stays?) as (?:it is|they are)": "is not changed",
    r"what is (?:not )?(?:said|told|there|left|given|asked|known|learned|trained|removed|recommended)": "name the thing",
    r"what (?:learns|trains|asks|explains|is of)": "name the thing: the network, the explainer",
    r"(?:go|goes|going) on with": "resume, continue",
    r"sees? to it": "ensures",
    r"as (?:one|a) (?:line|sentence) says": "(one line states why)",
    r"(?<!there\s)(?:is|are) no (?!longer|more|better|worse|larger|smaller|higher|lower|fewer|less|such)\w+": "is not a …",
    r"so that (?:it|they|there|no|not|none|nothing|all|both|each)": "so …; or a new sentence",
}
WORDS = "|".join(f"(?P<p{number}>{pattern})" for number, pattern in enumerate(PATTERNS))
STIFF = re.compile(rf"(?<![\w-])(?:{WORDS})(?![\w-])".replace(" ", r"[\s#]+"), flags=re.IGNORECASE)
BETTER = list(PATTERNS.values())
OF = re.compile(r"^ +\w+: (?:\([^)\n]*\) )?of (?:the|a|an|its|this|these|all|every|each|which)\b", flags=re.MULTILINE)
HIDDEN = re.compile(r"```.*?```|`[^`\n]*`|“[^”\n]*”", flags=re.DOTALL)  # code and quotations of pages
SOURCES = [PROJECT_ROOT / "run_all.py", *(PROJECT_ROOT / ".ci").glob("*.py")]
SOURCES += [path for folder in ("lxr", "benchmarks", "docs") for path in (PROJECT_ROOT / folder).rglob("*.py")]
PAGES = [*PROJECT_ROOT.glob("*.md"), PROJECT_ROOT / "results/README.md", PROJECT_ROOT / "Data/README.md"]
PAGES += [path for path in (PROJECT_ROOT / "docs").rglob("*.md") if "_build" not in path.parts]
NOTEBOOKS = [path for path in (PROJECT_ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]


def text_of(path: Path) -> str:
    """Everything that a file says in English. A source is read as a whole: code looks hardly ever like these patterns."""
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return content
    if path.suffix == ".ipynb":
        content = "\n".join(
            "".join(cell["source"]) for cell in json.loads(content)["cells"] if cell["cell_type"] == "markdown"
        )
    if path.name == "CHANGELOG.md":
        content = content.partition("\n## 0.1.0\n")[0]
    return HIDDEN.sub(lambda match: "·" + "\n" * match[0].count("\n"), content)


def stiff(text: str) -> Iterator[str]:
    """Stiff patterns of a text, each with its line (within the prose, for a notebook) and the better wording."""
    found = [(match, BETTER[int(match.lastgroup[1:])]) for match in STIFF.finditer(text)]
    found += [(match, "'seed: seed of …' instead of 'seed: of …'") for match in OF.finditer(text)]
    for match, better in found:
        yield f"line {text.count(chr(10), 0, match.start()) + 1}: {' '.join(match[0].split())!r}; better: {better}"


@pytest.mark.parametrize(("paths"), [SOURCES, PAGES, NOTEBOOKS], ids=["sources", "pages", "notebooks"])
def test_texts_are_free_of_stiff_patterns(paths):
    assert len(paths) > 15
    names = {path.relative_to(PROJECT_ROOT).as_posix(): path for path in sorted(paths)}
    found = [f"{name}, {problem}" for name, path in names.items() for problem in stiff(text_of(path))]
    assert not found, "\n".join(found)


def test_a_stiff_pattern_is_seen():
    text = "Args:\n    seed: of the split.\n\nWhat is\n# told of nobody, so that no one stands at it: `beside`.\n"
    found = [problem.partition("; ")[0] for problem in stiff(HIDDEN.sub("", text))]
    assert found == [
        "line 4: 'What is # told'",
        "line 5: 'nobody'",
        "line 5: 'so that no'",
        "line 5: 'stands at'",
        "line 2: 'seed: of the'",
    ]
