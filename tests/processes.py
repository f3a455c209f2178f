"""Processes that tests have started, directly or through others."""

import contextlib

import psutil


def kernels() -> list[psutil.Process]:
    """Kernels of notebooks below this process."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [child] if "ipykernel_launcher" in child.cmdline() else []
    return found
