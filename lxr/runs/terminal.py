"""Colours for terminals only, and printing to terminals of any encoding."""

import io
import os
import sys
from typing import TextIO

GREEN, YELLOW, RED = 32, 33, 31
COLOURS = {
    "done": GREEN,
    "skip": GREEN,
    "run": YELLOW,
    "stale": YELLOW,
    "not run": YELLOW,
    "missing": RED,
    "fail": RED,
    "failed": RED,
}


def coloured(word: str, stream: TextIO | None = None) -> str:
    """The state of a stage, coloured if the stream is a terminal with colours.

    Args:
        word: one of :data:`COLOURS`, upper case and padding allowed.
        stream: stream of the output; standard output by default.

    Returns:
        The word without colour in pipes and files, on a dumb terminal, and if the environment variable ``NO_COLOR`` is not
        empty (https://no-color.org).

    Example:
        >>> import io
        >>> coloured("done", io.StringIO())
        'done'
    """
    stream = stream or sys.stdout
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return word
    return f"\033[{COLOURS[word.strip().lower()]}m{word}\033[0m"


def print_anything() -> None:
    """Make standard output and error replace characters that their encoding lacks (arrows in ASCII) instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
