"""Put the committed tables into the README where it asks for them: `python docs/fill_readme.py`."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARKED = re.compile(r"<!-- table: (\S+) -->\n.*?<!-- end -->", flags=re.DOTALL)


def fill(match: re.Match) -> str:
    """A marked place with the present content of its file."""
    table = (ROOT / "results" / match[1]).read_text(encoding="utf-8").strip()
    return f"<!-- table: {match[1]} -->\n\n{table}\n\n<!-- end -->"


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(MARKED.sub(fill, readme.read_text(encoding="utf-8")), encoding="utf-8")
