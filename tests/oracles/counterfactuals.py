"""ACCENT by a loop over rivals and prefixes; smallest prefixes and sets by trying all."""

import itertools

from oracles.metrics import ordered_items
from oracles.recommenders import items_of, logits_at, logits_of, target_rank


def accent(model, row, target, k) -> list[float]:
    """Influence on the target less that on the rival of the smallest set after which a rival has passed, else on the best.

    Tran et al.: Counterfactual Explanations for Neural Recommenders, SIGIR 2021, with influence by leaving one item out.
    """
    items, logits = items_of(row), logits_at(model, row)
    rivals = sorted(
        (item for item in range(len(row)) if item not in items and item != target), key=lambda i: (-logits[i], i)
    )
    without = {item: logits_of(model, [other for other in items if other != item]) for item in items}
    candidates = []
    for rival in rivals[: k - 1]:
        contrast = [0.0] * len(row)
        for item in items:
            contrast[item] = (logits[target] - without[item][target]) - (logits[rival] - without[item][rival])
        order = ordered_items(row, contrast)
        for size in range(1, len(items) + 1):
            after = logits_of(model, order[size:])
            if after[rival] > after[target]:
                candidates.append((size, after[target] - after[rival], len(candidates), contrast))
                break
        if rival == rivals[0]:
            fallback = contrast
    return min(candidates)[-1] if candidates else fallback


def reaches(goal, k, whole, after, target, consumed) -> bool:
    """Whether a change of logits is the one asked for: "leaves" or "enters" the first k places, or "changes" their set."""
    if goal == "leaves":
        return target_rank(after, target, consumed) > k
    if goal == "enters":
        return target_rank(after, target, consumed) <= k
    unseen = [item for item in range(len(whole)) if item not in consumed]
    inside = [item for item in unseen if target_rank(whole, item, consumed) <= k]
    return any(after[other] > after[item] for item in inside for other in unseen if other not in inside)


def smallest_prefix(model, row, target, importance, goal, k) -> list[int] | None:
    """The smallest prefix of an order whose removal reaches a goal."""
    items, whole = items_of(row), logits_at(model, row)
    order = ordered_items(row, importance)
    for size in range(len(items) + 1):
        if reaches(goal, k, whole, logits_of(model, order[size:]), target, items):
            return order[:size]
    return None


def smallest_size(model, row, target, goal, k) -> int | None:
    """The size of the smallest set of all whose removal reaches a goal."""
    items, whole = items_of(row), logits_at(model, row)
    for size in range(len(items) + 1):
        for removed in itertools.combinations(items, size):
            after = logits_of(model, [item for item in items if item not in removed])
            if reaches(goal, k, whole, after, target, items):
                return size
    return None
