"""Whole runs: the SQLite store, and the text bundles that travel in a repository."""
