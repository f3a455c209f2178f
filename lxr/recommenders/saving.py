"""Recommenders saved to one file, and loaded from it."""

import inspect
from collections.abc import Mapping
from pathlib import Path

import torch

from lxr.recommenders.base import Recommender
from lxr.recommenders.registry import RECOMMENDERS
from lxr.utils.checks import check_choice
from lxr.utils.records import plain
from lxr.utils.storage import DataError, short
from lxr.utils.weights import check_weights, read_weights, restore_weights, save_weights


def save_recommender(model: Recommender, name: str, options: dict, path: str | Path) -> None:
    """Write a registered recommender's name, constructor options and weights to one file, atomically.

    Args:
        model: the recommender.
        name: its key in :data:`RECOMMENDERS`.
        options: what it was made with, beside the number of items.
        path: the file.

    Raises:
        ValueError: options or weights with which the recommender could not be loaded again; nothing is written.

    Example: see :func:`load_recommender`.
    """
    check_choice(RECOMMENDERS, name=name)
    if type(model) is not RECOMMENDERS[name]:
        raise ValueError(
            f"model: expected a {RECOMMENDERS[name].__name__}, the class of {name!r}, found {type(model).__name__}"
        )
    if not isinstance(options, Mapping):
        raise ValueError(f"options: expected a dictionary of options, found {options!r}")
    options = plain(dict(options), "options")
    if model.n_features:
        options["n_features"] = int(model.n_features)
    try:
        with torch.random.fork_rng(devices=[]):
            again = RECOMMENDERS[name](model.n_items, **options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"options: expected those of {name!r}, found {options}: {short(error)}") from error
    check_weights(again, model.state_dict())
    save_weights({"name": name, "n_items": int(model.n_items), "options": options, "weights": model.state_dict()}, path)


def load_recommender(path: str | Path, device: torch.device | str = "cpu") -> Recommender:
    """Read what :func:`save_recommender` wrote.

    Args:
        path: the file.
        device: where the recommender is to be.

    Returns:
        The recommender, ready for inference.

    Raises:
        DataError: the file is missing, damaged or something else.

    Example:
        >>> import lxr, tempfile
        >>> model, x = lxr.MF(5, n_factors=2), torch.eye(5)
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     save_recommender(model, "mf", {"n_factors": 2}, f"{directory}/mf.pt")
        ...     torch.equal(load_recommender(f"{directory}/mf.pt")(x), model(x))
        True
    """
    state = read_weights(path, required=("name", "n_items", "options", "weights"))
    name, options = state["name"], state["options"]
    if not (isinstance(name, str) and name in RECOMMENDERS):
        raise DataError(f"{path}: expected one of the recommenders {', '.join(RECOMMENDERS)}, found {name!r}")
    if not (isinstance(options, dict) and all(isinstance(option, str) for option in options)):
        raise DataError(f"{path}: expected the options of {name} by name, found {options!r}")
    unknown = [option for option in options if option not in inspect.signature(RECOMMENDERS[name]).parameters]
    if unknown:
        raise DataError(f"{path}: expected options of {name}, found {unknown[0]!r}, which it does not have")
    try:
        model = RECOMMENDERS[name](state["n_items"], **options)
    except Exception as error:  # a file made by hand may hold anything
        found = f"{state['n_items']!r} items and the options {options}"
        raise DataError(
            f"{path}: expected a number of items and options of {name}, found {found}: {short(error)}"
        ) from error
    restore_weights(model, state["weights"], path)
    return model.to(device).eval()
