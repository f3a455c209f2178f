"""Every kind of recommender, small and trained for two epochs, and histories to ask them with.

A new name in ``lxr.RECOMMENDERS`` needs small options in ``TINY`` of ``toys.py``. Models of other libraries come from
``library_models.py``. The contract of ``contracts/test_every_recommender.py`` then runs on it.
"""

from collections.abc import Callable
from functools import cache

import torch
from library_models import adapted, cases
from toys import N_ITEMS, ORDER_FREE, TINY, WRAPPED, Fading, random_lists

import lxr

N_FEATURES = 2


@cache
def trained(name, **options) -> lxr.Recommender:
    """A small recommender of the registry after two epochs."""
    model = lxr.RECOMMENDERS[name](N_ITEMS, **TINY[name] | options)
    lxr.fit(model, random_lists(60, model.n_columns), random_lists(20, model.n_columns, seed=1), epochs=2, batch_size=20)
    return model


OF_ROWS: dict[str, Callable[[], lxr.Recommender]] = {name: lambda name=name: trained(name) for name in ORDER_FREE}
OF_ROWS |= {f"{name} with features": lambda name=name: trained(name, n_features=N_FEATURES) for name in ORDER_FREE}
OF_ROWS |= {f"ncf of {branch}": lambda branch=branch: trained("ncf", branches=branch) for branch in ("gmf", "mlp")}
OF_ROWS |= {case.name: lambda case=case: adapted(case) for case in cases(order="no")}
OF_ROWS |= {"popularity": lambda: lxr.Popularity(random_lists(60).matrix())} | WRAPPED

OF_SEQUENCES: dict[str, Callable[[], lxr.Recommender]] = {
    name: lambda name=name: trained(name) for name in lxr.RECOMMENDERS if name not in ORDER_FREE
}
OF_SEQUENCES |= {"fading": Fading}
OF_SEQUENCES |= {case.name: lambda case=case: adapted(case) for case in cases(order="yes")}


def entries_of(recommender) -> lxr.Histories:
    """Users with many, few and no entries; with a feature if the recommender has some."""
    feature = [recommender.n_items + 1] if recommender.n_features else []
    lists = [[7, 2, 11], [], [4], [19, 0, 5, 3, 12, 9], [6, 18], [8, *feature, 1]]
    return lxr.Histories.of_lists(lists, recommender.n_columns)


def shares(histories: lxr.Histories) -> torch.Tensor:
    """Shares (B, L) that stay of every entry, some of them 0 or 1."""
    drawn = torch.rand(histories.shape, generator=torch.Generator().manual_seed(0))
    return (1.5 * drawn - 0.25).clamp(0, 1)
