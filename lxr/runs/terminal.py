"""Colours on a terminal, and nowhere else; and printing to any of them."""

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
    """A word for the state of a stage, in its colour if the stream is a terminal that shows colours.

    Args:
        word: one of :data:`COLOURS`, upper case and padding allowed.
        stream: where it is going to be printed; standard output unless given.

    Returns:
        The word as it was in pipes and files, on a dumb terminal, and where the environment's ``NO_COLOR`` is not empty
        (https://no-color.org).

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
    """Let standard output and error replace characters that their encoding lacks (arrows in ASCII), in place of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
