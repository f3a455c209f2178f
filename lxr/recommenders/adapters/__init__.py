"""Adapters: models that other libraries have trained, as recommenders; one file per library."""
