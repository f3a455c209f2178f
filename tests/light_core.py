"""Scripts in a process that has the core dependencies alone, as after ``pip install lxr`` in an empty environment."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from lxr.utils.environment import PROJECT_ROOT

EXTRAS = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
DISTRIBUTIONS = packages_distributions()  # module → what holds it

PRELUDE = """
import sys

ABSENT = {absent}

class WithoutExtras:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in ABSENT else self.finder.find_spec(name, path, target)

sys.meta_path = [WithoutExtras(finder) for finder in sys.meta_path]
"""


def distribution(module: str) -> str:
    """Name in the package index of what holds a module."""
    return DISTRIBUTIONS[module.partition(".")[0]][0].lower().replace("_", "-")


def absent_modules() -> set[str]:
    """Modules of all extras."""
    names = {distribution for extra, names in EXTRAS.items() if extra != "all" for distribution in names}
    return {module for module in DISTRIBUTIONS if module[0].isalpha() and distribution(module) in names}


def run_in_core(source: str, directory: Path, *arguments: str) -> str:
    """Run a script without the modules of all extras; returns what it prints."""
    script = directory / "core.py"
    script.write_text(PRELUDE.format(absent=absent_modules()) + source, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-W", "ignore", script, *arguments],
        env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout
