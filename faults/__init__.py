"""Faults: what can befall a recording, really done to it; and what has to hold afterwards."""
