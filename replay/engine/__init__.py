"""Running entrypoints: live while recording, hermetically while replaying."""
