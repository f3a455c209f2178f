"""Last layers of recommenders: they score all items, candidates of each user, or one part of the catalogue after another."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

Score = Callable[[torch.Tensor | slice], torch.Tensor]
"""Items → logits (B, C): a slice of the catalogue or items (C,), the same for every user, or candidates (B, C)."""
Candidates = torch.Tensor | Callable[[Score], torch.Tensor] | None
"""Items that ``forward`` scores: (B, C) candidates; None for all; or a function that asks for the logits it needs."""


def answer(score: Score, candidates: Candidates) -> torch.Tensor:
    """Logits (B, C) of candidates (B, C), (B, I) of all items for None, or the result of a function of the scores."""
    if callable(candidates):
        return candidates(score)
    return score(slice(None) if candidates is None else candidates)


def inner_products(
    user: torch.Tensor, table: torch.Tensor, *, bias: torch.Tensor | None = None, shift: torch.Tensor | None = None
) -> Score:
    """Scores u · (v_i + s) + b_i of users u (B, h) with the vectors v_i of items, rows of a table (I, h).

    Args:
        user: (B, h) users.
        table: (I, h) items.
        bias: (I,) numbers b_i, 0 by default.
        shift: (h,) vector s, 0 by default.

    Returns:
        The function of items.

    Example:
        >>> user, table = torch.tensor([[1.0, 2], [3, 4]]), torch.tensor([[1.0, 0], [0, 1], [1, 1]])
        >>> score = inner_products(user, table, bias=torch.tensor([0.0, 0, 10]))
        >>> score(slice(1, 3)).tolist(), score(torch.tensor([[0, 2], [1, 1]])).tolist()
        ([[2.0, 13.0], [4.0, 17.0]], [[1.0, 13.0], [4.0, 4.0]])
    """

    def score(items: torch.Tensor | slice) -> torch.Tensor:
        of_each = isinstance(items, torch.Tensor) and items.ndim == 2
        vectors = F.embedding(items, table) if isinstance(items, torch.Tensor) else table[items]
        vectors = vectors if shift is None else vectors + shift
        constant = None if bias is None else bias[items]
        if not of_each:
            return F.linear(user, vectors, constant)
        found = score_candidates(user, vectors)
        return found if constant is None else found + constant

    return score


def score_candidates(user: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
    """Inner products (B, C) of users (B, h) with their candidates (B, C, h)."""
    return torch.einsum("bh,bch->bc", user, items)
