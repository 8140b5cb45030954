"""The kinds of drift, in the order in which they matter."""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """Who drifts: what comes out, what our code sends, what the provider answers."""

    OUTPUT = "output"
    REQUEST = "request"
    RESPONSE = "response"


class Kind(StrEnum):
    """What sort of change a finding is; its side stands before the dot."""

    OUTPUT_ERROR = "output.error"
    OUTPUT_VALUE = "output.value"
    CALL_REMOVED = "request.call_removed"
    CALL_ADDED = "request.call_added"
    FORMAT = "request.format"
    ADDRESS = "request.address"
    MODEL = "request.model"
    PROMPT = "request.prompt"
    TOOLS = "request.tools"
    PARAMETERS = "request.parameters"
    MESSAGES = "request.messages"
    BODY = "request.body"
    STATUS = "response.status"
    ERROR = "response.error"
    ANSWERED = "response.model"
    REFUSAL = "response.refusal"
    FINISH = "response.finish"
    TOOL_CALLS = "response.tool_calls"
    STRUCTURE = "response.structure"
    SHAPE = "response.shape"
    TEXT = "response.text"
    ANSWER_BODY = "response.body"
    HISTORY = "request.history"
    HEADERS = "request.headers"
    ANSWER_HEADERS = "response.headers"

    @property
    def side(self) -> Side:
        """The part of a run that it is a change of."""
        return Side(self.partition(".")[0])

    @property
    def rank(self) -> int:
        """How much it matters: 0 most."""
        return tuple(Kind).index(self)

    @property
    def is_ours(self) -> bool:
        """
        Whether our code alone decides it.

        Given the same answers, a program that can be replayed sends the same requests; so these
        need no second recording to be told from noise. A number of calls does: it follows answers.
        """
        follows = (Kind.CALL_ADDED, Kind.CALL_REMOVED, Kind.HISTORY)
        return self.side is Side.REQUEST and self not in follows

    @property
    def is_generated(self) -> bool:
        """Whether its values are made up by a model, so that no two changes of it are alike."""
        return self in _GENERATED


_GENERATED = frozenset(
    {
        Kind.OUTPUT_ERROR,
        Kind.OUTPUT_VALUE,
        Kind.ERROR,
        Kind.REFUSAL,
        Kind.TOOL_CALLS,
        Kind.TEXT,
        Kind.ANSWER_BODY,
        Kind.HISTORY,
    }
)
