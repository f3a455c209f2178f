"""Recommenders made from models that other libraries have trained."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lxr.data.interactions import Interactions
from lxr.recommenders.adapters import cornac, general, implicit, recbole, rectools
from lxr.recommenders.adapters.form import Form, check_form, device_of
from lxr.recommenders.adapters.scorers import Rearranged
from lxr.recommenders.base import Activation, Recommender
from lxr.recommenders.recommendations import check_catalogue
from lxr.recommenders.wrapped import wrap
from lxr.utils.checks import check_instance

LIBRARIES = {
    "cornac": cornac.form_of,
    "implicit": implicit.form_of,
    "recbole": recbole.form_of,
    "rectools": rectools.form_of,
}


def adapt(
    model: Any, data: Interactions, *, item_ids: Sequence | None = None, activation: Activation | None = None
) -> Recommender:
    """Make a recommender from a model that another library has trained.

    The class of the model decides, by the name of its library: cornac, implicit, RecBole, RecTools. Their packages are not
    imported. A PyTorch module of items and mask is a sequential recommender, one of rows (B, I) is not. Any other object
    with ``predict_proba``, ``decision_function`` or ``predict`` of rows is a black box.

    The adapted scores are compared with the library's own, for some training users or lists of items. :func:`lxr.wrap` then
    checks the answers as for any scorer. The model is not changed.

    Args:
        model: the fitted model.
        data: histories with the item ids that the model was trained with; every item must be known to the model. Items that
            only the model knows are never recommended.
        item_ids: id of each item number of the model. cornac and the transformers of RecTools have them. For implicit, a
            module or a black box, the default is ``data.item_ids``, for a model trained on ``data.matrix``. RecBole has them
            in ``dataset.field2id_token``.
        activation: function from scores to probabilities, as for :func:`lxr.wrap`; by default that of the model, which a
            PyTorch module does not have.

    Returns:
        The recommender, in the items of ``data``.

    Raises:
        ValueError: a model that cannot be explained, is not fitted or does not fit the data, or whose adapted scores differ
            from its own.

    Example:
        >>> import lxr, torch
        >>> data = lxr.load_dataset("synthetic")
        >>> class Mean(torch.nn.Module):  # of items (B, L) and mask (B, L)
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.table = torch.nn.Embedding(data.n_items, 8)
        ...     def forward(self, items, mask):
        ...         total = (self.table(items) * mask[..., None]).sum(dim=1)
        ...         return total / mask.sum(dim=1, keepdim=True).clamp(min=1) @ self.table.weight.T
        >>> model = adapt(Mean(), data, activation="softmax")
        >>> model.is_ordered, model.differentiable
        (True, True)
        >>> adapt("SASRec", data)
        Traceback (most recent call last):
        ...
        ValueError: model: expected a fitted model of cornac, implicit, recbole, rectools, a PyTorch module, or an object \
with predict_proba, decision_function or predict, found str: lxr.wrap makes a recommender of a function of histories
    """
    check_instance(Interactions, "interactions, as lxr.prepare makes them", data=data)
    if isinstance(model, Recommender):
        check_catalogue(model, data)
        return model
    if data.n_features:
        raise ValueError(f"data: expected no user features for a model of another library, found {data.n_features}")
    form, name = _form_of(model, data.n_items if item_ids is None else len(item_ids)), type(model).__name__
    check_form(form, name)
    scorer, numbers = form.scorer, _numbers(form, data, item_ids, name)
    if not np.array_equal(numbers, np.arange(form.n_items)):
        scorer = Rearranged(scorer, numbers, form.n_items).to(device_of(scorer))
    chosen = activation or form.activation
    if chosen is None:
        raise ValueError(f"activation: expected 'sigmoid', 'softmax' or 'probability' for the module {name}, found none")
    return wrap(scorer, data.n_items, chosen, takes=form.takes, is_linear=form.is_linear)


def _form_of(model: Any, n_items: int) -> Form:
    """Form of a model, by the library of its class or of a base; a model of no library has this number of items.

    Raises:
        ValueError: no adapter knows the model.
    """
    for cls in type(model).__mro__:
        if (library := cls.__module__.partition(".")[0]) in LIBRARIES:
            return LIBRARIES[library](model)
    form = general.form_of(model, n_items)
    if form is None:
        raise ValueError(
            f"model: expected a fitted model of {', '.join(LIBRARIES)}, a PyTorch module, or an object with "
            "predict_proba, decision_function or predict, "
            f"found {type(model).__name__}: lxr.wrap makes a recommender of a function of histories"
        )
    return form


def _numbers(form: Form, data: Interactions, item_ids: Sequence | None, name: str) -> np.ndarray:
    """Number (I,) in the model of each item of the data.

    Raises:
        ValueError: other numbers of items, a repeated id, or an item that the model does not know.
    """
    ids = form.item_ids if item_ids is None else item_ids
    if ids is None and form.n_items == data.n_items:
        return np.arange(data.n_items)
    if ids is None or len(ids) != form.n_items:
        found = f"none, and {data.n_items} items in the data" if ids is None else len(ids)
        raise ValueError(f"item_ids: expected the ids of the {form.n_items} items of {name}, in its order, found {found}")
    known, wanted = {_plain(each): number for number, each in enumerate(ids)}, data.item_ids.tolist()
    if len(known) != form.n_items:
        raise ValueError(f"item_ids: expected different ids, found {len(known)} among {form.n_items}")
    if not any(item in known for item in wanted):  # libraries that read files have all ids as text
        known, wanted = {str(item): number for item, number in known.items()}, [str(item) for item in wanted]
    missing = [item for item in wanted if item not in known]
    if missing:
        raise ValueError(
            f"data: expected items that {name} knows, found {len(missing)} that it does not know, first {missing[0]!r}: "
            "prepare the ratings of the known items only"
        )
    return np.array([known[item] for item in wanted])


def _plain(item: Any) -> Any:
    """An id as a Python value."""
    return item.item() if isinstance(item, np.generic) else item
