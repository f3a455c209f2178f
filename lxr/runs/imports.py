"""Sources of this library that a piece of code can use, found from its imports without running it.

Names are followed to their definitions, and from there to further names: ``lxr.fit`` includes everything that ``fit``
needs, but not its neighbours or everything that ``lxr`` imports. A registry counts with the entries that are named by
parameters of the code or by literals in code that can reach it. Code that cannot be followed counts as a whole.
"""

import hashlib
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from lxr.explainers.registry import EXPLAINERS
from lxr.utils.environment import PROJECT_ROOT
from lxr.utils.syntax import ALL, Module

LIBRARY = PROJECT_ROOT / "lxr"


class Definition(NamedTuple):
    """A name that a module defines; ``ALL`` is the module, ``""`` its top-level statements without definitions."""

    module: str
    name: str


class Library:
    """Current sources of the library."""

    def __init__(self):
        self.paths = {self._module_name(path): path for path in sorted(LIBRARY.rglob("*.py"))}
        self.packages = {name for name, path in self.paths.items() if path.name == "__init__.py"}
        self._modules: dict[str, Module] = {}
        self._hashes: dict[Path, str] = {}
        self._known: dict[Definition, tuple[set[Definition], set[str]]] = {}

    def sources(self, code: str, texts: Iterable[str]) -> dict[str, str]:
        """Hashes of the sources that some code can use, by their paths: ``"lxr/explainers/lime.py"``.

        Args:
            code: its source; if it is not plain Python, the whole library counts.
            texts: texts in its parameters, such as names of explainers.
        """
        try:
            modules = {definition.module for definition in self.closure(Module(code, LIBRARY.name), texts)}
        except SyntaxError:
            modules = set(self.paths)
        data = [path for path, naming in self._naming.items() if naming & modules]
        paths = sorted([*(self.paths[name] for name in modules), *data])
        return {path.relative_to(LIBRARY.parent).as_posix(): self._hash(path) for path in paths}

    def closure(self, code: Module, texts: Iterable[str]) -> set[Definition]:
        """Definitions that some code uses, directly or through others."""
        start = Definition("", ALL)
        uses = code.uses(ALL)
        used = {start: {found for name in uses.dotted for found in self.resolve(name)}}
        literals = {start: uses.literals | set(texts)}
        while True:
            while missing := set().union(*used.values()) - used.keys():
                for definition in missing:
                    used[definition], literals[definition] = self._uses(definition)
            entries = {
                Definition(module, f"[{key}]")
                for module in {definition.module for definition in used} - {""}
                if self.module(module).entries
                for key in self._chosen(module, used, literals)
            }
            if entries <= used[start]:
                return used.keys() - {start}
            used[start] |= entries

    def _chosen(
        self, registry: str, used: dict[Definition, set[Definition]], literals: dict[Definition, set[str]]
    ) -> set[str]:
        """Keys of the used entries of a registry: the named ones, or all if none is named."""
        module = self.module(registry)
        reaching = {Definition(registry, name) for name in (*module.registering, ALL)} & used.keys()
        if not reaching:
            return set()
        reaching |= {definition for definition in used if definition.module == registry}
        while more := {definition for definition, others in used.items() if others & reaching} - reaching:
            reaching |= more
        texts = {text for definition in reaching for text in literals[definition] if " " not in text}
        words = {word for text in texts for word in re.findall(r"[\w-]+", text)}
        words |= {EXPLAINERS.aliases[word] for word in words & EXPLAINERS.aliases.keys()}
        return module.entries.keys() & words or set(module.entries)

    def _uses(self, definition: Definition) -> tuple[set[Definition], set[str]]:
        """Names and literals that a definition uses."""
        if definition not in self._known:
            uses = self.module(definition.module).uses(definition.name)
            found = {Definition(definition.module, name) for name in uses.own | {""}}
            found |= {each for name in uses.dotted for each in self.resolve(name)}
            self._known[definition] = found, uses.literals
        return self._known[definition]

    def resolve(self, dotted: str) -> set[Definition]:
        """Definitions that a name may refer to: one, or all of a module or package."""
        package, *rest = dotted.split(".")
        while package in self.packages and rest:
            module, name = self.module(package), rest.pop(0)
            below = f"{package}.{name}"
            is_module = bool(rest) and below in self.paths  # even if the package also binds this name
            if module.bound.get(name, below) != below and not is_module:
                return self.resolve(".".join([module.bound[name], *rest]))
            if name in module.definitions:
                return {Definition(package, name)}
            if below not in self.paths:
                return self._whole(package)
            package = below
        if not rest:
            return self._whole(package)
        module, name = self.module(package), rest[0]
        if name in module.bound and name not in module.definitions:
            return {Definition(package, "")} | self.resolve(".".join([module.bound[name], *rest[1:]]))
        return {Definition(package, name if name in module.definitions else ALL)}

    def module(self, name: str) -> Module:
        """The syntax of a module."""
        if name not in self._modules:
            self._modules[name] = Module(self.paths[name].read_text(encoding="utf-8"), LIBRARY.name)
        return self._modules[name]

    def _whole(self, package: str) -> set[Definition]:
        """All of a module, or of all modules of a package."""
        return {Definition(name, ALL) for name in self.paths if f"{name}.".startswith(f"{package}.")}

    @cached_property
    def _naming(self) -> dict[Path, set[str]]:
        """Data files → modules of the same folder that name them, or all modules of the folder."""
        found = {}
        for path in sorted(LIBRARY.rglob("*.csv")):
            siblings = {name for name, other in self.paths.items() if other.parent == path.parent}
            found[path] = {name for name in siblings if path.name in self.module(name).uses(ALL).literals} or siblings
        return found

    def _module_name(self, path: Path) -> str:
        parts = path.relative_to(LIBRARY.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def _hash(self, path: Path) -> str:
        if path not in self._hashes:
            self._hashes[path] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        return self._hashes[path]


def texts_in(value: object) -> set[str]:
    """All texts in a value, including lists and keys of dictionaries."""
    if isinstance(value, str):
        return {value}
    parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return {text for part in parts for text in texts_in(part)}
