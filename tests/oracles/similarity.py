"""Similarities of items by sets of their users."""

import math

from oracles.recommenders import items_of


def users_of(train, item) -> set[int]:
    """Training users who consumed the item."""
    return {user for user in range(len(train)) if train[user][item] > 0}


def jaccard(train, first, second) -> float:
    """Shared users over all users of two items (baseline of Barkan et al., WWW 2024); 0 if there are none."""
    a, b = users_of(train, first), users_of(train, second)
    return len(a & b) / len(a | b) if a | b else 0.0


def cosine(train, first, second) -> float:
    """Cosine between the columns of two items (baseline of Barkan et al., WWW 2024); 0 if one is empty."""
    a, b = users_of(train, first), users_of(train, second)
    return len(a & b) / math.sqrt(len(a) * len(b)) if a and b else 0.0


def inverse_document_frequency(train, user) -> float:
    """ln((1 + n) / (1 + df)) + 1 of a term: a user, who occurs in df of the n documents: the items."""
    return math.log((1 + len(train[user])) / (1 + len(items_of(train[user])))) + 1


def tf_idf(train, first, second) -> float:
    """Cosine between two items as documents whose terms are their users (baseline of Barkan et al., WWW 2024)."""
    a, b = users_of(train, first), users_of(train, second)

    def squared(users):
        return sum(inverse_document_frequency(train, user) ** 2 for user in users)

    return squared(a & b) / math.sqrt(squared(a) * squared(b)) if a and b else 0.0


def popularity(train, target, item) -> float:
    """Training users of the item, whatever the target (baseline of Barkan et al., WWW 2024)."""
    return float(len(users_of(train, item)))


def similarity_scores(similarity, train, row, target) -> list[float]:
    """Importance of one user's items: their similarity to the target, 0 outside the history."""
    return [similarity(train, target, item) if row[item] > 0 else 0.0 for item in range(len(row))]
