"""Fuzzing: what every reader promises for any bytes, and a command that tries to break it."""
