"""
Small files that want to be large: `python -m tests.bombs FOLDER` reads them under hard limits.

Every line of its output is one of them: what became of it, the megabytes and seconds it took.
"""

from __future__ import annotations

import binascii
import gzip
import json
import resource
import struct
import sys
import time
import zlib
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from pathlib import Path

import brotli
import zstandard

from replay.cassettes.cleaning import scan
from replay.cassettes.files import read_cassette
from replay.cassettes.redaction import Redactor
from replay.config import Redaction
from replay.errors import Damaged

MEMORY = 2 * 2**30
"""Bytes of address space; Python with all that is imported here has 400 MB of them."""

SECONDS = 60
"""Of processor time, for all together."""

ROOT = Path(__file__).parent.parent

HALF = {"headers": {}, "body": None, "method": "POST", "uri": "http://x/"}
ANSWER = {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": ""}}


def cassette(
    sent: bytes = b"", got: bytes = b"", coding: str = "", media: str = "text/plain"
) -> str:
    """A cassette of one interaction, with binary bodies."""
    coded = f", content-encoding: [{coding}]" if coding else ""
    both = f"{{content-type: [{media}]{coded}}}"
    return (
        "version: 1\ninteractions:\n"
        f"- request: {{method: POST, uri: 'http://x/', headers: {both},\n"
        f"    body: !!binary {b64encode(sent).decode()}}}\n"
        f"  response: {{status: {{code: 200, message: OK}}, headers: {both},\n"
        f"    body: {{string: !!binary {b64encode(got).decode()}}}}}\n"
    )


def zeros(mebibytes: int, compress: Callable[[bytes], bytes], flush: Callable[[], bytes]) -> bytes:
    """Compress so many zeros, without having them all at once."""
    mebibyte = bytes(2**20)
    return b"".join([*(compress(mebibyte) for _ in range(mebibytes)), flush()])


@cache
def gzipped(mebibytes: int) -> bytes:
    packer = zlib.compressobj(1, wbits=16 + zlib.MAX_WBITS)
    return zeros(mebibytes, packer.compress, packer.flush)


def brotlied(mebibytes: int) -> bytes:
    packer = brotli.Compressor(quality=1, lgwin=24)
    return zeros(mebibytes, packer.process, packer.finish)


def zstandarded(mebibytes: int) -> bytes:
    packer = zstandard.ZstdCompressor().compressobj()
    return zeros(mebibytes, packer.compress, packer.flush)


def nested(layers: int) -> bytes:
    body = b"sk-proj-" + b"a1B2" * 12
    for _ in range(layers):
        body = gzip.compress(body, mtime=0)
    return body


def message(size: int, headers: int) -> bytes:
    lengths = struct.pack(">II", size, headers)
    return lengths + struct.pack(">I", binascii.crc32(lengths)) + bytes(64)


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
AMAZON = "application/vnd.amazon.eventstream"
KEYS = b"AIza" + b"aB3-_" * 7

BOMBS: dict[str, tuple[str, Callable[[], bytes | str]]] = {
    "alias-of-aliases.yaml": ("refused", lambda: LAUGHS),
    "one-alias-often.yaml": ("refused", lambda: f"a: &a {'x' * 10**6}\nb: [{'*a, ' * 200}]"),
    "merges.yaml": (
        "refused",
        lambda: "interactions:\n<<: [" + ", ".join(f"{{k{n}: 1}}" for n in range(20_000)) + "]",
    ),
    "merge-of-merges.yaml": (
        "refused",
        lambda: "".join(
            f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" if n else "a0: &a0 {k: 1}\n"
            for n in range(40)
        ),
    ),
    "sexagesimal.yaml": ("refused", lambda: "a: 1" + ":1" * 200_000),
    "digits.yaml": ("refused", lambda: "a: " + "9" * 10**6),
    "hexadecimal.yaml": ("refused", lambda: "version: 0x" + "f" * 10**6 + "\ninteractions: []"),
    "infinite-status.yaml": (
        "refused",
        lambda: "interactions: [{request: {method: a, uri: b}, response: {status: .inf}}]",
    ),
    "deep-flow.yaml": ("refused", lambda: "[" * 10**6),
    "deep-block.yaml": ("refused", lambda: "- " * 10**5),
    "deep.json": ("refused", lambda: '{"a":' * 10**5),
    "deep-closed.json": ("refused", lambda: "[" * 900 + "]" * 900),
    "many-keys.yaml": ("refused", lambda: "".join(f"k{n}: 1\n" for n in range(100_000))),
    "many-numbers.json": ("refused", lambda: "[" + "1234567," * 2 * 2**20 + "1]"),
    "many-objects.json": ("refused", lambda: "[" + "{}," * 3 * 10**6 + "{}]"),
    "many-documents.yaml": ("refused", lambda: "--- a\n" * 10**5),
    "huge-number.json": ("refused", lambda: '{"version": 1e999, "interactions": []}'),
    "half-a-character.json": (
        "refused",
        lambda: json.dumps(
            {"interactions": [{"request": HALF | {"uri": "\ud800"}, "response": ANSWER}]}
        ),
    ),
    "nul.yaml": ("refused", lambda: b"interactions: []\0"),
    "nul.json": ("refused", lambda: b'{"interactions": [\0]}'),
    "utf-16.yaml": ("refused", lambda: "interactions: []".encode("utf-16")),
    "carriage-returns.yaml": ("read", lambda: "version: 1\rinteractions: []\r"),
    "packed.yaml.gz": ("refused", lambda: gzipped(80)),
    "packed-twice.yaml.gz": ("refused", lambda: gzip.compress(gzip.compress(b"interactions: []"))),
    "answer-gzip.yaml": ("refused", lambda: cassette(got=gzipped(300), coding="gzip")),
    "answer-brotli.yaml": ("refused", lambda: cassette(got=brotlied(300), coding="br")),
    "answer-zstd.yaml": ("refused", lambda: cassette(got=zstandarded(300), coding="zstd")),
    "question-gzip.yaml": ("read", lambda: cassette(sent=gzipped(300), coding="gzip")),
    "question-brotli.yaml": ("read", lambda: cassette(sent=brotlied(300), coding="br")),
    "file-in-a-body.yaml": ("read", lambda: cassette(got=gzipped(300))),
    "files-in-files.yaml": ("read", lambda: cassette(got=nested(100))),
    "messages-of-no-length.yaml": ("read", lambda: cassette(got=message(0, 0), media=AMAZON)),
    "headers-beyond-the-message.yaml": (
        "read",
        lambda: cassette(got=message(20, 2**32 - 1), media=AMAZON),
    ),
    "keys-in-a-chain.yaml": ("read", lambda: cassette(got=KEYS * 5_000)),
    "homes-in-a-chain.yaml": ("read", lambda: cassette(got=b"/home/ann" * 20_000)),
    "addresses-in-addresses.yaml": (
        "read",
        lambda: cassette().replace("http://x/", "http://x/" + "?a=" * 20_000),
    ),
    "cookie-of-line-ends.yaml": (
        "read",
        lambda: cassette().replace(
            "content-type: [", 'cookie: ["' + "\\n" * 50_000 + 'x"], content-type: [', 1
        ),
    ),
}
"""By the name of the file: what has to become of it, and how it is made."""


def defuse(path: Path) -> str:
    """Scan the file, read it, and redact what is in it."""
    scan(path, Redaction())
    try:
        redactor = Redactor()
        for interaction in read_cassette(path).interactions:
            redactor.interaction(interaction)
    except Damaged as error:
        return "refused" if len(str(error)) < 2_000 else "too much was said"
    return "read"


def main(folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    for name in BOMBS:
        began = time.process_time()
        print(name, end=" ", flush=True)
        try:
            became = defuse(folder / name)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the finding
            became = type(error).__name__
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(became, used, f"{time.process_time() - began:.1f}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
