"""Explanations delivered: of users by id, as records and files, from a saved bundle, by a service."""

from lxr.delivery.compare import Comparison, compare

__all__ = ["Comparison", "compare"]
