"""The tools the model may call, and how a call becomes an HTTP request."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import requests
from openai.types.chat import ChatCompletionFunctionToolParam

from .settings import Settings

TIMEOUT = 10.0  # seconds


def _tool(name: str, description: str, **arguments: str) -> ChatCompletionFunctionToolParam:
    """Describe a tool whose *arguments* (name to meaning) are required strings."""
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {
                    argument: {"type": "string", "description": meaning}
                    for argument, meaning in arguments.items()
                },
                "required": list(arguments),
                "additionalProperties": False,
            },
        },
    }


ORDER_ID = "The order's number, digits only."
TOOLS = (
    _tool("get_order", "Look up an order: items, total, status.", order_id=ORDER_ID),
    _tool("track_shipment", "Find out where an order's parcel is.", order_id=ORDER_ID),
    _tool(
        "refund_order",
        "Give the money for a delivered order back.",
        order_id=ORDER_ID,
        amount="How much, in the order's currency, such as 12.50.",
        reason="Why, in a few words.",
    ),
)


class ToolError(Exception):
    """A tool could not be run: unknown to us, or its API is broken (5xx)."""

    def __init__(self, tool: str, why: str) -> None:
        super().__init__(tool, why)
        self.tool = tool
        self.why = why

    def __str__(self) -> str:
        return f"The tool {self.tool} failed: {self.why}."


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What the model asked for; *arguments* stay the text it wrote, to be sent back unchanged."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the API answered; a 4xx is an answer too, and the model gets to read it."""

    call: ToolCall
    status: int
    text: str


def run_tool(call: ToolCall, settings: Settings, http: httpx.Client) -> ToolResult:
    """Run *call* over HTTP."""
    if call.name == "track_shipment":
        return _track_shipment(call, settings)
    method, url, body = _order_request(call, settings)
    response = http.request(method, url, json=body)
    return _result(call, response.status_code, response.text)


async def run_tool_async(call: ToolCall, settings: Settings, http: httpx.AsyncClient) -> ToolResult:
    """Run *call* over HTTP without blocking the loop."""
    if call.name == "track_shipment":
        return await asyncio.to_thread(_track_shipment, call, settings)
    method, url, body = _order_request(call, settings)
    response = await http.request(method, url, json=body)
    return _result(call, response.status_code, response.text)


def _track_shipment(call: ToolCall, settings: Settings) -> ToolResult:
    """Ask the shipping API; through requests, as older code in many agents still does."""
    order_id = quote(json.loads(call.arguments)["order_id"], safe="")
    response = requests.get(f"{settings.shipping_url}/{order_id}", timeout=TIMEOUT)
    return _result(call, response.status_code, response.text)


def _order_request(call: ToolCall, settings: Settings) -> tuple[str, str, dict[str, Any] | None]:
    """Turn *call* into method, URL and JSON body for the order API."""
    if call.name not in ("get_order", "refund_order"):
        raise ToolError(call.name, "there is no such tool")
    arguments: dict[str, Any] = json.loads(call.arguments)
    url = f"{settings.orders_url}/{quote(arguments.pop('order_id'), safe='')}"
    if call.name == "get_order":
        return "GET", url, None
    return "POST", f"{url}/refund", arguments


def _result(call: ToolCall, status: int, text: str) -> ToolResult:
    if status >= 500:
        raise ToolError(call.name, f"its API answered {status}")
    return ToolResult(call, status, text)
