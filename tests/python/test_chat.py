"""Two and more python-socketio users chat, over polling, over WebSocket, and upgraded from the one to the other."""

import datetime
import email.utils
import http.client
import re
import secrets

import pytest

from chatter import Chatter

pytestmark = pytest.mark.official

KINDS = ("polling", "websocket", "upgrade")
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
LONG_AGO = "1999-12-31T23:59:59.000Z"


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def server_date(server):
    """What the server's own `Date` header says, not this process's clock."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("GET", "/socket.io/?EIO=4&transport=none")
    date = connection.getresponse().getheader("Date")
    connection.close()
    assert date, "the server sends no Date"
    return email.utils.parsedate_to_datetime(date)


def assert_server_time(server, text):
    assert RFC_3339.fullmatch(text), text
    time = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    assert abs((time - server_date(server)).total_seconds()) <= 5, text


def test_hello_says_who_one_is(server, enter, kind):
    ann = enter(kind, "Ann")
    hello = ann.hello
    assert ann.socket.transport() == ("polling" if kind == "polling" else "websocket")
    assert hello["id"] == ann.id
    assert hello["name"] == "Ann"
    assert {"id": ann.id, "name": "Ann"} in hello["users"]
    assert hello["count"] == len(hello["users"])
    assert hello["limits"] == {"name_chars": 32, "text_chars": 2000}
    assert_server_time(server, hello["time"])


def test_hello_lists_who_is_online(enter, kind):
    ann = enter(name="Ann")
    bob = enter(kind, "Bob")
    assert bob.hello["count"] == ann.hello["count"] + 1
    for user, name in ((ann, "Ann"), (bob, "Bob")):
        assert {"id": user.id, "name": name} in bob.hello["users"]


def test_a_name_is_given_to_who_brings_none(enter, kind):
    names = [enter(kind).hello["name"] for _ in range(2)]
    for name in names:
        assert re.fullmatch(r"guest-\S+", name), name
    assert names[0] != names[1]


def test_online_goes_to_the_others_only(server, enter, kind):
    ann, carl = enter(kind, "Ann"), enter(kind, "Carl")
    ann.take("online", id=carl.id)
    bob = enter(kind, "Bob")
    for other in (ann, carl):
        online = other.take("online")
        assert {**online, "time": None} == {
            "id": bob.id, "name": "Bob", "time": None, "count": ann.hello["count"] + 2
        }
        assert_server_time(server, online["time"])
    # Whatever the server had for Bob about his own coming has arrived before his own message does.
    said = bob.say("here I am")
    events = bob.all_until("message", id=said["id"])
    assert not [event for event in events if event[0] == "online"]


def test_offline_goes_to_the_others(server, enter, kind):
    ann, bob = enter(kind, "Ann"), enter(kind, "Bob")
    gone = bob.id
    bob.leave()
    offline = ann.take("offline", id=gone)
    assert {**offline, "time": None} == {"id": gone, "name": "Bob", "time": None, "count": ann.hello["count"]}
    assert_server_time(server, offline["time"])
    assert bob.reasons.get(timeout=5) == bob.socket.reason.CLIENT_DISCONNECT


def test_a_message_reaches_all_with_the_servers_time(server, enter, kind):
    ann, bob = enter(kind, "Ann"), enter(kind, "Bob")
    text = "Grüße, 你好, 👋🏽 <b>&amp;</b> \"quoted\" \\ \n second line\ttab"
    said = ann.ask("message", {"text": text, "id": secrets.token_urlsafe(16), "time": LONG_AGO})
    assert set(said) == {"id", "time"}
    for user in (ann, bob):
        message = user.take("message", id=said["id"])
        assert message == {"id": said["id"], "from": ann.id, "name": "Ann", "text": text, "time": said["time"]}
    assert_server_time(server, said["time"])


def test_messages_keep_their_order(enter, kind):
    ann, bob = enter(kind, "Ann"), enter(kind, "Bob")
    tag = secrets.token_hex(4)
    for number in range(100):
        ann.socket.emit("message", {"text": f"{tag} {number}"})
    for user in (ann, bob):
        texts = [user.take("message")["text"] for _ in range(100)]
        assert texts == [f"{tag} {number}" for number in range(100)]


def test_a_retry_is_not_doubled(enter, kind):
    ann, bob = enter(kind, "Ann"), enter(kind, "Bob")
    mine = secrets.token_urlsafe(16)
    first = ann.say("only once", id=mine)
    assert ann.say("only once", id=mine) == first
    last = ann.say("and this after it")
    assert last["id"] != first["id"]
    for user in (ann, bob):
        ids = [event[1]["id"] for event in user.all_until("message", id=last["id"]) if event[0] == "message"]
        assert ids == [first["id"], last["id"]]


def test_a_retry_over_a_new_connection_is_not_doubled(enter, kind):
    ann, bob = enter(kind, "Ann"), enter(kind, "Bob")
    mine = secrets.token_urlsafe(16)
    first = ann.say("sent, then the connection broke", id=mine)
    ann.leave()
    again = enter(kind, "Ann")
    assert again.say("sent, then the connection broke", id=mine) == first
    last = again.say("after it")
    ids = [event[1]["id"] for event in bob.all_until("message", id=last["id"]) if event[0] == "message"]
    assert ids == [first["id"], last["id"]]


def test_history_comes_right_after_hello(enter, kind):
    ann = enter(kind, "Ann")
    said = [ann.say(f"remember {secrets.token_hex(4)}") for _ in range(3)]
    messages = [ann.take("message", id=one["id"]) for one in said]
    bob = enter(kind, "Bob")
    mark = bob.say("mark")
    events = bob.all_until("message", id=mark["id"])
    names = [event[0] for event in events]
    told = [event for event in events if event[0] == "history"]
    history = [message for event in told for message in event[1:]]
    assert names[: len(told)] == ["history"] * len(told), "nothing comes between hello and history"
    assert history[-3:] == messages
    assert len(history) <= 200


def test_a_name_is_changed_for_all(server, enter, kind):
    ann, bob = enter(kind, "Ann"), enter(kind, "Bob")
    assert ann.ask("name", "  Änne 🐟 ") == {"name": "Änne 🐟"}
    for user in (ann, bob):
        change = user.take("name", id=ann.id)
        assert {**change, "time": None} == {"id": ann.id, "name": "Änne 🐟", "time": None}
        assert_server_time(server, change["time"])
    said = ann.say("under the new name")
    assert bob.take("message", id=said["id"])["name"] == "Änne 🐟"
    assert {"id": ann.id, "name": "Änne 🐟"} in enter(kind).hello["users"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("  Ann  ", "Ann"),
        ("A\u202enn\u2066\u0007", "Ann"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        ("👋" * 32, "👋" * 32),
        ("n" * 33, "n" * 32),
        ("n" * 10_240, "n" * 32),
    ],
)
def test_a_name_brought_along_is_made_fit(enter, sent, kept):
    assert enter(name=sent).hello["name"] == kept


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ("", {"error": "empty"}),
        (" \u202e\u0000 ", {"error": "empty"}),
        ("n" * 33, {"error": "too_long"}),
        ("n" * 10_240, {"error": "too_long"}),
        (7, {"error": "bad_request"}),
        ({"name": "Ann"}, {"error": "bad_request"}),
        ("👋" * 32, {"name": "👋" * 32}),
        ("<b>Ann</b>", {"name": "<b>Ann</b>"}),
    ],
)
def test_a_wrong_name_is_refused(enter, sent, answer):
    assert enter(name="Ann").ask("name", sent) == answer


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"text": ""}, "empty"),
        ({"text": " \n\t "}, "empty"),
        ({"text": "x" * 2001}, "too_long"),
        ({"text": "x" * 500_000}, "too_long"),
        ({"text": 7}, "bad_request"),
        ({"text": None}, "bad_request"),
        ({}, "bad_request"),
        ("hello", "bad_request"),
        ([], "bad_request"),
        (None, "bad_request"),
        ({"text": "x", "id": 7}, "bad_request"),
        ({"text": "x", "id": ""}, "bad_request"),
        ({"text": "x", "id": "no blanks"}, "bad_request"),
        ({"text": "x", "id": "x" * 37}, "bad_request"),
    ],
)
def test_a_wrong_message_is_refused(enter, sent, error):
    ann, bob = enter(name="Ann"), enter(name="Bob")
    assert ann.ask("message", sent) == {"error": error}
    right = ann.say("this one is right")
    messages = [event[1] for event in bob.all_until("message", id=right["id"]) if event[0] == "message"]
    assert [message["id"] for message in messages] == [right["id"]]


def test_the_longest_message_passes(enter, kind):
    ann, bob = enter(kind, "Ann"), enter(kind, "Bob")
    said = ann.say("👋" * 2000)
    assert bob.take("message", id=said["id"])["text"] == "👋" * 2000


def test_events_without_acknowledgement_or_unknown_do_no_harm(enter, kind):
    ann, bob = enter(kind, "Ann"), enter(kind, "Bob")
    ann.socket.emit("nobody-knows-this", {"a": [1, 2, 3]})
    ann.socket.emit("message", {"text": ""})
    ann.socket.emit("message")
    ann.socket.emit("name", 7)
    said = ann.say("still here")
    assert bob.take("message", id=said["id"])["from"] == ann.id


def test_three_transports_in_one_room(enter):
    users = [enter(kind, kind) for kind in KINDS]
    for user in users:
        said = user.say(f"from {user.hello['name']}")
        for other in users:
            assert other.take("message", id=said["id"])["from"] == user.id


def test_an_unknown_namespace_is_refused(server):
    import socketio

    client = socketio.Client(reconnection=False)
    answers = []
    client.on("connect_error", answers.append, namespace="/nobody")
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(server.url, namespaces=["/nobody"], wait_timeout=5)
    assert answers == [{"message": "Invalid namespace"}]
    client.disconnect()


def test_ten_users_see_each_other_come_and_go(enter):
    ann = enter(name="Ann")
    others = [enter(kind) for kind in (*KINDS, *KINDS, *KINDS)]
    for user in others:
        ann.take("online", id=user.id)
    ids = [user.id for user in others]
    for user in others:
        user.leave()
    for gone in ids:
        left = ann.take("offline", id=gone)
    # Not Ann's first count: sessions that other tests left behind may end at any time.
    assert enter().hello["count"] == left["count"] + 1


def test_a_closed_tab_is_noticed_at_once(server, enter):
    """No goodbye: the connection is just gone, as when a browser is killed."""
    ann = enter(name="Ann")
    bob = Chatter(server.url, "websocket", "Bob")
    gone = bob.id
    bob.socket.eio.ws.sock.close()
    ann.take("offline", id=gone)
