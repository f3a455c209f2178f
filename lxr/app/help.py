"""One line of help per explainer, for people who do not know its name."""

import re
from inspect import getdoc

from lxr.explainers.registry import EXPLAINERS

OF_FAMILIES = {
    "similarity": "Compares items by the users who have them. It does not ask the recommender.",
    "perturbation": "Leaves out each item alone and asks the recommender again.",
    "surrogate": "Fits a simple model to the recommender's answers about changed histories.",
    "gradient": "Uses the slope of the recommender's score at this history.",
    "path": "Leaves out items one by one, and takes the slope again on the way.",
    "lxr": "A network that learned from this recommender which items matter.",
    "lxr-path": "A network that learned in which order items are best left out.",
}
OF_NAMES = {
    "random": "A random order, to compare with.",
    "popularity": "Popular items first, whatever is recommended.",
    "recent": "The newest items first, whatever is recommended.",
    "accent": "Looks for the fewest items whose removal lets another item pass.",
}


def help_of(name: str) -> str:
    """One line about an explainer: the first of its class if it is registered by a plugin.

    Args:
        name: in :data:`lxr.EXPLAINERS`, or that of a class.
    """
    if name not in EXPLAINERS:
        return "Your own explainer."
    spec = EXPLAINERS[name]
    known = OF_NAMES.get(name) or OF_FAMILIES.get(spec.family)
    return known or re.sub(r":\w+:`~?([^`]*)`", r"\1", (getdoc(spec.cls) or "").partition("\n\n")[0].replace("\n", " "))
