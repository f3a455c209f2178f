"""Registry of the recommenders that this package trains."""

from lxr.recommenders.base import Recommender
from lxr.recommenders.built_in.ease import EASE
from lxr.recommenders.built_in.lightgcn import LightGCN
from lxr.recommenders.built_in.mf import MF
from lxr.recommenders.built_in.ncf import NCF
from lxr.recommenders.built_in.vae import VAE
from lxr.utils.registry import Registry

RECOMMENDERS: dict[str, type[Recommender]] = Registry(
    "recommender", {"mf": MF, "vae": VAE, "ncf": NCF, "ease": EASE, "lightgcn": LightGCN}
)
"""Name → class of the recommenders that this package trains."""
