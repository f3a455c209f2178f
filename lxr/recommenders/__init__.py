"""Level 3: recommenders, their training, their ranking quality and their recommendations.

Example:
    >>> import lxr
    >>> from lxr.recommenders import recommend, train_recommender
    >>> data = lxr.load_dataset("synthetic")
    >>> model = train_recommender("mf", data, n_factors=8)
    >>> recommend(model, data, users=[3], n=2)[["user", "rank"]].to_dict("list")
    {'user': [3, 3], 'rank': [1, 2]}
"""

from lxr.recommenders.adapters.adapt import adapt
from lxr.recommenders.base import Recommender
from lxr.recommenders.built_in.ease import EASE
from lxr.recommenders.built_in.gru4rec import GRU4Rec
from lxr.recommenders.built_in.lightgcn import LightGCN
from lxr.recommenders.built_in.mf import MF
from lxr.recommenders.built_in.ncf import NCF
from lxr.recommenders.built_in.popularity import Popularity
from lxr.recommenders.built_in.sasrec import SASRec
from lxr.recommenders.built_in.vae import VAE
from lxr.recommenders.fingerprint import Fingerprint
from lxr.recommenders.loading import load
from lxr.recommenders.ranking import rank_quality
from lxr.recommenders.recommendations import histories_of, recommend, top_item
from lxr.recommenders.registry import RECOMMENDERS
from lxr.recommenders.sequential import SequentialRecommender
from lxr.recommenders.training import FIT_SPACE, fit, train_recommender
from lxr.recommenders.wrapped import wrap

__all__ = [
    "EASE",
    "FIT_SPACE",
    "MF",
    "NCF",
    "RECOMMENDERS",
    "VAE",
    "Fingerprint",
    "GRU4Rec",
    "LightGCN",
    "Popularity",
    "Recommender",
    "SASRec",
    "SequentialRecommender",
    "adapt",
    "fit",
    "histories_of",
    "load",
    "rank_quality",
    "recommend",
    "top_item",
    "train_recommender",
    "wrap",
]
