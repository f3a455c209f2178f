"""The widgets of the explorer, in JupyterLab and as a page of Voilà; `session.py` has what they show.

Widgets are made once and changed in place. Every change is a message to the browser, and messages are what takes the time:
what changes together is one widget, or one message. Explainers run in threads of their own: those that answer at once are
drawn at once, the others when they are done.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lxr.app.fall import fall_of
from lxr.app.link import is_page, open_page, query_of
from lxr.app.models import Models, TrainedModels
from lxr.app.panels import CounterfactualText, Panel, footnote
from lxr.app.ranking import Ranking, set_class
from lxr.app.search import Search
from lxr.app.session import Exploration, Recommendation
from lxr.app.words import lines_of, whom
from lxr.data.interactions import names_of
from lxr.explainers.registry import EXPLAINERS
from lxr.reporting.explanation import UserExplanation
from lxr.reporting.sentences import enumeration
from lxr.utils.extras import extra
from lxr.utils.markup import html_attribute, html_text, quoted

with extra("app"):
    import ipywidgets as widgets

PATIENCE = 0.05  # seconds for which explainers are waited for before everything else is drawn
WORKERS = 8  # enough that stale requests cannot block new ones
RECOMMENDED = 10
STYLE, SCRIPT = (Path(__file__).with_name(f"explorer.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))


class Explorer:
    """Choose a user; see recommendations, and why, by two explainers; leave reasons out, and see.

    On a page of Voilà, the link holds the state.

    Args:
        models: to begin with.
        explainers: names of the explainers of the two panels at first. Others replace missing ones.
        others: label → maker of further models that can be chosen; the label of ``models`` comes first, with None.

    Attributes:
        exploration: what is shown.
        view: the widget.

    Example:
        >>> from lxr.app import TrainedModels
        >>> Explorer(TrainedModels("results", "ml-1m", "vae"))  # doctest: +SKIP
    """

    def __init__(
        self,
        models: Models,
        explainers: Sequence[str] = ("lxr", "leave-one-out"),
        others: Mapping[str, Callable[[], Models] | None] | None = None,
    ):
        self.made: dict[str, Models] = {next(iter(others)) if others else "": models}
        self.others = others or {}
        self.pool = ThreadPoolExecutor(WORKERS)
        self.lock, self.drawing = threading.RLock(), False
        self.source = widgets.Dropdown(options=[*self.made, *list(self.others)[1:]], description="Recommender")
        self.users = Search("user", "find a user …")
        self.next_user = widgets.Button(description="Next user")
        self.search = Search("title", "add an item by its title …")
        self.empty = widgets.Button(description="Start empty", tooltip="build your own history by titles")
        self.ranking = Ranking(RECOMMENDED + 1)
        self.panels = [Panel(name) for name in models.pair(explainers)]
        self.restore = widgets.Button(description="Put all back")
        self.counterfactual = CounterfactualText()
        self.said, self.outcome = (widgets.HTML().add_class("lxr-live") for _ in range(2))
        self.who, self.falls, self.text, self.note = (widgets.HTML() for _ in range(4))
        self.view = self.arrange()
        self.listen()
        self.choose_models(self.source.value)
        if is_page():
            open_page(self)

    def __repr__(self) -> str:
        about = {"models": self.source.value} if self.source.value else {}
        about |= {"user": self.exploration.user, "explainers": [panel.name.value for panel in self.panels]}
        return f"Explorer({', '.join(f'{name}={value!r}' for name, value in about.items())})"

    def _repr_mimebundle_(self, **options) -> dict:
        return self.view._repr_mimebundle_(**options) | {"text/plain": repr(self)}

    def arrange(self) -> widgets.Widget:
        """All widgets in their places."""
        self.source.style = {"description_width": "initial"}
        self.source.layout.width = "240px"
        set_class(self.source, "lxr-gone", len(self.source.options) < 2)
        chosen = [self.source, self.users.view, self.next_user, self.search.view, self.empty]
        choices = widgets.HBox(chosen).add_class("lxr-choices")
        left = widgets.VBox([self.who, self.ranking.view, self.outcome, self.restore, self.counterfactual.view])
        panels = widgets.HBox([panel.view for panel in self.panels]).add_class("lxr-panels")
        right = widgets.VBox([panels, self.falls])
        columns = widgets.HBox([left, right]).add_class("lxr-columns")
        script = {"output_type": "display_data", "data": {"text/html": f"<script>{SCRIPT}</script>"}, "metadata": {}}
        dressing = [widgets.HTML(f"<style>{STYLE}</style>"), widgets.Output(outputs=(script,))]
        for each in dressing:
            each.layout.display = "none"
        return widgets.VBox([*dressing, choices, self.said, columns, self.text, self.note]).add_class("lxr-app")

    def listen(self) -> None:
        """Say what happens when something is chosen."""
        self.on_choice(self.source, self.choose_models)
        self.on_choice(self.users.view, self.find_user)
        self.on_choice(self.search.view, self.add)
        self.next_user.on_click(self.reacting(lambda _: self.choose_next_user()))
        self.empty.on_click(self.reacting(lambda _: self.choose_items([])))
        self.restore.on_click(self.reacting(lambda _: self.leave_out([])))
        for place, button in enumerate(self.ranking.buttons):
            self.on_choice(button, lambda _, place=place: self.press(place))
        for panel in self.panels:
            self.on_choice(panel.name, lambda _, panel=panel: self.ask([panel]))
            panel.first.on_click(self.reacting(lambda _, panel=panel: self.leave_out(panel.reasons)))
            for button, step in ((panel.back, -1), (panel.on, 1)):
                button.on_click(self.reacting(lambda _, panel=panel, step=step: self.turn(panel, step)))
            for row, check in enumerate(panel.checks):
                self.on_choice(check, lambda kept, panel=panel, row=row: self.tick(panel.shown[row : row + 1], kept))

    def on_choice(self, widget: widgets.Widget, act: Callable) -> None:
        """Call ``act`` with the new value whenever a person changes that of a widget."""
        widget.observe(self.reacting(lambda change: act(change["new"])), "value")

    def reacting(self, act: Callable) -> Callable:
        """``act``, but not for what is changed by drawing; errors are shown below the choices."""

        def handle(event) -> None:
            with self.lock:
                if self.drawing:
                    return
                self.said.value = ""
                try:
                    act(event)
                except ValueError as error:
                    self.said.value = html_text(error)

        return handle

    @contextlib.contextmanager
    def quietly(self) -> Iterator[None]:
        """Change widgets without reacting to it, one thread at a time."""
        with self.lock:
            before, self.drawing = self.drawing, True
            try:
                yield
            finally:
                self.drawing = before

    def choose_models(self, label: str) -> None:
        """Switch to other models and their first user."""
        if label not in self.made and (make := self.others[label]):
            self.made[label] = make()
        models = self.made[label]
        self.exploration = Exploration(models)
        data, lengths = models.data, np.diff(models.data.matrix.indptr)[models.users]
        with self.quietly():
            self.source.value = label
            names = names_of(data.user_ids[models.users], models.users.tolist()).tolist()
            self.users.offer(names, [f"{name} · {length} items" for name, length in zip(names, lengths, strict=True)])
            self.search.offer(data.titles(np.arange(data.n_columns)))
            self.offer_explainers([panel.name.value for panel in self.panels])
            self.note.value = self.what_is_missing()
        self.draw_history()

    def offer_explainers(self, wanted: Sequence[str]) -> None:
        """Offer the explainers that there are in both panels, and choose those that are wanted."""
        models = self.exploration.models
        costs = {name: models.scores_asked(name) for name in models.names}
        for panel, name in zip(self.panels, models.pair(wanted), strict=True):
            panel.offer(costs, name)

    def choose_explainers(self, names: Sequence[str]) -> None:
        """Ask these explainers, one per panel."""
        with self.quietly():
            self.offer_explainers(names)
        self.ask(self.panels)

    def what_is_missing(self) -> str:
        """Explainers that have to be trained first, and the command that trains them for models of a run."""
        models = self.exploration.models
        untrained = [name for name in EXPLAINERS if name not in models.names and EXPLAINERS[name].is_trained]
        if not (untrained and isinstance(models, TrainedModels)):
            return ""
        command = html_text(f"python run_all.py --dataset {models.root.name} --recommenders {models.recommender}")
        return footnote(f"Not trained: {html_text(', '.join(untrained))}. <code>{command}</code> trains them.")

    def find_user(self, text: str) -> None:
        """Switch to the user of that name, or to the only one whose name contains the text.

        Raises:
            ValueError: no user or several have it.
        """
        place = self.users.place(text)
        if place is not None:
            self.choose_user(int(self.exploration.models.users[place]))

    def choose_user(self, row: int) -> None:
        """Switch to the history of a user."""
        self.exploration.choose_user(row)
        self.draw_history()

    def choose_next_user(self) -> None:
        """Switch to the next user; after the last comes the first."""
        users = self.exploration.models.users.tolist()
        present = users.index(self.exploration.user) if self.exploration.user in users else -1
        self.choose_user(users[(present + 1) % len(users)])

    def choose_items(self, items: Sequence[int]) -> None:
        """Switch to a custom history of items, oldest first."""
        self.exploration.take_items(items)
        self.draw_history()

    def add(self, title: str) -> None:
        """Put the item of that title, or the only one of which it is a part, into the history.

        Raises:
            ValueError: no title has that part, or several have it.
        """
        item = self.search.place(title)
        if item is not None:
            self.exploration.add(item)
            self.draw_history()

    def press(self, place: int) -> None:
        """Explain the recommendation in a place of the list."""
        item = self.ranking.rows[place].item
        if self.exploration.recommendation and item == self.exploration.recommendation.target:
            self.draw_what_if()  # the button stays pressed
        else:
            self.choose_target(item)

    def choose_target(self, item: int) -> None:
        """Explain another recommendation."""
        self.exploration.choose_target(item)
        self.draw_recommendation()

    def tick(self, items: np.ndarray, kept: bool) -> None:
        """Leave these history items out too, or put them back."""
        (self.exploration.put_back if kept else self.exploration.remove)(items)
        self.draw_what_if()

    def leave_out(self, items: Iterable[int]) -> None:
        """Leave these history items out, and no others."""
        self.exploration.put_back(list(self.exploration.removed))
        self.exploration.remove(items)
        self.draw_what_if()

    def turn(self, panel: Panel, step: int) -> None:
        """Show other history items in a panel."""
        with self.quietly():
            panel.turn(step)

    def draw_history(self) -> None:
        """Show the recommendations for another history."""
        with self.quietly():
            self.users.view.value = self.search.view.value = ""
            self.who.value = f"<h4>Recommended to {html_text(whom(self.exploration))}</h4>"
        self.draw_recommendation()

    def draw_recommendation(self) -> None:
        """Show another recommendation: why, in words, and what if."""
        self.draw_what_if()
        self.ask(self.panels)
        self.ask([self.counterfactual], patience=0)

    def ask(self, askers: Sequence[Panel | CounterfactualText], patience: float = PATIENCE) -> None:
        """Fill panels and the counterfactual: at once if the answers come within so many seconds, else when they come."""
        recommendation = self.exploration.recommendation
        for asker in askers:
            if asker.pending:
                asker.pending.cancel()
        answers = [self.pool.submit(_answer_of, recommendation, asker.question) for asker in askers]
        for asker, answer in zip(askers, answers, strict=True):
            asker.pending = answer
        deadline = time.monotonic() + patience
        for asker, answer in zip(askers, answers, strict=True):  # the first is drawn while the others are being answered
            wait([answer], max(0, deadline - time.monotonic()))
            if not answer.done():
                with self.quietly():
                    self.show(asker, None)
            answer.add_done_callback(partial(self.answered, asker))

    def answered(self, asker: Panel | CounterfactualText, answer: Future) -> None:
        """Show an answer, unless something else has been asked since."""
        with self.quietly():
            if asker.pending is answer and not answer.cancelled():
                self.show(asker, str(answer.exception()) if answer.exception() else answer.result())

    def show(self, asker: Panel | CounterfactualText, answer: Any) -> None:
        """Show an answer, and what is made of all answers."""
        asker.show(answer)
        recommendation, said = self.exploration.recommendation, [each for each in self.panels if each.explanation]
        names = [panel.name.value for panel in said] if recommendation else []
        falls = {name: recommendation.falls[name] for name in names if recommendation and name in recommendation.falls}
        drawn = fall_of(falls)
        self.falls.value = drawn and f"<h4>Rank as the first reasons are left out</h4>{drawn}"
        self.draw_text()

    def draw_what_if(self) -> None:
        """Show all ranks without the removed items."""
        exploration = self.exploration
        with self.quietly():
            target = exploration.recommendation.target if exploration.recommendation else None
            self.ranking.show(exploration.ranking(RECOMMENDED), target)
            for panel in self.panels:
                panel.mark(exploration.removed)
            self.outcome.value = self.outcome_of(exploration)
            self.draw_text()

    def draw_text(self) -> None:
        """Offer everything as text, and the link to it."""
        explanations = [panel.explanation for panel in self.panels if panel.explanation]
        lines = lines_of(self.exploration, self.ranking.rows, explanations, self.counterfactual.sentence)
        text = "\n".join(html_attribute(line) for line in lines)
        link = f' · <a class="lxr-link" href="{html_attribute(query_of(self))}">Link to this view</a>' if is_page() else ""
        self.text.value = (
            f'<div><button type="button" class="lxr-copy jupyter-button">Copy as text</button> <span role="status"></span>'
            f'{link}<pre class="lxr-text tex2jax_ignore mathjax_ignore" hidden>{text}</pre></div>'
        )

    def outcome_of(self, exploration: Exploration) -> str:
        """The what-if as HTML."""
        if exploration.recommendation is None:
            return ""
        baseline, title = exploration.recommendation.baseline, quoted(exploration.recommendation.title)
        rows, left_out, length = self.ranking.rows, len(exploration.removed), len(exploration.history.entries)
        target = next(row for row in rows if row.item == exploration.recommendation.target)
        if not left_out:
            now = f"{title} has rank {target.rank} and probability {target.probability:.1%}."
            return f"<h4>What if?</h4>{html_text(now)} Untick items to see the ranking change."
        first = "still recommended first" if rows[0].item == baseline.first else "recommended first instead"
        new = [quoted(row.title) for row in rows if row.rank <= RECOMMENDED < row.was]
        among = f"; new among the first {RECOMMENDED}: {enumeration(new)}" if new else ""
        return (
            f"<h4>What if? {html_text(title)} without {left_out} of {length} history items</h4>"
            f'<div class="lxr-big">rank {target.was} → {target.rank}, '
            f"probability {baseline.probability:.1%} → {target.probability:.1%}</div>"
            f"{html_text(f'{quoted(rows[0].title)} is {first}{among}.')}"
        )


def _answer_of(
    recommendation: Recommendation | None, question: Callable[[Recommendation], UserExplanation | str]
) -> UserExplanation | str:
    """The answer to a question about a recommendation; if there is none, what to do about it."""
    return question(recommendation) if recommendation else "Add items by their titles."
