"""Explainer of a bundle: trained, refining a trained one, or given by class, options and training histories."""

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from lxr.data.histories import EntryLists
from lxr.data.inputs import as_matrix
from lxr.delivery.explainers import load_explainer
from lxr.explainers.base import Explainer, check_explainer, training_lists
from lxr.explainers.learned.base import LearnedExplainer
from lxr.explainers.registry import EXPLAINERS
from lxr.recommenders.base import Recommender
from lxr.recommenders.fingerprint import Fingerprint
from lxr.utils.records import plain
from lxr.utils.sparse import binary_matrix
from lxr.utils.storage import DataError, read_npz, save_npz, short

TRAINED = "explainer.pt"
MATRICES = ("train_matrix", "validation_matrix")  # arguments with histories
FILES = (TRAINED, *(f"{name}.npz" for name in MATRICES))


def classes() -> dict[str, type[Explainer]]:
    """Name → class of the explainers in :data:`lxr.EXPLAINERS`."""
    return {spec.cls.__name__: spec.cls for spec in [*EXPLAINERS.values(), *EXPLAINERS.by_name.values()]}


def write_explainer(explainer: Explainer, model: Recommender, again: Recommender, directory: Path) -> dict:
    """Write an explainer into the directory of a bundle.

    Args:
        explainer: the explainer.
        model: the recommender that it explains.
        again: the same recommender, made from the bundle; a trained explainer is bound to it.
        directory: an existing directory.

    Returns:
        Plain values for :func:`read_explainer`.

    Raises:
        ValueError: an explainer of another recommender, of an unregistered class, or with options other than numbers and
            texts.
    """
    check_explainer(explainer)
    if explainer.model is not model:
        raise ValueError("explainer: expected an explainer of this model, found an explainer of another one")
    name = type(explainer).__name__
    if classes().get(name) is not type(explainer):
        raise ValueError(f"explainer: expected a class in lxr.EXPLAINERS (lxr.explainers.register adds one), found {name}")
    record: dict[str, Any] = {"class": name}
    if isinstance(explainer, LearnedExplainer):
        _write_trained(explainer, model, again, directory)
        return record
    options = {key: value for key, value in explainer.arguments.items() if key != "model"}
    if isinstance(refined := options.get("explainer"), LearnedExplainer):
        _write_trained(refined, model, again, directory)
        record["refines"] = type(options.pop("explainer")).__name__
    for key in MATRICES:
        if options.get(key) is not None:
            save_npz(directory / f"{key}.npz", **_arrays_of(training_lists(model, **{key: options.pop(key)})))
            record.setdefault("histories", []).append(key)
    try:
        return record | {"options": plain(options, "options")}
    except ValueError as error:
        raise ValueError(f"explainer: {name} cannot be saved in a file: {error}") from error


def _write_trained(explainer: LearnedExplainer, model: Recommender, again: Recommender, directory: Path) -> None:
    """Write a trained explainer, bound to the recommender of the bundle.

    Raises:
        ValueError: it was trained for another recommender.
    """
    if explainer.fingerprint.differs(Fingerprint.of(model)):
        raise ValueError(f"explainer: expected an explainer trained for this model, found one for {explainer.fingerprint}")
    bound = copy.copy(explainer)
    bound.model, bound.fingerprint = again, Fingerprint.of(again)
    bound.save(directory / TRAINED)


def read_explainer(record: dict, model: Recommender, directory: Path) -> Explainer:
    """Read the explainer of :func:`write_explainer`, for the recommender of the bundle.

    Raises:
        DataError: a file is missing or damaged, or the class is not registered or has other options here.
    """
    cls = _class_of(record.get("class"), directory)
    try:
        with warnings.catch_warnings(action="ignore"):  # about the recommender: the original raised them already
            if issubclass(cls, LearnedExplainer):
                return load_explainer(directory / TRAINED, model)
            options = {name: _read_histories(directory / f"{name}.npz", model) for name in record.get("histories", ())}
            options |= record["options"]
            if "refines" not in record:
                return cls(model, **options)
            return cls(load_explainer(directory / TRAINED, model), **options)  # type: ignore[arg-type]
    except (DataError, ImportError):  # an import names the extra to install
        raise
    except Exception as error:  # a record made by hand may hold anything
        raise DataError(f"{directory}: its explainer {cls.__name__} cannot be made: {short(error)}") from error


def _class_of(name: object, directory: Path) -> type[Explainer]:
    """A registered class by its name.

    Raises:
        DataError: there is no such class.
    """
    if not (isinstance(name, str) and name in classes()):
        raise DataError(
            f"{directory}: its explainer {name!r} is not registered here: import the module that registers it first"
        )
    return classes()[name]


def _arrays_of(lists: EntryLists) -> dict[str, np.ndarray]:
    """Arrays of histories for a file; times only if there are any."""
    arrays = {
        "indices": lists.items,
        "indptr": lists.indptr,
        "shape": np.array([len(lists), lists.n_columns]),
        "distinct": np.array(lists.distinct),
    }
    return arrays if lists.times is None else arrays | {"times": lists.times}


def _read_histories(path: Path, model: Recommender) -> EntryLists | sp.csr_matrix:
    """Histories from a file: entries if the recommender uses their order, else a matrix (n, I)."""
    arrays = read_npz(path, required=("indices", "indptr", "shape"))
    items, indptr, shape = arrays["indices"], arrays["indptr"], tuple(arrays["shape"].tolist())
    if model.is_ordered:
        return EntryLists(items, indptr, shape[1], arrays.get("times"), distinct=bool(arrays["distinct"]))
    return as_matrix(histories=binary_matrix(items, indptr, shape))
