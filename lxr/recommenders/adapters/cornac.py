"""Models of the library cornac 3."""

from typing import Any

import numpy as np
import torch
from torch import nn

from lxr.recommenders.adapters.form import Form, chosen, class_names
from lxr.recommenders.adapters.scorers import FoldIn, ItemToItem, SumOfItems, single
from lxr.recommenders.adapters.sequences import NOTHING, PaddedSequences, examples
from lxr.recommenders.modes import evaluating

N_EXAMPLES = 20
OVER_ALL_ITEMS = ("ce", "cross-entropy", "softmax", "xe_softmax")  # losses of one distribution over all items
TRAIN_INSTEAD = "explain a model that computes its user from the history: SASRec, GRU4Rec, VAECF, EASE, or ALS of implicit"
BY_USER = f"it learns a vector for every user, and a changed history does not change it: {TRAIN_INSTEAD}"
BY_RATING = f"it predicts ratings, and a history of items has none: {TRAIN_INSTEAD}"
REFUSED = {"BPR": BY_USER, "WBPR": BY_USER, "GMF": BY_USER, "MLP": BY_USER, "NeuMF": BY_USER, "NGCF": BY_USER}
REFUSED |= {"MF": BY_RATING, "PMF": BY_RATING, "SVD": BY_RATING, "ItemKNN": BY_RATING, "UserKNN": BY_RATING}


class SelfAttention(PaddedSequences):
    """SASRec of cornac: the state at the last place."""

    def scores(self, numbers: torch.Tensor) -> torch.Tensor:
        """Scores (B, I) of padded item numbers (B, T)."""
        return self.module(None, numbers, torch.arange(self.module.item_num, device=numbers.device))


class Transformer(PaddedSequences):
    """BERT4Rec and TransformerRec of cornac: the state at the last place."""

    def scores(self, numbers: torch.Tensor) -> torch.Tensor:
        """Scores (B, I) of padded item numbers (B, T)."""
        items = torch.arange(self.module.item_num, device=numbers.device)
        return self.module.score_positions(self.module.encode(numbers)[:, -1], items)


class Recurrent(nn.Module):
    """GRU4Rec of cornac. A share k of an entry moves the state h to k GRU(entry, h) + (1 − k) h: exact at 0 and 1."""

    module: Any

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, items: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        """Map items (B, L) and their kept shares (B, L) to scores (B, I)."""
        module = self.module
        states = [keep.new_zeros(len(items), width) for width in module.layers]
        for entry, share in zip(items.T, keep.T[..., None], strict=True):
            moved = list(states)
            inputs = module.embed(entry, moved, None)[0]
            if not (module.constrained_embedding or module.embedding):
                moved[0] = inputs
            module.hidden_step(inputs, moved)  # in place
            states = [share * new + (1 - share) * old for new, old in zip(moved, states, strict=True)]
        scores = module.score_items(states[-1], module.Wy.weight, module.By.weight)[:, : module.n_items]
        return scores.where((keep > 0).any(dim=1, keepdim=True), NOTHING)


def form_of(model: Any) -> Form:
    """Form of a fitted model of cornac.

    Raises:
        ValueError: a class that cannot be explained, or a model that is not fitted.
    """
    makers = {"SASRec": _sasrec, "GRU4Rec": _gru4rec, "TransformerRec": _transformer, "VAECF": _vaecf, "EASE": _ease}
    return chosen(model, "cornac", makers | {"LightGCN": _lightgcn, "WMF": _wmf}, REFUSED)


def _sasrec(model: Any) -> Form:
    """SASRec."""
    module = model.model
    return _sequential(
        model, SelfAttention(module, model.max_len, padding=model.pad_idx, side="left", table=module.item_emb), model.max_len
    )


def _transformer(model: Any) -> Form:
    """BERT4Rec, and TransformerRec with other backbones."""
    token = model.mask_idx if model.objective_.uses_mask_token else None
    module, padding = model.model, model.pad_idx
    scorer = Transformer(module, model.max_len, padding=padding, side="left", table=module.item_emb, token=token)
    return _sequential(model, scorer, model.max_len)


def _gru4rec(model: Any) -> Form:
    """GRU4Rec."""
    return _sequential(model, Recurrent(model.model), 50)


def _sequential(model: Any, scorer: nn.Module, width: int) -> Form:
    """A model that scores any list of items, the empty one too."""
    histories = [[], *examples(range(model.total_items), width)]
    with evaluating(model.model):  # cornac leaves it in evaluation mode
        own = np.array([model.score(0, history) for history in histories])
    return Form(
        scorer,
        model.total_items,
        "softmax" if model.loss in OVER_ALL_ITEMS else "sigmoid",
        takes="entries",
        item_ids=_ids(model, model.total_items),
        histories=histories,
        own=own,
    )


def _vaecf(model: Any) -> Form:
    """VAECF: encoder, mean of the latent code and decoder, without the final activation."""
    layers = nn.Sequential(model.vae.encoder, model.vae.enc_mu, model.vae.decoder)
    activation = "softmax" if model.vae.likelihood == "mult" else "sigmoid"
    return _of_users(model, layers, model.r_mat, activation=activation, own_probability=True)


def _ease(model: Any) -> Form:
    """EASE."""
    ratings = model.U
    if ratings.nnz and (ratings.data != 1).any():
        raise ValueError(
            f"model: expected EASE of cornac trained on ones, found ratings up to {ratings.data.max():g}, which a history "
            "does not have: train it on the pairs that count, with the rating 1"
        )
    return _of_users(model, ItemToItem(model.B), ratings, activation="sigmoid", is_linear=True)


def _lightgcn(model: Any) -> Form:
    """LightGCN: the user is the normalized sum of the final item vectors."""
    matrix = _training_matrix(model)
    degree = np.maximum(np.bincount(matrix.indices, minlength=len(model.V)), 1)
    items = single(model.V)
    scorer = SumOfItems(items / torch.from_numpy(degree).float().sqrt()[:, None], items)
    return _of_users(model, scorer, matrix, activation="sigmoid", is_exact=False)


def _wmf(model: Any) -> Form:
    """WMF: least squares against the item vectors; every batch of items has counted the penalty of the users once."""
    penalty = model.lambda_u / 2 * int(np.ceil(len(model.V) / model.batch_size))
    scorer = FoldIn(model.V, consumed=model.a, others=model.b, penalty=penalty)
    return _of_users(model, scorer, _training_matrix(model), activation="sigmoid", is_exact=False)


def _of_users(model: Any, scorer: nn.Module, matrix: Any, **options: Any) -> Form:
    """A model that scores the users of its training matrix (n, I) only."""
    users = np.flatnonzero(np.diff(matrix.indptr))[:N_EXAMPLES]
    return Form(
        scorer,
        matrix.shape[1],
        item_ids=_ids(model, matrix.shape[1]),
        histories=[matrix[user].indices.tolist() for user in users],
        own=np.array([np.ravel(model.score(user)) for user in users]),
        **options,
    )


def _training_matrix(model: Any) -> Any:
    """CSR (n, I) of a model's training users.

    Raises:
        ValueError: the model does not have it.
    """
    train_set = getattr(model, "train_set", None)
    if train_set is None:
        name = class_names(model)[0]
        raise ValueError(
            f"model: expected {name} of cornac with its training users in model.train_set, found none: cornac does not save "
            "them with a model, so assign them after loading"
        )
    return train_set.matrix


def _ids(model: Any, n_items: int) -> list:
    """Ids of the first n items of a model."""
    ids = {number: item for item, number in model.iid_map.items()}
    return [ids[number] for number in range(n_items)]
