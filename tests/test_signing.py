"""Requests that AWS's clients sign, changed on the way: signed again, or not sent."""

import hashlib
import hmac
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote

import pytest

from replay.episodes.store import Store
from replay.llm.credentials import with_key
from replay.model import Request
from tests.batches import project_of

KEY, SECRET = "AKIDEXAMPLE", "no-secret-at-all"
NEW = "anthropic.claude-new-v1:0"


def signature(headers, path, body):
    """AWS Signature Version 4, by the documentation of AWS and without botocore."""

    _, credential, names, _ = headers["Authorization"].replace(",", "").split(" ")
    scope = credential.split("/")[1:]
    names = names.removeprefix("SignedHeaders=")
    lines = [f"{name}:{headers[name].strip()}\n" for name in names.split(";")]
    digest = hashlib.sha256(body).hexdigest()
    canonical = ["POST", quote(path), "", "".join(lines), names, digest]
    hashed = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    to_sign = ["AWS4-HMAC-SHA256", headers["X-Amz-Date"], "/".join(scope), hashed]
    key = f"AWS4{SECRET}".encode()
    for part in [*scope, "\n".join(to_sign)]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


class Bedrock(BaseHTTPRequestHandler):
    """Answers who signed what was sent as AWS documents it; anybody else is refused."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = (
            200
            if self.headers["Authorization"].endswith(signature(self.headers, self.path, body))
            else 403
        )
        model = unquote(self.path.split("/")[2])
        self.server.asked.append((status, model, json.loads(body)))
        usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
        said = {"role": "assistant", "content": [{"text": model}]}
        answer = {"output": {"message": said}, "stopReason": "end_turn", "usage": usage}
        text = json.dumps(answer if status == 200 else {"message": "signature"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def bedrock():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bedrock)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


BOTO = """
import os
import botocore.session

def main(text):
    session = botocore.session.Session()
    session.set_credentials({key!r}, {secret!r}, {token!r})
    client = session.create_client(
        "bedrock-runtime", region_name="eu-central-1", endpoint_url=os.environ["BEDROCK"]
    )
    said = client.converse(
        modelId="anthropic.claude-old-v1:0",
        messages=[{{"role": "user", "content": [{{"text": text}}]}}],
    )
    return said["output"]["message"]["content"][0]["text"]
"""
BY_HTTPX = """
import os
import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

def main(text):
    url = os.environ["BEDROCK"] + "/model/anthropic.claude-old-v1%3A0/converse"
    sent = httpx.Request("POST", url, json={{"messages": [
        {{"role": "user", "content": [{{"text": text}}]}}
    ]}})
    made = AWSRequest("POST", url, headers=dict(sent.headers), data=sent.read())
    SigV4Auth(Credentials({key!r}, {secret!r}, {token!r}), "bedrock", "eu-central-1").add_auth(made)
    sent.headers.update(dict(made.headers))
    with httpx.Client() as client:
        return client.send(sent).json()["output"]["message"]["content"][0]["text"]
"""
BY_HAND = """
import os
import httpx
from tests.test_signing import signature

def main(text):
    url = os.environ["BEDROCK"] + "/model/anthropic.claude-old-v1%3A0/converse"
    headers = {{
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIABYHAND/20260901/eu-central-1/bedrock/"
        "aws4_request, SignedHeaders=x-amz-date, Signature=",
        "X-Amz-Date": "20260901T120000Z",
    }}
    said = {{"messages": [{{"role": "user", "content": [{{"text": text}}]}}]}}
    sent = httpx.Request("POST", url, headers=headers, json=said)
    path = sent.url.raw_path.decode()
    sent.headers["Authorization"] += signature(sent.headers, path, sent.read())
    with httpx.Client() as client:
        return client.send(sent).json()["output"]["message"]["content"][0]["text"]
"""


def recorded(tmp_path, server, program, token=None):
    """A project whose program has been recorded once."""
    project = project_of(tmp_path, [])
    source = program.format(key=KEY, secret=SECRET, token=token)
    project.write("program.py", source).write("in.json", '{"text": "Hi"}')
    project.write("pyproject.toml", '[tool.replay]\nenvironment = ["BEDROCK"]\n')
    project = project.where(BEDROCK=f"http://127.0.0.1:{server.server_address[1]}")
    done = project.replay("record", "program:main", "--input", "in.json", "--id", "case")
    assert done.returncode == 0, done.stderr
    return project


def further(project, *options):
    command = ("record", "--from", "case", "--model", NEW, "--yes", *options)
    return project.replay(*command, "--sampling", "temperature=0.5")


@pytest.mark.parametrize("program", [BOTO, BY_HTTPX])
@pytest.mark.parametrize("token", [None, "session-token"])
def test_another_model_is_asked_with_a_good_signature(tmp_path, program, token):
    """Of botocore's own client, and of others that have botocore sign, such as Anthropic's."""

    with bedrock() as server:
        project = recorded(tmp_path, server, program, token)
        done = further(project)
    with Store(tmp_path / "episodes/episodes.db") as store:
        old, new = store.get("case").recordings

    assert done.returncode == 0, done.stderr
    assert [(status, model) for status, model, _ in server.asked] == [
        (200, "anthropic.claude-old-v1:0"),
        (200, NEW),
    ]
    assert server.asked[1][2]["inferenceConfig"] == {"temperature": 0.5}
    assert (old.output, new.output) == ("anthropic.claude-old-v1:0", NEW)
    assert new.interactions[0].request.body == old.interactions[0].request.body
    assert project.replay("frozen", "case", "--model", NEW).returncode == 0


def test_recorded_turns_are_asked_again_with_a_key():
    """A recording holds no signature; Bedrock takes a key as well."""

    hidden = (("Authorization", "<secret:authorization>"), ("X-Amz-Date", "20260901T120000Z"))
    url = "https://bedrock-runtime.eu-central-1.amazonaws.com/model/m/converse"
    asked = with_key(Request("POST", url, hidden), {"AWS_BEARER_TOKEN_BEDROCK": "key"})

    assert asked.headers == (("Authorization", "Bearer key"), hidden[1])


def test_what_somebody_else_signed_is_not_sent(tmp_path):
    """A wrong signature would be refused by AWS, with less to go by."""

    with bedrock() as server:
        done = further(recorded(tmp_path, server, BY_HAND))

    assert done.returncode == 1
    assert "is sent by a client that signs (AWS Signature 4) without botocore" in done.stderr
    assert [status for status, *_ in server.asked] == [200]
