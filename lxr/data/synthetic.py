"""Generated data with planted tastes or sequences: the true reasons of every recommendation are known."""

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
    times = np.random.default_rng([seed, 2]).integers(*YEAR, sum(map(len, items)))
    return _frame(users, items, times, groups, "Group {}, item {}")


def synthetic_sequences(
    *,
    n_users: int = 600,
    n_series: int = 8,
    n_parts: int = 20,
    items_per_user: int = 16,
    noise: float = 0.1,
    seed: int = 0,
) -> pd.DataFrame:
    """Generate histories in which the order matters: the newest item of a series decides which of its items comes next.

    Every item is one of the ``n_parts`` parts of a series. Every user follows three series, each upwards or downwards, from
    a random part on. Each of the ``items_per_user`` (± half) entries
    continues one of the three, drawn at random: the user takes the next part after (or before) the newest of this
    series in the history. Parts that the user has had are skipped, and the first part follows the last. A share
    ``noise`` of the entries is any new item instead.

    The true reason why this part of a series comes next is therefore one entry, the newest of the series:
    :func:`lxr.metrics.latest_reasons`. The set of items alone does not tell in which direction the user goes.

    Returns:
        A ratings frame with timestamps, at least an hour and at most a week apart, in which every rating is 5.
        ``attrs["groups"]`` holds the series.
    """
    generator = np.random.default_rng(seed)
    series = np.arange(n_parts * n_series) % n_series
    sizes = generator.integers(items_per_user // 2, items_per_user * 3 // 2 + 1, n_users)
    items = [_walk(generator, size, series, n_series, noise) for size in sizes]
    gaps = [generator.integers(3600, 7 * 24 * 3600, size).cumsum() for size in sizes]
    times = np.concatenate(gaps) + generator.integers(*YEAR, n_users).repeat(sizes)
    return _frame(list(map(np.full, sizes, range(n_users))), items, times, series, "Series {}, part {}")


def _walk(generator: np.random.Generator, size: int, series: np.ndarray, n_series: int, noise: float) -> np.ndarray:
    """Items (size,) of one user of :func:`synthetic_sequences`, oldest first, each once."""
    followed = generator.choice(n_series, size=3, replace=False)
    step = dict(zip(followed, generator.choice([-n_series, n_series], 3), strict=True))
    n_items = len(series)
    newest = {one: one + n_series * int(generator.integers(n_items // n_series)) for one in range(n_series)}
    new = np.ones(n_items, dtype=bool)
    items = []
    for _ in range(size):
        if generator.random() < noise:
            item = generator.choice(np.flatnonzero(new))
        else:
            one = generator.choice([one for one in followed if new[series == one].any()])
            item = newest[one]
            while not new[item]:
                item = (item + step[one]) % n_items
        new[item], newest[series[item]] = False, item
        items.append(item)
    return np.array(items)


def _frame(users: list, items: list, times: np.ndarray, groups: np.ndarray, title: str) -> pd.DataFrame:
    """Ratings of 5 with titles and groups; each title has the letter of the group and the number in it."""
    ratings = pd.DataFrame({"user": np.concatenate(users), "item": np.concatenate(items), "rating": 5.0, "timestamp": times})
    n_groups = groups.max() + 1
    titles = {
        item: title.format("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[group], item // n_groups + 1) for item, group in enumerate(groups)
    }
    ratings.attrs = {"titles": titles, "groups": dict(enumerate(groups.tolist())), "source": []}
    return ratings


def synthetic_users(*, n_users: int = 600, seed: int = 0) -> pd.DataFrame:
    """A feature of the users of :func:`synthetic_ratings` that is unrelated to their tastes: it is never a true reason."""
    hand = np.random.default_rng([seed, 1]).choice(["left", "right"], n_users)
    return pd.DataFrame({"hand": hand})
