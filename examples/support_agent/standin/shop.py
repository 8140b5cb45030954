"""The stand-in's order and shipping APIs: fictional data, no state, so a refund can be repeated."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from .brain import JSON

ORDERS: Mapping[str, JSON] = {
    "1042": {
        "id": "1042",
        "status": "shipped",
        "items": ["Trail jacket, green, M", "Wool socks, two pairs"],
        "total": "129.90",
        "currency": "EUR",
        "placed_on": "2026-03-02",
        "buyer": {"name": "Ada Rowan", "email": "ada@example.com"},
    },
    "1038": {
        "id": "1038",
        "status": "delivered",
        "items": ["Rain jacket, blue, S"],
        "total": "89.50",
        "currency": "EUR",
        "placed_on": "2026-02-19",
        "buyer": {"name": "Grace Linden", "email": "grace@example.com"},
    },
    "1051": {
        "id": "1051",
        "status": "being packed",
        "items": ["Tent, two persons"],
        "total": "249.00",
        "currency": "EUR",
        "placed_on": "2026-03-05",
        "buyer": {"name": "Joan Alder", "email": "joan@example.com"},
    },
}

SHIPMENTS: Mapping[str, JSON] = {
    "1042": {
        "order_id": "1042",
        "tracking_number": "NW73910442",
        "carrier": "Northwind Parcel",
        "status": "out for delivery",
        "eta": "2026-03-06",
    },
    "1038": {
        "order_id": "1038",
        "tracking_number": "NW73899017",
        "carrier": "Northwind Parcel",
        "status": "delivered",
        "eta": "2026-02-24",
    },
}


def shop_routes(latency: float) -> list[BaseRoute]:
    """
    Build both APIs; each answer takes *latency* seconds.

    Orders are compressed for clients that accept it, so that recorders meet a compressed body.
    """
    orders = [
        Route("/{order_id}", _slow(_get_order, latency), methods=["GET"]),
        Route("/{order_id}/refund", _slow(_refund, latency), methods=["POST"]),
    ]
    zipped = Middleware(GZipMiddleware, minimum_size=1)
    return [
        Mount("/orders", routes=orders, middleware=[zipped]),
        Route("/shipping/{order_id}", _slow(_get_shipment, latency), methods=["GET"]),
    ]


async def _get_order(request: Request) -> Response:
    order_id = request.path_params["order_id"]
    if order_id not in ORDERS:
        return _not_found("order", order_id)
    return JSONResponse(ORDERS[order_id])


async def _get_shipment(request: Request) -> Response:
    order_id = request.path_params["order_id"]
    if order_id not in SHIPMENTS:
        return _not_found("shipment", order_id)
    return JSONResponse(SHIPMENTS[order_id])


async def _refund(request: Request) -> Response:
    order_id = request.path_params["order_id"]
    if order_id not in ORDERS:
        return _not_found("order", order_id)
    try:
        asked = json.loads(await request.body())
        amount, reason = str(asked["amount"]), str(asked["reason"])
    except (ValueError, KeyError, TypeError):
        return JSONResponse({"error": "bad_request", "needs": ["amount", "reason"]}, 400)
    refund = {"refund_id": f"rf_{secrets.token_hex(8)}", "order_id": order_id}
    return JSONResponse({**refund, "amount": amount, "reason": reason, "status": "accepted"}, 201)


def _not_found(what: str, order_id: str) -> JSONResponse:
    message = f"There is no {what} {order_id}."
    return JSONResponse({"error": f"{what}_not_found", "message": message}, 404)


def _slow(
    endpoint: Callable[[Request], Awaitable[Response]], latency: float
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        await asyncio.sleep(latency)
        response = await endpoint(request)
        response.headers["server"] = "stand-in"
        response.headers["x-request-id"] = secrets.token_hex(16)
        return response

    return answer
