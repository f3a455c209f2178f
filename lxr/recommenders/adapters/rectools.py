"""Models of the library RecTools."""

from typing import Any

import numpy as np
import torch

from lxr.recommenders.adapters import implicit
from lxr.recommenders.adapters.form import Form, chosen
from lxr.recommenders.adapters.scorers import ItemToItem
from lxr.recommenders.adapters.sequences import PaddedSequences, examples
from lxr.recommenders.modes import evaluating

PADDING = 0  # number of RecTools' padding item
BY_USER = (
    "it learns a vector for every user, and a changed history does not change it: explain SASRecModel, BERT4RecModel, "
    "EASEModel or ImplicitALSWrapperModel"
)
REFUSED = {"ImplicitBPRWrapperModel": BY_USER, "LightFMWrapperModel": BY_USER, "DSSMModel": BY_USER}


class Session(PaddedSequences):
    """Transformers of RecTools: the state at the last place, compared with the vectors of all items."""

    def scores(self, numbers: torch.Tensor) -> torch.Tensor:
        """Scores (B, I) of padded item numbers (B, T)."""
        vectors = self.module.item_model.get_all_embeddings()  # (I, f)
        return self.module.similarity_module(self.module.encode_sessions({"x": numbers}, vectors)[:, -1], vectors)


def form_of(model: Any) -> Form:
    """Form of a fitted model of RecTools. Transformers have the ids of their items, the others do not.

    Raises:
        ValueError: a class that cannot be explained, or a model that is not fitted.
    """
    makers = {"SASRecModel": _transformer, "BERT4RecModel": _transformer, "EASEModel": _ease}
    wrappers = {"ImplicitALSWrapperModel": _wrapper, "ImplicitItemKNNWrapperModel": _wrapper}
    return chosen(model, "RecTools", makers | wrappers, REFUSED)


def _transformer(model: Any) -> Form:
    """SASRecModel and BERT4RecModel; the latter reads the state of a mask token at the end."""
    prepared, module = model.data_preparator, model.lightning_model.torch_model
    ids = list(prepared.item_id_map.external_ids)
    token = prepared.extra_token_ids.get("MASK")
    width, n_extra = model.session_max_len, len(prepared.item_extra_tokens)
    histories = examples(range(n_extra, len(ids)), width)
    return Form(
        Session(module, width, padding=PADDING, side="left", token=token),
        len(ids),
        "softmax" if "softmax" in model.loss else "sigmoid",
        takes="entries",
        item_ids=ids,
        histories=histories,
        own=np.concatenate([_own(module, [*history, *([] if token is None else [token])], width) for history in histories]),
    )


def _own(module: Any, numbers: list[int], width: int) -> np.ndarray:
    """RecTools' own scores (1, I) of a list of item numbers, padded as its data preparator pads it."""
    with torch.no_grad(), evaluating(module):
        vectors = module.item_model.get_all_embeddings()
        padded = torch.tensor([([PADDING] * width + numbers)[-width:]], device=vectors.device)
        return module.similarity_module(module.encode_sessions({"x": padded}, vectors)[:, -1], vectors).cpu().numpy()


def _ease(model: Any) -> Form:
    """EASEModel: its ranker multiplies a history with the transposed weights."""
    return Form(ItemToItem(model.weight.T), len(model.weight), "sigmoid", is_linear=True)


def _wrapper(model: Any) -> Form:
    """Models of implicit inside RecTools."""
    return implicit.form_of(model.model)
