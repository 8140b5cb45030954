"""Recorded HTTP: interception, matching, redaction, and the files."""
