"""What a python-socketio client may expect of any server, with the events of tests/js/oracle/server.mjs."""

import itertools
import queue

import engineio
import pytest
import socketio

from chatter import TRANSPORTS
from server import ORACLE, Server

pytestmark = pytest.mark.official

WAIT_S = 10
KINDS = pytest.mark.parametrize("kind", TRANSPORTS)
ROOMS = itertools.count()
EVENTS = ("a", "all", "answered", "auth", "b", "back", "but", "c", "n", "room", "rooms")


@pytest.fixture(scope="module")
def oracle():
    server = Server(command=ORACLE)
    yield server
    server.stop()


class EngineInOrder(engineio.Client):
    """Calls handlers one after another. As it comes from pip it starts a thread for each message, and they overtake one another."""

    def _trigger_event(self, event, *arguments, **options):
        return super()._trigger_event(event, *arguments, **{**options, "run_async": False})


class ClientInOrder(socketio.Client):
    def _engineio_client_class(self):
        return EngineInOrder


class Client:
    """A client in one namespace or several, whose events are kept in the order they came, as (namespace, event, arguments)."""

    def __init__(self, url, kind, namespaces=("/",), auth=None):
        self.socket = ClientInOrder(reconnection=False, request_timeout=WAIT_S)
        self.heard = queue.Queue()
        for namespace in namespaces:
            for event in EVENTS:
                self.socket.on(event, self._keeper(namespace, event), namespace=namespace)
            self.socket.on("question", lambda *arguments: arguments, namespace=namespace)
            self.socket.on("disconnect", self._keeper(namespace, "disconnect"), namespace=namespace)
            self.socket.on("connect_error", self._keeper(namespace, "connect_error"), namespace=namespace)
        self.socket.connect(
            url, transports=TRANSPORTS[kind], namespaces=list(namespaces), auth=auth, wait_timeout=WAIT_S
        )

    def _keeper(self, namespace, event):
        return lambda *arguments: self.heard.put((namespace, event, list(arguments)))

    def take(self, event, namespace="/"):
        """The arguments of the next thing heard, which has to be this event."""
        got = self.heard.get(timeout=WAIT_S)
        assert got[:2] == (namespace, event), got
        return got[2]

    def emit(self, event, *arguments, namespace="/"):
        self.socket.emit(event, arguments, namespace=namespace)

    def ask(self, event, *arguments, namespace="/"):
        return self.socket.call(event, arguments, namespace=namespace, timeout=WAIT_S)


@pytest.fixture
def connect(oracle):
    clients = []

    def connect_client(kind, **options):
        clients.append(Client(oracle.url, kind, **options))
        return clients[-1]

    yield connect_client
    for client in clients:
        client.socket.disconnect()


@KINDS
def test_an_acknowledgement_carries_what_was_sent(connect, kind):
    client = connect(kind)
    sent = [1, -0.5, None, True, "聊天 😀 \"\\\0", [], {"": [{}]}]
    assert list(client.ask("echo", *sent)) == sent
    assert client.ask("echo", "one") == "one"
    client.emit("back", *sent)
    assert client.take("back") == sent


@KINDS
def test_a_client_acknowledges_what_the_server_asks(connect, kind):
    client = connect(kind)
    client.emit("ask", 1, "two", b"\0\3")
    assert client.take("answered") == [1, "two", b"\0\3"]


@KINDS
def test_bytes_travel_both_ways(connect, kind):
    client = connect(kind)
    sent = [bytes(range(256)), {"nested": [b"", {"deep": b"\xff"}]}, "text"]
    assert list(client.ask("echo", *sent)) == sent
    client.emit("back", *sent)
    assert client.take("back") == sent
    client.emit("three")
    assert [client.take("a"), client.take("b"), client.take("c")] == [[1], [b"\1\2\3"], []]


@KINDS
def test_rooms_hear_what_is_for_them_once(connect, kind):
    one, two, three = (connect(kind) for _ in range(3))
    red, blue = (f"{colour} {next(ROOMS)}" for colour in ("red", "blue"))
    for client, room in [(two, red), (two, blue), (three, blue)]:
        client.ask("join", room)
    one.emit("room", red, 1)
    one.emit("rooms", red, blue)
    one.emit("room", blue, 2, b"\2")
    assert [two.take("room"), two.take("rooms"), two.take("room")] == [[1], [], [2, b"\2"]]
    assert [three.take("rooms"), three.take("room")] == [[], [2, b"\2"]]
    two.ask("leave", blue)
    one.emit("room", blue, 3)
    one.emit("all", 4)
    assert two.take("all") == [4]
    assert [three.take("room"), three.take("all")] == [[3], [4]]
    one.ask("echo", "nothing came for the sender")
    assert one.heard.empty()


@KINDS
def test_namespaces_share_a_connection(connect, kind):
    client = connect(kind, namespaces=("/", "/custom", "/dyn-7"), auth={"token": 1})
    assert client.take("auth", "/custom") == [{"token": 1}]
    for namespace in ("/", "/custom", "/dyn-7"):
        assert client.ask("echo", namespace, namespace=namespace) == namespace
    client.emit("bye", namespace="/custom")
    assert client.take("disconnect", "/custom") == [client.socket.reason.SERVER_DISCONNECT]
    assert client.ask("echo", "still here") == "still here"


@KINDS
@pytest.mark.parametrize(
    "namespace, refusal",
    [
        ("/guarded", {"message": "not authorized", "data": {"code": 1}}),
        ("/nowhere", {"message": "Invalid namespace"}),
    ],
)
def test_a_refusal_has_its_message_and_data(oracle, kind, namespace, refusal):
    refused = []
    client = socketio.Client(reconnection=False)
    client.on("connect_error", refused.append, namespace=namespace)
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(oracle.url, transports=TRANSPORTS[kind], namespaces=[namespace], wait_timeout=WAIT_S)
    assert refused == [refusal]


@KINDS
def test_the_server_sends_a_client_away(connect, kind):
    client = connect(kind)
    client.emit("bye-all")
    assert client.take("disconnect") == [client.socket.reason.SERVER_DISCONNECT]


@KINDS
def test_a_thousand_events_each_way_arrive_once_and_in_order(oracle, kind):
    """This client upgrades before it joins a namespace; from then on everything is under way at once."""
    client = Client(oracle.url, kind)
    for number in range(1000):
        client.emit("back", number)
    client.emit("count", 1000)
    heard = [client.heard.get(timeout=WAIT_S) for _ in range(2000)]
    for event in ("back", "n"):
        assert [arguments for _, name, arguments in heard if name == event] == [[number] for number in range(1000)]
    client.ask("echo", "the end")
    assert client.heard.empty()
    client.socket.disconnect()
