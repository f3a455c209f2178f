"""Ratings of a few users whose k-cores are known."""

import pandas as pd


def frame(*rows: tuple) -> pd.DataFrame:
    """Ratings of (user, item) or (user, item, rating); the rating is 5 where none is given."""
    return pd.DataFrame([(*row, 5)[:3] for row in rows], columns=["user", "item", "rating"])


# Users 1, 2, 3 and items 10, 20, 30 are dense; user 4 has 30 and 40, and falls once item 40 has.
CHAIN = frame((1, 10), (1, 20), (2, 10), (2, 20), (2, 30), (3, 20), (3, 30), (4, 30), (4, 40))
