"""Readers of files: text and tables, checked and converted without loss, and downloads."""
