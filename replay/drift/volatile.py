"""What differs between any two recordings, and says nothing: put aside, and counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from replay.canonical import canonical_json
from replay.drift.fields import generalized
from replay.golden.built_in import DEFAULT_RULES
from replay.golden.normalization import normalized
from replay.golden.rules import Rules
from replay.model import Difference, Headers

_ANSWER_MEMBERS = re.compile(
    r"id|.+_id|[a-z]\w*Id|created|created_?at|completed_?at|createTime|expires_at|object_hash"
    r"|system_fingerprint|(?:thought_?)?signature|encrypted_content|obfuscation|p"
    r"|latencyMs|.*_duration|.*_?latency|safety_hit_prob",
    re.IGNORECASE,
)
_SENT_MEMBERS = re.compile(
    r"id|(?:tool_|tool_use_|previous_response_)?(?:call_)?id|tool_use_id|toolUseId"
    r"|encrypted_content|(?:thought_?)?signature",
    re.IGNORECASE,
)
_SENT_HEADERS = re.compile(
    r"accept-encoding|authorization|(?:x-)?api-key|x-goog-api-key|cookie|connection|content-length"
    r"|host|user-agent|traceparent|tracestate|baggage|x-amz-(?:date|security-token)"
    r"|amz-sdk-.*|x-amzn-trace-id|idempotency-key|x-stainless-.*|x-goog-api-client|b3|x-b3-.*"
)
_ANSWER_HEADERS = re.compile(
    r"date|age|expires|etag|last-modified|set-cookie|content-length|content-encoding"
    r"|transfer-encoding|connection|keep-alive|via|server|server-timing|vary|nel|report-to|alt-svc"
    r"|cf-.*|x-envoy-.*|x-amz-.*|x-amzn-request.*|x-cloud-trace-context|traceresponse|traceparent"
    r"|(?:.*-)?(?:request|correlation|trace|span|generation)-?id|.*ratelimit.*|retry-after"
    r"|.*-(?:processing-ms|runtime|latency|duration)|openai-(?:organization|project|version)"
    r"|anthropic-organization-id"
    r"|x-(?:frame-options|xss-protection|content-type-options|robots-tag|permitted-.*|cache.*)"
    r"|x-(?:served-by|timer|powered-by|accel-.*|ms-.*|aml-.*|gateway-.*|openai-proxy-.*|kong-.*)"
    r"|access-control-.*|strict-transport-security|content-security-policy.*|referrer-policy"
    r"|permissions-policy|pragma|cache-control|p3p|.*-policy|azureml-.*|apim-.*|x-debug-.*"
    r"|x-compute-.*|x-should-retry|num_.*|skip-error-.*|.*-price-estimate|x-mistral-.*"
)
"""Transport, caching, browsers' security, tracing, quotas, ids: nothing a program reads."""


class Sieve:
    """
    Lets through what says something, and counts the rest by what it is a part of.

    *rules* say what is noise in values.
    """

    def __init__(self, rules: Rules = DEFAULT_RULES) -> None:
        self.aside: Counter[str] = Counter()
        self._rules = rules

    def sent(self, found: Iterable[Difference]) -> Iterator[Difference]:
        """Let through what our code changed."""
        return self._told(found, "requests", _SENT_MEMBERS)

    def answered(self, found: Iterable[Difference]) -> Iterator[Difference]:
        """Let through what the provider changed around what the model says."""
        return self._told(found, "responses", _ANSWER_MEMBERS)

    def values(self, found: Iterable[Difference]) -> Iterator[Difference]:
        """Let through what a model or a program says; there, an `id` may be the very point."""
        return self._told(found, "values", None)

    def headers(
        self, was: Headers, now: Headers, *, sent: bool
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Leave out the volatile ones; `told_headers` of both."""
        told = told_headers(was, sent=sent), told_headers(now, sent=sent)
        changed = {name.lower() for name, _ in {*was} ^ {*now}}
        volatile = changed - {*told[0], *told[1]}
        self.aside["request headers" if sent else "response headers"] += len(volatile)
        return told

    def _told(
        self, found: Iterable[Difference], what: str, members: re.Pattern[str] | None
    ) -> Iterator[Difference]:
        for difference in found:
            named = members and _names_volatile(difference, members)
            if named or is_volatile(difference, self._rules):
                self.aside[f"ids and times in {what}"] += 1
            else:
                yield difference


def is_volatile(difference: Difference, rules: Rules = DEFAULT_RULES) -> bool:
    """
    Whether both sides of *difference* are the same but for ids, times and what *rules* name.

    >>> is_volatile(Difference("x", "run at 2026-01-01T10:00:00Z", "run at 2026-01-02T11:00:00Z"))
    True
    >>> is_volatile(Difference("x", "SKU-1", "SKU-2"))
    False
    """
    one, two = (normalized(value, rules) for value in (difference.recorded, difference.now))
    return canonical_json(one) == canonical_json(two)


def _names_volatile(difference: Difference, members: re.Pattern[str]) -> bool:
    sides = difference.recorded, difference.now
    name = generalized(difference.path).replace("[*]", "").rpartition(".")[2]
    is_scalar = not any(isinstance(side, dict | list) for side in sides)
    return is_scalar and members.fullmatch(name) is not None


def told_headers(headers: Headers, *, sent: bool) -> dict[str, str]:
    """
    Leave out of *headers* what is volatile; names in lower case.

    >>> told_headers((("Date", "now"), ("Content-Type", "text/plain")), sent=False)
    {'content-type': 'text/plain'}
    """
    known = _SENT_HEADERS if sent else _ANSWER_HEADERS
    lower = ((name.lower(), value) for name, value in headers)
    return {name: value for name, value in lower if not known.fullmatch(name)}
