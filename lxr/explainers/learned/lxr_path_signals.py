"""Signals of each history item for an ordering network: a few numbers from the recommender alone.

Signals do not contain the identity of an item. So a network can use them for unseen items, users and datasets.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from lxr.data.histories import Histories
from lxr.explainers.base import Explainer
from lxr.explainers.gradients import gradient
from lxr.explainers.leave_one_out import leave_one_out
from lxr.explainers.objectives import OBJECTIVES, Objective, RankMargin, SoftRank
from lxr.metrics.trajectory import check_scores, ranks
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_between, check_numbers, check_positive

RIVALS = (5, 20, 50, 100)


class Signals(nn.Module):
    """Base class of signals; a subclass sets :attr:`names` and defines :meth:`forward`.

    Attributes:
        names: names of the F numbers per history item.
    """

    names: tuple[str, ...]

    @property
    def n_signals(self) -> int:
        """Number F of signals per history item."""
        return len(self.names)

    def fit(self, model: Recommender, seed: int = 0) -> "Signals":
        """Precompute data of a recommender for all histories; a subclass may define it."""
        return self

    def forward(self, model: Recommender, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Signals (N, F) of all N entries, user after user."""
        raise NotImplementedError


def check_looks(looks: Sequence[float]) -> None:
    """Refuse looks that are neither shares of the history nor numbers of its items."""
    for look in looks:
        expected = "shares above 0 and below 1 or numbers of items"
        check_numbers(expected, lambda value: 0 < value < 1 or (value >= 1 and value == int(value)), looks=look)


class PathGradients(Signals):
    """Gradients of an objective g at the history, and along a coarse path that removes or adds its first items.

    The path takes the items with the largest gradient at the previous look (a gradient at one point of the path). A look
    covers all items, taken or not. The order of the path, completed by the last look, is also a signal.

    Args:
        objective: g.
        removed: removed items at each look: a number of items (1 or more) or a share of the history (below 1); at least one
            item stays.
        kept: items kept at each look; at least one.
        path_positions: whether there are signals of the order: log(1 + position), positions from 0.

    Raises:
        ValueError: a look without items.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> looks = PathGradients(lxr.OBJECTIVES["logit"], removed=(1,))
        >>> histories = lxr.Histories.of_lists([[0, 1]], n_columns=4)
        >>> looks(model, histories, torch.tensor([3])).round(decimals=2)  # entries; two looks, position
        tensor([[2.0000, 2.0000, 0.0000],
                [0.0000, 0.0000, 0.6900]])
    """

    def __init__(
        self,
        objective: Objective,
        *,
        removed: Sequence[float] = (),
        kept: Sequence[float] = (),
        path_positions: bool = True,
    ):
        super().__init__()
        check_looks((*removed, *kept))
        self.objective, self.removed, self.kept = objective, tuple(removed), tuple(kept)
        self.path_positions = path_positions
        self.paths = {"out": self.removed} | ({"in": self.kept} if self.kept else {})
        self.names = (
            "whole",
            *(
                f"{count:.0%} {way}" if count < 1 else f"{count:.0f} {way}"
                for way, path in self.paths.items()
                for count in path
            ),
            *(f"place {way}" for way in self.paths if path_positions),
        )

    @property
    def n_looks(self) -> int:
        """Number of gradients among the signals, which come first."""
        return 1 + len(self.removed) + len(self.kept)

    def forward(self, model: Recommender, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Gradients, a column per look, and positions, a column per path."""
        looks, positions = self.follow(model, histories, target)
        found = [*looks, *(position.float().log1p() for position in positions if self.path_positions)]
        return torch.stack([each[histories.real] for each in found], dim=1)

    def follow(
        self, model: Recommender, histories: Histories, target: torch.Tensor
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Gradients (B, L) at each look, and positions (B, L) on each path."""
        length = histories.lengths

        def look(stays: torch.Tensor) -> torch.Tensor:
            """Gradients (B, L) at the histories with only these entries (B, L)."""
            found = gradient(self.objective, model, histories, stays, target)
            check_scores(histories, found)
            return found

        looks, positions = [look(histories.real)], []
        for way, counts in self.paths.items():
            most = length - 1 if way == "out" else length
            rest, position = histories.real, ranks(histories, looks[0])
            for count in counts:
                wanted = (length.float() * count).ceil().long() if count < 1 else torch.full_like(length, int(count))
                rest = rest & (position >= torch.minimum(wanted, most)[:, None])
                looks.append(look(rest if way == "out" else histories.real & ~rest))
                last = ranks(replace(histories, real=rest), looks[-1]) + (length - rest.sum(dim=1))[:, None]
                position = torch.where(rest, last, position)
            positions.append(position)
        return looks, positions


class CoarsePath(Explainer):
    """Order of the coarse path, without any learning.

    Args:
        model: the explained recommender.
        looks: gradients along the path; with two paths, the mean position counts.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> looks = PathGradients(lxr.OBJECTIVES["logit"], removed=(1,))
        >>> CoarsePath(model, looks).explain(history, target)
        tensor([[ 0., -1.,  0.,  0.]])
    """

    needs_gradient = True

    def __init__(self, model: Recommender, looks: PathGradients):
        super().__init__(model)
        self.looks = looks

    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Minus the position."""
        _, positions = self.looks.follow(self.model, histories, target)
        return -torch.stack(positions).float().mean(dim=0)


class SingleDeletions(Signals):
    """Answers of the recommender after each single deletion: what the target loses, alone and against its rivals.

    The signals of an entry are the falls of the target's log-probability, of its rank margin over the K best rivals, and of
    its smooth rank, without this entry. This takes a forward pass per entry, as leave-one-out, and no gradient.

    Args:
        n_items: number of items I.
        rivals: the numbers K.
        batch_size: histories per forward pass; bounds the memory.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> falls = SingleDeletions(n_items=4, rivals=(1,))
        >>> falls(model, lxr.Histories.of_lists([[0, 1]], n_columns=4), torch.tensor([3]))[:, 1]  # against item 2
        tensor([ 2., -1.])
    """

    def __init__(self, n_items: int, *, rivals: Sequence[int] = RIVALS, batch_size: int = 512):
        super().__init__()
        for k in rivals:
            check_between(1, n_items, rivals=k)
        self.objectives: tuple[Objective, ...] = (OBJECTIVES["log-prob"], *(RankMargin(k) for k in rivals), SoftRank())
        self.names = ("log-prob", *(f"lead of {k}" for k in rivals), "rank")
        self.batch_size = batch_size

    @torch.no_grad()
    def forward(self, model: Recommender, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Falls, a column per quantity."""

        def g(stays: torch.Tensor, user: torch.Tensor) -> torch.Tensor:
            original, y = histories[user], target[user]
            logits = model.logits_after_deletion(original, stays)
            return torch.stack([each(model, logits, y, original, stays) for each in self.objectives], dim=1)

        return leave_one_out(g, histories, self.batch_size)


class SingleItemAnswers(Signals):
    """Answers of the recommender to single items: the support of each for the target and its rivals.

    With S(i, j) the logit of item j after the history {i} alone, the signals of i are S(i, y), its log-share of all
    answers, and S(i, y) − Σ w_j S(i, j) over the K best other candidates j, w the softmax of their logits at the whole
    history. One forward pass per user finds these. The table S is stored as a product of two thin matrices, from a random
    projection (Halko, Martinsson and Tropp, SIAM Review 2011, algorithm 4.1); it is never in memory as a whole.

    Args:
        n_columns: width of the histories.
        n_items: number of items I.
        rank: width of the two matrices.
        rivals: the numbers K, or all candidates if there are fewer.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> answers = SingleItemAnswers(n_columns=4, n_items=4, rivals=(1,)).fit(model)
        >>> signals = answers(model, lxr.Histories.of_lists([[0, 1]], n_columns=4), torch.tensor([3]))
        >>> signals[:, [0, 2]].round(decimals=3)  # for the target; and against its rival, item 2
        tensor([[ 2.,  2.],
                [ 0., -1.]])
    """

    left: torch.Tensor
    right: torch.Tensor
    log_normalizer: torch.Tensor

    def __init__(self, n_columns: int, n_items: int, *, rank: int = 256, rivals: Sequence[int] = RIVALS):
        super().__init__()
        check_positive(rank=rank)
        for k in rivals:
            check_between(1, n_items, rivals=k)
        rank = min(rank, n_columns, n_items)
        self.rivals = tuple(rivals)
        self.names = ("answer", "share", *(f"lead of {k}" for k in rivals))
        self.register_buffer("left", torch.zeros(n_columns, rank))
        self.register_buffer("right", torch.zeros(rank, n_items))
        self.register_buffer("log_normalizer", torch.zeros(n_columns))  # logsumexp of each answer

    @torch.no_grad()
    def fit(self, model: Recommender, seed: int = 0, *, batch_size: int = 512) -> "SingleItemAnswers":
        """Factorize the table of a recommender's answers to single items: a randomized SVD in two passes over the items."""
        items = torch.arange(len(self.left), device=model.device).split(batch_size)
        generator = torch.Generator().manual_seed(seed)
        projection = torch.randn(self.right.shape[1], self.right.shape[0], generator=generator).to(model.device)
        self.to(model.device)
        for batch in items:
            answer = single_answers(model, batch)
            self.left[batch], self.log_normalizer[batch] = answer @ projection, answer.logsumexp(dim=1)
        self.left.copy_(torch.linalg.qr(self.left).Q)
        parts = (self.left[batch].T @ single_answers(model, batch) for batch in items)
        self.right.copy_(sum(parts, start=torch.zeros_like(self.right)))
        return self

    @torch.no_grad()
    def forward(self, model: Recommender, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """The target's answer, its log-share, and its lead of each number of rivals."""
        user, item = histories.users, histories.entries
        here = self.left[item]  # (N, rank)
        own = (here * self.right.T[target[user]]).sum(dim=1)
        free = histories.unseen(model.n_columns)
        logits = model.of_items(model.logits(histories).masked_fill(~free, -torch.inf))
        logits = logits.scatter(1, target[:, None], -torch.inf)
        signals = [own, own - self.log_normalizer[item]]
        for k in self.rivals:
            best, rival = logits.topk(k, dim=1)
            share = best.softmax(dim=1).nan_to_num()  # (B, K); without rivals, the logit alone
            against = torch.zeros_like(logits).scatter(1, rival, share) @ self.right.T  # (B, rank)
            signals.append(own - (here * against[user]).sum(dim=1))
        return torch.stack(signals, dim=1)


def relative(signals: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Signals (N, F) of histories of lengths (B,), user after user, each relative to its mean size over the history."""
    user = torch.arange(len(length), device=length.device).repeat_interleave(length)
    size = torch.zeros(len(length), signals.shape[1], device=signals.device).index_add_(0, user, signals.abs())
    return signals / (size / length[:, None]).clamp(min=1e-12)[user]


def single_answers(model: Recommender, items: torch.Tensor) -> torch.Tensor:
    """Logits (b, n_items) after the history of one item, for each of the items (b,).

    If a recommender excludes an item (the item itself), it gets the lowest logit.
    """
    single = Histories(items[:, None], torch.ones_like(items[:, None], dtype=torch.bool), model.n_columns, distinct=True)
    logits = model.of_items(model.logits(single))
    lowest = logits.masked_fill(logits == -torch.inf, torch.inf).amin(dim=1, keepdim=True)
    return torch.maximum(logits, lowest)
