"""Reading one interaction as an LLM call, whatever provider it went to."""

from __future__ import annotations

from replay.llm import anthropic, bedrock, cohere, gemini, ollama, openai_chat, openai_responses
from replay.llm.conversation import Call, Message, Tokens, ToolCall
from replay.llm.exchange import Exchange, Family, exchange
from replay.model import Interaction

__all__ = ["Call", "Message", "Tokens", "ToolCall", "family_of", "read_call"]


_FAMILIES: tuple[Family, ...] = (
    bedrock,
    gemini,
    anthropic,
    ollama,
    cohere,
    openai_responses,
    openai_chat,
)
"""From what is told by its path to what half of the world speaks."""


def read_call(interaction: Interaction) -> Call | None:
    """
    Read *interaction* as an LLM call; None when it is none.

    Nothing in a payload is an error: what is not as the provider documents it is left out.
    """
    try:
        found = exchange(interaction)
        family = family_of(found) if found else None
        return family.read(found) if family and found else None
    except RecursionError:  # nested deeper than any payload is
        return None


def family_of(it: Exchange) -> Family | None:
    """Find whose format *it* is in."""
    return next((family for family in _FAMILIES if family.fits(it)), None)
