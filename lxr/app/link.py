"""The state of an explorer as the query of a link, and back."""

import os
from collections.abc import Container
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode

from lxr.utils.extras import extra
from lxr.utils.markup import plain, quoted

if TYPE_CHECKING:
    from lxr.app.widgets import Explorer

QUERY = "QUERY_STRING"  # environment variable: the query of the visitor, once there is one
BETWEEN = " "  # ids of a list


def is_page() -> bool:
    """Whether this process is the kernel of a page of Voilà."""
    return "VOILA_KERNEL_ID" in os.environ


def open_page(explorer: "Explorer") -> None:
    """Wait for the visitor, if Voilà has started the page before there is one, and open the state of the link.

    The page says what is wrong with a link.
    """
    with extra("app"):
        from voila.utils import wait_for_request
    if QUERY not in os.environ:
        wait_for_request()
    if query := os.environ.get(QUERY):
        explorer.reacting(partial(restore, explorer))(query)


def query_of(explorer: "Explorer") -> str:
    """Query of a link that opens the explorer as it is now: ``?models=…&user=…&item=…&without=…&by=…``."""
    exploration, models, keys = explorer.exploration, explorer.exploration.models, explorer.exploration.models.keys
    state = {"models": explorer.source.value} if len(explorer.source.options) > 1 else {}
    if exploration.user is None:
        state["history"] = BETWEEN.join(keys[item] for item in exploration.history.entries.tolist())
    else:
        state["user"] = plain(models.data.user_ids[exploration.user])
    if exploration.recommendation:
        state["item"] = keys[exploration.recommendation.target]
        state["without"] = BETWEEN.join(keys[item] for item in sorted(exploration.removed))
    state["by"] = BETWEEN.join(panel.name.value for panel in explorer.panels)
    return "?" + urlencode({name: value for name, value in state.items() if value})


def restore(explorer: "Explorer", query: str) -> None:
    """Open an explorer in the state of a link.

    Args:
        explorer: the explorer.
        query: what :func:`query_of` wrote, with or without ``?``; names that it does not know are ignored.

    Raises:
        ValueError: models, a user, an item or an explainer that are not there.
    """
    state = {name: values[-1] for name, values in parse_qs(query.lstrip("?")).items()}
    if "models" in state:
        explorer.choose_models(_known("models", state["models"], explorer.source.options))
    models = explorer.exploration.models
    users = {plain(models.data.user_ids[row]): row for row in models.users.tolist()}
    keys = models.keys
    items = {key: item for item, key in enumerate(keys)}
    explorer.choose_explainers(
        [_known("explainer", name, models.names) for name in state.get("by", "").split(BETWEEN) if name]
    )
    if "user" in state:
        explorer.choose_user(users[_known("user", state["user"], users)])
    elif "history" in state:
        explorer.choose_items([items[_known("item", key, items)] for key in state["history"].split(BETWEEN)])
    consumed = {keys[item] for item in explorer.exploration.history.entries.tolist()}
    if "item" in state:
        explorer.choose_target(items[_known("item", state["item"], set(keys[: models.data.n_items]) - consumed)])
    explorer.leave_out([items[_known("item", key, consumed)] for key in state.get("without", "").split(BETWEEN) if key])


def _known(kind: str, name: str, known: Container) -> str:
    """A name, if it is known."""
    if name not in known:
        raise ValueError(f"The link names the {kind} {quoted(name)}, which is not here.")
    return name
