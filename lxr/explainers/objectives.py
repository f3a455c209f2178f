"""Objectives of explanations: quantities g of the target that history items raise or lower."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from lxr.data.histories import Histories
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_between, check_natural, check_positive, check_positive_numbers
from lxr.utils.registry import Registry

# g(model, logits, target, histories, keep): logits (B, I) after a share ``keep`` (B, L) of the entries of the original
# histories is kept, and targets (B,) → (B,). Items outside the original histories compete with the target: perturbing them
# adds no competitor.
Objective = Callable[[Recommender, torch.Tensor, torch.Tensor, Histories, torch.Tensor], torch.Tensor]


def at_kept(
    objective: Objective, model: Recommender, histories: Histories, keep: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """G (B,) after a share of every entry is kept, differentiable: keep (B, L) in [0, 1]."""
    return objective(model, model.logits(histories, keep), target, histories, keep)


def after_deletion(
    objective: Objective, model: Recommender, histories: Histories, stays: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """G (B,) after the other entries are deleted: stays (B, L) bool."""
    return objective(model, model.logits_after_deletion(histories, stays), target, histories, stays)


def target_logit(
    model: Recommender, logits: torch.Tensor, target: torch.Tensor, histories: Histories, keep: torch.Tensor
) -> torch.Tensor:
    """Logit of the target: (B,)."""
    return logits.gather(1, target[:, None]).squeeze(1)


def target_log_prob(
    model: Recommender, logits: torch.Tensor, target: torch.Tensor, histories: Histories, keep: torch.Tensor
) -> torch.Tensor:
    """Log-probability of the target: (B,); near 1 its order follows the log-odds (:func:`unrounded`)."""
    return unrounded(model, logits, target)


def target_log_odds(
    model: Recommender, logits: torch.Tensor, target: torch.Tensor, histories: Histories, keep: torch.Tensor
) -> torch.Tensor:
    """Log-odds of the target, log p / (1 − p): (B,)."""
    return model.target_log_odds(logits, target)


def unrounded(model: Recommender, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Log-probability (B,) of targets (B,) in logits (B, I), with distinct values even if probabilities round to 1.

    log p is a function of the log-odds l, log σ(l), and approaches 0 as l grows. If log p of a softmax, a difference of two
    large numbers, loses its digits, it is computed from the log-odds. If 1 − p is below a quarter of the distance from 1 to
    the next number, log p continues as a straight line of the same value and slope: 2⁻²⁵ (l − 18.33) in single precision.
    Otherwise it equals :meth:`lxr.Recommender.target_log_prob` to the last bit.
    """
    log_prob = model.target_log_prob(logits, target)
    steps = torch.finfo(logits.dtype).eps
    bend = round(-64 * math.log(steps / 4)) / 64  # a short number: subtracting it is exact
    lost = -_bound_of_digits(model, logits, target, steps)
    rows = (log_prob > lost).nonzero().ravel()
    if not rows.numel():
        return log_prob
    odds = model.target_log_odds(logits[rows], target[rows])
    line = steps / 4 * (odds - (bend + 1))
    return log_prob.index_copy(0, rows, torch.where(odds > bend, line, F.logsigmoid(odds.clamp(max=bend))))


def _bound_of_digits(model: Recommender, logits: torch.Tensor, target: torch.Tensor, steps: float) -> torch.Tensor | float:
    """Bound (B,) on −log p of targets (B,): below it log p has less than ten binary digits or is on the straight line."""
    if model.activation != "softmax":
        return steps / 4
    return 2**10 * steps * logits.gather(1, target[:, None]).squeeze(1).detach().abs().clamp(min=1)


@dataclass(frozen=True)
class RankMargin:
    """Lead of the target over its best rivals: logit_y − τ · logsumexp of the K highest other logits / τ.

    Rivals are the items outside the original history. If there are fewer than K, all of them count; without rivals the
    margin is the logit.

    Attributes:
        k: number K of rivals.
        tau: τ, softness of the maximum over the rivals; near 0 only the best rival counts.

    Raises:
        ValueError: ``k`` or ``tau`` is not positive.

    Example:
        >>> import lxr
        >>> model = lxr.wrap(lambda x: x @ torch.tensor([[0.0, 3, 1], [0, 0, 0], [0, 0, 0]]), 3, "sigmoid")
        >>> histories, target = lxr.Histories.of_lists([[0]], n_columns=3), torch.tensor([1])
        >>> RankMargin(k=1)(model, model.logits(histories), target, histories, histories.real)  # 3 − 1
        tensor([2.])
    """

    k: int = 100
    tau: float = 1.0

    def __post_init__(self):
        check_positive(k=self.k)
        check_positive_numbers(tau=self.tau)

    def __call__(
        self, model: Recommender, logits: torch.Tensor, target: torch.Tensor, histories: Histories, keep: torch.Tensor
    ) -> torch.Tensor:
        """The margin: (B,)."""
        others = histories.unseen(logits.shape[1]).scatter(1, target[:, None], False)  # (B, I)
        rivals = logits.masked_fill(~others, -torch.inf).topk(min(self.k, logits.shape[1]), dim=1).values  # (B, K)
        alone = (rivals == -torch.inf).all(dim=1)  # (B,)
        best = self.tau * (rivals.masked_fill(alone[:, None], 0) / self.tau).logsumexp(dim=1)
        return logits.gather(1, target[:, None]).squeeze(1) - best.masked_fill(alone, 0)

    @classmethod
    def usual_k(cls, n_items: int) -> int:
        """100 rivals, or all other items of the catalogue if fewer."""
        return min(cls.k, max(1, n_items - 1))

    @classmethod
    def of_catalogue(cls, n_items: int, k: int | None = None, tau: float = 1.0) -> "RankMargin":
        """A margin with the given K, or a K for the catalogue: 100, or all other items if fewer.

        Raises:
            ValueError: ``k`` exceeds the number of other items in the catalogue.
        """
        if k is None:
            return cls(cls.usual_k(n_items), tau)
        check_between(1, max(1, n_items - 1), k=k)
        return cls(k, tau)


@dataclass(frozen=True)
class SoftRank:
    """Smooth rank of the target: −log(1 + Σ σ((logit_j − logit_y) / τ)) over its rivals j.

    The sum is a soft count of the rivals ahead of the target. A rank margin uses a fixed number of rivals; the soft rank
    uses the rivals near the target, at any rank. While little of the history is removed, the target is near the top, where
    each of few rivals matters: τ is smaller there. Rivals are the items outside the original history.

    Attributes:
        tau: τ in units of logits, softness of the comparison; near 0 this is the rank itself, without a gradient.
        first_tau: τ while fewer than ``first`` items are removed.
        first: number of items.

    Raises:
        ValueError: ``tau`` or ``first_tau`` is not positive, or ``first`` is not a number of items.

    Example:
        >>> import lxr
        >>> model = lxr.wrap(lambda x: x @ torch.tensor([[0.0, 3, 3], [0, 0, 0], [0, 0, 0]]), 3, "sigmoid")
        >>> histories, target = lxr.Histories.of_lists([[0]], n_columns=3), torch.tensor([1])
        >>> logits = model.logits(histories)  # the target's one rival is level with it: −log(1 + 1/2)
        >>> SoftRank()(model, logits, target, histories, histories.real)
        tensor([-0.4055])
    """

    tau: float = 0.35
    first_tau: float = 0.2
    first: int = 5

    def __post_init__(self):
        check_positive_numbers(tau=self.tau, first_tau=self.first_tau)
        check_natural(first=self.first)

    def __call__(
        self, model: Recommender, logits: torch.Tensor, target: torch.Tensor, histories: Histories, keep: torch.Tensor
    ) -> torch.Tensor:
        """Minus the logarithm of the smooth rank: (B,)."""
        others = histories.unseen(logits.shape[1]).scatter(1, target[:, None], False)  # (B, I)
        gone = (histories.real & (keep == 0)).sum(dim=1, keepdim=True)
        tau = torch.where(gone < self.first, self.first_tau, self.tau)
        lead = (logits - logits.gather(1, target[:, None])) / tau
        return -(lead.sigmoid() * others).sum(dim=1).log1p()


OBJECTIVES: dict[str, Objective] = Registry(
    "objective",
    {
        "logit": target_logit,
        "log-prob": target_log_prob,
        "log-odds": target_log_odds,
        "rank-margin": RankMargin(),
        "soft-rank": SoftRank(),
    },
)
"""Name → g(model, logits, target, histories, keep): logits (B, I) after a share ``keep`` (B, L) of the entries of the
original histories is kept, and targets (B,) → (B,)."""


def objective_of(objective: str | Objective) -> Objective:
    """Objective by its name in :data:`OBJECTIVES`, or the function itself."""
    if not (isinstance(objective, str) or callable(objective)):
        raise ValueError(f"objective: expected one of {', '.join(OBJECTIVES)} or a function, found {objective!r}")
    return OBJECTIVES[objective] if isinstance(objective, str) else objective
