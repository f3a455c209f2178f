"""The how-to pages are true: the Python of each page runs in its order."""

import re
import sys
from pathlib import Path

import pytest

from lxr.utils.environment import PROJECT_ROOT

PAGES = sorted((PROJECT_ROOT / "docs/howto").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_python_of_a_page_runs(page: Path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    examples = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert examples
    names: dict = {}
    for example in examples:
        exec(compile(example, page.name, "exec"), names)
