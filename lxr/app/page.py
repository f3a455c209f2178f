"""The page that `make app` serves: the explorer on the best models that there are."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from lxr.app.models import Models, TrainedModels, generated_models, trained
from lxr.app.widgets import Explorer
from lxr.utils.extras import extra
from lxr.utils.storage import DataError

with extra("app"):
    import ipywidgets as widgets

TITLE = """<h1>Why was this recommended?</h1>
<p>Choose a recommendation to see the items that it was made from. Leave items out to see the ranking change.</p>{}"""
GENERATED = """<p><strong>These data are generated.</strong> To see films, run <code>python run_all.py</code>, and start this
page again.</p>"""


def page(results: str | Path = "results") -> widgets.Widget:
    """The page as a widget; it waits for a visitor if Voilà has started it before there is one.

    Args:
        results: directory of all results; a relative path starts at the project root.

    Returns:
        Title, one sentence and the explorer, in the state that the link of the visitor names.
    """
    shelf = _shelf(results)
    explorer = Explorer(next(iter(shelf.values()))(), others=shelf)
    films = "" if any(shelf) else GENERATED
    title = widgets.HTML(TITLE.format(films)).add_class("lxr-title")
    return widgets.VBox([title, explorer.view]).add_class("lxr-page")


def _shelf(results: str | Path) -> dict[str, Callable[[], Models]]:
    """Label → maker of trained models, the best first; generated data without a label if nothing is trained."""
    try:
        found = trained(results)
    except DataError:
        return {"": generated_models}
    return {
        f"{dataset} {name}": partial(TrainedModels, results, dataset, name)
        for dataset, names in found.items()
        for name in names
    }
