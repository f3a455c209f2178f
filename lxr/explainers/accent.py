"""ACCENT: the smallest set of history items whose removal lets a rival pass the target."""

from typing import ClassVar, Literal, get_args

import torch

from lxr.data.histories import Histories
from lxr.explainers.base import Explainer, in_batches
from lxr.explainers.leave_one_out import leave_one_out
from lxr.metrics.trajectory import ranks
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_between, check_choice, check_positive

Ranking = Literal["set", "mean"]


class ACCENT(Explainer):
    """The smallest set of history items whose removal lets a rival pass the target.

    For each of the k − 1 next-best items y*, history items are removed in the order of (influence on the logit of y −
    influence on the logit of y*), largest first, until y* has the higher logit. The smallest of these sets counts; ties go
    to the largest lead of y*. Influence is measured by leaving one item out. A score below zero means that the item
    supports the rival more than the target.

    Args:
        model: the explained recommender.
        k: length of the recommendation list, the target and its k − 1 rivals.
        ranking: importance of an item, its influence on y minus its influence on rivals. ``"set"``: on the y* of the
            smallest set, whose items then come first (the best rival if none can pass). ``"mean"``: on the mean of all
            rivals, the ranking of the LXR papers (their code leaves out the influence on y).
        batch_size: histories per forward pass; bounds the memory.

    Raises:
        ValueError: a list longer than the catalogue or shorter than two, an unknown ranking, or ``batch_size`` is not
            positive.

    Source: Tran, Ghazimatin, Saha Roy: Counterfactual Explanations for Neural Recommenders, SIGIR 2021, algorithm 1. There
    the sum of estimated influences says when y* passes, and the recommender is retrained to check the set. Here influence is
    that of leaving an item out of the history, and the recommender is asked again after every removal.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> ACCENT(model, k=2).explain(history, target).round(decimals=2)
        tensor([[ 2., -1.,  0.,  0.]])
    """

    is_signed: ClassVar[bool] = True
    search_space: ClassVar[dict] = {"k": [2, 3, 5, 10, 20], "ranking": list(get_args(Ranking))}

    def __init__(self, model: Recommender, *, k: int | None = None, ranking: Ranking = "set", batch_size: int = 512):
        super().__init__(model)
        check_positive(batch_size=batch_size)
        k = self.catalogue_defaults(model.n_columns)["k"] if k is None else k
        check_between(2, max(2, model.n_columns), k=k)
        check_choice(get_args(Ranking), ranking=ranking)
        self.k, self.ranking, self.batch_size = k, ranking, batch_size

    @classmethod
    def catalogue_defaults(cls, n_items: int) -> dict:
        """List length five, or the number of items if smaller."""
        return {"k": min(5, n_items)}

    @torch.no_grad()
    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Influence on the target minus the influence on its rival or on the mean of its rivals."""

        def explain(part: Histories, y: torch.Tensor) -> torch.Tensor:
            rival, valid, contrast = self.contrasts(part, y)
            if self.ranking == "mean":
                counted = valid | ~valid.any(dim=1, keepdim=True)  # (B, k − 1)
                return (contrast * counted[:, :, None]).sum(dim=1) / counted.sum(dim=1, keepdim=True)
            chosen, _ = self.smallest(part, y, rival, valid, contrast)
            return contrast[torch.arange(len(part), device=part.device), chosen]

        return in_batches(explain, self.users_at_a_time, histories, target)

    @property
    def users_at_a_time(self) -> int:
        """Number of users such that one history for each of their rivals fits a batch."""
        return max(1, self.batch_size // (self.k - 1))

    def contrasts(self, histories: Histories, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Rivals, and the influence of entries on the target against each rival.

        Args:
            histories: histories of B users.
            target: (B,) explained items.

        Returns:
            Rivals (B, k − 1), best first; which of them exist (fewer items may be unseen); and influence on the
            target minus influence on the rival (B, k − 1, L), or on the target alone without a rival.
        """
        free = histories.unseen(self.model.n_columns).scatter(1, target[:, None], False)
        scores, rival = self.model.logits(histories).masked_fill(~free, -torch.inf).topk(self.k - 1, dim=1)
        valid = scores > -torch.inf
        listed = torch.cat([target[:, None], rival], dim=1)  # (B, k)

        def score(stays: torch.Tensor, user: torch.Tensor) -> torch.Tensor:
            return self.model.logits_after_deletion(histories[user], stays, listed[user])

        falls = leave_one_out(score, histories, self.batch_size)  # (N, k)
        user, entry = histories.users, histories.places % histories.shape[1]
        contrast = torch.zeros(*rival.shape, histories.shape[1], device=histories.device)
        contrast[user, :, entry] = falls[:, :1] - falls[:, 1:].where(valid[user], 0.0)
        return rival, valid, contrast

    def smallest(
        self,
        histories: Histories,
        target: torch.Tensor,
        rival: torch.Tensor,
        valid: torch.Tensor,
        contrast: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """For every user, the index (B,) of the rival that passes first, and the size (B,) of its set.

        Sets grow for all users and rivals together, as many sizes at a time as fit a batch. A user is done with the first
        size at which a rival passes. Size 0: no rival ever passes.
        """
        n_rivals, length = rival.shape[1], histories.lengths
        repeated = histories.mapped(lambda value: value.repeat_interleave(n_rivals, dim=0))
        position = ranks(repeated, contrast.flatten(0, 1)).view_as(contrast)  # (B, k − 1, L)

        def lead(user: torch.Tensor, index: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
            against = torch.stack([rival[user, index], target[user]], dim=1)
            stays = position[user, index] >= size[:, None]
            return self.model.logits_after_deletion(histories[user], stays, against).diff(dim=1).neg().squeeze(1)

        chosen, found, done = torch.zeros_like(target), torch.zeros_like(target), 0
        while (users := ((found == 0) & (length > done) & valid.any(dim=1)).nonzero().ravel()).numel():
            row, index = valid[users].nonzero(as_tuple=True)  # (P,)
            sizes = torch.arange(done, done + max(1, self.batch_size // len(row)), device=histories.device) + 1  # (S,)
            pairs = (part.repeat_interleave(len(sizes)) for part in (users[row], index))
            leads = torch.full((len(users), n_rivals, len(sizes)), -torch.inf, device=histories.device)
            leads[row, index] = in_batches(lead, self.batch_size, *pairs, sizes.repeat(len(row))).view(len(row), -1)
            passed = (leads > 0).any(dim=1)  # (users, S)
            first = passed.int().argmax(dim=1)
            best = leads[torch.arange(len(users)), :, first].argmax(dim=1)
            hit = passed.any(dim=1)
            chosen[users[hit]], found[users[hit]] = best[hit], done + 1 + first[hit]
            done += len(sizes)
        return chosen, found
