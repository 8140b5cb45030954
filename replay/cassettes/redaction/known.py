"""What is known of secrets: the names they go by, and the shapes that their makers give them."""

from __future__ import annotations

import re

COOKIES = frozenset({"cookie", "cookie2", "set-cookie", "set-cookie2"})
"""Headers whose parts have names of their own."""

ADDRESSES = frozenset(
    {"location", "content-location", "operation-location", "azure-asyncoperation"}
    | {"link", "refresh", "referer"}
)
"""Headers that hold URLs."""

ACCOUNTS = frozenset(
    {"email", "home", "twilio-account"}
    | {f"openai-{what}" for what in ("organization", "project", "user")}
)
"""Kinds that name somebody, and give nobody access."""

HEADERS = (
    *COOKIES,
    *("anthropic-organization-id", "openai-organization", "openai-project"),
    *("helicone-auth", "x-amzn-oidc-data", "x-auth", "x-auth-email", "x-auth-key"),
    *("x-functions-key", "x-goog-iap-jwt-assertion", "x-honeycomb-team", "x-subscription-token"),
)
ENDINGS = (
    *("accesskey", "accesstoken", "accountkey", "apikey", "apisecret", "apitoken", "appkey"),
    *("applicationkey", "appsecret", "authorization", "authtoken", "bearertoken"),
    *("clientassertion", "clientsecret", "connectionstring", "consumersecret", "csrftoken"),
    *("encryptionkey", "idtoken", "masterkey", "passphrase", "passwd", "password", "privatekey"),
    *("privatetoken", "refreshtoken", "secretkey", "securitytoken", "sessiontoken"),
    *("setcookie", "sharedsecret", "signingkey", "signingsecret", "subscriptionkey"),
    *("subjecttoken", "vaulttoken", "webhooksecret", "xsrftoken"),
)
"""How names of credentials end, in any spelling: `api_key`, `X-Api-Key`, `openaiApiKey`."""

MEMBERS = ("cookie", "jwt", "pwd", "secret")
FIELDS = ("assertion", "auth", "pass", "sig", "signature", "token")
PARAMETERS = (
    *("appid", "awsaccesskeyid", "code_verifier", "hapikey", "hmac", "key"),
    *("x-amz-credential", "x-amz-signature", "x-goog-credential", "x-goog-signature"),
)
"""Whole names. A JSON member `token` or `key` is no secret: it is text, or the key of a map."""

_MIXED = r"(?=[a-z_-]*[A-Z0-9])"  # words such as sk-spinner-three-bounce have neither
_END = r"(?![A-Za-z0-9])"
WORDS = (
    ("anthropic-key", rf"sk-ant-{_MIXED}[\w-]{{20,}}"),
    ("openrouter-key", r"sk-or-(?:v\d-)?[\w-]{20,}"),
    ("langfuse-key", r"sk-lf-[\w-]{20,}"),
    ("openai-session-key", r"ek_[A-Za-z0-9]{20,}"),
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
"""Secrets that are one word of at least `SHORTEST` characters, or (`at`) a part of one."""

SHORTEST = 20

WORD = r"!#$%&*+\-./0-9:=?@A-Z^_`a-z|~"
EDGE = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4}))"

_PEM = r"[\w+/=\s\\:,.()-]"
_HOME = r"(?!(?:Shared|Public)\b|[\w-]+\.(?:html?|php|aspx?)\b)[A-Za-z0-9][\w-]*(?:\.[\w-]+)*"
PHRASES = (
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
    ("home", "/Users/", rf"(?:(?<![\w.~/\0-])|(?<=file://)|(?<=/mnt/[a-z]))/Users/{_HOME}"),
    ("home", "/home/", rf"(?:(?<![\w.~/\0-])|(?<=file://))/home/{_HOME}"),
    ("home", "\\Users\\", rf"\b[A-Za-z]:\\+Users\\+{_HOME}"),
)
"""Secrets of several words, or short ones, each with a text that cannot be missing in it."""

EMAIL = re.compile(r"(?<![\w.+-])[\w.%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}", re.A)

SCHEME = re.compile(
    r"(?i:bearer|basic|token|digest|negotiate|apikey|api-key|key|dpop|aws4-hmac-sha256"
    r"|sharedkey(?:lite)?|sharedaccesssignature|ntlm|sentry)[ \t]+(?=\S)"
)

MASK = re.compile(
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

NOBODY = re.compile(
    r"(?i).*[/\\](?:user(?:name)?|you|me|name|app|appuser|admin|root|runner|runneradmin|ubuntu"
    r"|debian|ec2-user|azureuser|node|vscode|codespace|coder|gitpod|jovyan|circleci|travis|sandbox"
    r"|nonroot|linuxbrew|guest|default|oai|claude|agent|index|about|dashboard|docs|test)\Z"
)
