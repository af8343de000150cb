"""What a server does over its life: heartbeat, silence, goodbye."""

import http.client
import time

import engineio.payload
import pytest

from chatter import PACKETS_MAX, Chatter
from raw import CLOSE, RawWebSocket, handshake, poll, post


def test_a_silent_client_is_noticed(start):
    server = start("--ping-interval", "300", "--ping-timeout", "200")
    ann = Chatter(server.url, name="Ann")
    silent = RawWebSocket(server.port)
    silent.enter()
    began = time.monotonic()
    assert silent.take_text(lambda text: text == "2") == "2"
    ann.take("offline", id=silent.sid)
    took = time.monotonic() - began
    assert silent.wait_closed()
    assert 0.35 <= took <= 2, "a pingInterval and a pingTimeout"
    # Ann answered her pings meanwhile.
    ann.say("still here")
    assert ann.reasons.empty()
    ann.leave()


def test_a_silent_polling_client_is_noticed(start):
    server = start("--ping-interval", "300", "--ping-timeout", "200")
    ann = Chatter(server.url, "polling", name="Ann")
    sid = handshake(server.port)
    assert post(server.port, sid, "40").status == 200
    gone = ann.take("online")["id"]
    ann.take("offline", id=gone)
    assert poll(server.port, sid).json() == {"code": 1, "message": "Session ID unknown"}
    ann.leave()


def test_a_client_that_never_enters_is_closed(start):
    server = start("--connect-timeout", "200")
    idle = RawWebSocket(server.port)
    assert idle.wait_closed()


def test_a_burst_reaches_a_polling_client_as_it_comes_from_pip(start, monkeypatch):
    """A poll is answered with all that waits, which python-engineio refuses from 17 packets on: who enters gets fewer."""
    server = start()
    ann = Chatter(server.url, name="Ann")
    for number in range(40):
        ann.say(f"message {number}")
    monkeypatch.setattr(engineio.payload.Payload, "max_decode_packets", PACKETS_MAX)
    bob = Chatter(server.url, "polling", "Bob")
    said = ann.say("last")
    events = [event for event in bob.all_until("message", id=said["id"]) if event[0] == "history"]
    history = [message["text"] for event in events for message in event[1:]]
    assert len(events) <= 12
    assert history == [f"message {number}" for number in range(40)]
    bob.leave()
    ann.leave()


@pytest.mark.parametrize("kind", ["polling", "websocket", "upgrade"])
def test_a_client_comes_back_to_a_server_that_was_restarted(start, kind):
    server = start()
    ann = Chatter(server.url, kind, "Ann", reconnection=True, reconnection_delay=0.05, randomization_factor=0)
    first = ann.id
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 10
    assert ann.reasons.get(timeout=5) in (ann.socket.reason.TRANSPORT_ERROR, ann.socket.reason.SERVER_DISCONNECT)
    if kind == "polling":
        # python-engineio takes a CLOSE packet, which the official server sends here, too, for the end of the matter.
        return
    start(port=server.port)
    hello = ann.take("hello")
    assert hello["name"] == "Ann" and hello["id"] != first
    said = ann.say("back again")
    assert ann.take("message", id=said["id"])["from"] == hello["id"]
    ann.leave()


def test_a_server_that_ends_does_not_send_its_clients_away(start):
    """A DISCONNECT packet would keep an official client from coming back."""
    server = start()
    client = RawWebSocket(server.port).enter()
    assert server.stop() == 0
    while frame := client.frame():
        assert frame[0] == CLOSE, frame


def test_a_server_ends_though_a_peer_stalls(start):
    server = start()
    stalled = RawWebSocket(server.port, receive_bytes=4096)
    stalled.enter()
    busy = Chatter(server.url, name="Busy")
    for _ in range(50):
        busy.say("x" * 2000)
    half = http.client.HTTPConnection("127.0.0.1", server.port)
    half.connect()
    half.sock.sendall(b"POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nab")
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 10


def test_a_server_refuses_options_it_does_not_know():
    import subprocess

    from server import COMMAND

    done = subprocess.run([*COMMAND, "--no-such-option"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "--no-such-option" in done.stderr
