// Where Sprat deliberately does something else than the official server: what each of them does, and why.
//
// `meansTheSame`: the bytes differ, and what a client's application gets is the same.

const PASSED_ON = {
  meansTheSame: true,
  why: "What an application passes on is not decoded and encoded again: JSON is checked, then sent as it came",
};

const refusedUpgrade = (why, official, sprat) => ({ why, official: [["upgrade", official]], sprat: [["upgrade", sprat]] });
const html = (body, headers = {}) => ({ status: 400, headers: { connection: "close", "content-type": "text/html", ...headers }, body });

const EIO_BEFORE_THE_UPGRADE = {
  why: "A WebSocket with a wrong EIO is refused before the upgrade; the official server writes its refusal into the WebSocket",
  official: [["upgrade", { status: 101, headers: { upgrade: "websocket" }, body: "" }], ["ws", { close: 21584 }]],
  sprat: [["upgrade", html("Unsupported protocol version")]],
};

const TOO_LARGE_CLOSES = { status: 413, headers: { connection: "close" }, body: "" };

export default {
  "websocket: blanks in JSON": PASSED_ON,
  "websocket: escapes in JSON": PASSED_ON,
  "websocket: numbers in JSON": PASSED_ON,
  "websocket: BINARY_EVENT with 10 attachments": PASSED_ON,
  "websocket: placeholder that is not true": PASSED_ON,
  "websocket: repeated and swapped placeholders": PASSED_ON,
  "websocket: attachments that no placeholder refers to": PASSED_ON,

  "upgrade refused: EIO 3": EIO_BEFORE_THE_UPGRADE,
  "upgrade refused: EIO missing": EIO_BEFORE_THE_UPGRADE,
  "upgrade refused: a version that is unknown": refusedUpgrade(
    "Version 8 was a draft; only 13, which is the standard, is offered",
    html("Missing or invalid Sec-WebSocket-Version header", { "sec-websocket-version": "13, 8" }),
    html("Missing or invalid Sec-WebSocket-Version header", { "sec-websocket-version": "13" }),
  ),

  "end: CLOSE from the client": {
    why: "CLOSE ends a WebSocket at once; the official server waits for the ping timeout",
    official: [["ws", "2"], ["ws", { close: 1005 }], ["reason", '430["ping timeout"]']],
    sprat: [["ws", { close: 1005 }], ["reason", '430["transport close"]']],
  },
  "polling: a body over the limit is refused, the session survives": {
    why: "The rest of a body that is not wanted is not read: the connection ends, the session does not",
    official: [["POST", { status: 413, headers: {}, body: "" }], ...answered()],
    sprat: [["POST", TOO_LARGE_CLOSES], ...answered()],
  },
};

function answered() {
  const ok = { status: 200, headers: { "cache-control": "no-store", "content-type": "text/html" }, body: "ok" };
  const body = { status: 200, headers: { "cache-control": "no-store", "content-type": "text/plain; charset=UTF-8" }, body: "430[1]" };
  return [["POST", ok], ["GET", body]];
}
