"""One case and what the agent has heard about it so far: everything but the I/O."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

from openai.types.chat import (
    ChatCompletion,
    ChatCompletionAssistantMessageParam,
    ChatCompletionChunk,
    ChatCompletionMessage,
    ChatCompletionMessageParam,
)
from openai.types.completion_usage import CompletionUsage
from openai.types.responses import Response, ResponseUsage
from pydantic import BaseModel

from .prompts import CASE, CATEGORIES, REPLY, SYSTEM
from .tools import ToolCall, ToolResult

MAX_TURNS = 6


class Order(BaseModel):
    """The part of an order that is worth keeping with a resolution."""

    id: str
    status: str
    items: list[str]
    total: Decimal
    currency: str


class Resolution(BaseModel):
    """How a case ended."""

    ticket_id: UUID
    answered_at: datetime
    customer: str
    category: str
    order: Order | None
    tools_used: list[str]
    reply: str
    model: str
    total_tokens: int


class TurnLimitError(Exception):
    """The model keeps asking for tools."""

    def __init__(self, turns: int) -> None:
        super().__init__(turns)
        self.turns = turns

    def __str__(self) -> str:
        return f"The model still asks for tools after {self.turns} turns."


@dataclass(slots=True)
class Conversation:
    """
    Keep the state of one case; each step of the agent is one method here.

    The sync and the async agent differ in how they wait, so that is all they write themselves.
    """

    question: str
    customer: str
    category: str = "other"
    messages: list[ChatCompletionMessageParam] = field(default_factory=list)
    tools_used: list[str] = field(default_factory=list)
    order: Order | None = None
    reply: str = ""
    model: str = ""
    total_tokens: int = 0
    turns: int = 0

    def triaged(self, response: Response) -> None:
        """Take the category from the triage, and open the chat with it."""
        word = response.output_text.strip(" .\n").lower()
        self.category = word if word in CATEGORIES else "other"
        self._count(response.usage)
        case = CASE.format(customer=self.customer, category=self.category, question=self.question)
        self.messages = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": case},
        ]

    def heard(self, completion: ChatCompletion) -> list[ToolCall]:
        """
        Take one turn of the model, and return the tools it asks for.

        No calls means that it knows enough: the history then ends with our wish for the reply.
        """
        message = completion.choices[0].message
        calls = _tool_calls(message)
        self._count(completion.usage)
        self.messages.append(_assistant_message(message.content, calls))
        self.turns += 1
        if calls and self.turns >= MAX_TURNS:
            raise TurnLimitError(self.turns)
        if not calls:
            wish = REPLY.format(customer=self.customer)
            self.messages.append({"role": "user", "content": wish})
        return calls

    def learned(self, results: Iterable[ToolResult]) -> None:
        """Tell the model what its tools returned, in the order in which it asked."""
        for result in results:
            self.tools_used.append(result.call.name)
            self.messages.append(
                {"role": "tool", "tool_call_id": result.call.id, "content": result.text}
            )
            if result.call.name == "get_order" and result.status == 200:
                self.order = Order.model_validate_json(result.text)

    def streamed(self, chunk: ChatCompletionChunk) -> None:
        """Take one chunk of the reply; the last one carries the usage and no choice."""
        self.model = chunk.model
        self._count(chunk.usage)
        for choice in chunk.choices:
            self.reply += choice.delta.content or ""

    def resolution(self) -> Resolution:
        """Close the case under a new ticket id."""
        return Resolution(
            ticket_id=uuid4(),
            answered_at=datetime.now(UTC),
            customer=self.customer,
            category=self.category,
            order=self.order,
            tools_used=self.tools_used,
            reply=self.reply,
            model=self.model,
            total_tokens=self.total_tokens,
        )

    def _count(self, usage: CompletionUsage | ResponseUsage | None) -> None:
        self.total_tokens += usage.total_tokens if usage else 0


def _tool_calls(message: ChatCompletionMessage) -> list[ToolCall]:
    return [
        ToolCall(call.id, call.function.name, call.function.arguments)
        for call in message.tool_calls or ()
        if call.type == "function"
    ]


def _assistant_message(
    content: str | None, calls: list[ToolCall]
) -> ChatCompletionAssistantMessageParam:
    """Rebuild the model's turn for the history; the API refuses an empty list of calls."""
    message: ChatCompletionAssistantMessageParam = {"role": "assistant", "content": content}
    if calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in calls
        ]
    return message
