"""A stand-in for a model provider and two shop APIs, on loopback; there is no real model in it."""

from .server import serve

__all__ = ["serve"]
