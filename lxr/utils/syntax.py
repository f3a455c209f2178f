"""Names that the definitions of a source use, found from its syntax without running it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

ALL = "*"  # the name of a whole module among its definitions


@dataclass
class Uses:
    """Names and literals that code uses, from its module and the library (``"lxr.data.splits.load_split"``)."""

    own: set[str] = field(default_factory=set)
    dotted: set[str] = field(default_factory=set)
    literals: set[str] = field(default_factory=set)


class Module:
    """The syntax of one source.

    Args:
        source: its text.
        library: name of the package whose imports count.

    Example:
        >>> source = "from lxr.data.splits import load_split as load; f = lambda: load('x')"
        >>> Module(source, "lxr").uses("f")
        Uses(own={'f'}, dotted={'lxr.data.splits.load_split'}, literals={'x'})
    """

    def __init__(self, source: str, library: str):
        self.tree, self.library = ast.parse(source), library

    @cached_property
    def bound(self) -> dict[str, str]:
        """Names that imports from the library bind, anywhere in the module → full names."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                of_library = [each for each in node.names if each.name.partition(".")[0] == self.library]
                found |= {each.asname or self.library: each.name if each.asname else self.library for each in of_library}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == self.library:
                found |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
        return found

    @cached_property
    def definitions(self) -> dict[str, list[ast.AST]]:
        """Names that the module defines → their statements; ``""`` → other statements except imports."""
        found: dict[str, list[ast.AST]] = {"": []}
        for node in self.tree.body:
            if not isinstance(node, ast.Import | ast.ImportFrom):
                for name in _defined(node):
                    found.setdefault(name, []).append(node)
        return found

    @cached_property
    def tables(self) -> list[ast.Dict]:
        """Dictionaries of the module's registries (calls of ``Registry``)."""
        calls = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        registering = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Registry"]
        return [each for call in registering for each in call.args if isinstance(each, ast.Dict)]

    @cached_property
    def entries(self) -> dict[str, ast.expr]:
        """Keys of the module's registries → expressions of their entries."""
        pairs = [pair for table in self.tables for pair in zip(table.keys, table.values, strict=True)]
        return {key.value: value for key, value in pairs if isinstance(key, ast.Constant) and isinstance(key.value, str)}

    @cached_property
    def registering(self) -> set[str]:
        """Names of the definitions that hold registries."""
        return {
            name
            for name, nodes in self.definitions.items()
            if name and any(each in self.tables for node in nodes for each in ast.walk(node))
        }

    def uses(self, name: str) -> Uses:
        """Names that a definition uses, or the whole module; ``"[key]"`` is an entry of its registry."""
        if name.startswith("["):
            nodes: list[ast.AST] = [self.entries[name[1:-1]]]
        else:
            nodes = [self.tree] if name == ALL else self.definitions[name]
        uses = Uses(dotted={self.bound[ALL]} if ALL in self.bound else set())
        for node in nodes:
            self._visit(node, uses)
        return uses

    def _visit(self, node: ast.AST, uses: Uses) -> None:
        """Collect names and literals below a node: the longest name of ``lxr.data.splits``, no docstrings, no entries."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            uses.literals.add(node.value)
        chain, root = [], node
        while isinstance(root, ast.Attribute):
            chain.append(root.attr)
            root = root.value
        if isinstance(root, ast.Name):
            if root.id in self.definitions:
                uses.own.add(root.id)
            if root.id in self.bound:
                uses.dotted.add(".".join([self.bound[root.id], *reversed(chain)]))
            return
        for child in ast.iter_child_nodes(node):
            docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            if not docstring and child not in self.tables:
                self._visit(child, uses)


def _defined(node: ast.stmt) -> Iterator[str]:
    """Names that a statement defines; an empty name if it does something else."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    for target in targets:
        yield target.id if isinstance(target, ast.Name) and not isinstance(node, ast.For) else ""
