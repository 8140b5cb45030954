"""How each dated version of the stand-in's "model" goes about things, and how it puts them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

# Intent to the tools that are asked for, turn by turn.
Plans: TypeAlias = Mapping[str, Sequence[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Voice:
    """One version; the texts are templates over what the tools returned."""

    plans: Plans
    label: str  # the answer to "sort this into one of …"
    notes: str  # what it says when it has called enough tools
    replies: Mapping[str, str]  # outcome to its sentence
    details: Mapping[str, str]  # outcome to what an exact answer adds
    thanks: str  # what a kind answer adds
    more: str  # what an answer adds that need not be brief


GPT_4O = Voice(
    plans={
        "shipping": (("get_order", "track_shipment"),),
        "refund": (("get_order",), ("refund_order",)),
        "order": (("get_order",),),
    },
    label="{label}",
    notes="I have what I need.",
    replies={
        "chat": 'You said: "{question}"',
        "help": "Hi {customer}, I can help with orders, parcels and refunds.",
        "no number": "Hi {customer}, what is the number of your order?",
        "not read": "Hi {customer}, I have not looked at order {order_id} yet.",
        "unknown": "Hi {customer}, I am sorry, but I cannot find an order {order_id}.",
        "order": "Hi {customer}, your order {order_id} is {status}.",
        "parcel": "Hi {customer}, your order {order_id} is {parcel} and should arrive on {eta}.",
        "arrived": "Hi {customer}, your order {order_id} was delivered on {eta}.",
        "refunded": "Hi {customer}, I have refunded {refund} {currency} for your order {order_id}.",
        "not refunded": "Hi {customer}, I cannot refund order {order_id} while it is {status}.",
    },
    details={
        "unknown": "Could you check the number?",
        "order": "The total is {total} {currency}.",
        "arrived": "{carrier} brought it under {tracking_number}.",
        "parcel": "{carrier} carries it under {tracking_number}.",
        "refunded": "Allow 5 working days for the money to arrive.",
    },
    thanks="Thank you for your patience!",
    more="You ordered on {placed_on}.",
)

GPT_41 = Voice(
    plans={
        "shipping": (("get_order",), ("track_shipment",)),
        "refund": (("get_order",), ("refund_order",)),
        "order": (("get_order",),),
    },
    label="{Label}.",
    notes="No further look-ups needed; ready to answer.",
    replies={
        "chat": "I read: {question}",
        "help": "Hello {customer} — ask me about an order, a parcel or a refund.",
        "no number": "Hello {customer} — which order is this about? Please send me its number.",
        "not read": "Hello {customer} — I would need to look up order {order_id} first.",
        "unknown": "Hello {customer} — I'm sorry, there is no order {order_id} in our system.",
        "order": "Hello {customer} — order {order_id} is currently {status}.",
        "parcel": "Hello {customer} — order {order_id} is {parcel}; {carrier} expects it on {eta}.",
        "arrived": "Hello {customer} — order {order_id} reached you on {eta}.",
        "refunded": "Hello {customer} — {refund} {currency} for order {order_id} is on its way.",
        "not refunded": "Hello {customer} — order {order_id} is {status}, so no refund is due yet.",
    },
    details={
        "unknown": "Please check the confirmation e-mail for the right number.",
        "order": "It comes to {total} {currency}.",
        "arrived": "Tracking number: {tracking_number}.",
        "parcel": "Tracking number: {tracking_number}.",
        "refunded": "Banks usually take 3 to 5 working days.",
    },
    thanks="Sorry for the trouble, and thank you for shopping with {company}.",
    more="The order was placed on {placed_on}.",
)

VOICES: Mapping[str, Voice] = {"gpt-4o-2024-08-06": GPT_4O, "gpt-4.1-2025-04-14": GPT_41}
