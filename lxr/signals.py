"""What a network that orders history items reads about each of them: a few numbers that come from the recommender alone.

Signals have no item's identity in them: what is learned from them holds for items, users and datasets that were not seen.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from lxr.checks import check_between, check_finite, check_positive
from lxr.explainer import Explainer
from lxr.fidelity import ItemOrder
from lxr.gradients import gradient
from lxr.objectives import Objective
from lxr.recommenders import Recommender

RIVALS = (5, 20, 50, 100)


class Signals(nn.Module):
    """A subclass sets :attr:`names` and defines :meth:`forward`.

    Attributes:
        names: of the F numbers per history item.
    """

    names: tuple[str, ...]

    @property
    def n_signals(self) -> int:
        """How many numbers F there are per history item."""
        return len(self.names)

    def ask(self, model: Recommender, seed: int = 0) -> "Signals":
        """Learn of a recommender, once, what signals of all histories need; nothing unless a subclass does."""
        return self

    def forward(self, model: Recommender, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Signals (N, F) of the N history items of (B, I) histories, user after user, by ascending item."""
        raise NotImplementedError


class Looks(Signals):
    """Gradients of an objective g at the history, and along a coarse path on which its first items are taken out or put in.

    The path takes the items with the largest gradient at the look before. A look at an item says what it would add there:
    whether it has been taken or not.

    Args:
        objective: g.
        removed: how many items are gone at each look: a number of items (1 or more) or a share of the history (below 1);
            at least one item stays.
        kept: how many items are there at each look; at least one.

    Raises:
        ValueError: a look at no item.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> looks = Looks(lxr.OBJECTIVES["logit"], removed=(1,))
        >>> looks(model, torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3]))  # items, looks
        tensor([[2., 2.],
                [0., 0.]])
    """

    def __init__(self, objective: Objective, removed: Sequence[float] = (), kept: Sequence[float] = ()):
        super().__init__()
        for look in (*removed, *kept):
            if not (0 < look < 1 or (look >= 1 and look == int(look))):
                raise ValueError(f"looks: expected shares above 0 and below 1 or numbers of items, found {look}")
        self.objective, self.removed, self.kept = objective, tuple(removed), tuple(kept)
        self.names = (
            "whole",
            *(f"{count:.0%} out" if count < 1 else f"{count:.0f} out" for count in self.removed),
            *(f"{count:.0%} in" if count < 1 else f"{count:.0f} in" for count in self.kept),
        )

    def forward(self, model: Recommender, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Gradients, a column per look."""
        user, item = history.nonzero(as_tuple=True)  # (N,) entries, by user, then by item
        row, column, every = user.cpu().numpy(), item.cpu().numpy(), np.arange(len(user))
        length = history.sum(dim=1)

        def look(there: np.ndarray) -> torch.Tensor:
            """Gradients (N,) at the histories that have only these entries."""
            x = torch.zeros_like(history)
            x[user[there], item[there]] = 1
            found = gradient(self.objective, model, x, target, history)[user, item]
            check_finite(row, column, found.cpu().numpy())
            return found

        whole = look(every)
        looks = [whole]
        for counts, keep in ((self.removed, False), (self.kept, True)):
            current, rest = whole, every
            for count in counts:
                wanted = (length * count if count < 1 else torch.full_like(length, count)).ceil()
                left = length - torch.minimum(wanted, length if keep else length - 1)
                rest = without_highest(rest, row[rest], current[rest].cpu().numpy(), left.cpu().numpy())
                current = look(np.setdiff1d(every, rest, assume_unique=True) if keep else rest)
                looks.append(current)
        return torch.stack(looks, dim=1)


def without_highest(entries: np.ndarray, user: np.ndarray, scores: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Of entries (n,) of users (n,), both ascending, those that stay when the ones with the highest scores (n,) have gone.

    ``left`` (B,) says how many stay of each user; who has fewer keeps them.
    """
    order = ItemOrder.by_keys(user, entries, scores[:, None], len(left))
    position = np.arange(len(entries)) - order.start.repeat(order.length)
    return np.sort(order.items[position >= (order.length - left).repeat(order.length)])


class MeanOfLooks(Explainer):
    """The mean of some looks, with nothing learned: what the signals alone explain.

    Args:
        model: the explained recommender.
        looks: as they are read.
    """

    needs_gradient = True

    def __init__(self, model: Recommender, looks: Looks):
        super().__init__(model)
        self.looks = looks

    def importance(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mean gradient."""
        return torch.zeros_like(history).masked_scatter(history > 0, self.looks(self.model, history, target).mean(dim=1))


class Answers(Signals):
    """What the recommender answers to each item alone: how much it speaks for the target and against its rivals.

    With S(i, j) the logit of item j after the history {i} alone, the signals of i are S(i, y), its log-share of all answers,
    and S(i, y) − Σ w_j S(i, j) over the K best other candidates j, w the softmax of their logits at the whole history. One
    forward pass per user says which these are. The table S is kept as a product of two thin matrices, found by a random
    projection (Halko, Martinsson and Tropp, SIAM Review 2011, algorithm 4.1), without ever standing in memory.

    Args:
        n_items: number of items I.
        n_targets: how many of them can be recommended.
        rank: width of the two matrices.
        rivals: the numbers K; where there are fewer candidates, all.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> answers = Answers(n_items=4, n_targets=4, rivals=(1,)).ask(model)
        >>> signals = answers(model, torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3]))
        >>> signals[:, [0, 2]].round(decimals=3)  # for the target; and against its rival, item 2
        tensor([[ 2.,  2.],
                [ 0., -1.]])
    """

    def __init__(self, n_items: int, n_targets: int, rank: int = 256, rivals: Sequence[int] = RIVALS):
        super().__init__()
        check_positive(rank=rank)
        for k in rivals:
            check_between(1, n_targets, rivals=k)
        rank = min(rank, n_items, n_targets)
        self.rivals = tuple(rivals)
        self.names = ("answer", "share", *(f"lead of {k}" for k in rivals))
        self.register_buffer("left", torch.zeros(n_items, rank))
        self.register_buffer("right", torch.zeros(rank, n_targets))
        self.register_buffer("level", torch.zeros(n_items))  # logsumexp of each answer

    @torch.no_grad()
    def ask(self, model: Recommender, seed: int = 0, batch_size: int = 512) -> "Answers":
        """Ask a recommender for its answer to every item, twice: for what the answers span, and where in it they lie."""
        items = torch.arange(len(self.left), device=model.device).split(batch_size)
        generator = torch.Generator().manual_seed(seed)
        projection = torch.randn(self.right.shape[1], self.right.shape[0], generator=generator).to(model.device)
        self.to(model.device)
        for batch in items:
            answer = single_answers(model, batch)
            self.left[batch], self.level[batch] = answer @ projection, answer.logsumexp(dim=1)
        self.left.copy_(torch.linalg.qr(self.left).Q)
        self.right.copy_(sum(self.left[batch].T @ single_answers(model, batch) for batch in items))
        return self

    @torch.no_grad()
    def forward(self, model: Recommender, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The target's answer, its log-share, and its lead of each number of rivals."""
        user, item = history.nonzero(as_tuple=True)
        here = self.left[item]  # (N, rank)
        own = (here * self.right.T[target[user]]).sum(dim=1)
        logits = model.of_items(model(history)).masked_fill(model.of_items(history) > 0, -torch.inf)
        logits = logits.scatter(1, target[:, None], -torch.inf)
        signals = [own, own - self.level[item]]
        for k in self.rivals:
            best, rival = logits.topk(k, dim=1)
            share = best.softmax(dim=1).nan_to_num()  # (B, K); no rival at all: the logit alone is left
            against = torch.zeros_like(logits).scatter(1, rival, share) @ self.right.T  # (B, rank)
            signals.append(own - (here * against[user]).sum(dim=1))
        return torch.stack(signals, dim=1)


def relative(signals: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Signals (N, F) of histories of lengths (B,), user after user, each relative to its mean size over the history."""
    user = torch.arange(len(length), device=length.device).repeat_interleave(length)
    size = torch.zeros(len(length), signals.shape[1], device=signals.device).index_add_(0, user, signals.abs())
    return signals / (size / length[:, None]).clamp(min=1e-12)[user]


def single_answers(model: Recommender, items: torch.Tensor) -> torch.Tensor:
    """Logits (b, n_targets) after the history of one item, for each of the items (b,); where a recommender refuses to
    recommend something (the item itself), its lowest."""
    history = torch.zeros(len(items), model.n_items, device=model.device).scatter(1, items[:, None], 1.0)
    logits = model.of_items(model(history))
    lowest = logits.masked_fill(logits == -torch.inf, torch.inf).amin(dim=1, keepdim=True)
    return torch.maximum(logits, lowest)
