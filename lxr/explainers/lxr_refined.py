"""LXR, refined for each user: the mask that the network puts out is the start of a short descent on the loss itself."""

from typing import ClassVar

import torch

from lxr.explainers.base import Explainer, in_batches
from lxr.explainers.lxr_network import LXR, frozen, lxr_loss
from lxr.utils.checks import check_instance, check_positive, check_positive_numbers


class RefinedLXR(Explainer):
    """A few steps of Adam on the mask of one user at a time, from the output of a trained network.

    The network has learnt what is true of most users, in one forward pass; the refinement minimises the same loss for the
    history at hand. It costs two forward and two backward passes per step (one of each if a weight of the loss is 0).

    Args:
        explainer: the trained network, whose settings weigh the loss.
        steps: of Adam.
        rate: learning rate of the mask logits.
        batch_size: users at a time; bounds the memory.

    Raises:
        ValueError: no trained LXR, or an option that is not positive.

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

    def importance(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Refined mask logits."""
        return in_batches(self.refine, self.batch_size, history, target)

    def refine(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """:meth:`importance` of one batch. Adam treats every entry by itself, so that users do not meet."""
        logits = self.explainer.importance(history, target).requires_grad_()
        optimizer = torch.optim.Adam([logits], lr=self.rate)
        with torch.enable_grad(), frozen(self.model):
            for _ in range(self.steps):
                loss = lxr_loss(self.model, history, target, torch.sigmoid(logits), self.explainer.settings)
                optimizer.zero_grad()
                (loss * len(history)).backward()  # the sum: a user's gradient does not depend on the batch
                optimizer.step()
        return logits.detach()
