"""What a secret looks like: by the name it stands under, or by its own shape."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import starmap

from replay.cassettes.redaction.known import (
    EDGE,
    EMAIL,
    ENDINGS,
    FIELDS,
    HEADERS,
    MASK,
    MEMBERS,
    NOBODY,
    PARAMETERS,
    PHRASES,
    SCHEME,
    SHORTEST,
    WORD,
    WORDS,
)
from replay.config import Redaction
from replay.errors import BadSetting

Found = tuple[str, int, int]
"""A kind of secret, and where in a text one stands."""

_SPACE = r"[ \t\r\n]*"
_SEPARATOR = re.compile(
    rf"(?<=[\w.$-])(?P<slash>\\*)[\"']{_SPACE}(?::|,{_SPACE}\\*[\"']value\\*[\"']{_SPACE}:)"
    rf"{_SPACE}(?P<list>\[{_SPACE})?(?P=slash)(?P<quote>[\"'])"
)
_NEXT = re.compile(rf"\\*[\"']{_SPACE},{_SPACE}\\*[\"']")
_QUOTED = {
    '"': re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.S),
    "'": re.compile(r"[^'\\]*(?:\\.[^'\\]*)*", re.S),
}
_QUOTED_TWICE = re.compile(r"[^\"'\\]*")
_ASSIGNED = re.compile(
    r"[ \t]{0,2}=[ \t]{0,2}\\*[\"']?"
    r"(?P<at>(?=[A-Za-z_+/~%-]*\d)(?=[\d_+/~%-]*[A-Za-z])(?:[\w+/~-]|%[0-9A-F]{2}){16,}={0,2})"
    r"(?![\w(\[.])",
    re.A,
)
_ELEMENT = re.compile(r"<(?:\w+:)?(?P<name>[\w.-]+)(?:\s[^<>]*)?>(?P<at>[^<>]+)</")
_EMAN = re.compile(r"[\w.$\\-]+")
_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})")


def kind_of(name: str) -> str:
    """
    Name the placeholder of what stands under *name*.

    >>> kind_of("openaiApiKey"), kind_of("X-Api-Key"), kind_of("client_secret")
    ('openai-api-key', 'x-api-key', 'client-secret')
    """
    if name.isidentifier() and "_" not in name:
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") or "secret"


def credential(text: str, start: int, stop: int) -> tuple[int, int]:
    """Leave the scheme out of a credential: of `Bearer abc`, only `abc` is secret."""
    scheme = SCHEME.match(text, start, stop)
    if scheme and (scheme[0][:4].lower() == "aws4" or " " not in text[scheme.end() : stop]):
        return scheme.end(), stop
    return start, stop


def harmless(kind: str, value: str) -> bool:
    """Tell whether *value*, though it stands where a secret stands, is visibly none."""
    if kind == "home":
        return bool(NOBODY.match(value))
    return bool(MASK.match(value))


class Secrets:
    """
    The names and shapes that are taken for secrets: the known ones, and what *rules* add.

    Raises:
        BadSetting: a pattern in *rules* is not a regular expression.

    """

    def __init__(self, rules: Redaction) -> None:
        members = [*HEADERS, *MEMBERS, *rules.json]
        fields = [*members, *FIELDS, *rules.query]
        self.header = _namer([*HEADERS, *MEMBERS, *rules.headers])
        self.member = _namer(members)
        self.field = _namer(fields)
        self.parameter = _namer([*fields, *PARAMETERS])
        self._own = [(kind_of(name), _pattern(name, text)) for name, text in rules.patterns.items()]
        self._emails = rules.emails
        self._endings = tuple({_squashed(name).encode() for name in [*ENDINGS, *members]})
        self._tails = _tails(self._endings)

    def may_hold(self, data: bytes) -> bool:
        """
        Tell at once whether *data* can hold a secret at all: most cannot, and are not looked into.

        A request is looked at each time it is replayed, so this takes microseconds: a few passes in
        C, and Python only for words that are long enough for a key, and for names of JSON members.
        """
        return (
            _has_word(data)
            or _has_phrase(data)
            or self._has_name(data)
            or (self._emails and b"@" in data)
            or (self.has_own and self._matches_own(data))
        )

    @property
    def has_own(self) -> bool:
        """Whether there are patterns of a project's own, which may match anything."""
        return bool(self._own)

    def own(self, text: str) -> Iterator[Found]:
        """Find what a project's own patterns match; of one with a group, that group."""
        for kind, pattern in self._own:
            for match in pattern.finditer(text):
                start, stop = match.span(1 if pattern.groups else 0)
                if start < stop:
                    yield kind, start, stop

    def shapes(self, text: str) -> Iterator[Found]:
        """Find what has the shape of a secret, the surest shape first."""
        for word in _LONG.finditer(text):
            yield from _words(text, *word.span())
        for kind, needle, pattern in _PHRASE_SHAPES:
            if needle in text:
                for match in pattern.finditer(text):
                    if kind != "basic-credentials" or _is_basic(match["at"]):
                        yield kind, *match.span("at" if pattern.groups else 0)
        if self._emails and "@" in text:
            for match in EMAIL.finditer(text):
                yield "email", *match.span()

    def named(self, text: str) -> Iterator[Found]:
        """Find what a name says is a secret: in JSON, also inside other text; `KEY=…`; XML."""
        for match in _SEPARATOR.finditer(text):
            if kind := self.member(_name_before(text, match.start())):
                for start, stop in _strings(text, match):
                    yield kind, start, stop
        for match in _ASSIGNED.finditer(text):
            if kind := self.member(_name_before(text, match.start())):
                yield kind, *match.span("at")
        if text.lstrip()[:1] == "<":
            for match in _ELEMENT.finditer(text):
                if kind := self.member(match["name"]):
                    yield kind, *match.span("at")

    def _has_name(self, data: bytes) -> bool:
        plain = data.translate(_PLAIN, b" \t\r\n\\")
        parts = plain.split(b":")
        if b"=" in plain:
            parts += plain.split(b"=")
        if plain[:1] == b"<":
            parts += plain.split(b">")
        return any(self._names(part) for part in parts if part[-3:] in self._tails)

    def _names(self, part: bytes) -> bool:
        name = part[-80:].removesuffix(b',"value"').translate(None, b'_-.$"')
        return name.endswith(self._endings)

    def _matches_own(self, data: bytes) -> bool:
        text = data.decode("utf-8", "surrogateescape")
        return "\\" in text or any(pattern.search(text) for _, pattern in self._own)


def _has_word(data: bytes) -> bool:
    """Look for a word that has the shape of a key, or that stands where one does."""
    letters = data.translate(_LETTERS)
    start = letters.find(_RUN)
    if start < 0:
        return False
    while start >= 0:
        stop = letters.find(b" ", start)
        stop = len(data) if stop < 0 else stop
        if _has_shape(data, start, stop) or b"earer" in data[max(0, start - 9) : start]:
            return True
        start = letters.find(_RUN, stop)
    return b"PRIVATE KEY" in data


def _has_shape(data: bytes, start: int, stop: int) -> bool:
    """
    Look for the shape of a key in one word.

    Where there are no escapes, one can begin only at the word's beginning and behind a sign, which
    are found 7 x faster than by trying everywhere: a word can be a whole image in base64.
    """
    if data[start - 1 : start] == b"\\" or b"%" in data[start:stop]:
        return bool(_WORD_BYTES.search(data, start, stop))
    return bool(_WORD_BYTES.match(data, start, stop) or _BEHIND_SIGN.search(data, start, stop))


def _has_phrase(data: bytes) -> bool:
    """Look for what the phrases hold, and for escapes, behind which anything can be hidden."""
    if b"@" in data and b"://" in data:
        return True
    if b"asic " in data or not _HOMES.isdisjoint(data.split(b"/")):
        return True
    return b"\\" in data and _is_hiding(data.split(b"\\"))


def _is_hiding(parts: list[bytes]) -> bool:
    return b"Users" in parts or any(p[:4] in _ESCAPES or p[:1] == b"/" for p in parts)


def _strings(text: str, match: re.Match[str]) -> Iterator[tuple[int, int]]:
    """List the string, or the strings of the list, that *match* leads to."""
    pattern = _QUOTED_TWICE if match["slash"] else _QUOTED[match["quote"]]
    more: re.Match[str] | None = match
    while more:
        value = pattern.match(text, more.end())
        assert value
        if value[0]:
            yield credential(text, *value.span())
        more = _NEXT.match(text, value.end()) if match["list"] else None


def _name_before(text: str, end: int) -> str:
    """Read the name that ends at *end*, backwards; JSON may have escapes in it."""
    found = _EMAN.match(text[max(0, end - 80) : end][::-1])
    name = found[0][::-1] if found else ""
    if "\\" in name:
        name = _ESCAPE.sub(lambda sign: chr(int(sign[1], 16)), name)
        name = re.split(r"\\+.?", name)[-1]
    return name


def _is_basic(text: str) -> bool:
    """Tell `user:password` in base64 from an English word behind `basic`."""
    try:
        plain = b64decode(text, validate=True).decode()
    except ValueError:
        return False
    return ":" in plain and plain.isprintable()


def _namer(names: Iterable[str]) -> Callable[[str], str]:
    """Build the function that gives the kind of what stands under a name, or nothing."""
    whole = {_squashed(name) for name in names}

    @lru_cache(maxsize=4096)
    def kind(name: str) -> str:
        plain = _squashed(name)
        return kind_of(name) if plain in whole or plain.endswith(ENDINGS) else ""

    return kind


def _squashed(name: str) -> str:
    return name.lower().translate(_JOINTS)


def _pattern(name: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        setting = f"tool.replay.redact.patterns.{name}"
        raise BadSetting(setting, text, f"a regular expression; {error}") from error


def _words(text: str, start: int, stop: int) -> Iterator[Found]:
    """
    Find those of one word; where one ends, another may begin at once.

    To try the shapes with their groups everywhere takes 6 x longer.
    """
    while any_shape := _WORD_ANY.search(text, start, stop):
        start = any_shape.start()
        while match := _WORD_SHAPE.match(text, start, stop):
            yield _told(match)
            start = match.end()


def _told(match: re.Match[str]) -> Found:
    """Tell which of the shapes it is."""
    assert match.lastgroup
    kind = match.lastgroup
    part = f"{kind}_at" if f"{kind}_at" in match.re.groupindex else kind
    return kind.replace("_", "-"), *match.span(part)


def _tails(endings: Iterable[bytes]) -> frozenset[bytes]:
    """List the last three bytes of JSON names, `"` and all, and of those before `=`."""
    tails = {b'ue"'}  # of {"name": "api_key", "value": …}
    for ending in endings:
        name = b'"' + ending
        tails |= {name[-3:], *(name[-2:-1] + joint + name[-1:] + b'"' for joint in _JOINED)}
    return frozenset(tail[-3:] for tail in tails)


def _grouped(kind: str, pattern: str) -> str:
    group = kind.replace("-", "_")
    return f"(?P<{group}>{pattern.replace('?P<at>', f'?P<{group}_at>')})"


_JOINED = (b"", b"_", b"-", b".")
_JOINTS = dict.fromkeys(map(ord, "_-. $"))
_LONG = re.compile(rf"[{WORD}]{{{SHORTEST},}}")
_SHAPES = "|".join(pattern.replace("?P<at>", "?:") for _, pattern in WORDS)
_WORD_ANY = re.compile(f"{EDGE}(?:{_SHAPES})", re.ASCII)
_WORD_BYTES = re.compile(_WORD_ANY.pattern.encode())
_BEHIND_SIGN = re.compile(f"[^A-Za-z0-9_-](?:{_SHAPES})".encode())
_WORD_SHAPE = re.compile("|".join(starmap(_grouped, WORDS)), re.ASCII)
_PHRASE_SHAPES = [(kind, needle, re.compile(p, re.ASCII)) for kind, needle, p in PHRASES]

_RUN = b"a" * SHORTEST
_LETTERS = bytes(97 if re.match(f"[{WORD}]", chr(i)) else 32 for i in range(256))
_PLAIN = bytes(range(256)).lower().replace(b"'", b'"')
_ESCAPES = frozenset(b"u00%x" % digit for digit in range(2, 8))
_HOMES = frozenset({b"home", b"Users", b"home\\", b"Users\\"})
