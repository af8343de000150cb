"""What no well-behaved client sends: it ends at most its own session, and nobody else notices.

The rows are the protocol's measured answers for the namespace `/`. After each of them a second user, connected all the
time, still chats, and has heard of nothing but people who come and go.
"""

import json
import os
import secrets
import struct

import pytest

import raw
from chatter import Chatter
from raw import BINARY, CONTINUATION, PING, TEXT, RawHttp, RawWebSocket, ask, polling, target
from server import OFFICIAL

official = pytest.mark.official
UNKNOWN_SID = "AAAAAAAAAAAAAAAAAAAA"
PAYLOAD_MAX = 1_000_000
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture(autouse=True)
def others_notice_nothing(server, watcher):
    start, id = len(watcher.seen), watcher.id
    yield
    said = watcher.say(f"still here {secrets.token_hex(4)}")
    watcher.take("message", id=said["id"])
    assert watcher.id == id and watcher.reasons.empty()
    heard = {event[0] for event in watcher.seen[start:]}
    assert heard <= {"message", "online", "offline", "name"}, heard


# --- HTTP

REFUSED = {
    0: "Transport unknown",
    1: "Session ID unknown",
    2: "Bad handshake method",
    3: "Bad request",
    5: "Unsupported protocol version",
}


@official
@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/socket.io/", 0),
        ("GET", target(EIO=4), 0),
        ("GET", target(EIO=4, transport="abc"), 0),
        ("GET", target(EIO=4, transport="webtransport"), 0),
        ("GET", target(EIO=4, transport=""), 0),
        ("GET", target(EIO=3, transport="polling"), 5),
        ("GET", target(EIO=5, transport="polling"), 5),
        ("GET", target(EIO="04", transport="polling"), 5),
        ("GET", target(transport="polling"), 5),
        ("GET", polling(UNKNOWN_SID), 1),
        ("POST", polling(UNKNOWN_SID), 1),
        ("GET", polling("__proto__"), 1),
        ("GET", polling("x" * 5000), 1),
        ("GET", polling("%00%ff%F0%9F%98%80"), 1),
        ("POST", polling(), 2),
        ("PUT", polling(), 2),
        ("DELETE", polling(), 2),
        ("OPTIONS", polling(), 2),
        ("POST", target(transport="polling"), 2),
        ("GET", target(EIO=4, transport="websocket"), 3),
    ],
)
def test_a_handshake_is_refused(server, method, path, code):
    answer = ask(server.port, method, path, body=b"40" if method == "POST" else None)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"code": code, "message": REFUSED[code]}


@official
def test_a_path_without_its_slash_is_not_ours(server):
    assert ask(server.port, "GET", "/socket.io?EIO=4&transport=polling").status == 404


@official
@pytest.mark.parametrize(
    "query", [{"EIO": 4, "transport": "websocket"}, {"EIO": 3, "transport": "polling"}, {"transport": "polling"}]
)
def test_a_live_session_refuses_another_transport_or_protocol(server, query):
    sid = raw.enter_polling(server.port)
    answer = ask(server.port, "GET", target(**query, sid=sid))
    assert (answer.status, answer.json()["code"]) == (400, 3)
    assert not raw.is_gone(server.port, sid)


@official
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_another_method_on_a_live_session(server, method):
    sid = raw.enter_polling(server.port)
    answer = ask(server.port, method, polling(sid))
    assert (answer.status, answer.body) == (500, b"")
    assert not raw.is_gone(server.port, sid)


@official
def test_a_post_is_answered_ok(server):
    sid = raw.handshake(server.port)
    answer = raw.post(server.port, sid, "40")
    assert (answer.status, answer.text, answer.headers["content-type"]) == (200, "ok", "text/html")
    reply = raw.poll(server.port, sid)
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/plain; charset=UTF-8"
    assert reply.headers["cache-control"] == "no-store"
    first = reply.text.split("\x1e")[0]
    assert first[:2] == "40" and set(json.loads(first[2:])) == {"sid"}
    assert json.loads(first[2:])["sid"] != sid


@official
def test_an_octet_stream_ends_the_session(server):
    sid = raw.enter_polling(server.port)
    answer = raw.post(server.port, sid, "3", ["Content-Type: application/octet-stream"])
    assert (answer.status, answer.body) == (400, b"")
    assert raw.has_ended(server.port, sid)


@official
@pytest.mark.parametrize("size", [PAYLOAD_MAX + 1, 1_100_000, 20_000_000])
def test_a_body_too_large_is_refused_and_the_session_lives(server, size):
    sid = raw.enter_polling(server.port)
    answer = raw.post(server.port, sid, b"3" * size)
    # While so much is on its way, the connection may be reset before the answer could be read.
    assert answer is None or (answer.status, answer.body) == (413, b"")
    assert not raw.is_gone(server.port, sid)


@official
def test_the_largest_body_passes(server):
    sid = raw.enter_polling(server.port)
    head = '427["message",{"text":"'
    body = head + "x" * (PAYLOAD_MAX - len(head) - 3) + '"}]'
    assert raw.post(server.port, sid, body).status == 200
    assert raw.poll(server.port, sid).text == '437[{"error":"too_long"}]'


@official
@pytest.mark.parametrize(
    "body",
    [
        "",
        "\x1e",
        "9",
        "x",
        "3\x1e",
        "4",
        "47",
        "42[",
        "42[]",
        '42["message"',
        '42["disconnect"]',
        "42{}",
        '42["message",{"text":"x"}]x',
        "40[]",
        '40"abc"',
        "40",
        '44{"message":"x"}',
        "45",
        '451-["message",{"_placeholder":true,"num":0}]\x1e42["message",{"text":"x"}]',
        "bAQID",
        "2",
        '42["message",{"text":"x"},]',
        "\x1e" * 1000,
    ],
)
def test_a_body_that_is_no_packet_ends_the_session(server, body):
    sid = raw.enter_polling(server.port)
    answer = raw.post(server.port, sid, body)
    assert (answer.status, answer.text) == (200, "ok")
    assert raw.has_ended(server.port, sid)


@official
def test_packets_behind_a_bad_one_do_not_count(server, watcher):
    sid = raw.enter_polling(server.port)
    text = f"behind it {secrets.token_hex(4)}"
    raw.post(server.port, sid, f'9\x1e42["message",{{"text":"{text}"}}]')
    assert raw.has_ended(server.port, sid)
    said = watcher.say("after both")
    watcher.take("message", id=said["id"])
    assert not [event for event in watcher.seen if event[1].get("text") == text]


@official
def test_two_polls_at_once_end_the_session(server):
    sid = raw.enter_polling(server.port)
    connections = [RawHttp(server.port), RawHttp(server.port)]
    for connection in connections:
        connection.send_request("GET", polling(sid))
    answers = sorted((answer.status, answer.text) for answer in (one.response() for one in connections))
    assert answers == [(200, "1"), (400, "")]
    assert raw.has_ended(server.port, sid)


@official
def test_an_aborted_poll_ends_the_session(server, watcher):
    sid = raw.enter_polling(server.port)
    connection = RawHttp(server.port)
    connection.send_request("GET", polling(sid))
    connection.close()
    watcher.take("offline", name="polling")
    assert raw.has_ended(server.port, sid)


@official
def test_a_close_packet_answers_the_parked_poll(server, watcher):
    sid = raw.enter_polling(server.port)
    parked = RawHttp(server.port)
    parked.send_request("GET", polling(sid))
    assert raw.post(server.port, sid, "1").text == "ok"
    answer = parked.response()
    assert (answer.status, answer.text) == (200, "6")
    assert raw.has_ended(server.port, sid)
    watcher.take("offline", name="polling")


@official
def test_packets_after_leaving_end_the_session(server):
    sid = raw.enter_polling(server.port)
    raw.post(server.port, sid, "41")
    assert not raw.is_gone(server.port, sid)
    raw.post(server.port, sid, '42["message",{"text":"x"}]')
    assert raw.has_ended(server.port, sid)


@official
def test_many_packets_in_one_body(server, watcher):
    sid = raw.enter_polling(server.port)
    tag = secrets.token_hex(4)
    packets = [f'42["message",{{"text":"{tag} {number}"}}]' for number in range(500)]
    raw.post(server.port, sid, "\x1e".join(packets))
    watcher.take("message", text=f"{tag} 499")
    texts = [event[1].get("text", "") for event in watcher.seen if event[0] == "message"]
    assert [text for text in texts if text.startswith(tag)] == [f"{tag} {number}" for number in range(500)]


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /socket.io/ HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET nothing HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
        b"\0" * 200,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
def test_a_bad_head_ends_its_connection(server, head):
    connection = RawHttp(server.port)
    connection.send(head)
    first = connection.response()
    assert first is None or 400 <= first.status < 600
    assert connection.wait_closed()


@official
@pytest.mark.parametrize("headers", [["Origin: http://a\x01b"], ["Cookie: " + "c" * 6000], ["X-Forwarded-For: \x80\xff"]])
def test_odd_header_values(server, headers):
    answer = ask(server.port, "GET", polling(), headers=headers)
    assert answer is None or answer.status in (200, 400)


def test_connections_that_only_come_and_go(server):
    for _ in range(500):
        RawHttp(server.port).close()
    halves = [RawHttp(server.port) for _ in range(50)]
    for number, connection in enumerate(halves):
        connection.send(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a"[: number + 1])
    for connection in halves:
        connection.close()


# --- WebSocket: the upgrade


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/socket.io/", 0),
        (target(EIO=4, transport="abc"), 0),
        (target(EIO=3, transport="websocket"), 5),
        (target(transport="websocket"), 5),
        (target(EIO=4, transport="websocket", sid=UNKNOWN_SID), 1),
    ],
)
def test_an_upgrade_is_refused(server, path, code):
    answer = RawWebSocket(server.port, path=path).answer
    assert answer.status == 400
    assert answer.headers["content-type"] == "text/html"
    assert answer.headers["connection"].lower() == "close"
    assert answer.text == REFUSED[code]


@official
def test_a_second_websocket_of_a_session_is_closed(server):
    sid, first = upgraded(server.port)
    second = RawWebSocket(server.port, session=sid)
    assert second.answer.status == 101
    assert second.wait_closed()
    assert first.lives()


def upgraded(port):
    """A session that began over polling: its id and its WebSocket."""
    sid = raw.enter_polling(port)
    websocket = RawWebSocket(port, session=sid)
    websocket.send_text("2probe")
    assert websocket.take_text() == "3probe"
    websocket.send_text("5")
    assert websocket.lives()
    return sid, websocket


@official
@pytest.mark.parametrize("sent", ["2", "2x", "3probe", "40", '42["message",{"text":"x"}]', "", "9"])
def test_a_wrong_probe_ends_only_the_probing_websocket(server, sent):
    sid = raw.enter_polling(server.port)
    probing = RawWebSocket(server.port, session=sid)
    probing.send_text(sent)
    assert probing.wait_closed()
    assert not raw.is_gone(server.port, sid)


@official
def test_http_after_the_upgrade_is_refused(server):
    sid, websocket = upgraded(server.port)
    for method in ("GET", "POST"):
        answer = ask(server.port, method, polling(sid), body=b"3" if method == "POST" else None)
        assert (answer.status, answer.json()["code"]) == (400, 3)
    assert websocket.lives()


# --- WebSocket: packets

CLOSED_BY = [
    "40",
    "40[1]",
    '40"abc"',
    "40{",
    "42[]",
    "42[null]",
    "42[true]",
    "42[{}]",
    '42["connect"]',
    '42["connect_error"]',
    '42["disconnect"]',
    '42["disconnecting"]',
    '42["newListener"]',
    '42["removeListener"]',
    "42{}",
    "42null",
    '42"message"',
    '42["m",',
    '42["m"]x',
    '42["m"]]',
    '421a["m"]',
    "43{}",
    "43text",
    "47",
    "4",
    "4x",
    '44{"message":"x"}',
    '41{"a":1}',
    "2",
    "2probe",
    "",
    "9",
    "x",
    '450-["message"]',
    '4511-["message",{"_placeholder":true,"num":0}]',
    '451["message",{"_placeholder":true,"num":0}]',
    '45-1-["message",{"_placeholder":true,"num":0}]',
    '451.5-["message",{"_placeholder":true,"num":0}]',
    '45["message"]',
    '42/nobody,["message",{"text":"x"}]',
    '42/nobody,7["message",{"text":"x"}]',
]
# The official parser takes these from JavaScript's own JSON; Sprat's is the strict one.
CLOSED_BY_US = [
    '42["message",{"text":"x"},]',
    "42[\"message\",{'text':'x'}]",
    '42["message",{"text":"\t"}]',
    '42["message",NaN]',
    '42["message",01]',
    '42["message",{"text":"\\x41"}]',
]
LEFT_OPEN_BY = ["42", "42[1,2]", '42[""]', "43999[1]", "43[1]", "0", "3", "5", "6", "3probe"]


@official
@pytest.mark.parametrize("sent", CLOSED_BY + CLOSED_BY_US)
def test_a_wrong_packet_ends_the_session(server, sent):
    client = RawWebSocket(server.port).enter()
    client.send_text(sent)
    assert client.wait_closed()


@official
@pytest.mark.parametrize("sent", LEFT_OPEN_BY)
def test_an_odd_packet_is_ignored(server, sent):
    client = RawWebSocket(server.port).enter()
    client.send_text(sent)
    assert client.lives()


@official
@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ("40/nope", '44/nope,{"message":"Invalid namespace"}'),
        ("40/nope,", '44/nope,{"message":"Invalid namespace"}'),
        ("40/custom?a=b,", '44/custom?a=b,{"message":"Invalid namespace"}'),
        ('42 7["name","seven"]', '437[{"name":"seven"}]'),
        ('42007["name","seven"]', '437[{"name":"seven"}]'),
        ('420["name","zero"]', '430[{"name":"zero"}]'),
        ('421["name","\\ud83d\\ude00"]', '431[{"name":"😀"}]'),
        ('421[ "name" , "blanks" ] ', '431[{"name":"blanks"}]'),
        ('421["n\\u0061me","escaped"]', '431[{"name":"escaped"}]'),
        ('421["message",[[[[["deep"]]]]]]', '431[{"error":"bad_request"}]'),
    ],
)
def test_a_packet_is_answered(server, sent, answer):
    client = RawWebSocket(server.port).enter()
    client.send_text(sent)
    assert client.take_text(lambda text: text[:2] in ("43", "44")) == answer
    assert client.lives()


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ('421["name"]', '431[{"error":"bad_request"}]'),
        ('421["message"]', '431[{"error":"bad_request"}]'),
        ('421["name","more","than","asked"]', '431[{"name":"more"}]'),
    ],
)
def test_too_few_and_too_many_arguments(server, sent, answer):
    client = RawWebSocket(server.port).enter()
    client.send_text(sent)
    assert client.take_text(lambda text: text[:2] == "43") == answer


@official
@pytest.mark.parametrize("goodbye", ["41", "411"])
def test_leaving_and_coming_back(server, watcher, goodbye):
    client = RawWebSocket(server.port).enter()
    client.send_text(goodbye)
    watcher.take("offline", id=client.sid)
    client.send_text('40{"name":"Back"}')
    back = json.loads(client.take_text(lambda text: text.startswith("40"))[2:])["sid"]
    assert back != client.sid
    watcher.take("online", id=back, name="Back")
    assert client.lives()


@official
@pytest.mark.parametrize("entered", [False, True])
def test_an_event_from_outside_ends_the_session(server, watcher, entered):
    client = RawWebSocket(server.port)
    if entered:
        client.enter()
        client.send_text("41")
        watcher.take("offline", id=client.sid)
    client.send_text('42["message",{"text":"x"}]')
    assert client.wait_closed()


def test_an_event_right_behind_its_connect_counts(server, watcher):
    client = RawWebSocket(server.port)
    text = f"at once {secrets.token_hex(4)}"
    client.send_text("40")
    client.send_text(f'42["message",{{"text":"{text}"}}]')
    watcher.take("message", text=text)
    assert client.lives()


@official
@pytest.mark.parametrize("auth", ['{"name":7}', '{"name":{}}', '{"name":[1]}', '{"other":1}', "{}", '{"name":""}'])
def test_an_odd_auth_is_given_a_name(server, auth):
    client = RawWebSocket(server.port)
    client.take_text()
    client.send_text("40" + auth)
    hello = json.loads(client.take_text(lambda text: text.startswith('42["hello"'))[2:])[1]
    assert hello["name"].startswith("guest-")
    assert client.lives()


def test_a_close_packet_over_websocket_closes(server, watcher):
    client = RawWebSocket(server.port).enter()
    client.send_text("1")
    watcher.take("offline", id=client.sid)
    assert client.wait_closed()


# --- WebSocket: binary events. The chat has none; a client may send them all the same.

ONE = '{"_placeholder":true,"num":0}'


@official
@pytest.mark.parametrize(
    "sent",
    [
        ['451-["message",{"_placeholder":true,"num":5}]', b"\1"],
        ['451-["message",{"_placeholder":true,"num":"splice"}]', b"\1"],
        [f'451-["message",{ONE}]', '42["message",{"text":"x"}]'],
        [b"\1\2\3"],
        ["bAQID"],
    ],
)
def test_a_wrong_binary_event_ends_the_session(server, sent):
    client = RawWebSocket(server.port).enter()
    for message in sent:
        client.send_frame(TEXT if isinstance(message, str) else BINARY, message if isinstance(message, bytes) else message.encode())
    assert client.wait_closed()


@official
@pytest.mark.parametrize(
    "sent",
    [
        [f'451-7["message",{ONE}]', b"\1\2\3"],
        [f'451-7["message",{{"text":{ONE}}}]', b""],
        [f'451-7["message",{ONE}]', "3", b"\1"],
        [f'451-7["message",{ONE}]', "bAQID"],
        [f'452-7["message",[{ONE},{{"num":1,"_placeholder":true}},{ONE}]]', b"\1", b"\2"],
    ],
)
def test_a_binary_event_is_heard(server, sent):
    client = RawWebSocket(server.port).enter()
    for message in sent:
        client.send_frame(TEXT if isinstance(message, str) else BINARY, message if isinstance(message, bytes) else message.encode())
    assert client.take_text(lambda text: text[:2] == "43") == '437[{"error":"bad_request"}]'
    assert client.lives()


# --- WebSocket: frames


@official
@pytest.mark.parametrize(
    "frame",
    [
        {"opcode": TEXT, "payload": b"3", "masked": False},
        {"opcode": TEXT, "payload": b"3", "reserved": 4},
        {"opcode": TEXT, "payload": b"3", "reserved": 1},
        {"opcode": 3, "payload": b"3"},
        {"opcode": 11, "payload": b""},
        {"opcode": PING, "payload": b"x" * 126},
        {"opcode": PING, "payload": b"x", "fin": False},
        {"opcode": CONTINUATION, "payload": b"3"},
        {"opcode": TEXT, "payload": b"42[\"name\",\"\xff\xfe\"]"},
        {"opcode": TEXT, "payload": b"42[\"name\",\"\xed\xa0\x80\"]"},
        {"opcode": TEXT, "payload": b"", "length": 2**63 + 1},
        {"opcode": TEXT, "payload": b"", "length": 2**62},
        {"opcode": 8, "payload": b"\x03"},
        {"opcode": 8, "payload": struct.pack("!H", 1005)},
    ],
)
def test_a_wrong_frame_ends_the_session(server, frame):
    client = RawWebSocket(server.port).enter()
    client.send_frame(**frame)
    assert client.wait_closed()


@official
def test_the_largest_message_passes_and_one_byte_more_does_not(server):
    client = RawWebSocket(server.port).enter()
    head = '427["message",{"text":"'
    text = head + "x" * (PAYLOAD_MAX - len(head) - 3) + '"}]'
    client.send_text(text)
    assert client.take_text(lambda text: text[:2] == "43") == '437[{"error":"too_long"}]'
    client.send_text(text + " ")
    assert client.ended_with() == 1009


@official
def test_a_message_too_large_in_pieces(server):
    client = RawWebSocket(server.port).enter()
    client.send_frame(TEXT, b"42" + b"x" * 600_000, fin=False)
    client.send_frame(CONTINUATION, b"x" * 600_000)
    assert client.ended_with() == 1009


@official
def test_a_message_in_pieces_with_pings_between(server):
    client = RawWebSocket(server.port).enter()
    client.send_frame(TEXT, b'421["name",', fin=False)
    client.send_frame(PING, b"between")
    client.send_frame(CONTINUATION, b'"pie', fin=False)
    client.send_frame(CONTINUATION, b'ces"]')
    assert client.take_text(lambda text: text[:2] == "43") == '431[{"name":"pieces"}]'


@pytest.mark.parametrize("body", [f'42["message",{DEEP}]', f'42["message",{{"text":{DEEP}}}]', f"40{DEEP}", f'42["name",{DEEP}]'])
def test_deep_json_ends_the_session(server, body):
    client = RawWebSocket(server.port).enter()
    client.send_text(body)
    assert client.wait_closed()
    sid = raw.enter_polling(server.port)
    assert raw.post(server.port, sid, body).status == 200
    assert raw.has_ended(server.port, sid)


@official
def test_one_megabyte_of_garbage(server):
    for opcode in (TEXT, BINARY):
        client = RawWebSocket(server.port).enter()
        client.send_frame(opcode, os.urandom(PAYLOAD_MAX))
        assert client.wait_closed()


@official
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_bytes_behind_the_upgrade_that_are_no_frames(server, opcode):
    client = RawWebSocket(server.port)
    client.send(os.urandom(10_000) if opcode == BINARY else b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
    assert client.wait_closed()


def test_invalid_utf_8_over_polling(server):
    sid = raw.enter_polling(server.port)
    answer = raw.post(server.port, sid, b'42["name","\xff\xfe"]')
    assert answer.status in (200, 400)


@official
def test_an_acknowledgement_comes_before_the_message_itself(server):
    client = RawWebSocket(server.port).enter()
    text = f"mine {secrets.token_hex(4)}"
    client.send_text("421" + json.dumps(["message", {"text": text}]))
    first = client.take_text(lambda got: got.startswith("431[") or text in got)
    assert first.startswith("431["), first
    assert json.loads(client.take_text(lambda got: text in got)[2:])[1]["id"] == json.loads(first[3:])[0]["id"]


@official
def test_a_name_of_ten_kilobytes(server):
    client = RawWebSocket(server.port)
    client.take_text()
    client.send_text(json.dumps({"name": "n" * 10_240}).join(["40", ""]))
    hello = json.loads(client.take_text(lambda text: text.startswith('42["hello"'))[2:])[1]
    assert hello["name"] == "n" * 32
    client.send_text('421["name","' + "n" * 10_240 + '"]')
    assert client.take_text(lambda text: text[:2] == "43") == '431[{"error":"too_long"}]'
    assert client.lives()


@official
def test_markup_stays_text(server, watcher):
    markup = "<img src=x onerror=alert(1)>"
    client = RawWebSocket(server.port)
    client.take_text()
    client.send_text("40" + json.dumps({"name": markup}))
    assert watcher.take("online", name=markup)
    client.take_text(lambda text: text.startswith('42["hello"'))
    client.send_text("42" + json.dumps(["message", {"text": f"<script>{markup}</script>"}]))
    assert watcher.take("message", name=markup)["text"] == f"<script>{markup}</script>"


@official
def test_a_receiver_that_reads_nothing_holds_up_nobody(server, watcher):
    """Its own bound is hit, not the sender's time nor the server's memory."""
    client = RawWebSocket(server.port, receive_bytes=4096).enter()
    text = "x" * 2000
    for _ in range(300):
        said = watcher.say(text)
    assert watcher.take("message", id=said["id"])["text"] == text
    client.close()


@official
def test_two_hundred_clients_who_vanish(server, watcher):
    clients = [RawWebSocket(server.port).enter() for _ in range(200)]
    gone = {client.sid for client in clients}
    for client in clients:
        client.close()
    while gone:
        gone.discard(watcher.take("offline")["id"])


def test_a_flood_of_names_ends_nobody_else(server, watcher):
    client = RawWebSocket(server.port).enter()
    client.send(b"".join(_text_frame(f'42["name","flood {number}"]') for number in range(2000)))
    watcher.take("name", name="flood 1999")


def _text_frame(text):
    payload = text.encode()
    assert len(payload) < 126
    return bytes([0x80 | TEXT, 0x80 | len(payload)]) + b"\0\0\0\0" + payload
