"""Models of the library RecBole, from its checkpoints."""

from typing import Any

import numpy as np
import torch
from torch import nn

from lxr.recommenders.adapters.form import Form, chosen, class_names
from lxr.recommenders.adapters.scorers import ItemToItem, SumOfItems
from lxr.recommenders.adapters.sequences import PaddedSequences, examples
from lxr.recommenders.modes import evaluating

N_EXAMPLES = 20
PADDING = 0  # number of RecBole's item [PAD]
BY_USER = (
    "it learns a vector for every user, and a changed history does not change it: explain a sequential model, EASE, "
    "MultiVAE, MultiDAE or LightGCN"
)


class Sequential(PaddedSequences):
    """Any sequential model of RecBole."""

    def scores(self, numbers: torch.Tensor) -> torch.Tensor:
        """Scores (B, I) of padded item numbers (B, T)."""
        lengths = (numbers != PADDING).sum(dim=1).clamp(min=1)
        return self.module.full_sort_predict(_interaction(self.module, numbers, lengths)).view(len(numbers), -1)


class Autoencoder(nn.Module):
    """MultiVAE and MultiDAE of RecBole."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to logits (B, I)."""
        found = self.module(history)
        return found[0] if isinstance(found, tuple) else found


def form_of(model: Any) -> Form:
    """Form of a fitted model of RecBole. The ids of its items are in the dataset: ``dataset.field2id_token``.

    Raises:
        ValueError: a class that cannot be explained.
    """
    makers = {"EASE": _ease, "SLIMElastic": _ease, "MultiVAE": _autoencoder, "MultiDAE": _autoencoder, "LightGCN": _lightgcn}
    makers |= {"SequentialRecommender": _sequential}
    known = any(name in makers for name in class_names(model))
    return chosen(model, "RecBole", makers, {} if known else {"GeneralRecommender": BY_USER})


def _sequential(model: Any) -> Form:
    """SASRec, GRU4Rec and other sequential models; a soft mask if the list is looked up in ``item_embedding``."""
    table, width = getattr(model, "item_embedding", None), model.max_seq_length
    table = table if isinstance(table, nn.Embedding) else None
    histories = examples(range(1, model.n_items), width)
    return Form(
        Sequential(model, width, padding=PADDING, side="right", table=table),
        model.n_items,
        "softmax" if getattr(model, "loss_type", "CE") == "CE" else "sigmoid",
        takes="entries",
        histories=histories,
        own=np.concatenate([_own_sequence(model, history[-width:]) for history in histories]),
    )


def _ease(model: Any) -> Form:
    """EASE and SLIM."""
    weights = model.item_similarity
    weights = weights.toarray() if hasattr(weights, "toarray") else np.asarray(weights)
    return _of_users(model, ItemToItem(weights), activation="sigmoid", is_linear=True)


def _autoencoder(model: Any) -> Form:
    """MultiVAE and MultiDAE."""
    lists = [[number for number in row if number != PADDING] for row in model.history_item_id.tolist()]
    users = [user for user, history in enumerate(lists) if history][:N_EXAMPLES]
    return Form(
        Autoencoder(model),
        model.n_items,
        "softmax",
        histories=[lists[user] for user in users],
        own=_own(model, users),
    )


def _lightgcn(model: Any) -> Form:
    """LightGCN: the user is the normalized sum of the item vectors of every layer, with the item side frozen."""
    with torch.no_grad():
        vectors = model.get_ego_embeddings()
        layers = [vectors]
        for _ in range(model.n_layers):
            layers.append(torch.sparse.mm(model.norm_adj_matrix, layers[-1]))
        items = [layer[model.n_users :] for layer in layers]
        degree = np.bincount(model.interaction_matrix.tocoo().col, minlength=model.n_items)
        root = torch.from_numpy(np.maximum(degree, 1)).to(vectors).sqrt()[:, None]
        mean = torch.stack(items).mean(dim=0)
        table = torch.stack(items[:-1]).sum(dim=0) / len(layers) / root
    return _of_users(model, SumOfItems(table, mean), activation="sigmoid", is_exact=False)


def _of_users(model: Any, scorer: nn.Module, **options: Any) -> Form:
    """A model that scores the users of its training matrix only."""
    matrix = model.interaction_matrix.tocsr()
    users = np.flatnonzero(np.diff(matrix.indptr))[:N_EXAMPLES].tolist()
    histories = [matrix[user].indices.tolist() for user in users]
    return Form(scorer, model.n_items, histories=histories, own=_own(model, users), **options)


def _own(model: Any, users: list[int]) -> np.ndarray:
    """RecBole's own scores (n, I) of some training users."""
    questions = [{model.USER_ID: torch.tensor([user], device=model.device)} for user in users]
    return np.concatenate([_answer(model, question) for question in questions])


def _own_sequence(model: Any, history: list[int]) -> np.ndarray:
    """RecBole's own scores (1, I) of a list of item numbers, padded as its data loader pads it."""
    numbers = torch.tensor([history + [PADDING] * (model.max_seq_length - len(history))], device=model.device)
    return _answer(model, _interaction(model, numbers, torch.tensor([len(history)], device=model.device)))


def _answer(model: Any, question: dict) -> np.ndarray:
    """Scores (1, I) of all items for one user."""
    with torch.no_grad(), evaluating(model):
        return model.full_sort_predict(question).view(1, -1).cpu().numpy()


def _interaction(model: Any, numbers: torch.Tensor, lengths: torch.Tensor) -> dict:
    """Input of a sequential model of RecBole."""
    return {model.ITEM_SEQ: numbers, model.ITEM_SEQ_LEN: lengths}
