"""One user of the chat: a python-socketio client whose events are kept in the order they came."""

import queue
import time

import engineio.payload
import socketio

WAIT_S = 5
WRITE_WAIT_S = 1
EVENTS = ("hello", "history", "online", "offline", "name", "message")

# python-engineio gives up on a polling body of more packets, which official servers send whenever more are waiting.
PACKETS_MAX = engineio.payload.Payload.max_decode_packets
engineio.payload.Payload.max_decode_packets = 10_000

TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": ["polling", "websocket"]}


class Chatter:
    """A connected user. `kind` is how it talks: over polling, WebSocket, or the one upgraded to the other."""

    def __init__(self, url, kind="websocket", name=None, **options):
        self.socket = socketio.Client(**{"reconnection": False, "request_timeout": WAIT_S, **options})
        self.events = queue.Queue()
        self.seen = []
        self.reasons = queue.Queue()
        for event in EVENTS:
            self.socket.on(event, self._keeper(event))
        self.socket.on("disconnect", lambda reason: self.reasons.put(reason))
        auth = None if name is None else {"name": name}
        self.socket.connect(url, transports=TRANSPORTS[kind], auth=auth, wait_timeout=WAIT_S)
        self.hello = self.take("hello")

    def _keeper(self, event):
        return lambda *arguments: self.events.put((event, *arguments))

    @property
    def id(self):
        return self.socket.get_sid()

    def take(self, event, wait_s=WAIT_S, **fields):
        """The next event of that name with these fields; what comes before it is kept in `seen`."""
        while True:
            try:
                got = self.events.get(timeout=wait_s)
            except queue.Empty:
                raise AssertionError(f"no {event} {fields} within {wait_s} s, only {self.seen[-9:]}") from None
            assert len(got) == 2 or got[0] == "history" and len(got) > 2, f"one argument each: {got}"
            self.seen.append(got)
            if got[0] == event and all(got[1].get(key) == value for key, value in fields.items()):
                return got[1]

    def all_until(self, event, **fields):
        """Everything up to and with that event."""
        start = len(self.seen)
        self.take(event, **fields)
        return self.seen[start:]

    def ask(self, event, argument):
        """Emits and returns the acknowledgement's one argument."""
        return self.socket.call(event, (argument,), timeout=WAIT_S)

    def say(self, text, **fields):
        """Sends a message that must be accepted; returns its acknowledgement."""
        answer = self.ask("message", {"text": text, **fields})
        assert "error" not in answer, answer
        return answer

    def leave(self):
        """Leaves, once what was sent is: python-engineio's writer says nothing of it if it is busy at that moment."""
        end = time.monotonic() + WRITE_WAIT_S
        # It has one more look at whether it is connected when nothing is left to be sent. If it has ended by itself, something is.
        idle_looks = 0
        while self.socket.connected and idle_looks < 2 and time.monotonic() < end:
            idle_looks = 0 if self.socket.eio.queue.unfinished_tasks else idle_looks + 1
            time.sleep(0.002)
        self.socket.disconnect()
