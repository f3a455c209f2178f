"""Recommenders loaded from the files that :meth:`lxr.Recommender.save` writes."""

from pathlib import Path

import torch

from lxr.recommenders.base import Recommender
from lxr.recommenders.registry import RECOMMENDERS
from lxr.utils.checks import default_options
from lxr.utils.storage import REPAIR, DataError, short
from lxr.utils.weights import read_weights, restore_weights

ENTRIES = ("class", "n_items", "options", "weights")


def load(path: str | Path, *, device: torch.device | str = "cpu") -> Recommender:
    """Read a recommender that :meth:`lxr.Recommender.save` wrote.

    Args:
        path: the file.
        device: device of the recommender.

    Returns:
        The recommender, ready for inference. Its class is one of :data:`lxr.RECOMMENDERS`.

    Raises:
        DataError: the file is missing, damaged or something else.

    Example:
        >>> import lxr, tempfile
        >>> model, x = lxr.MF(5, n_factors=2), torch.eye(5)
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     model.save(f"{directory}/mf.pt")
        ...     torch.equal(load(f"{directory}/mf.pt")(x), model(x))
        True
    """
    state = read_weights(path, required=())
    if not state.keys() >= set(ENTRIES):
        found = "an explainer" if "explainer" in state else "something else"
        raise DataError(f"{path}: expected a file of model.save of this version, found {found}: {REPAIR}")
    model = _made_again(state, path)
    restore_weights(model, state["weights"], path)
    return model.to(device).eval()


def _made_again(state: dict, path: str | Path) -> Recommender:
    """Recommender of a file, without its weights.

    Raises:
        DataError: the class, the number of items or the options do not fit a registered recommender.
    """
    classes = {cls.__name__: cls for cls in RECOMMENDERS.values()}
    name, options = state["class"], state["options"]
    if not (isinstance(name, str) and name in classes):
        known = ", ".join(classes)
        raise DataError(f"{path}: expected one of the recommenders of lxr.RECOMMENDERS ({known}), found {name!r}")
    if not (isinstance(options, dict) and all(isinstance(option, str) for option in options)):
        raise DataError(f"{path}: expected the options of {name} by name, found {options!r}")
    unknown = [option for option in options if option not in default_options(classes[name])]
    if unknown:
        raise DataError(f"{path}: expected options of {name}, found the unknown option {unknown[0]!r}")
    try:
        return classes[name](state["n_items"], **options)
    except Exception as error:  # a file made by hand may hold anything
        found = f"{state['n_items']!r} items and the options {options}"
        raise DataError(
            f"{path}: expected a number of items and options of {name}, found {found}: {short(error)}"
        ) from error
