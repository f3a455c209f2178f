"""Level 8: explanations of users by id, as records and files, from saved bundles; comparisons of explainers."""

from lxr.delivery.bundle import Bundle, load, save
from lxr.delivery.compare import COMPARED, Comparison, compare
from lxr.delivery.explain import explain, explain_with
from lxr.delivery.explainers import (
    DEFAULT_EXPLAINERS,
    as_explainer,
    default_explainer,
    explainer_fingerprint,
    load_explainer,
    recommender_fingerprint,
)
from lxr.delivery.explanations import Delivery, Explanations
from lxr.delivery.files import read_explanations
from lxr.delivery.onnx_file import to_onnx
from lxr.delivery.records import SCHEMA, Record

__all__ = [
    "COMPARED",
    "DEFAULT_EXPLAINERS",
    "SCHEMA",
    "Bundle",
    "Comparison",
    "Delivery",
    "Explanations",
    "Record",
    "as_explainer",
    "compare",
    "default_explainer",
    "explain",
    "explain_with",
    "explainer_fingerprint",
    "load",
    "load_explainer",
    "read_explanations",
    "recommender_fingerprint",
    "save",
    "to_onnx",
]
