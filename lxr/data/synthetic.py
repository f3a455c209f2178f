"""Generated data with planted tastes: the true reasons of every recommendation are known."""

import numpy as np
import pandas as pd

YEAR = (1_735_689_600, 1_767_225_600)  # start and end of 2025, in seconds since 1970


def synthetic_ratings(
    *,
    n_users: int = 600,
    n_items: int = 160,
    n_groups: int = 8,
    items_per_user: int = 16,
    noise: float = 0.15,
    seed: int = 0,
) -> pd.DataFrame:
    """Generate histories with planted tastes, which are the true reasons of recommendations.

    Every item belongs to one taste group; within its group its popularity falls off like 1 / rank. Every user likes two
    groups and draws ``items_per_user`` (± half) items from them, but a share ``noise`` from all items. The true reasons of
    a recommended item are therefore the history items of its own group: ``attrs["groups"]`` holds the groups. Times are
    drawn at random from the year 2025: the order of a history means nothing.

    Returns:
        A ratings frame with timestamps, in which every rating is 5.
    """
    generator = np.random.default_rng(seed)
    groups = np.arange(n_items) % n_groups
    attraction = 1.0 / (1 + np.arange(n_items) // n_groups)
    users, items = [], []
    for user in range(n_users):
        liked = generator.choice(n_groups, size=2, replace=False)
        taste = np.where(np.isin(groups, liked), attraction, 0.0)
        probability = (1 - noise) * taste / taste.sum() + noise / n_items
        size = int(generator.integers(items_per_user // 2, items_per_user * 3 // 2 + 1))
        items.append(np.sort(generator.choice(n_items, size=size, replace=False, p=probability)))
        users.append(np.full(size, user))
    ratings = pd.DataFrame({"user": np.concatenate(users), "item": np.concatenate(items), "rating": 5.0})
    ratings["timestamp"] = np.random.default_rng([seed, 2]).integers(*YEAR, len(ratings))
    titles = {
        item: f"Group {'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[groups[item]]}, item {item // n_groups + 1}" for item in range(n_items)
    }
    ratings.attrs = {"titles": titles, "groups": dict(enumerate(groups.tolist())), "source": []}
    return ratings


def synthetic_users(*, n_users: int = 600, seed: int = 0) -> pd.DataFrame:
    """A feature of the users of :func:`synthetic_ratings` that is unrelated to their tastes: it is never a true reason."""
    hand = np.random.default_rng([seed, 1]).choice(["left", "right"], n_users)
    return pd.DataFrame({"hand": hand})
