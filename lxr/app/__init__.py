"""Level 11: the explorer, as a session without widgets and as widgets (extra ``app``).

Example:
    >>> from lxr.app import Exploration, TrainedModels
    >>> exploration = Exploration(TrainedModels("results", "ml-1m", "mf"))  # doctest: +SKIP
    >>> exploration.recommendation.explanation("lxr").sentence  # doctest: +SKIP
"""

from lxr.app.explore import explore
from lxr.app.models import Models, TrainedModels, trained
from lxr.app.session import Exploration, Recommendation

__all__ = ["Exploration", "Explorer", "Models", "Recommendation", "TrainedModels", "explore", "trained"]


def __getattr__(name: str):
    """Import the widgets on first use: only they need ``ipywidgets``."""
    if name != "Explorer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lxr.app.widgets import Explorer

    return Explorer
