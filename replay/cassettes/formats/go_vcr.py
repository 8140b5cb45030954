"""go-vcr: YAML by Go; `version: 1` up to go-vcr 2, `version: 2` since."""

from __future__ import annotations

from typing import Any

from replay.cassettes.formats.vcrpy import vcrpy_1


def go_vcr(value: Any) -> list[Any] | None:
    """Read responses whose `status` is a line such as `200 OK`, beside a `code`."""
    found = vcrpy_1(value)
    if not found or not all(_is_gos(item) for item in found):
        return None
    return [_exchange(item) for item in found]


def _is_gos(item: Any) -> bool:
    response = item.get("response") if isinstance(item, dict) else None
    return isinstance(response, dict) and "code" in response


def _exchange(item: Any) -> Any:
    response = item["response"]
    code = response["code"]
    line = str(response.get("status") or "")
    reason = line.removeprefix(str(code)).strip()
    body = {"string": response.get("body") or ""}
    return item | {
        "response": response | {"status": {"code": code, "message": reason}, "body": body}
    }
