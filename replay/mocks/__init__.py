"""Mocks: a test scripts the answers, and its requests get them in the format they ask for."""
