"""Explanations delivered: of users by id, as records and files, from a saved bundle, by a service."""

__all__: list[str] = []
