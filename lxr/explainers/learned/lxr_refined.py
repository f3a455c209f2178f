"""LXR with a short search for each user, which starts from the network's output."""

from collections.abc import Iterable
from typing import ClassVar

import torch

from lxr.data.histories import Histories
from lxr.explainers.base import Explainer, in_batches
from lxr.explainers.gradients import BestExplanation
from lxr.explainers.learned.lxr_network import LXR, frozen, lxr_loss
from lxr.explainers.learned.lxr_path import PathLXR
from lxr.explainers.learned.lxr_path_signals import PathGradients, relative
from lxr.utils.checks import check_instance, check_positive, check_positive_numbers


class RefinedLXR(Explainer):
    """A few steps of Adam on the mask of each user, from the output of a trained network.

    The network learned from all training users; the refinement minimises the same loss for one history. It costs two
    forward and two backward passes per step (one of each if a weight of the loss is 0).

    Args:
        explainer: the trained network; its settings have the weights of the loss.
        steps: number of steps of Adam.
        rate: learning rate of the mask logits.
        batch_size: users at a time; bounds the memory.

    Raises:
        ValueError: not a trained LXR, or an option that is not positive.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> settings = lxr.LXRSettings(lambda_neg=1, hidden_size=8)
        >>> untrained = LXR(model, lxr.explainers.ExplainerNetwork(4, 8), settings, training=None)
        >>> scores = RefinedLXR(untrained, steps=50).explain(torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3]))
        >>> bool(scores[0, 0] > 0 > scores[0, 1])  # item 0 is in the mask, item 1 is not
        True
    """

    needs_gradient = True
    search_space: ClassVar[dict] = {"steps": [5, 10, 20, 40], "rate": (0.03, 3.0, "log")}

    def __init__(self, explainer: LXR, *, steps: int = 10, rate: float = 0.1, batch_size: int = 512):
        check_instance(LXR, "a trained LXR", explainer=explainer)
        super().__init__(explainer.model)
        check_positive(steps=steps, batch_size=batch_size)
        check_positive_numbers(rate=rate)
        self.explainer, self.steps, self.rate, self.batch_size = explainer, steps, rate, batch_size

    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Refined mask logits."""
        return in_batches(self.refine, self.batch_size, histories, target)

    def refine(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """:meth:`importance` of one batch. Adam treats entries separately, so users are optimised independently."""
        logits = self.explainer.importance(histories, target).requires_grad_()
        optimizer = torch.optim.Adam([logits], lr=self.rate)
        with torch.enable_grad(), frozen(self.model):
            for _ in range(self.steps):
                loss = lxr_loss(self.model, histories, target, torch.sigmoid(logits), self.explainer.settings)
                optimizer.zero_grad()
                (loss * len(histories)).backward()  # a sum, so a user's gradient does not depend on the batch
                optimizer.step()
        return logits.detach()


class ChosenPathLXR(BestExplanation):
    """LXR on paths that tries several orders for each user and keeps the best by one criterion.

    The first order is the network's. Adding each look's gradients to its scores, with half and with full weight, gives two
    more: 21 orders for the ten looks of ``lxr-path-rank``. This needs no further gradients, only 11 scores per order. As in
    :class:`lxr.explainers.SPINRec`, the criterion needs only the recommender.

    Args:
        explainer: the trained network, which reads gradients.
        chosen_by: ``"NDCG"``, ``"POS@20"`` or another metric of :meth:`lxr.FidelityResult.per_user` on the explained user,
            or ``"objective"``: the lowest mean of the gradients' objective along the user's perturbation curve.
        weight: weight of a look's gradients, scaled to the same mean size over the history as the network's scores.
        batch_size: histories per pass; bounds the memory.

    Raises:
        ValueError: not a trained LXR on paths that reads gradients, an unknown criterion, or an option that is not
            positive.

    Example:
        >>> import lxr, scipy.sparse as sp  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> train = sp.csr_matrix([[1, 1, 0, 0]] * 64)
        >>> trained = lxr.explainers.train_path_lxr(model, train, settings=lxr.PathSettings(epochs=3))
        >>> scores = ChosenPathLXR(trained, chosen_by="POS@1").explain(torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3]))
        >>> bool(scores[0, 0] > scores[0, 1])
        True
    """

    needs_gradient = True
    search_space: ClassVar[dict] = {"weight": (0.25, 4.0, "log")}

    def __init__(self, explainer: PathLXR, *, chosen_by: str = "NDCG", weight: float = 1.0, batch_size: int = 512):
        check_instance(PathLXR, "a trained LXR on paths", explainer=explainer)
        if not isinstance(explainer.network.signals, PathGradients):
            raise ValueError("explainer: expected one that reads gradients, found one that reads answers to single items")
        objective = explainer.network.signals.objective
        super().__init__(explainer.model, objective=objective, criterion=chosen_by, batch_size=batch_size)
        check_positive_numbers(weight=weight)
        self.explainer, self.weight = explainer, weight

    def candidates(self, histories: Histories, target: torch.Tensor) -> Iterable[torch.Tensor]:
        """The network's scores, then two mixtures with each look."""
        network, length = self.explainer.network, histories.lengths
        signals = network.signals(self.model, histories, target)  # (N, F): looks, then places
        with torch.no_grad():
            own = network(signals, length)  # (N,)
        own, looks = centred(own[:, None], length), centred(signals[:, : network.signals.n_looks], length)
        mixtures = [own + share * self.weight * look[:, None] for share in (0.5, 1.0) for look in looks.T]
        return (histories.padded(scores.squeeze(1)) for scores in (own, *mixtures))


def centred(values: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Values (N, F) of the items of histories of lengths (B,), user after user, with mean 0 and mean size 1 over a history.

    Example:
        >>> centred(torch.tensor([[4.0], [2.0], [7.0]]), torch.tensor([2, 1])).tolist()
        [[1.0], [-1.0], [0.0]]
    """
    user = torch.arange(len(length), device=length.device).repeat_interleave(length)
    total = torch.zeros(len(length), values.shape[1], device=values.device).index_add_(0, user, values)
    return relative(values - (total / length[:, None])[user], length)
