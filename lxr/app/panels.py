"""Panels of the explorer: the reasons of one explainer, and the counterfactual in words."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from functools import partial
from operator import attrgetter

import numpy as np

from lxr.app.help import help_of
from lxr.app.ranking import set_class
from lxr.app.session import Recommendation
from lxr.reporting.explanation import AGAINST, UserExplanation, bars_of
from lxr.utils.extras import extra
from lxr.utils.markup import html_text, is_like_mathematics, shortened

with extra("app"):
    import ipywidgets as widgets

ROWS = 12  # history items that a panel shows at a time
BAR = '<div class="lxr-bar{}"><div aria-hidden="true">{}</div><span><span class="lxr-unseen">{}: </span>{}</span></div>'


class Panel:
    """History items by one explainer, the most important first: ``ROWS`` of them, a tick and a bar for each.

    Attributes:
        view: the widget.
        pending: the explanation that was requested last; it may still be computed.
        explanation: what is shown; None while there is nothing to show.
    """

    def __init__(self, name: str):
        self.pending: Future | None = None
        self.explanation: UserExplanation | None = None
        self.placeholder, self.start = "", 0
        self.removed: frozenset[int] = frozenset()
        self.name = widgets.Dropdown(options=[name], description="Why, by", layout={"width": "98%"})
        self.name.style = {"description_width": "initial"}
        self.help = widgets.HTML()
        self.checks = [widgets.Checkbox(indent=False).add_class("lxr-row") for _ in range(ROWS)]
        self.bars = widgets.HTML(layout={"width": "42%", "margin": "0 0 0 6px"})
        self.rows = widgets.HBox([widgets.VBox(self.checks, layout={"width": "56%"}), self.bars])
        self.first = widgets.Button(description="Leave out the first", layout={"width": "140px"})
        self.count = widgets.BoundedIntText(3, min=1, max=ROWS, layout={"width": "50px"}, tooltip="how many reasons")
        self.back = widgets.Button(description="◂", tooltip="more important", layout={"width": "36px"})
        self.on = widgets.Button(description="▸", tooltip="less important", layout={"width": "36px"})
        self.note = widgets.HTML().add_class("lxr-live")
        buttons = widgets.HBox([self.first, self.count, self.back, self.on])
        self.view = widgets.VBox([self.name, self.help, self.rows, buttons, self.note])

    @property
    def question(self) -> Callable[[Recommendation], UserExplanation]:
        """Question to a recommendation: its explanation by the chosen explainer."""
        return partial(_reasons, name=self.name.value)

    @property
    def shown(self) -> np.ndarray:
        """The history items (at most ``ROWS``) that are shown."""
        return self.explanation.items[self.start : self.start + ROWS] if self.explanation else np.empty(0, dtype=int)

    @property
    def reasons(self) -> np.ndarray:
        """The first history items, as many as are asked for; none while there is nothing to show."""
        return self.explanation.items[: self.count.value] if self.explanation else np.empty(0, dtype=int)

    def offer(self, costs: Mapping[str, float | None], name: str) -> None:
        """Offer explainers, name → scores that it asks the recommender for if known, and choose one."""
        asked = {each: f" · {cost:,.0f} score{'s' * (round(cost) != 1)}" for each, cost in costs.items() if cost}
        self.name.options = [(each + asked.get(each, ""), each) for each in costs]
        self.name.value = name

    def show(self, answer: UserExplanation | str | None) -> None:
        """Show an explanation or a message; None while it is being computed."""
        self.explanation, self.start = (answer if isinstance(answer, UserExplanation) else None), 0
        self.placeholder = answer if isinstance(answer, str) else "explaining …"
        self.draw()

    def turn(self, step: int) -> None:
        """Show the items before or after those that are shown."""
        if self.explanation:
            last = (len(self.explanation.items) - 1) // ROWS * ROWS
            self.start = min(max(0, self.start + step * ROWS), last)
            self.draw()

    def mark(self, removed: Iterable[int]) -> None:
        """Tick kept items, strike through removed items."""
        self.removed = frozenset(removed)
        self.draw()

    def draw(self) -> None:
        """Fill the rows, and say which items they are; or say something else if there is no explanation."""
        self.help.value = footnote(html_text(help_of(self.name.value)))
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
                    # Of the text of a checkbox, widgets make mathematics; only HTML can say that it is none.
                    check.description_allow_html = is_like_mathematics(title)
                    check.description = html_text(title) if check.description_allow_html else title
                    check.value = kept[row]
                    set_class(check, "lxr-removed", not kept[row])
        rows = zip(titles, bars, self.explanation.numbers[page], kept, strict=True)
        self.bars.value = "".join(BAR.format(*_bar_of(*row)) for row in rows)
        against = f"<br>{AGAINST}" if self.explanation.is_signed and (self.explanation.shown[page] < 0).any() else ""
        of = f"of {len(self.explanation.items)} history items; {html_text(self.explanation.scale)}"
        self.note.value = footnote(f"{self.start + 1} to {self.start + len(items)} {of}{against}")


def _reasons(recommendation: Recommendation, name: str) -> UserExplanation:
    """Why, by an explainer; its ranks without the first reasons are computed, too."""
    recommendation.fall(name)
    return recommendation.explanation(name)


def _bar_of(title: str, bar: str, number: str, is_kept: bool) -> tuple[str, str, str, str]:
    """Class, bar, title and number of a row as HTML."""
    return "" if is_kept else " lxr-removed", bar, html_text(title), html_text(number)


class CounterfactualText:
    """The counterfactual sentence.

    Attributes:
        view: the widget.
        pending: the sentence that was requested last; it may still be computed.
        sentence: what is shown; empty while it is being looked for.
    """

    question = attrgetter("sentence")  # question to a recommendation

    def __init__(self):
        self.pending: Future | None = None
        self.sentence = ""
        self.view = widgets.HTML().add_class("lxr-live")

    def show(self, answer: str | None) -> None:
        """Show a sentence; None: it is being looked for."""
        self.sentence = answer or ""
        self.view.value = f"<h4>In words</h4>{html_text(answer or 'looking for the smallest set of reasons …')}"


def footnote(text: str) -> str:
    """HTML in small print."""
    return f'<div class="lxr-note">{text}</div>'
