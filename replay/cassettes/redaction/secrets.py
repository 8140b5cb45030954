"""What a secret looks like: the names that credentials go by, and the shapes of known keys."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import starmap

from replay.config import Redaction
from replay.errors import BadSetting

PLACEHOLDER = re.compile(
    r"(?:<|&lt;|%3[Cc]|\\u003[Cc])secret(?::|%3[Aa])(?P<kind>[a-z0-9][a-z0-9._-]*)"
    r"(?:(?::|%3[Aa])(?P<number>\d{1,9}))?(?:>|&gt;|%3[Ee]|\\u003[Ee])"
)
"""What stands in place of a secret, also as URLs, HTML and JSON may spell it."""

Found = tuple[str, int, int]
"""A kind of secret, and where in a text one stands."""

COOKIES = frozenset({"cookie", "cookie2", "set-cookie", "set-cookie2"})
"""Headers whose parts have names of their own."""

ACCOUNTS = frozenset(
    {"email", "home", "twilio-account"}
    | {f"openai-{what}" for what in ("organization", "project", "user")}
)
"""Kinds that name somebody, and give nobody access."""

_HEADERS = (
    *COOKIES,
    *("anthropic-organization-id", "openai-organization", "openai-project"),
    *("helicone-auth", "x-amzn-oidc-data", "x-auth", "x-auth-email", "x-auth-key"),
    *("x-functions-key", "x-goog-iap-jwt-assertion", "x-honeycomb-team", "x-subscription-token"),
)
_ENDINGS = (
    *("accesskey", "accesstoken", "accountkey", "apikey", "apisecret", "apitoken", "appkey"),
    *("applicationkey", "appsecret", "authorization", "authtoken", "bearertoken"),
    *("clientassertion", "clientsecret", "connectionstring", "consumersecret", "csrftoken"),
    *("encryptionkey", "idtoken", "masterkey", "passphrase", "passwd", "password", "privatekey"),
    *("privatetoken", "refreshtoken", "secretkey", "securitytoken", "sessiontoken"),
    *("setcookie", "sharedsecret", "signingkey", "signingsecret", "subscriptionkey"),
    *("subjecttoken", "vaulttoken", "webhooksecret", "xsrftoken"),
)
"""How names of credentials end, in any spelling: `api_key`, `X-Api-Key`, `openaiApiKey`."""

_MEMBERS = ("cookie", "jwt", "pwd", "secret")
_FIELDS = ("assertion", "auth", "pass", "sig", "signature", "token")
_PARAMETERS = (
    *("appid", "awsaccesskeyid", "code_verifier", "hapikey", "hmac", "key"),
    *("x-amz-credential", "x-amz-signature", "x-goog-credential", "x-goog-signature"),
)
"""Whole names. A JSON member `token` or `key` is no secret: it is text, or the key of a map."""

_MIXED = r"(?=[a-z_-]*[A-Z0-9])"  # words such as sk-spinner-three-bounce have neither
_END = r"(?![A-Za-z0-9])"
_WORDS = (
    ("anthropic-key", rf"sk-ant-{_MIXED}[\w-]{{20,}}"),
    ("openrouter-key", r"sk-or-(?:v\d-)?[\w-]{20,}"),
    ("langfuse-key", r"sk-lf-[\w-]{20,}"),
    ("openai-key", rf"sk-{_MIXED}[\w-]{{20,}}|sess-[A-Za-z0-9]{{32,}}"),
    ("openai-project", rf"proj_{_MIXED}[A-Za-z0-9]{{20,}}(?![\w-])"),
    ("openai-organization", rf"org-{_MIXED}[A-Za-z0-9]{{20,}}(?![\w-])"),
    ("openai-user", rf"user-{_MIXED}[A-Za-z0-9]{{20,}}(?![\w-])"),
    ("google-key", r"AIza[\w-]{35}"),
    ("google-token", r"ya29\.[\w-]{20,}|1//0[\w-]{30,}"),
    ("google-secret", r"GOCSPX-[\w-]{20,}"),
    ("aws-key-id", rf"(?:AKIA|ASIA)[A-Z0-9]{{16}}{_END}"),
    ("aws-bedrock-key", r"ABSK[A-Za-z0-9+/]{60,}={0,2}|bedrock-api-key-[A-Za-z0-9+/=_-]{40,}"),
    ("azure-key", rf"[A-Za-z0-9]{{50,54}}JQQJ99[A-Za-z0-9]{{20,28}}{_END}"),
    ("azure-client-secret", r"[\w.~]{3}\dQ~[\w.~-]{31,34}"),
    ("huggingface-token", r"hf_[A-Za-z0-9]{30,}|api_org_[A-Za-z0-9]{30,}"),
    ("groq-key", r"gsk_[A-Za-z0-9]{40,}"),
    ("xai-key", r"xai-[A-Za-z0-9]{60,}"),
    ("replicate-token", r"r8_[\w-]{30,}"),
    ("perplexity-key", r"pplx-[A-Za-z0-9]{40,}"),
    ("nvidia-key", r"nvapi-[\w-]{40,}"),
    ("together-key", r"tgp_v1_[\w-]{30,}"),
    ("fireworks-key", r"fw_[A-Za-z0-9]{20,}"),
    ("cerebras-key", r"csk-[a-z0-9]{40,}"),
    ("tavily-key", r"tvly-(?:dev-|prod-)?[A-Za-z0-9]{20,}"),
    ("langsmith-key", r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}"),
    ("logfire-token", r"pylf_v\d_[a-z]{2}_[A-Za-z0-9]{40,}"),
    ("posthog-key", r"phx_[A-Za-z0-9]{40,}"),
    ("pinecone-key", r"pcsk_\w{40,}"),
    ("jina-key", r"jina_[\w-]{50,}"),
    ("firecrawl-key", r"fc-[a-f0-9]{32}"),
    ("elevenlabs-key", r"sk_[a-f0-9]{48}"),
    ("github-token", r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{50,}"),
    ("gitlab-token", r"gl(?:pat|oat|rt|dt|soat|cbt|ptt|ft)-[\w.-]{20,}"),
    ("slack-token", r"xox[a-z](?:\.xox[a-z])?-[\w-]{16,}|xapp-\d-[\w-]{16,}"),
    ("slack-webhook", r"hooks\.slack\.com/(?P<at>(?:services|workflows|triggers)/[\w+/-]{30,})"),
    ("discord-webhook", r"discord(?:app)?\.com/api/webhooks/(?P<at>\d+/[\w-]{40,})"),
    (
        "url-signature",
        (
            r"(?i:sig|x-amz-(?:signature|security-token|credential)"
            r"|x-goog-(?:signature|credential)|googleaccessid|key-pair-id|awsaccesskeyid)"
            r"=(?P<at>[\w%+/=.~@-]{16,})"
        ),
    ),
    ("telegram-token", r"(?:bot)?\d{8,10}:AA[\w-]{33}(?![\w-])"),
    ("stripe-key", r"(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{24,}"),
    ("sendgrid-key", r"SG\.[\w-]{16,}\.[\w-]{16,}"),
    ("twilio-key", rf"SK[0-9a-f]{{32}}{_END}"),
    ("twilio-account", rf"AC[0-9a-f]{{32}}{_END}"),
    ("mailgun-key", rf"key-[0-9a-f]{{32}}{_END}"),
    ("npm-token", r"npm_[A-Za-z0-9]{36}"),
    ("pypi-token", r"pypi-[\w-]{50,}"),
    ("sentry-token", r"sntry[su]_[\w+/=-]{40,}"),
    ("databricks-token", r"dapi[a-f0-9]{32}(?:-\d)?"),
    ("digitalocean-token", r"do[opr]_v1_[a-f0-9]{64}"),
    ("vault-token", r"hv[sb]\.[\w-]{20,}"),
    ("linear-key", r"lin_(?:api|oauth)_[A-Za-z0-9]{30,}"),
    ("notion-token", r"(?:ntn_|secret_)[A-Za-z0-9]{40,}"),
    ("atlassian-token", r"AT(?:ATT3|CTT3)[\w=-]{50,}"),
    ("shopify-token", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    ("grafana-token", r"gl(?:sa|c)_[\w+/=-]{30,}"),
    ("supabase-token", r"sbp_[a-f0-9]{40}"),
    ("jwt", r"eyJ[\w-]{8,}\.(?:eyJ[\w-]{8,}\.[\w-]*|[\w-]*(?:\.[\w-]{8,}){3})"),
    (
        "cookie",
        (
            r"(?:__cf_bm|_cfuvid|__cfruid|cf_clearance|__cflb|AWSALB(?:TG)?(?:CORS)?|ak_bmsc|bm_sz"
            r"|incap_ses_\w+|visid_incap_\w+)=(?P<at>[\w.%+/~=:-]{12,})"
        ),
    ),
)
"""Secrets that are one word of at least `_SHORTEST` characters, or (`at`) a part of one."""

_SHORTEST = 20
_WORD = r"!#$%&*+\-./0-9:=?@A-Z^_`a-z|~"
_EDGE = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4}))"

_PEM = r"[\w+/=\s\\:,.()-]"
_HOME = r"(?!(?:Shared|Public)\b|[\w-]+\.(?:html?|php|aspx?)\b)[A-Za-z0-9][\w-]*(?:\.[\w-]+)*"
_PHRASES = (
    (
        "private-key",
        "PRIVATE KEY",
        (
            r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
            rf"{_PEM}{{16,}}?(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|(?!{_PEM}))"
        ),
    ),
    ("sentry-dsn", "@", r"://(?P<at>[0-9a-f]{32}(?::[0-9a-f]{32})?)@"),
    (
        "url-credentials",
        "@",
        r"://(?P<at>[^\s/?#@\"'<>\\\0:]*:[^\s/?#@\"'<>\\\0]+|[\w-]{16,})@(?=[\w\[{])",
    ),
    ("bearer-token", "earer ", r"[Bb]earer {1,3}(?P<at>(?=[A-Za-z._~+/=-]*\d)[\w.~+/=-]{20,})"),
    ("basic-credentials", "asic ", rf"[Bb]asic +(?P<at>[A-Za-z0-9+/]{{8,}}={{0,2}}){_END}"),
    ("home", "/Users/", rf"(?:(?<![\w.~/-])|(?<=file://)|(?<=/mnt/[a-z]))/Users/{_HOME}"),
    ("home", "/home/", rf"(?:(?<![\w.~/-])|(?<=file://))/home/{_HOME}"),
    ("home", "\\Users\\", rf"\b[A-Za-z]:\\+Users\\+{_HOME}"),
)
"""Secrets of several words, or short ones, each with a text that cannot be missing in it."""

_EMAIL = re.compile(r"(?<![\w.+-])[\w.%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}", re.A)

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
_SCHEME = re.compile(
    r"(?i:bearer|basic|token|digest|negotiate|apikey|api-key|key|dpop|aws4-hmac-sha256"
    r"|sharedkey(?:lite)?|sharedaccesssignature|ntlm|sentry)[ \t]+(?=\S)"
)

_MASK = re.compile(
    r"(?i)\W*(?:redacted|dummy|fake|mock(?:ed)?|filtered|masked|scrubbed|sanitized|removed|hidden"
    r"|placeholder|change_?me|none|null|true|false|test|secret|token|password|key|api[-_ ]?key|x+"
    r"|0+|string|unused|user(?:name)?:pass(?:word)?)?\W*\Z"
    r"|.*(?:redacted|your[-_ ]|xxx\Z|xxxx|\*\*\*|placeholder|dummy|example|not-a-|\.{3}|…)"
    r"|(?:sk-)?(?:test|fake|mock|my|some|sample|invalid)[-_ ][a-z_ -]*\Z"
    r"|[\[<{$]+[\w .:-]*[\]>}]*\Z"
    r"|(?=.*\s)[a-z\s'\",.;:!?()-]+\Z"
    r"|(?:phc|pk_live|pk_test)_"
)
"""Masks, examples, prose, and keys that their makers publish."""

_NOBODY = re.compile(
    r"(?i).*[/\\](?:user(?:name)?|you|me|name|app|appuser|admin|root|runner|runneradmin|ubuntu"
    r"|debian|ec2-user|azureuser|node|vscode|codespace|coder|gitpod|jovyan|circleci|travis|sandbox"
    r"|nonroot|linuxbrew|guest|default|oai|claude|agent|index|about|dashboard|docs|test)\Z"
)


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
    scheme = _SCHEME.match(text, start, stop)
    if scheme and (scheme[0][:4].lower() == "aws4" or " " not in text[scheme.end() : stop]):
        return scheme.end(), stop
    return start, stop


def harmless(kind: str, value: str) -> bool:
    """Tell whether *value*, though it stands where a secret stands, is visibly none."""
    if kind == "home":
        return bool(_NOBODY.match(value))
    return bool(_MASK.match(value))


class Secrets:
    """
    The names and shapes that are taken for secrets: the known ones, and what *rules* add.

    Raises:
        BadSetting: a pattern in *rules* is not a regular expression.

    """

    def __init__(self, rules: Redaction) -> None:
        members = [*_HEADERS, *_MEMBERS, *rules.json]
        fields = [*members, *_FIELDS, *rules.query]
        self.header = _namer([*_HEADERS, *_MEMBERS, *rules.headers])
        self.member = _namer(members)
        self.field = _namer(fields)
        self.parameter = _namer([*fields, *_PARAMETERS])
        self._own = [(kind_of(name), _pattern(name, text)) for name, text in rules.patterns.items()]
        self._emails = rules.emails
        self._endings = tuple({_squashed(name).encode() for name in [*_ENDINGS, *members]})
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
            for match in _WORD_ANY.finditer(text, *word.span()):
                yield _told(match)
        for kind, needle, pattern in _PHRASE_SHAPES:
            if needle in text:
                for match in pattern.finditer(text):
                    if kind != "basic-credentials" or _is_basic(match["at"]):
                        yield kind, *match.span("at" if pattern.groups else 0)
        if self._emails and "@" in text:
            for match in _EMAIL.finditer(text):
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
        if _WORD_BYTES.search(data, start, stop) or b"earer" in data[max(0, start - 9) : start]:
            return True
        start = letters.find(_RUN, stop)
    return b"PRIVATE KEY" in data


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
        return kind_of(name) if plain in whole or plain.endswith(_ENDINGS) else ""

    return kind


def _squashed(name: str) -> str:
    return name.lower().translate(_JOINTS)


def _pattern(name: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        setting = f"tool.replay.redact.patterns.{name}"
        raise BadSetting(setting, text, f"a regular expression; {error}") from error


def _told(any_shape: re.Match[str]) -> Found:
    """Tell which of the shapes it is; to try them with their groups everywhere takes 6 x longer."""
    match = _WORD_SHAPE.match(any_shape.string, any_shape.start(), any_shape.endpos)
    assert match
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
_LONG = re.compile(rf"[{_WORD}]{{{_SHORTEST},}}")
_SHAPES = "|".join(pattern.replace("?P<at>", "?:") for _, pattern in _WORDS)
_WORD_ANY = re.compile(f"{_EDGE}(?:{_SHAPES})", re.ASCII)
_WORD_BYTES = re.compile(_WORD_ANY.pattern.encode())
_WORD_SHAPE = re.compile(f"{_EDGE}(?:{'|'.join(starmap(_grouped, _WORDS))})", re.ASCII)
_PHRASE_SHAPES = [(kind, needle, re.compile(p, re.ASCII)) for kind, needle, p in _PHRASES]

_RUN = b"a" * _SHORTEST
_LETTERS = bytes(97 if re.match(f"[{_WORD}]", chr(i)) else 32 for i in range(256))
_PLAIN = bytes(range(256)).lower().replace(b"'", b'"')
_ESCAPES = frozenset(b"u00%x" % digit for digit in range(2, 8))
_HOMES = frozenset({b"home", b"Users", b"home\\", b"Users\\"})
