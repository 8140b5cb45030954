"""Fuzzing: what every reader promises for any bytes at all, and a command that tries to break it."""
