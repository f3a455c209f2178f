"""Widgets of `notebooks/examples/explore.ipynb`, in JupyterLab and as a page of Voilà; `session.py` has the content.

Widgets are made once and changed in place. Every change is a message to the browser, and messages take most of the time. So
parts that change together are one widget or one message. Explainers run in separate threads: fast answers are drawn at
once, slow ones when they are done.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path

import numpy as np

from lxr.app.panels import CounterfactualText, Panel, footnote, set_class
from lxr.app.session import Exploration, Recommendation, TrainedModels, trained
from lxr.data.datasets import DATASETS
from lxr.explainers.registry import EXPLAINERS
from lxr.reporting.explanation import UserExplanation
from lxr.reporting.sentences import enumeration
from lxr.utils.extras import extra
from lxr.utils.markup import html_text, plain, quoted, shortened

with extra("app"):
    import ipywidgets as widgets

PATIENCE = 0.05  # seconds to wait for explainers before everything else is drawn
WORKERS = 8  # enough that stale requests cannot block new ones
RECOMMENDED = 10
OFFERED = 8  # number of titles to offer if several match
OWN = -1  # instead of the row of a user: a custom history
STYLE = """<style>
.lxr-app { border: 1px solid #c8c8c8; border-radius: 6px; padding: 12px; }
.lxr-app h4 { margin: 0 0 4px 0; font-size: 15px; line-height: 1.5; }
.lxr-app .widget-toggle-buttons > div { width: 100%; }
.lxr-app .widget-toggle-button { width: 100%; margin: 1px 0; text-align: left; overflow: hidden; text-overflow: ellipsis; }
.lxr-app .lxr-columns { gap: 18px; margin: 8px 0; }
.lxr-app .lxr-row, .lxr-app .lxr-bar { height: 28px; margin: 0; width: 100%; }
.lxr-app .lxr-bar { display: flex; align-items: center; }
.lxr-app .lxr-row label { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.lxr-app .lxr-removed { opacity: 0.45; text-decoration: line-through; }
.lxr-app .lxr-hidden { visibility: hidden; }
.lxr-app .lxr-gone { display: none; }
.lxr-big { font-size: 22px; line-height: 1.5; }
.lxr-note { opacity: 0.75; font-size: 12px; line-height: 1.4; }
</style>"""


class Explorer:
    """Explorer of recommendations of a user, with reasons by two explainers and what-ifs.

    Args:
        results: directory of all results; a relative path starts at the project root.
        dataset, recommender: first choice; by default the first available ones.
        explainers: first explainers of the two panels.

    Attributes:
        exploration: the shown state.
        view: the widget.

    Raises:
        DataError: there is no such trained model below ``results``.

    Example:
        >>> Explorer("results", "ml-1m", "vae")  # doctest: +SKIP
    """

    def __init__(
        self,
        results: str | Path = "results",
        dataset: str | None = None,
        recommender: str | None = None,
        explainers: tuple[str, str] = ("lxr", "leave-one-out"),
    ):
        self.results, self.found = results, trained(results, dataset, recommender)
        self.pool = ThreadPoolExecutor(WORKERS)
        self.lock, self.drawing = threading.RLock(), False
        self.dataset = widgets.Dropdown(options=list(self.found), value=dataset or next(iter(self.found)))
        self.recommender = widgets.Dropdown()
        self.user = widgets.Dropdown()
        self.search = widgets.Combobox(placeholder="add an item by its title …", continuous_update=False)
        self.empty = widgets.Button(description="Start from nothing", tooltip="build your own history by titles")
        self.targets = widgets.ToggleButtons(options=[])
        self.panels = [Panel(name) for name in explainers]
        self.restore = widgets.Button(description="Put all back")
        self.outcome, self.counterfactual, self.note, self.said = (
            widgets.HTML(),
            CounterfactualText(),
            widgets.HTML(),
            widgets.HTML(),
        )
        self.view = self.arrange()
        self.listen()
        self.choose_dataset(self.dataset.value, recommender)

    def __repr__(self) -> str:
        about = {"dataset": self.dataset.value, "recommender": self.recommender.value, "user": self.exploration.user}
        return f"Explorer({', '.join(f'{name}={value!r}' for name, value in about.items())})"

    def _repr_mimebundle_(self, **options) -> dict:
        return self.view._repr_mimebundle_(**options) | {"text/plain": repr(self)}

    def arrange(self) -> widgets.Widget:
        """Arrange all widgets."""
        for widget, label in ((self.dataset, "Dataset"), (self.recommender, "Recommender"), (self.user, "User")):
            widget.description, widget.style = label, {"description_width": "initial"}
        self.dataset.layout.width, self.recommender.layout.width, self.user.layout.width = "180px", "180px", "210px"
        self.search.layout.width, self.empty.layout.width = "240px", "150px"
        chosen = widgets.HBox([self.dataset, self.recommender, self.user, self.search, self.empty])
        chosen.layout.flex_flow = "row wrap"
        recommended = widgets.VBox([widgets.HTML("<h4>Recommended</h4>"), self.targets], layout={"width": "27%"})
        columns = widgets.HBox([recommended, *(panel.view for panel in self.panels)])
        columns.add_class("lxr-columns")
        what_if = widgets.VBox([self.outcome, self.restore], layout={"width": "45%"})
        below = widgets.HBox([what_if, self.counterfactual.view])
        below.add_class("lxr-columns")
        view = widgets.VBox([widgets.HTML(STYLE), chosen, self.said, columns, below, self.note])
        view.add_class("lxr-app")
        return view

    def listen(self) -> None:
        """Connect choices with their effects."""
        self.on_choice(self.dataset, self.choose_dataset)
        self.on_choice(self.recommender, self.choose_recommender)
        self.on_choice(self.user, self.choose_user)
        self.on_choice(self.search, self.add)
        self.on_choice(self.targets, self.choose_target)
        self.empty.on_click(self.reacting(lambda _: self.choose_user(OWN)))
        self.restore.on_click(self.reacting(lambda _: self.leave_out([])))
        for panel in self.panels:
            self.on_choice(panel.name, lambda _, panel=panel: self.ask([panel]))
            panel.first.on_click(self.reacting(lambda _, panel=panel: self.leave_out(panel.reasons)))
            for button, step in ((panel.back, -1), (panel.on, 1)):
                button.on_click(self.reacting(lambda _, panel=panel, step=step: self.turn(panel, step)))
            for row, check in enumerate(panel.checks):
                self.on_choice(check, lambda kept, panel=panel, row=row: self.tick(panel.shown[row : row + 1], kept))

    def on_choice(self, widget: widgets.Widget, act: Callable) -> None:
        """Call ``act`` with the new value whenever a person changes the value of a widget."""
        widget.observe(self.reacting(lambda change: act(change["new"])), "value")

    def reacting(self, act: Callable) -> Callable:
        """``act``, but not for changes by drawing; errors are shown below the choices."""

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
        """Context for changes of widgets without reactions, one thread at a time."""
        with self.lock:
            before, self.drawing = self.drawing, True
            try:
                yield
            finally:
                self.drawing = before

    def choose_dataset(self, dataset: str, recommender: str | None = None) -> None:
        """Switch to a dataset, and to its first recommender unless another is given."""
        with self.quietly():
            self.recommender.options = self.found[dataset]
            self.recommender.value = recommender or self.found[dataset][0]
        self.choose_recommender(self.recommender.value)

    def choose_recommender(self, recommender: str) -> None:
        """Switch to a recommender, and its first test user."""
        models = TrainedModels(self.results, self.dataset.value, recommender)
        self.exploration = Exploration(models)
        data, lengths = models.data, np.diff(models.data.matrix.indptr)
        with self.quietly():
            users = [(f"{plain(data.user_ids[row])} · {lengths[row]} items", int(row)) for row in models.test]
            self.user.options = [*users, ("your own history", OWN)]
            self.titles = {title: item for item, title in enumerate(data.titles(np.arange(models.model.n_columns)))}
            self.search.options = list(self.titles)
            for panel in self.panels:
                panel.offer({name: models.scores_asked(name) for name in models.names})
            self.note.value = footnote(self.what_is_missing())
        self.draw_history()

    def what_is_missing(self) -> str:
        """Missing models and the commands that create them."""
        lines, models = [], self.exploration.models
        untrained = [name for name in EXPLAINERS if name not in models.names]
        about = html_text(f"--dataset {self.dataset.value} --recommenders {self.recommender.value}")
        if untrained:
            lines.append(
                f"Not trained: {html_text(', '.join(untrained))}. <code>python run_all.py {about}</code> makes them."
            )
        absent = [name for name in DATASETS if name not in self.found]
        if absent:
            lines.append(
                f"No models of {html_text(', '.join(absent))}: <code>python run_all.py --dataset NAME</code> makes them."
            )
        return "<br>".join(lines)

    def choose_user(self, row: int) -> None:
        """Switch to the history of a user, or to an empty one."""
        if row == OWN:
            self.exploration.start_empty()
        else:
            self.exploration.choose_user(row)
        self.draw_history()

    def add(self, title: str) -> None:
        """Add the item with a title, or the only item with it as a part of its title; else list the matches.

        Raises:
            ValueError: no title has that part, or several have it.
        """
        part = plain(title).casefold()
        if not part:
            return
        found = [title] if title in self.titles else [each for each in self.titles if part in each.casefold()]
        if not found:
            raise ValueError(f"No title has {quoted(title)} in it.")
        if len(found) > 1:
            more = [f"{len(found) - OFFERED} more"] * (len(found) > OFFERED)
            raise ValueError(f"{len(found)} titles: {enumeration([*map(quoted, found[:OFFERED]), *more])}. Which one?")
        self.exploration.add(self.titles[found[0]])
        self.draw_history()

    def choose_target(self, item: int) -> None:
        """Explain another recommendation."""
        self.exploration.choose_target(item)
        self.draw_recommendation()

    def tick(self, items: np.ndarray, kept: bool) -> None:
        """Remove these history items too, or put them back."""
        (self.exploration.put_back if kept else self.exploration.remove)(items)
        self.draw_what_if()

    def leave_out(self, items: Iterable[int]) -> None:
        """Remove exactly these history items."""
        self.exploration.put_back(list(self.exploration.removed))
        self.exploration.remove(items)
        self.draw_what_if()

    def turn(self, panel: Panel, step: int) -> None:
        """Show other history items in a panel."""
        with self.quietly():
            panel.turn(step)

    def draw_history(self) -> None:
        """Show the recommendations for another history."""
        exploration = self.exploration
        with self.quietly():
            self.user.value = OWN if exploration.user is None else exploration.user
            self.search.value = ""
            self.recommended = exploration.recommendations(RECOMMENDED if exploration.recommendation else 0)
        self.draw_recommendation()

    def draw_recommended(self) -> None:
        """Show the recommendations, their ranks without the removed items, and the explained one."""
        exploration, first = self.exploration, self.recommended
        ranks = [str(rank) for rank in first.index]
        if exploration.removed:
            ranks = [f"{now} → {then}" for now, then in zip(ranks, exploration.ranks_without(first["item"]), strict=True)]
        rows = zip(ranks, first["title"], first["probability"], first["item"].tolist(), strict=True)
        options = [(f"{rank}. {shortened(title)} · {probability:.1%}", item) for rank, title, probability, item in rows]
        set_class(self.targets, "lxr-gone", not options)  # browsers continue to show the buttons of an empty list
        if len(options) < len(self.targets.options):  # … and surplus buttons if the others do not change
            self.targets.options = []
        if options != list(self.targets.options):
            self.targets.options = options
        self.targets.value = exploration.recommendation.target if exploration.recommendation else None

    def draw_recommendation(self) -> None:
        """Show another recommendation: reasons, the sentence, and the what-if."""
        self.draw_what_if()
        self.ask(self.panels)
        self.ask([self.counterfactual], patience=0)

    def ask(self, askers: Sequence[Panel | CounterfactualText], patience: float = PATIENCE) -> None:
        """Fill panels and the counterfactual: at once if the answers come within a time, else when they come."""
        recommendation = self.exploration.recommendation
        for asker in askers:
            if asker.pending:
                asker.pending.cancel()
        answers = [self.pool.submit(_answer_of, recommendation, asker.question) for asker in askers]
        for asker, answer in zip(askers, answers, strict=True):
            asker.pending = answer
        deadline = time.monotonic() + patience
        for asker, answer in zip(askers, answers, strict=True):  # draw the first while the others are computed
            wait([answer], max(0, deadline - time.monotonic()))
            if not answer.done():
                with self.quietly():
                    asker.show(None)
            answer.add_done_callback(partial(self.answered, asker))

    def answered(self, asker: Panel | CounterfactualText, answer: Future) -> None:
        """Show an answer, unless there is a newer question."""
        with self.quietly():
            if asker.pending is answer and not answer.cancelled():
                asker.show(str(answer.exception()) if answer.exception() else answer.result())

    def draw_what_if(self) -> None:
        """Show the rank of the target without the removed items."""
        with self.quietly():
            self.draw_recommended()
            for panel in self.panels:
                panel.mark(self.exploration.removed)
            self.outcome.value = self.outcome_of(self.exploration)

    def outcome_of(self, exploration: Exploration) -> str:
        """The what-if as HTML."""
        if exploration.recommendation is None:
            return ""
        now, then = exploration.what_if().itertuples()
        rank, probability = f"rank {now.rank} → {then.rank}", f"probability {now.probability:.1%} → {then.probability:.1%}"
        title, left_out, length = (
            quoted(exploration.recommendation.title),
            len(exploration.removed),
            int(exploration.history.sum()),
        )
        successor = "is still recommended first" if then.first == now.first else "is recommended first instead"
        before = set(self.recommended["item"])
        after = exploration.recommendations_without(RECOMMENDED) if left_out else self.recommended
        new = [quoted(row.title) for row in after.itertuples() if row.item not in before]
        among = f"; new among the first {RECOMMENDED}: {enumeration(new)}" if new else ""
        return (
            f"<h4>What if? {html_text(title)} without {left_out} of {length} history items</h4>"
            f'<div class="lxr-big">{rank}, {probability}</div>{html_text(f"{quoted(then.first)} {successor}{among}")}'
        )


def _answer_of(
    recommendation: Recommendation | None, question: Callable[[Recommendation], UserExplanation | str]
) -> UserExplanation | str:
    """Answer to a question about a recommendation, or advice if there is no recommendation."""
    return question(recommendation) if recommendation else "Add items by their titles."
