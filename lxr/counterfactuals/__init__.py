"""Level 6: smallest sets of history items whose removal changes a recommendation, with certificates.

Example:
    >>> import lxr, torch  # item 0 speaks for item 3, item 1 half as much for item 2
    >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
    >>> prefixes = lxr.counterfactuals.smallest_prefix(model, [[1, 1, 0, 0]], target=[3], importance=[[2.0, 1, 0, 0]])
    >>> prefixes.removed, prefixes.replacement
    ([array([0])], array([2]))
"""

from lxr.counterfactuals.additions import AddedItems, added_items
from lxr.counterfactuals.goals import ChangesList, Enters, Goal, LeavesTop
from lxr.counterfactuals.prefix import Prefixes, smallest_prefix
from lxr.counterfactuals.sets import CounterfactualSet, counterfactual_sets, smallest_set

__all__ = [
    "AddedItems",
    "ChangesList",
    "CounterfactualSet",
    "Enters",
    "Goal",
    "LeavesTop",
    "Prefixes",
    "added_items",
    "counterfactual_sets",
    "smallest_prefix",
    "smallest_set",
]
