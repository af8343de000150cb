"""HTTP and WebSocket by hand: what no well-behaved client library would send."""

import base64
import json
import os
import socket
import struct
import time

WAIT_S = 5
HOST = b"Host: 127.0.0.1\r\n"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Response:
    """An answer: `status`, `headers` (lower-case names), `body`."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


class RawHttp:
    """One connection for HTTP requests."""

    def __init__(self, port, receive_bytes=None):
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(WAIT_S)
        self.socket.connect(("127.0.0.1", port))
        self.buffer = b""

    def send(self, data):
        """Sends as much as the peer takes: who is refused may be cut off in the middle of a long request."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def request(self, method, target, body=None, headers=()):
        self.send_request(method, target, body, headers)
        return self.response()

    def send_request(self, method, target, body=None, headers=()):
        lines = [f"{method} {target} HTTP/1.1\r\n".encode(), HOST, *(f"{line}\r\n".encode() for line in headers)]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}\r\n".encode())
        self.send(b"".join([*lines, b"\r\n", body or b""]))

    def more(self):
        """Reads on; False at the end of the connection, however it ended."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def response(self):
        """The next answer, or None if the connection ended without one."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.more():
                return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(status.split()[1])
        return Response(status, headers, self._body(status, headers))

    def _body(self, status, headers):
        if status in (101, 204, 304):
            return b""
        if headers.get("transfer-encoding") == "chunked":
            return b"".join(iter(self._chunk, b""))
        if "content-length" in headers:
            return self._exactly(int(headers["content-length"]))
        while self.more():
            pass
        body, self.buffer = self.buffer, b""
        return body

    def _chunk(self):
        while b"\r\n" not in self.buffer:
            assert self.more()
        size, _, self.buffer = self.buffer.partition(b"\r\n")
        chunk = self._exactly(int(size, 16))
        self._exactly(2)
        return chunk

    def _exactly(self, count):
        while len(self.buffer) < count:
            assert self.more(), "the connection ended inside a body"
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def wait_closed(self):
        """True once the server has ended the connection, whatever it said before."""
        until = time.monotonic() + WAIT_S
        try:
            while self.more():
                if time.monotonic() > until:
                    return False
        except socket.timeout:
            return False
        return True

    def close(self):
        self.socket.close()


# --- Engine.IO over long polling, each request on a connection of its own


def target(**query):
    return "/socket.io/?" + "&".join(f"{key}={value}" for key, value in query.items())


def polling(sid=None):
    return target(EIO=4, transport="polling", **({"sid": sid} if sid else {}))


def ask(port, method, path, body=None, headers=()):
    connection = RawHttp(port)
    answer = connection.request(method, path, body, ["Connection: close", *headers])
    connection.close()
    return answer


def handshake(port):
    """A new session over polling: its id."""
    answer = ask(port, "GET", polling())
    assert answer.status == 200, answer.body
    assert answer.text[0] == "0"
    return json.loads(answer.text[1:])["sid"]


def poll(port, sid):
    return ask(port, "GET", polling(sid))


def post(port, sid, body, headers=("Content-Type: text/plain;charset=UTF-8",)):
    return ask(port, "POST", polling(sid), body.encode() if isinstance(body, str) else body, headers)


def enter_polling(port):
    """A session over polling that has entered the chat and read all that waited for it: its id."""
    sid = handshake(port)
    assert post(port, sid, "40").status == 200
    got = ""
    while '42["hello"' not in got:
        answer = poll(port, sid)
        assert answer.status == 200
        got += "\x1e" + answer.text
    # Hello's history may be on its way: an acknowledgement is behind it.
    assert post(port, sid, '4299["name","polling"]').status == 200
    while not ("\x1e4399[" in got and '\x1e42["name"' in got):
        got += "\x1e" + poll(port, sid).text
    return sid


def is_gone(port, sid):
    answer = post(port, sid, "3")
    return answer.status == 400 and answer.json()["code"] == 1


def has_ended(port, sid):
    """Is the session over? A server that closes it while no poll is parked may wait for one, to tell the client."""
    answer = poll(port, sid)
    if answer.status == 200:
        assert answer.text.split("\x1e")[-1] == "1", answer.text
    return is_gone(port, sid)


# --- WebSocket


class RawWebSocket(RawHttp):
    """A WebSocket connection whose every frame is written by hand. `sid` is the Socket.IO socket's, once entered."""

    def __init__(self, port, session=None, receive_bytes=None, path=None):
        super().__init__(port, receive_bytes)
        self.sid = self.close_code = None
        key = base64.b64encode(os.urandom(16)).decode()
        path = path or target(EIO=4, transport="websocket", **({"sid": session} if session else {}))
        self.answer = self.request(
            "GET",
            path,
            headers=[
                "Connection: keep-alive, Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                f"Sec-WebSocket-Key: {key}",
            ],
        )

    def enter(self, auth=""):
        """Connects to `/` and reads the greeting."""
        assert self.answer.status == 101, self.answer.body
        assert self.take_text()[0] == "0"
        self.send_text("40" + auth)
        reply = self.take_text(lambda text: text.startswith("40"))
        self.sid = json.loads(reply[2:])["sid"]
        self.take_text(lambda text: text.startswith('42["hello"'))
        return self

    def send_frame(self, opcode, payload=b"", fin=True, masked=True, reserved=0, length=None):
        first = (0x80 if fin else 0) | reserved << 4 | opcode
        size = len(payload) if length is None else length
        mask_bit = 0x80 if masked else 0
        if size < 126:
            head = struct.pack("!BB", first, mask_bit | size)
        elif size < 65536:
            head = struct.pack("!BBH", first, mask_bit | 126, size)
        else:
            head = struct.pack("!BBQ", first, mask_bit | 127, size)
        if masked:
            # A mask of zeros is a mask, too, and leaves the payload readable in a capture.
            head += b"\0\0\0\0"
        self.send(head + payload)

    def send_text(self, text):
        self.send_frame(TEXT, text.encode() if isinstance(text, str) else text)

    def frame(self):
        """The next frame as (opcode, payload); None at the end of the connection."""
        while True:
            found = self._cut_frame()
            if found or not self.more():
                return found

    def _cut_frame(self):
        if len(self.buffer) < 2:
            return None
        opcode, size, start = self.buffer[0] & 15, self.buffer[1] & 127, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(self.buffer) < start:
                return None
            size = int.from_bytes(self.buffer[2:start], "big")
        if len(self.buffer) < start + size:
            return None
        payload = self.buffer[start : start + size]
        self.buffer = self.buffer[start + size :]
        return opcode, payload

    def take_text(self, wanted=lambda text: True):
        """The next text message that is wanted; None if the connection ends before. Answers no ping."""
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            found = self.frame()
            if found is None or found[0] == CLOSE:
                self.close_code = struct.unpack("!H", found[1][:2])[0] if found and len(found[1]) >= 2 else None
                return None
            if found[0] == TEXT and wanted(found[1].decode()):
                return found[1].decode()
        raise AssertionError("the wanted text did not come in time")

    def wait_closed(self):
        """True once the server has ended the connection; a close frame is answered, as a browser does."""
        assert self.take_text(lambda text: False) is None
        self.send_frame(CLOSE)
        return super().wait_closed()

    def lives(self):
        """True if the server still answers this client's events; False if it ended the connection."""
        self.send_text('42987["name","lives"]')
        return self.take_text(lambda text: text.startswith("43987[")) is not None

    def ended_with(self):
        """The close code the server gave (None: none), once it has ended the connection."""
        assert self.wait_closed()
        return self.close_code
