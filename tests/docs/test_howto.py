"""The pages of the documentation are true: the Python of each runs in its order."""

import re
from pathlib import Path

import pytest

from lxr.utils.environment import PROJECT_ROOT

PAGES = [page for page in sorted((PROJECT_ROOT / "docs").rglob("*.md")) if "```python" in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_python_of_a_page_runs(page: Path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: dict = {}
    for example in examples:
        exec(compile(example, page.name, "exec"), names)
