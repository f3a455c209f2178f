"""Gradient-based explainers: gradient × input, integrated gradients, SPINRec."""

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar, Literal, get_args

import numpy as np
import scipy.sparse as sp
import torch

from lxr.data.histories import EntryLists, Histories
from lxr.explainers.base import Explainer, in_batches, training_lists, user_generator
from lxr.explainers.objectives import OBJECTIVES, Objective, RankMargin, after_deletion, at_kept, objective_of
from lxr.metrics.fidelity import fidelity_per_user
from lxr.metrics.names import LOWER, check_metric, direction
from lxr.metrics.trajectory import part_sizes, ranks
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_choice, check_natural, check_positive, check_seed
from lxr.utils.extras import extra

Baseline = Literal["empty", "user"]


def gradient(
    objective: Objective, model: Recommender, histories: Histories, keep: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """∂g/∂keep (B, L); one backward pass for all users, because each row depends only on its own history.

    Raises:
        ValueError: the objective is not differentiable.
    """
    with torch.enable_grad():
        keep = keep.detach().float().clone().requires_grad_()
        g = _check_connected(at_kept(objective, model, histories, keep, target))
        return torch.autograd.grad(g.sum(), keep)[0]


def gradient_at_rest(
    objective: Objective, model: Recommender, histories: Histories, stays: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """The gradient (B, L) at the remaining entries ``stays`` (B, L).

    For a recommender that uses the order of entries it is taken at the shorter histories, after deletion, and is 0 at the
    deleted entries. For others, deletion and a share of 0 are the same.
    """
    if not model.is_ordered:
        return gradient(objective, model, histories, stays, target)
    rest = histories.keep(stays)
    with torch.enable_grad():
        keep = rest.real.float().requires_grad_()
        g = _check_connected(objective(model, model.logits(rest, keep), target, histories, stays))
        found = torch.autograd.grad(g.sum(), keep)[0]
    return torch.zeros(stays.shape, device=stays.device).masked_scatter(stays & histories.real, found[rest.real])


def _check_connected(g: torch.Tensor) -> torch.Tensor:
    """Refuse values that are not connected to the history.

    Raises:
        ValueError: they have no gradient.
    """
    if not g.requires_grad:
        raise ValueError("objective: its values have no gradient with respect to the history")
    return g


class GradientTimesInput(Explainer):
    """∂g/∂m at m = 1, m the kept share of an entry: the first-order estimate of the fall of g without the entry.

    A score below zero means that g rises if the item's entry shrinks.

    Args:
        model: the explained recommender.
        objective: g, a name in :data:`lxr.OBJECTIVES` or a function like them.
        batch_size: histories per pass; bounds the memory.

    Raises:
        ValueError: a recommender without a gradient, an unknown objective, or ``batch_size`` is not positive.

    Source: Shrikumar et al., ICML 2017, section 2.2.1.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> GradientTimesInput(model, objective="logit").explain(history, target).round(decimals=2)
        tensor([[2., 0., 0., 0.]])
    """

    needs_gradient = True
    is_signed: ClassVar[bool] = True
    search_space: ClassVar[dict] = {"objective": list(OBJECTIVES)}

    def __init__(self, model: Recommender, *, objective: str | Objective = "log-prob", batch_size: int = 512):
        super().__init__(model)
        check_positive(batch_size=batch_size)
        self.objective, self.batch_size = objective_of(objective), batch_size

    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Gradient × input; the input, the kept share of an entry, is one."""

        def explain(part: Histories, items: torch.Tensor) -> torch.Tensor:
            return gradient(self.objective, self.model, part, part.real, items)

        return in_batches(explain, self.batch_size, histories, target)


class RankMarginGradient(GradientTimesInput):
    """Gradient × input of the rank margin, the target's lead over its rivals.

    Args:
        model: the explained recommender.
        k: number K of rivals; by default 100, or all other items if fewer.
        tau: τ, softness of the maximum over the rivals.
        batch_size: histories per pass; bounds the memory.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> RankMarginGradient(model, k=1).explain(history, target).round(decimals=2)
        tensor([[ 2., -1.,  0.,  0.]])
    """

    search_space: ClassVar[dict] = {"k": [5, 10, 20, 50, 100], "tau": [1.0, 3.0, 10.0]}

    def __init__(self, model: Recommender, *, k: int | None = None, tau: float = 1.0, batch_size: int = 512):
        super().__init__(model, objective=RankMargin.of_catalogue(model.n_columns, k, tau), batch_size=batch_size)

    @classmethod
    def catalogue_defaults(cls, n_items: int) -> dict:
        """Default number of rivals."""
        return {"k": RankMargin.usual_k(n_items)}


class IntegratedGradients(Explainer):
    """(x − x') ∘ the mean gradient of g on the straight line from a baseline history x' to x.

    From the empty history, a recommender that normalises its input (the VAE) is constant along the line except for a jump
    at its start: the gradients then equal the one at x up to a factor, and their sum does not reach g(x) − g(x'). A score
    below zero means that the item lowers g between the baseline and the history.

    Args:
        model: the explained recommender.
        train_matrix: histories of the training users, the source of baselines: (n, I) CSR, or :class:`lxr.EntryLists`.
        baseline: ``"empty"``, or ``"user"``: the history of a random training user, without the target. Items that a
            history shares with its baseline score 0.
        objective: g, a name in :data:`lxr.OBJECTIVES` or a function like them.
        n_steps: points of the Gauss-Legendre quadrature.
        batch_size: histories per pass; bounds the memory.
        seed: seed of the baselines.
        draw: number of the draw, if there are several baselines.

    Raises:
        ValueError: a recommender without a gradient, training users of another catalogue, or an impossible option.

    Source: Sundararajan et al., ICML 2017, eq. 1; computed by Captum.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> train = sp.csr_matrix([[1, 1, 0, 0], [1, 0, 0, 1], [0, 1, 1, 1]])
        >>> IntegratedGradients(model, train, objective="logit").explain(history, target).round(decimals=2)
        tensor([[2., 0., 0., 0.]])
    """

    needs_gradient = True
    is_signed: ClassVar[bool] = True
    search_space: ClassVar[dict] = {
        "baseline": list(get_args(Baseline)),
        "n_steps": [5, 10, 20, 50],
        "objective": list(OBJECTIVES),
    }

    def __init__(
        self,
        model: Recommender,
        train_matrix: EntryLists | sp.csr_matrix,
        *,
        baseline: Baseline = "empty",
        objective: str | Objective = "log-prob",
        n_steps: int = 20,
        batch_size: int = 512,
        seed: int = 0,
        draw: int = 0,
    ):
        super().__init__(model)
        check_positive(n_steps=n_steps, batch_size=batch_size)
        check_natural(draw=draw)
        check_choice(get_args(Baseline), baseline=baseline)
        self.train_lists = training_lists(model, train_matrix=train_matrix)
        self.baseline, self.objective = baseline, objective_of(objective)
        self.n_steps, self.batch_size, self.seed, self.draw = n_steps, batch_size, check_seed(seed), draw

    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Integrated gradients of as many users at a time as fit a batch with all their points."""

        def explain(part: Histories, items: torch.Tensor) -> torch.Tensor:
            return self.integrate(part, items)[:, : part.shape[1]]

        return in_batches(explain, max(1, self.batch_size // self.n_steps), histories, target)

    def integrate(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Integrated gradients (B, L + L') of the entries of the histories, then of those that only the baselines have.

        The line goes over the entries of both: those of the baseline fade out, those of the history fade in.
        """
        with extra("explainers"):
            from captum.attr import IntegratedGradients as Quadrature

        union, start, end = self.line(histories, target)

        def g(keep: torch.Tensor, y: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
            original = histories[row]
            logits = self.model.logits(union[row], keep)
            return _check_connected(self.objective(self.model, logits, y, original, keep[:, : original.shape[1]]))

        return Quadrature(g).attribute(
            end,
            baselines=start,
            additional_forward_args=(target, torch.arange(len(histories), device=histories.device)),
            n_steps=self.n_steps,
            # several passes if a batch does not hold all points
            internal_batch_size=self.batch_size if self.n_steps > self.batch_size else None,
        )

    def line(self, histories: Histories, target: torch.Tensor) -> tuple[Histories, torch.Tensor, torch.Tensor]:
        """The line from the baselines to the histories.

        Returns:
            Entries (B, L + L') of the histories and then those that only the baselines have; and the shares of these
            entries, both (B, L + L'), at the start and at the end of the line.
        """
        if self.baseline == "empty":
            end = histories.real.float()
            return histories, torch.zeros_like(end), end
        users = [
            user_generator(self.seed, item, np.append(np.sort(items), self.draw)).integers(len(self.train_lists))
            for items, item in zip(histories.lists(), target.tolist(), strict=True)
        ]
        theirs = self.train_lists.batch(np.array(users), histories.device)
        shared = histories.at(theirs.dense()) > 0
        only = theirs.real & (theirs.at(histories.dense()) == 0) & (theirs.items != target[:, None])
        start = torch.cat([shared, only], dim=1).float()
        end = torch.cat([histories.real, torch.zeros_like(only)], dim=1).float()
        return histories.joined(replace(theirs, real=only)), start, end


class BestExplanation(Explainer):
    """Base class: keeps the best of several explanations of each user by a criterion.

    A subclass defines :meth:`candidates`. The criterion is measured on the explained user and needs only the recommender:
    11 scores per explanation for g, NDCG and POS@K; about four times as many for the other metrics.

    Args:
        model: the explained recommender.
        objective: g.
        criterion: ``"objective"``: the lowest mean of g over the steps of the perturbation curve, most important items
            removed first; or a metric of :meth:`lxr.FidelityResult.per_user` (``"NDCG"``, ``"POS@20"``): its best value.
        batch_size: histories per pass; bounds the memory.

    Raises:
        ValueError: an unknown criterion.
    """

    def __init__(self, model: Recommender, *, objective: Objective, criterion: str, batch_size: int):
        super().__init__(model)
        check_positive(batch_size=batch_size)
        if criterion != "objective":
            check_metric(criterion)
        self.objective, self.criterion, self.batch_size = objective, criterion, batch_size

    def candidates(self, histories: Histories, target: torch.Tensor) -> Iterable[torch.Tensor]:
        """Scores (B, L) of each explanation in turn."""
        raise NotImplementedError

    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """The best of the explanations; ties go to the first."""
        best = torch.zeros(histories.shape, device=histories.device)
        lowest = torch.full(target.shape, torch.inf, device=histories.device)
        for scores in self.candidates(histories, target):
            left = in_batches(self.remainder, self.batch_size, histories, target, scores)  # (B,)
            best = torch.where((left < lowest)[:, None], scores, best)
            lowest = torch.minimum(left, lowest)
        return best

    def remainder(self, histories: Histories, target: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Criterion (B,) of explanations with these scores (B, L); lower is better."""
        if self.criterion == "objective":
            return self.mean_objective(histories, target, scores)
        values = fidelity_per_user(self.model, histories, target, scores, self.criterion, batch_size=self.batch_size)
        sign = 1 if direction(self.criterion) == LOWER else -1
        return torch.from_numpy(sign * values).float().to(histories.device)

    @torch.no_grad()
    def mean_objective(self, histories: Histories, target: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Mean of g (B,) over the eleven steps of removing the most important items."""
        position = ranks(histories, scores)
        removed = torch.from_numpy(part_sizes(histories.lengths.cpu().numpy(), 10)).to(position)  # (B, 11)
        g = [after_deletion(self.objective, self.model, histories, position >= size[:, None], target) for size in removed.T]
        return torch.stack(g).mean(dim=0)


class SPINRec(BestExplanation):
    """Integrated gradients from several random training users; keeps the best for each explained user.

    ``criterion`` decides which is best: one criterion for all metrics, which needs only the recommender. (The code
    published with the paper keeps, for every reported metric, the draw that is best on this metric. That is an oracle: a
    user sees one explanation, not one for each metric.) A score below zero means the same as for
    :class:`IntegratedGradients`.

    Args:
        model: the explained recommender.
        train_matrix: histories of the training users: (n, I) CSR, or :class:`lxr.EntryLists`.
        n_samples: number N of baselines per user.
        objective: g, a name in :data:`lxr.OBJECTIVES` or a function like them; differentiable.
        criterion: ``"objective"``, the lowest mean of g over the steps of the user's perturbation curve, most important
            items removed first; or the best value of a metric on the user: ``"NDCG"``, ``"POS@20"``, any of
            :meth:`lxr.FidelityResult.per_user`.
        n_steps: points of each integral.
        batch_size: histories per pass; bounds the memory.
        seed: seed of the baselines.

    Attributes:
        draws: the N explainers of the candidates.

    Raises:
        ValueError: a recommender without a gradient, training users of another catalogue, or an impossible option.

    Source: Barkan et al., Fidelity-Aware Recommendation Explanations via Stochastic Path Integration, arXiv:2511.18047. They
    integrate the gradients of the recommender's score in equal steps. Here they are by default those of log p, and the
    points are those of the Gauss-Legendre quadrature.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> train = sp.csr_matrix([[1, 1, 0, 0], [1, 0, 0, 1], [0, 1, 1, 1]])
        >>> SPINRec(model, train, n_samples=3, objective="logit").explain(history, target).round(decimals=2)
        tensor([[2., 0., 0., 0.]])
        >>> by_rank = SPINRec(model, train, n_samples=3, objective="soft-rank", criterion="NDCG")
        >>> bool(by_rank.explain(history, target)[0].argmax() == 0)
        True
    """

    needs_gradient = True
    is_signed: ClassVar[bool] = True
    search_space: ClassVar[dict] = {
        "n_samples": [1, 5, 10, 20],
        "n_steps": [5, 10, 20],
        "objective": list(OBJECTIVES),
        "criterion": ["objective", "NDCG", "POS@20"],
    }

    def __init__(
        self,
        model: Recommender,
        train_matrix: EntryLists | sp.csr_matrix,
        *,
        n_samples: int = 10,
        objective: str | Objective = "log-prob",
        criterion: str = "objective",
        n_steps: int = 10,
        batch_size: int = 512,
        seed: int = 0,
    ):
        super().__init__(model, objective=objective_of(objective), criterion=criterion, batch_size=batch_size)
        check_positive(n_samples=n_samples)
        options: dict = {"objective": objective, "n_steps": n_steps, "batch_size": batch_size, "seed": seed}
        self.draws = [
            IntegratedGradients(model, train_matrix, baseline="user", draw=draw, **options) for draw in range(n_samples)
        ]

    def candidates(self, histories: Histories, target: torch.Tensor) -> Iterable[torch.Tensor]:
        """The N integrated gradients."""
        return (draw.importance(histories, target) for draw in self.draws)
