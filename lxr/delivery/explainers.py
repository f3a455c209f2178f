"""Explainers for delivery: the default one, made by name, read from a file, and their fingerprints."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from torch import nn

from lxr.data.interactions import Interactions
from lxr.data.splits import split_users
from lxr.explainers.base import Explainer
from lxr.explainers.learned.base import LearnedExplainer
from lxr.explainers.registry import EXPLAINERS
from lxr.recommenders.base import Recommender
from lxr.recommenders.fingerprint import Fingerprint
from lxr.recommenders.recommendations import training_users
from lxr.utils.storage import DataError
from lxr.utils.weights import read_weights

DEFAULT_EXPLAINERS = {True: "rank-margin-path", False: "leave-one-out"}
"""Whether a recommender has a gradient → name of its default explainer. Both need no training."""


def default_explainer(model: Recommender) -> str:
    """Name of the default explainer, which needs no training.

    Args:
        model: the explained recommender.

    Returns:
        ``"rank-margin-path"`` if the recommender has a gradient with respect to the history, else ``"leave-one-out"``.

    Example:
        >>> import lxr
        >>> default_explainer(lxr.MF(4)), default_explainer(lxr.wrap(lambda x: x.detach().flip(1), 4, "sigmoid"))
        ('rank-margin-path', 'leave-one-out')
    """
    return DEFAULT_EXPLAINERS[model.differentiable]


def as_explainer(
    explainer: str | Explainer | None, model: Recommender, data: Interactions, *, seed: int = 0, **options
) -> tuple[Explainer, str]:
    """An explainer of a recommender, and its name.

    Args:
        explainer: an explainer of ``model``; a name in :data:`lxr.EXPLAINERS`; or None for :func:`default_explainer`. A
            named explainer is made, and trained if necessary, with the training and validation users of
            :func:`lxr.split_users`.
        model: the explained recommender.
        data: histories of all users.
        seed: seed of the split and of a new explainer.
        options: options of a new explainer.

    Returns:
        The explainer, and its name in the registry or the name of its class.

    Raises:
        ValueError: an unknown name, an explainer of another recommender, or options for an existing explainer.

    Example:
        >>> import lxr
        >>> data = lxr.load_dataset("synthetic")
        >>> as_explainer("cosine", lxr.Popularity(data.matrix), data)[1]
        'cosine'
    """
    if explainer is None:
        name = default_explainer(model)
        return EXPLAINERS[name](model, data.matrix, seed=seed, **options), name  # it does not use the histories
    if isinstance(explainer, str):
        name = EXPLAINERS.primary(explainer)
        train, validation, _ = split_users(data.matrix.shape[0], seed=seed)
        users = training_users(model, data, train), training_users(model, data, validation)
        return EXPLAINERS[name](model, *users, seed=seed, **options), name
    if not isinstance(explainer, Explainer) or explainer.model is not model:
        of = "an explainer of another model" if isinstance(explainer, Explainer) else type(explainer).__name__
        raise ValueError(f"explainer: expected a name or an explainer of this model, found {of}")
    if options:
        raise ValueError(f"options: expected none with an existing explainer, found {', '.join(options)}")
    return explainer, type(explainer).__name__


def load_explainer(path: str | Path, model: Recommender) -> LearnedExplainer:
    """Read a saved explainer of any class.

    Args:
        path: the file.
        model: the recommender for which it was trained.

    Returns:
        The explainer.

    Raises:
        DataError: the file is missing, damaged, not an explainer, or belongs to another recommender.

    Example:
        >>> import lxr, tempfile
        >>> data = lxr.load_dataset("synthetic")
        >>> model = lxr.MF(data.n_items)
        >>> trained = lxr.EXPLAINERS["lxr"](model, data.matrix[:400], data.matrix[400:], epochs=1)
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     trained.save(f"{directory}/lxr.pt")
        ...     type(load_explainer(f"{directory}/lxr.pt", model)).__name__
        'LXR'
    """
    state = read_weights(path, required=())
    classes = {spec.cls.__name__: spec.cls for spec in EXPLAINERS.values() if issubclass(spec.cls, LearnedExplainer)}
    name = state.get("explainer")
    if name not in classes:
        found = "a recommender" if "class" in state else "something else"
        raise DataError(f"{path}: expected a saved explainer ({', '.join(classes)}), found {found}")
    return classes[name].load(path, model)


# --- fingerprints ----------------------------------------------------------------------------------------------------


def recommender_fingerprint(model: Recommender) -> str:
    """SHA-256 of the class, activation, sizes and weights of a recommender; the same on every machine.

    Args:
        model: the recommender.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> import lxr
        >>> first, again, other = (recommender_fingerprint(lxr.MF(4, seed=seed)) for seed in (0, 0, 1))
        >>> first == again, first == other
        (True, False)
    """
    return Fingerprint.of(model).digest


def explainer_fingerprint(explainer: Explainer) -> str:
    """SHA-256 of the class, options and weights of an explainer.

    It ignores the explained recommender and the record of the training.

    Args:
        explainer: the explainer.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> import lxr
        >>> made = [lxr.explainers.SHAPItems(lxr.MF(4), n_samples=n_samples) for n_samples in (64, 64, 128)]
        >>> first, again, other = map(explainer_fingerprint, made)
        >>> first == again, first == other
        (True, False)
    """
    digest = hashlib.sha256()
    for part in _parts(explainer):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


_LEFT_OUT = ("model", "arguments", "training", "fingerprint")  # attributes without effect on explanations


def _parts(value: Any) -> Iterator[bytes]:
    """Bytes of a value of any kind; objects by their class and attributes."""
    if value is None or isinstance(value, bool | int | float | str | bytes | np.generic):
        yield repr(value.item() if isinstance(value, np.generic) else value).encode()
    elif isinstance(value, np.ndarray):
        yield from (f"{value.dtype} {value.shape}".encode(), np.ascontiguousarray(value).tobytes())
    elif isinstance(value, torch.Tensor):
        yield from _parts(value.detach().cpu().numpy())
    elif sp.issparse(value):
        yield from _parts([value.shape, value.tocsr().data, value.tocsr().indices, value.tocsr().indptr])
    elif isinstance(value, list | tuple):
        for each in [len(value), *value]:
            yield from _parts(each)
    elif isinstance(value, Mapping):
        yield from _parts([part for item in value.items() for part in item])
    elif isinstance(value, nn.Module):
        yield from _parts([type(value).__name__, sorted(value.state_dict().items())])
    elif isinstance(value, pd.DataFrame):
        yield value.to_csv().encode()
    else:
        name = value if hasattr(value, "__qualname__") else type(value)  # a class or a function; else an object
        own = {} if isinstance(value, type) else getattr(value, "__dict__", {})
        kept = {key: each for key, each in sorted(own.items()) if key not in _LEFT_OUT}
        yield from _parts([f"{name.__module__}.{name.__qualname__}", kept])
