"""Smallest sets for recommenders that are linear in the history, with a proof."""

import time

import numpy as np

from lxr.counterfactuals.events import Events, greedy_set
from lxr.counterfactuals.programs import smallest
from lxr.counterfactuals.question import Question

ROUNDING = 4e-6  # tolerance of sums of falls, as a share of the largest logit


def linear_set(question: Question, deadline: float) -> tuple[np.ndarray | None, int]:
    """A smallest set for a recommender whose logits are sums over the history.

    Greedy removal gives a first set. A mixed-integer program looks for a smaller one. Its margins are slightly too small,
    so rounding cannot hide a set: if it finds none, the first set is proven optimal. Every set is checked with the
    recommender.

    Args:
        question: question of one user.
        deadline: time to stop, by ``time.perf_counter``.

    Returns:
        Positions (m,) of the removed items among those of the history, or None if no set was found; and a lower bound on
        the size of every set that reaches the goal, n + 1 if none does.
    """
    events, slack = linear_events(question)
    best = greedy_set(events.shifted(-slack))
    if best is not None and not question.reached(question.mask(best))[0]:
        best = None
    limit = len(question.items) if best is None else len(best) - 1
    found, bound = smallest(events.shifted(slack), limit, remaining(deadline))
    if found is not None and not question.reached(question.mask(found))[0]:  # only rounding makes it a set
        found, _ = smallest(events.shifted(-slack), limit, remaining(deadline))
        if found is not None and not question.reached(question.mask(found))[0]:
            found = None
    return (best if found is None else found), bound


def linear_events(question: Question) -> tuple[Events, float]:
    """Events of a goal by the falls of single items, and the largest change of a margin by rounding."""
    logits = question.whole[0].double().cpu().numpy()
    return question.pairs.events(logits, question.falls), rounding(question)


def rounding(question: Question) -> float:
    """Bound on the change of a margin by rounding."""
    logits = question.whole[question.candidates]
    return ROUNDING * max(1.0, float(logits[logits.isfinite()].abs().max()))


def remaining(deadline: float) -> float:
    """Seconds until a deadline, at least a hundredth."""
    return max(0.01, deadline - time.perf_counter())
