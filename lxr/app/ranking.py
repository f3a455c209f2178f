"""The list of recommendations, ranked without the removed items."""

from collections.abc import Sequence

from lxr.app.session import Ranked
from lxr.utils.extras import extra
from lxr.utils.markup import shortened

with extra("app"):
    import ipywidgets as widgets


class Ranking:
    """One button per recommendation; the explained one is pressed.

    Args:
        count: buttons.

    Attributes:
        view: the widget.
        rows: the ranking that is shown.
    """

    def __init__(self, count: int):
        self.rows: Sequence[Ranked] = ()
        self.buttons = [widgets.ToggleButton() for _ in range(count)]
        self.view = widgets.VBox(self.buttons).add_class("lxr-ranking")

    def show(self, rows: Sequence[Ranked], target: int | None) -> None:
        """Show a ranking, see :meth:`lxr.app.Exploration.ranking`."""
        self.rows = rows
        for place, button in enumerate(self.buttons):
            with button.hold_sync():  # one message
                set_class(button, "lxr-gone", place >= len(rows))
                if place < len(rows):
                    row = rows[place]
                    before = "" if row.was == row.rank else f" (was {row.was})"
                    title = shortened(row.title)
                    button.description = f"{row.rank}{before}. {title} · {row.probability:.1%}"
                    button.tooltip, button.value = title, row.item == target
                    set_class(button, "lxr-risen", row.was > row.rank)
                    set_class(button, "lxr-fallen", row.was < row.rank)


def set_class(widget: widgets.DOMWidget, name: str, there: bool) -> None:
    """Give a widget a class of CSS, or take it away."""
    (widget.add_class if there else widget.remove_class)(name)
