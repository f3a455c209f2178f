"""Training loop of recommenders and explainers; keeps the weights of the epoch that is best on validation users."""

import copy
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import nn

from lxr.utils.checks import check_step
from lxr.utils.progress import progress_bar
from lxr.utils.sparse import batches


def train_epoch(
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[[np.ndarray], torch.Tensor],
    order: np.ndarray,
    batch_size: int,
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
) -> float:
    """One pass over the users.

    Args:
        optimizer: optimizer of the weights.
        loss_of: the loss of a batch, given the (b,) indices of its users.
        order: (n,) indices of the users.
        batch_size: users per step.
        schedule: learning-rate schedule, if the rate changes with every step.

    Returns:
        The mean loss of the batches.
    """
    groups = list(batches(len(order), batch_size, order))
    # One tensor for all: per-batch tensors would fragment memory.
    losses = torch.zeros(len(groups))
    for number, users in enumerate(groups):
        loss = loss_of(users)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if schedule:
            schedule.step()
        losses[number] = loss.detach()
    return float(losses.mean())


def train_and_keep_best(
    module: nn.Module,
    epochs: int,
    train: Callable[[], float],
    validate: Callable[[], float],
    metric: str,
    lower_is_better: bool,
    learning_rate: float,
    label: str,
    report: Callable[[int, float], None] | None = None,
    patience: int | None = None,
    later_of_equals: bool = False,
) -> pd.DataFrame:
    """Train epoch by epoch, and leave the module with the weights of the best one.

    Args:
        module: the module to train.
        epochs: upper limit.
        train: trains one epoch and returns its loss.
        validate: the value of the metric for the validation users.
        metric: name of the metric.
        lower_is_better: whether a lower value is better.
        learning_rate: named if the training diverges.
        label: label of the progress bar.
        report: called after every epoch with its number and the value; an exception raised here stops the training.
        patience: epochs without improvement before stopping; None never stops early.
        later_of_equals: whether the last of equally good epochs is kept, not the first.

    Returns:
        One row per epoch: ``epoch``, ``loss`` and the metric.

    Raises:
        ValueError: a loss or a weight is not finite.
    """
    rows, best, best_epoch, best_weights = [], np.inf, 0, copy.deepcopy(module.state_dict())
    with progress_bar(total=epochs, desc=label, unit="epoch") as bar:
        for epoch in range(1, epochs + 1):
            loss = train()
            check_step(epoch, loss, module, learning_rate)
            value = validate()
            rows.append({"epoch": epoch, "loss": loss, metric: value})
            badness = value if lower_is_better else -value
            if badness < best or (later_of_equals and badness == best):
                best, best_epoch, best_weights = badness, epoch, copy.deepcopy(module.state_dict())
            bar.update()
            bar.set_postfix({"loss": f"{loss:.4f}", metric: f"{value:.4f}", "best epoch": best_epoch})
            if report:
                report(epoch, value)
            if patience and epoch - best_epoch >= patience:
                break
    module.load_state_dict(best_weights)
    return pd.DataFrame(rows)
