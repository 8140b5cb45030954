"""
The stand-in's "model": a few rules, not a language model.

It does read what it is sent: the company and the manner in the system prompt ("… of Acme. Be
brief, kind and exact."), the question, the tools on offer, what they returned. All functions are
pure: the same request gets the same answer.
"""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .voices import VOICES, Voice

JSON: TypeAlias = dict[str, Any]

INTENTS = {
    "refund": ("refund", "money back"),
    "shipping": ("where is", "track", "parcel", "deliver", "shipping"),
    "order": ("order", "status"),
}


@dataclass(frozen=True, slots=True)
class Ask:
    """A tool that the brain would like to be called."""

    name: str
    arguments: JSON


@dataclass(frozen=True, slots=True)
class Thought:
    """One turn: a text, or tools to call."""

    text: str | None = None
    asks: tuple[Ask, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """What the brain makes of the messages."""

    system: str
    customer: str
    question: str
    intent: str | None
    order_id: str | None
    results: Mapping[str, JSON]  # by tool, the latest

    @property
    def order(self) -> JSON:
        return self.results.get("get_order", {})


def think(version: str, messages: Sequence[JSON], tools: Collection[str] = ()) -> Thought:
    """Answer *messages* as *version* would, asking for *tools* as long as they would help."""
    voice, scene = VOICES[version], _read(messages)
    labels = re.search(r"one of: ([\w, ]+)", scene.system)
    if labels:
        return Thought(_label(voice, labels[1].split(", "), scene))
    asks = _asks(voice, scene, tools)
    if asks:
        return Thought(asks=asks)
    return Thought(voice.notes if tools and scene.results else _reply(voice, scene))


def text_of(content: object) -> str:
    """Flatten a message's content, which is a text, a list of parts, or null."""
    if isinstance(content, list):
        return "".join(text_of(part.get("text")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _read(messages: Sequence[JSON]) -> Scene:
    """Find the question: the last thing the user said that we know how to go about."""
    said = [text_of(m.get("content")) for m in messages if m.get("role") == "user"] or [""]
    question = next((text for text in reversed(said) if _intent(text)), said[-1])
    customer = re.search(r"Customer: (.+)", "\n".join(said))
    number = re.search(r"\b\d{4,}\b", question)
    return Scene(
        system=" ".join(
            text_of(m.get("content")) for m in messages if m.get("role") in ("system", "developer")
        ),
        customer=customer[1] if customer else "there",
        question=question,
        intent=_intent(question),
        order_id=number[0] if number else None,
        results=_results(messages),
    )


def _results(messages: Sequence[JSON]) -> dict[str, JSON]:
    names = {
        call["id"]: call["function"]["name"]
        for message in messages
        for call in message.get("tool_calls") or ()
    }
    return {
        names[message["tool_call_id"]]: _parsed(text_of(message.get("content")))
        for message in messages
        if message.get("role") == "tool" and message.get("tool_call_id") in names
    }


def _parsed(text: str) -> JSON:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"error": "unreadable"}


def _intent(text: str) -> str | None:
    lowered = text.lower()
    return next((i for i, signs in INTENTS.items() if any(s in lowered for s in signs)), None)


def _label(voice: Voice, labels: Sequence[str], scene: Scene) -> str:
    label = scene.intent if scene.intent in labels else labels[-1]
    return voice.label.format(label=label, Label=str(label).capitalize())


def _asks(voice: Voice, scene: Scene, tools: Collection[str]) -> tuple[Ask, ...]:
    """Take the first turn of the plan that has something left to ask; an error ends the plan."""
    if not scene.intent or not scene.order_id or "error" in scene.order:
        return ()
    for turn in voice.plans[scene.intent]:
        left = [name for name in turn if name in tools and name not in scene.results]
        if left == ["refund_order"] and scene.order.get("status") != "delivered":
            return ()
        if left:
            return tuple(Ask(name, _arguments(name, scene)) for name in left)
    return ()


def _arguments(name: str, scene: Scene) -> JSON:
    if name != "refund_order":
        return {"order_id": scene.order_id}
    damaged = re.search(r"torn|broken|damaged|stained", scene.question.lower())
    return {
        "order_id": scene.order_id,
        "amount": scene.order.get("total", "0.00"),
        "reason": f"arrived {damaged[0]}" if damaged else "customer's wish",
    }


def _reply(voice: Voice, scene: Scene) -> str:
    """Say what came of it, in the manner that the system prompt asks for."""
    outcome, manner = _outcome(scene), _manner(scene.system)
    sentences = [
        voice.replies[outcome],
        voice.details.get(outcome, "") if "exact" in manner else "",
        voice.more if scene.order and outcome != "unknown" and "brief" not in manner else "",
        voice.thanks if "kind" in manner and outcome != "chat" else "",
    ]
    return " ".join(filter(None, sentences)).format_map(_facts(scene))


def _outcome(scene: Scene) -> str:
    """Name what happened, first come first served; the names are the keys of `Voice.replies`."""
    signs = (
        (not scene.intent, "help" if _company(scene) else "chat"),
        (not scene.order_id, "no number"),
        (not scene.results, "not read"),
        ("error" in scene.order, "unknown"),
        (_went_well(scene, "refund_order"), "refunded"),
        (scene.intent == "refund", "not refunded"),
        (scene.results.get("track_shipment", {}).get("status") == "delivered", "arrived"),
        (_went_well(scene, "track_shipment"), "parcel"),
    )
    return next((outcome for applies, outcome in signs if applies), "order")


def _went_well(scene: Scene, tool: str) -> bool:
    return tool in scene.results and "error" not in scene.results[tool]


def _manner(system: str) -> set[str]:
    wish = re.search(r"\bBe ([^.]+)", system)
    return set(re.findall(r"[a-z]+", wish[1])) if wish else set()


def _company(scene: Scene) -> str | None:
    found = re.search(r"agent of ([^.]+)", scene.system)
    return found[1] if found else None


def _facts(scene: Scene) -> Mapping[str, Any]:
    """Gather what templates may mention; what no tool returned reads "unknown"."""
    shipment = scene.results.get("track_shipment", {})
    return defaultdict(
        lambda: "unknown",
        {
            **scene.order,
            **shipment,
            "status": scene.order.get("status", "unknown"),
            "parcel": shipment.get("status", "unknown"),
            "refund": scene.results.get("refund_order", {}).get("amount", "unknown"),
            "customer": scene.customer,
            "company": _company(scene) or "us",
            "question": scene.question,
            "order_id": scene.order_id,
        },
    )
