"""Panels of the explorer: reasons by one explainer, and the counterfactual in words."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from functools import partial
from operator import attrgetter

import numpy as np

from lxr.app.session import Recommendation
from lxr.reporting.explanation import AGAINST, UserExplanation, bars_of
from lxr.utils.extras import extra
from lxr.utils.markup import html_text, is_like_mathematics, shortened

with extra("app"):
    import ipywidgets as widgets

ROWS = 12  # history items in a panel at a time
FALLBACK = "leave-one-out"  # if a requested explainer is missing


class Panel:
    """History items by one explainer, the most important first: ``ROWS`` of them, a tick and a bar for each.

    Attributes:
        view: the widget.
        pending: the last requested explanation; it may still be computed.
        explanation: the shown explanation; None while there is none.
    """

    def __init__(self, name: str):
        self.pending: Future | None = None
        self.explanation: UserExplanation | None = None
        self.placeholder, self.start = "", 0
        self.removed: frozenset[int] = frozenset()
        self.name = widgets.Dropdown(options=[name], description="Why, by", layout={"width": "98%"})
        self.name.style = {"description_width": "initial"}
        self.checks = [widgets.Checkbox(indent=False).add_class("lxr-row") for _ in range(ROWS)]
        self.bars = widgets.HTML(layout={"width": "40%", "margin": "0 0 0 6px"})
        self.rows = widgets.HBox([widgets.VBox(self.checks, layout={"width": "58%"}), self.bars])
        self.first = widgets.Button(description="Leave out the first", layout={"width": "140px"})
        self.count = widgets.BoundedIntText(3, min=1, max=ROWS, layout={"width": "50px"})
        self.back = widgets.Button(description="◂", tooltip="more important", layout={"width": "36px"})
        self.on = widgets.Button(description="▸", tooltip="less important", layout={"width": "36px"})
        self.note = widgets.HTML()
        buttons = widgets.HBox([self.first, self.count, self.back, self.on])
        self.view = widgets.VBox([self.name, self.rows, buttons, self.note], layout={"width": "36%"})

    @property
    def question(self) -> Callable[[Recommendation], UserExplanation]:
        """Question to a recommendation: its explanation by the chosen explainer."""
        return partial(Recommendation.explanation, name=self.name.value)

    @property
    def shown(self) -> np.ndarray:
        """The shown history items (at most ``ROWS``)."""
        return self.explanation.items[self.start : self.start + ROWS] if self.explanation else np.empty(0, dtype=int)

    @property
    def reasons(self) -> np.ndarray:
        """The requested number of first history items; empty while there is no explanation."""
        return self.explanation.items[: self.count.value] if self.explanation else np.empty(0, dtype=int)

    def offer(self, costs: Mapping[str, float | None]) -> None:
        """Set the offered explainers: name → number of scores per user, if known. Keeps the current choice if possible."""
        wanted = self.name.value if self.name.value in costs else FALLBACK
        self.name.options = [(f"{name} · {cost:,.0f} scores" if cost else name, name) for name, cost in costs.items()]
        self.name.value = wanted

    def show(self, answer: UserExplanation | str | None) -> None:
        """Show an explanation or a message; None while it is being computed."""
        self.explanation, self.start = (answer if isinstance(answer, UserExplanation) else None), 0
        self.placeholder = answer if isinstance(answer, str) else "explaining …"
        self.draw()

    def turn(self, step: int) -> None:
        """Show the previous or the next items."""
        if self.explanation:
            last = (len(self.explanation.items) - 1) // ROWS * ROWS
            self.start = min(max(0, self.start + step * ROWS), last)
            self.draw()

    def mark(self, removed: Iterable[int]) -> None:
        """Tick the kept items, strike through the removed ones."""
        self.removed = frozenset(removed)
        self.draw()

    def draw(self) -> None:
        """Fill the rows and describe them, or show a message if there is no explanation."""
        set_class(self.rows, "lxr-hidden", self.explanation is None)
        if self.explanation is None:
            self.note.value = footnote(html_text(self.placeholder))
            return
        items, page = self.shown, slice(self.start, self.start + ROWS)
        titles, bars = self.explanation.data.titles(items), bars_of(self.explanation.shown)[page]
        kept = [item not in self.removed for item in items.tolist()]
        for row, check in enumerate(self.checks):
            with check.hold_sync():  # one message
                set_class(check, "lxr-hidden", row >= len(items))
                if row < len(items):
                    title = check.tooltip = shortened(titles[row])
                    # Widgets render the text of a checkbox as mathematics; only HTML can prevent this.
                    check.description_allow_html = is_like_mathematics(title)
                    check.description = html_text(title) if check.description_allow_html else title
                    check.value = kept[row]
                    set_class(check, "lxr-removed", not kept[row])
        self.bars.value = "".join(
            f'<div class="lxr-bar{"" if there else " lxr-removed"}">{bar}</div>'
            for bar, there in zip(bars, kept, strict=True)
        )
        against = f"<br>{AGAINST}" if self.explanation.is_signed and (self.explanation.shown[page] < 0).any() else ""
        of = f"of {len(self.explanation.items)} history items; {html_text(self.explanation.scale)}"
        self.note.value = footnote(f"{self.start + 1} to {self.start + len(items)} {of}{against}")


class CounterfactualText:
    """The counterfactual sentence.

    Attributes:
        view: the widget.
        pending: the last requested sentence; it may still be computed.
    """

    question = attrgetter("sentence")  # question to a recommendation

    def __init__(self):
        self.pending: Future | None = None
        self.view = widgets.HTML(layout={"width": "55%"})

    def show(self, answer: str | None) -> None:
        """Show a sentence; None while it is being computed."""
        self.view.value = f"<h4>In words</h4>{html_text(answer or 'looking for the smallest set of reasons …')}"


def footnote(text: str) -> str:
    """HTML in small print."""
    return f'<div class="lxr-note">{text}</div>'


def set_class(widget: widgets.DOMWidget, name: str, there: bool) -> None:
    """Add a CSS class to a widget, or remove it."""
    (widget.add_class if there else widget.remove_class)(name)
