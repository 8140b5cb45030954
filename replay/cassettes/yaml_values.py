"""
Values out of YAML from people we do not know: nothing is executed, and the cost is bounded.

Built on libyaml's events, without PyYAML's tree of nodes: that is faster, it knows the line of
every mapping, and an alias is counted for all that stands behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from replay.canonical import DEPTH
from replay.cassettes.limits import FILE_BYTES, NODES, TooMuch

_TAG = "tag:yaml.org,2002:"
_PYTHON = f"{_TAG}python/"
_NO_KEY: Any = object()
_EVENTS: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NotYaml(ValueError):
    """What is wrong, and in which line, 0 if that is not known."""

    def __init__(self, what: str, line: int = 0) -> None:
        super().__init__(what, line)
        self.what = what
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """
    What a YAML text says.

    *lines* gives the line of a mapping by its `id`; *tags* are the Python tags that were read.
    """

    value: Any
    lines: dict[int, int]
    tags: frozenset[str]


def parse_yaml(text: str) -> Document:
    """
    Read *text*: what YAML 1.1 calls safe, and the harmless Python tags that cassettes hold.

    A timestamp stays the text it is: in cassettes it is a header or a piece of a body.

    Raises:
        NotYaml: it is not YAML, holds another tag, or goes beyond the limits.

    """
    try:
        return _Builder(text).build()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise NotYaml(error.problem or str(error), line) from error
    except yaml.reader.ReaderError as error:
        line = text.encode("utf-8", "surrogatepass").count(b"\n", 0, error.position) + 1
        raise NotYaml(str(error.reason), line) from error
    except yaml.YAMLError as error:
        raise NotYaml(str(error)) from error


def is_text(plain: str) -> bool:
    """Whether a scalar without quotes is a text, not a number, a truth value or the like."""
    tag = _RESOLVER.resolve(yaml.ScalarNode, plain, (True, False))
    return tag != _MERGE_TAG and tag not in _SCALARS


@dataclass(slots=True)
class _Open:
    """A collection that is being filled, and the counts when it was opened."""

    into: Any
    tag: str | None
    anchor: str | None
    line: int
    nodes: int
    chars: int
    key: Any = _NO_KEY
    merged: list[Any] = field(default_factory=list)


class _Builder:
    def __init__(self, text: str) -> None:
        self._next = _EVENTS(text).get_event
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int, int]] = {}
        self._plain: dict[str, Any] = {}
        self._lines: dict[int, int] = {}
        self._tags: set[str] = set()
        self._nodes = self._chars = 0
        self._value: Any = None

    def build(self) -> Document:
        documents = 0
        event = self._next()
        while event.__class__ is not StreamEndEvent:
            if event.__class__ is ScalarEvent:
                self._scalar(event)
            elif event.__class__ in (SequenceStartEvent, MappingStartEvent):
                self._open(event)
            elif event.__class__ in (SequenceEndEvent, MappingEndEvent):
                self._close()
            elif event.__class__ is AliasEvent:
                self._alias(event)
            elif event.__class__ is DocumentStartEvent:
                documents += 1
                if documents > 1:
                    raise NotYaml("it holds more than one document", _line(event))
            event = self._next()
        return Document(self._value, self._lines, frozenset(self._tags))

    def _scalar(self, event: Any) -> None:
        text = event.value
        self._nodes += 1
        self._chars += len(text)
        tag = event.tag
        if tag is not None and tag != "!":
            value = self._tagged(tag, text, event)
        elif event.implicit[0]:
            value = self._plain.get(text, _NO_KEY)
            if value is _NO_KEY:
                value = self._plain[text] = _resolved(text, event)
            if value is _MERGE and not self._awaits_key():
                value = text
        else:
            value = text
        if event.anchor:
            self._anchors[event.anchor] = (value, 1, len(text))
        self._put(value, event)

    def _awaits_key(self) -> bool:
        top = self._stack[-1] if self._stack else None
        return top is not None and top.key is _NO_KEY and isinstance(top.into, dict)

    def _open(self, event: Any) -> None:
        self._nodes += 1
        if len(self._stack) >= DEPTH:
            raise NotYaml(f"it is nested deeper than {DEPTH} levels", _line(event))
        into: Any = [] if event.__class__ is SequenceStartEvent else {}
        tag = None if event.implicit or event.tag in _COLLECTIONS else event.tag
        self._stack.append(
            _Open(into, tag, event.anchor, _line(event), self._nodes - 1, self._chars)
        )

    def _close(self) -> None:
        done = self._stack.pop()
        value = done.into
        if done.merged:  # what comes first counts, and what stands in the mapping itself most
            sources = (*reversed(done.merged), value)
            value = {key: item for source in sources for key, item in source.items()}
        if done.tag is not None:
            value = self._made(done.tag, value, done.line)
        elif value.__class__ is dict:
            self._lines[id(value)] = done.line
        if done.anchor:
            nodes, chars = self._nodes - done.nodes, self._chars - done.chars
            self._anchors[done.anchor] = (value, nodes, chars)
        self._put(value, done)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise NotYaml(f"the alias {event.anchor!r} stands for nothing", _line(event))
        value, nodes, chars = self._anchors[event.anchor]
        self._nodes += nodes
        self._chars += chars
        self._put(value, event)

    def _put(self, value: Any, place: Any) -> None:
        if self._nodes > NODES:
            raise NotYaml(str(TooMuch("it holds more values", NODES)), _line(place))
        if self._chars > FILE_BYTES:
            raise NotYaml(str(TooMuch("it holds more text", FILE_BYTES)), _line(place))
        if not self._stack:
            self._value = value
            return
        top = self._stack[-1]
        if top.into.__class__ is list:
            top.into.append(value)
        elif top.key is _NO_KEY:
            top.key = value
        else:
            self._pair(top, value, place)

    def _pair(self, top: _Open, value: Any, place: Any) -> None:
        key, top.key = top.key, _NO_KEY
        if key is _MERGE:
            top.merged += [more for more in _listed(value) if isinstance(more, dict)]
            return
        try:
            top.into[key] = value
        except TypeError as error:
            raise NotYaml("a key is a mapping or a list", _line(place)) from error

    def _tagged(self, tag: str, text: str, event: Any) -> Any:
        self._note(tag)
        if tag in _TEXTS:
            return text
        if tag not in _SCALARS:
            raise NotYaml(f"it asks for {_short(tag)}", _line(event))
        return _constructed(tag, text, event)

    def _made(self, tag: str, value: Any, line: int) -> Any:
        self._note(tag)
        make = _HARMLESS.get(tag.removeprefix(_PYTHON))
        if make is None or not tag.startswith(_PYTHON):
            raise NotYaml(f"it asks for {_short(tag)}", line)
        return make(value)

    def _note(self, tag: str) -> None:
        if tag.startswith(_PYTHON):
            self._tags.add(_short(tag))


class _Merge:
    """The key `<<`."""


_MERGE = _Merge()
_MERGE_TAG = f"{_TAG}merge"
_RESOLVER: Any = yaml.resolver.Resolver()
_CONSTRUCTOR = yaml.constructor.SafeConstructor()
_COLLECTIONS = (None, "!", f"{_TAG}seq", f"{_TAG}map")
_TEXTS = frozenset({f"{_TAG}str", f"{_TAG}timestamp", f"{_PYTHON}str", f"{_PYTHON}unicode"})
_LONGEST = 400
"""Characters of a number; PyYAML's arithmetic for `1:1:1:…` takes the square of their count."""

_SCALARS = frozenset({f"{_TAG}{name}" for name in ("binary", "bool", "float", "int", "null")})


def _resolved(text: str, event: Any) -> Any:
    tag = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))
    if tag == _MERGE_TAG:
        return _MERGE
    return _constructed(tag, text, event) if tag in _SCALARS else text


def _constructed(tag: str, text: str, event: Any) -> Any:
    if len(text) > _LONGEST and tag != f"{_TAG}binary":
        raise NotYaml(f"{text[:40]!r}… is too long for {_short(tag)}", _line(event))
    node = yaml.ScalarNode(tag, text, event.start_mark, event.end_mark)
    try:
        return _CONSTRUCTOR.construct_object(node)
    except (ValueError, LookupError, OverflowError) as error:
        raise NotYaml(f"{text[:40]!r} is no {_short(tag)}", _line(event)) from error


def _first(value: Any) -> Any:
    """Read what was to be called with one argument: the argument, from either of two spellings."""
    arguments = value.get("args") if isinstance(value, dict) else value
    return arguments[0] if isinstance(arguments, list | tuple) and arguments else None


def _istr(value: Any) -> str:
    return str(_first(value) or "")


def _buffer(value: Any) -> bytes:
    state = value.get("state") if isinstance(value, dict) else value
    data = state[0] if isinstance(state, list | tuple) and state else b""
    return data.encode() if isinstance(data, str) else data if isinstance(data, bytes) else b""


def _same(value: Any) -> Any:
    return value


_HARMLESS: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "object/new:_io.BytesIO": _buffer,
    "object/apply:builtins.iter": _first,
    "object/apply:__builtin__.frozenset": _first,
    "object/apply:builtins.frozenset": _first,
    "object:vcr.request.Request": _same,
    **{
        f"object/{kind}:{name}": _istr
        for kind in ("apply", "new")
        for name in ("multidict._multidict.istr", "multidict._istr.istr", "multidict.istr")
    },
}
"""Python tags that stand for plain data in cassettes; the rest is refused."""


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _short(tag: str) -> str:
    return tag.replace(_TAG, "!!")


def _line(place: Any) -> int:
    return place.line if isinstance(place, _Open) else place.start_mark.line + 1
