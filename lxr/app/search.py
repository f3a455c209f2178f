"""A text field that finds one of many names by a part of it."""

from collections.abc import Sequence

from lxr.reporting.sentences import enumeration
from lxr.utils.extras import extra
from lxr.utils.markup import plain, quoted

with extra("app"):
    import ipywidgets as widgets

OFFERED = 8  # names that a message lists where several match
LISTED = 5000  # names that the browser lists while one types; the others are found by Enter


class Search:
    """A text field that lists matching names while one types.

    Args:
        kind: what is looked for, ``"title"``.
        placeholder: shown while the field is empty.

    Attributes:
        view: the widget; its value changes with Enter, or when a listed name is chosen.
    """

    def __init__(self, kind: str, placeholder: str):
        self.kind = kind
        self.view = widgets.Combobox(placeholder=placeholder, tooltip=placeholder, continuous_update=False)

    def offer(self, names: Sequence[str], labels: Sequence[str] | None = None) -> None:
        """Look among these names; the list shows ``labels`` in their place if there are any."""
        self.names = {name: place for place, name in enumerate(names)}
        self.labels = {label: place for place, label in enumerate(labels or names)}
        self.view.options = list(self.labels)[:LISTED]

    def place(self, text: str) -> int | None:
        """Place of the name that a text is, or of the only one of which it is a part; None if there is no text.

        Raises:
            ValueError: no name has that part, or several have it.
        """
        part = plain(text).casefold()
        if not part:
            return None
        for known in (self.labels, self.names):
            if text.strip() in known:
                return known[text.strip()]
        found = [name for name in self.names if part in name.casefold()]
        if not found:
            raise ValueError(f"No {self.kind} has {quoted(text)} in it.")
        if len(found) > 1:
            more = [f"{len(found) - OFFERED} more"] * (len(found) > OFFERED)
            raise ValueError(f"{len(found)} {self.kind}s: {enumeration([*map(quoted, found[:OFFERED]), *more])}. Which one?")
        return self.names[found[0]]
