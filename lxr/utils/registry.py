"""Dictionary whose error for an unknown name lists the known names."""

from collections.abc import Collection
from typing import TypeVar

Entry = TypeVar("Entry")


class Registry(dict[str, Entry]):
    """A dictionary whose missing key raises a ValueError that lists the known names.

    Entries with the attribute ``aliases`` also have these names. Iteration and length use only the primary names.

    Args:
        kind: kind of the entries, for the message.
        entries: name → entry.
        by_name: further entries that only their names find: iteration, length and :meth:`names` leave them out.

    Example:
        >>> Registry("fruit", {"apple": 1, "pear": 2})["plum"]
        Traceback (most recent call last):
        ...
        ValueError: unknown fruit 'plum': expected one of apple, pear
    """

    def __init__(self, kind: str, entries: dict[str, Entry], by_name: dict[str, Entry] | None = None):
        super().__init__(entries)
        self.kind, self.by_name = kind, by_name or {}

    @property
    def aliases(self) -> dict[str, str]:
        """Alias → primary name."""
        return {alias: name for name, entry in self.items() for alias in getattr(entry, "aliases", ())}

    def primary(self, name: str) -> str:
        """Primary name of an entry, from this name or an alias.

        Raises:
            ValueError: an unknown name.
        """
        if super().__contains__(name) or name in self.by_name:
            return name
        if name not in self.aliases:
            raise ValueError(f"unknown {self.kind} {name!r}: expected one of {', '.join([*self, *self.by_name])}")
        return self.aliases[name]

    def names(self, *families: str, without: Collection[str] = ()) -> list[str]:
        """Primary names in order: all of them, or those of some families.

        Args:
            families: values of the entries' attribute ``family``; all families if none is given.
            without: families whose entries are left out.

        Raises:
            ValueError: an unknown family.

        Example:
            >>> import lxr
            >>> lxr.EXPLAINERS.names("path"), len(lxr.EXPLAINERS.names(without=("path",))) == len(lxr.EXPLAINERS) - 2
            (['rank-margin-path', 'soft-rank-path'], True)
        """
        family_of = {name: getattr(entry, "family", None) for name, entry in self.items()}
        for family in (*families, *without):
            if family not in family_of.values():
                known = ", ".join(sorted({str(each) for each in family_of.values()}))
                raise ValueError(f"unknown {self.kind} family {family!r}: expected one of {known}")
        wanted = set(families or family_of.values()) - set(without)
        return [name for name, family in family_of.items() if family in wanted]

    def __missing__(self, name: str) -> Entry:
        return self.by_name[name] if name in self.by_name else self[self.primary(name)]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self.aliases or name in self.by_name

    def get(self, name, default=None):
        """The entry of a name or an alias, or ``default``."""
        try:
            return self[name]
        except ValueError:
            return default
