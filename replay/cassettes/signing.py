"""
Signing again what was changed after its client had signed it: AWS, Signature Version 4.

Whatever sends to AWS mostly signs by botocore, so that is where signers are heard of. One is known
by what its signatures name: access key, region, service.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from types import ModuleType
from typing import Any

from replay.canonical import header
from replay.errors import NotRewritten
from replay.model import Request

_SIGNED = re.compile(
    r"AWS4-\S+ Credential=(?P<key>[^/]+)/\d+/(?P<scope>\S+)/aws4_request,"
    r"\s*SignedHeaders=(?P<headers>[^,]+),"
)
_DIGEST = "x-amz-content-sha256"
_signers: dict[tuple[str, str], Any] = {}


@contextmanager
def signers_heard(auth: ModuleType) -> Iterator[None]:
    """Remember who signs, in the classes of *auth*, which is `botocore.auth`."""
    kinds = {kind for kind in auth.AUTH_TYPE_MAPS.values() if issubclass(kind, auth.BaseSigner)}
    own = {kind: kind.add_auth for kind in kinds | {auth.SigV4Auth} if "add_auth" in vars(kind)}
    for kind, real in own.items():
        kind.add_auth = _telling(real)
    try:
        yield
    finally:
        for kind, real in own.items():
            kind.add_auth = real
        _signers.clear()


def _telling(real: Any) -> Any:
    def add_auth(signer: Any, request: Any) -> Any:
        done = real(signer, request)
        if signed := _SIGNED.match(request.headers.get("Authorization") or ""):
            _signers[signed["key"], signed["scope"]] = signer
        return done

    return add_auth


def signed_again(request: Request) -> Request:
    """
    Sign *request*, which is another one now, by who had signed it; nobody had: leave it as it is.

    Raises:
        NotRewritten: it is signed, and not by botocore.

    """
    signed = _SIGNED.match(header(request.headers, "authorization"))
    if not signed:
        return request
    signer = _signers.get((signed["key"], signed["scope"]))
    if signer is None:
        client = "a client that signs (AWS Signature 4) without botocore"
        raise NotRewritten(str(request), client)
    from botocore.awsrequest import AWSRequest

    names = signed["headers"].split(";")
    again = AWSRequest(
        request.method,
        request.url,
        headers={name: value for name, value in request.headers if name.lower() in names},
        data=request.body,
    )
    if _DIGEST in again.headers:
        again.headers.replace_header(_DIGEST, sha256(request.body).hexdigest())
    signer.add_auth(again)
    headers = tuple((name, again.headers.get(name, value)) for name, value in request.headers)
    return dataclasses.replace(request, headers=headers)
