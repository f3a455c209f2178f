"""Plugins: Python files that register explainers, loaded by the run's command and by every notebook's kernel."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from lxr.explainers.registry import EXPLAINERS

PLUGINS = "LXR_PLUGINS"  # environment variable: the files that `import lxr` loads, separated as in PATH
_loaded: dict[Path, tuple[str, ...]] = {}  # file → names of its explainers


def load_plugin(path: str | Path) -> tuple[str, ...]:
    """Run a Python file that calls :func:`lxr.explainers.register`, once per process.

    Args:
        path: the file.

    Returns:
        The registered names.

    Raises:
        ValueError: the file cannot be read, fails, or registers nothing.

    Example:
        >>> load_plugin("nothing.py")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: ...nothing.py: FileNotFoundError: ...
    """
    path = Path(path).resolve()
    if path not in _loaded:
        before = dict(EXPLAINERS)
        _execute(path)
        names = tuple(name for name, spec in EXPLAINERS.items() if before.get(name) is not spec)
        if not names:
            raise ValueError(f"{path}: expected a call of lxr.explainers.register, found none")
        _loaded[path] = names
    return _loaded[path]


def _execute(path: Path) -> None:
    """Run a file as a module, which makes its classes traceable.

    Raises:
        ValueError: the file cannot be read, or fails.
    """
    module = ModuleType(f"lxr_plugin_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), vars(module))
    except Exception as error:  # a file may raise anything
        raise ValueError(f"{path}: {type(error).__name__}: {error}") from error


def load_plugins_of_run() -> None:
    """Load the files in the environment variable ``LXR_PLUGINS``, which a run's command sets for kernels."""
    for path in filter(None, os.environ.get(PLUGINS, "").split(os.pathsep)):
        load_plugin(path)


def loaded_plugins() -> list[Path]:
    """Loaded files, in order."""
    return list(_loaded)


def plugins_of(names: Iterable[str]) -> dict[str, Path]:
    """Registered name of a plugin → file of the plugin, for some names."""
    wanted = set(names)
    return {name: path for path, registered in _loaded.items() for name in registered if name in wanted}
