"""The socket guard: nothing leaves the process, and who tried is named."""

import socket
import ssl
import threading

import pytest

from replay.cassettes.guard import Guard, guarded, untrusting
from replay.errors import Unhermetic


def test_connect_is_refused_with_the_address():
    """A raw connect never reaches the network."""

    with guarded(), socket.socket() as plug, pytest.raises(Unhermetic, match=r"127\.0\.0\.1:9"):
        plug.connect(("127.0.0.1", 9))


def test_name_lookup_is_refused():
    """Nor does a look-up: a name in a query tells as much as a connection."""

    with guarded(), pytest.raises(Unhermetic, match=r"api\.example\.com:443"):
        socket.getaddrinfo("api.example.com", 443)


def test_datagram_is_refused():
    """Nor does a datagram."""

    with (
        guarded(),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug,
        pytest.raises(Unhermetic),
    ):
        plug.sendto(b"x", ("127.0.0.1", 9))


def test_every_thread_is_guarded_and_attempts_are_remembered():
    """A program that swallows the error is found out all the same."""

    def sneak() -> None:
        with pytest.raises(Unhermetic):
            socket.create_connection(("127.0.0.1", 9))

    with guarded() as guard:
        thread = threading.Thread(target=sneak)
        thread.start()
        thread.join()

    assert [a.address for a in guard.attempts] == ["127.0.0.1:9"]


def test_allowed_hosts_and_the_time_after_are_free():
    """The guard stands only while it is asked to, and lets through what it is told to."""

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with guarded(Guard(lambda host: host == "127.0.0.1")):
            socket.create_connection(address).close()
        socket.create_connection(address).close()


def test_no_certificates_are_loaded_for_a_while():
    """A client that is made under replay needs none; afterwards they are loaded as ever."""

    with untrusting():
        ssl.create_default_context(cafile="/no/such/file")

    with pytest.raises(FileNotFoundError):
        ssl.create_default_context(cafile="/no/such/file")
