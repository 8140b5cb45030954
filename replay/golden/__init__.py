"""Approved outputs: how they are made deterministic, normalized, written and compared."""
