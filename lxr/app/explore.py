"""Explorer of a custom recommender."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lxr.app.models import Models
from lxr.data.interactions import Interactions
from lxr.explainers.base import Explainer
from lxr.recommenders.base import Recommender

if TYPE_CHECKING:
    from lxr.app.widgets import Explorer


def explore(
    model: Recommender,
    data: Interactions,
    *,
    users: object = None,
    explainers: Sequence[str | Explainer] = (),
    seed: int = 0,
) -> "Explorer":
    """Explore the recommendations of a recommender, and why it makes them, in a notebook or on a page of Voilà.

    Args:
        model: any recommender of these items.
        data: histories, ids and titles.
        users: ids of the users who are offered; all by default.
        explainers: explainers of this model, or names in :data:`lxr.EXPLAINERS`; the first two are shown at first. All
            explainers that need no training can be chosen, too. One that needs it is trained when it is first asked for.
        seed: of explainers that are made.

    Returns:
        The widget, which a notebook shows.

    Raises:
        ValueError: data of another catalogue, an unknown user, or an unknown explainer or one of another recommender.
        ImportError: the extra ``app`` is not installed.

    Example:
        >>> import lxr
        >>> data = lxr.load_dataset("synthetic")
        >>> lxr.explore(lxr.MF(data.n_items), data, explainers=("gradient", "cosine"))
        Explorer(user=0, explainers=['gradient', 'cosine'])
    """
    from lxr.app.widgets import Explorer  # needs the extra

    models = Models(model, data, users, explainers, seed)
    return Explorer(models, models.given)
