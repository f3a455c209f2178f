"""ACCENT by a loop over rivals and prefixes."""

from oracles.metrics import ordered_items
from oracles.recommenders import items_of, logits_at, logits_of, top_item


def accent(model, row, target, k) -> tuple[list[float], list[int], int | None]:
    """Influence on the target less that on a rival, the smallest set after which a rival has passed, and what is then first.

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
                candidates.append((size, after[target] - after[rival], len(candidates), contrast, order[:size], after))
                break
        if rival == rivals[0]:
            fallback = contrast
    if not candidates:
        return fallback, [], None
    *_, contrast, removed, after = min(candidates)
    return contrast, removed, top_item(after, items)
