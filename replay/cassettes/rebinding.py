"""Rebinding: a volatile token of today stands for the recorded one, from then on everywhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from replay.cassettes.edits import carried
from replay.model import Json, Response


class Bindings:
    """Which recorded token is which of today's: one to one, for the length of a replay."""

    def __init__(self) -> None:
        self._now: dict[str, str] = {}
        self._recorded: dict[str, str] = {}
        self._pattern: re.Pattern[bytes] | None = None

    def unify(self, recorded: Sequence[str], now: Sequence[str]) -> bool:
        """Bind token to token; False, and nothing bound, if one is bound otherwise already."""
        new: dict[str, str] = {}
        back: dict[str, str] = {}
        if len(recorded) != len(now):
            return False
        for old, token in zip(recorded, now, strict=True):
            if (self._now | new).setdefault(old, token) != token:
                return False
            if (self._recorded | back).setdefault(token, old) != old:
                return False
            new[old], back[token] = token, old
        if not new.items() <= self._now.items():
            self._bind(new, back)
        return True

    def response(self, response: Response) -> Response:
        """Put today's tokens into a recorded response."""
        if self._pattern is None:
            return response
        found = list(self._pattern.finditer(response.body))
        if not found:
            return response
        body = self._pattern.sub(self._bytes, response.body)
        moved = [(match.start(), match.end(), len(self._bytes(match))) for match in found]
        return replace(response, body=body, chunks=carried(response.chunks, moved))

    def value(self, value: Json) -> Json:
        """Put today's tokens into a recorded output."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            text = self._pattern.sub(self._bytes, value.encode("utf-8", "surrogatepass"))
            return text.decode("utf-8", "surrogatepass")
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return value

    def _bind(self, new: dict[str, str], back: dict[str, str]) -> None:
        self._now |= new
        self._recorded |= back
        changed = [old for old, token in self._now.items() if old != token]
        if changed:
            longest_first = sorted(changed, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)).encode())

    def _bytes(self, match: re.Match[bytes]) -> bytes:
        return self._now[match[0].decode()].encode()
