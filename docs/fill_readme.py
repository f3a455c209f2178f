"""Put the committed tables, as Markdown, into the README where it asks for them: `python docs/fill_readme.py`."""

import re

from lxr.runs.export import export_table
from lxr.utils.environment import PROJECT_ROOT

MARKED = re.compile(r"<!-- table: (\S+) -->\n.*?<!-- end -->", flags=re.DOTALL)


def fill(match: re.Match) -> str:
    """A marked place with the present content of its CSV."""
    table = export_table(PROJECT_ROOT / "results" / match[1], "md").strip()
    return f"<!-- table: {match[1]} -->\n\n{table}\n\n<!-- end -->"


if __name__ == "__main__":
    readme = PROJECT_ROOT / "README.md"
    readme.write_text(MARKED.sub(fill, readme.read_text(encoding="utf-8")), encoding="utf-8")
