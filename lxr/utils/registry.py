"""Dictionaries of named things that say what they know when asked for something else."""


class Registry(dict):
    """A dictionary whose missing key raises a ValueError that lists the known names.

    Example:
        >>> Registry("fruit", {"apple": 1, "pear": 2})["plum"]
        Traceback (most recent call last):
        ...
        ValueError: unknown fruit 'plum': expected one of apple, pear
    """

    def __init__(self, kind: str, entries: dict):
        super().__init__(entries)
        self.kind = kind

    def __missing__(self, name):
        raise ValueError(f"unknown {self.kind} {name!r}: expected one of {', '.join(self)}")
