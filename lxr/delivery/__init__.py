"""Explanations delivered: of users by id, as records and files, from a saved bundle, by a service."""

from lxr.delivery.bundle import Bundle, load, save

__all__ = ["Bundle", "load", "save"]
