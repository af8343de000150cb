// Where Sprat deliberately does something else than the official server: what each of them does, and why.
//
// `withoutHeader`: what is left without that header field is the same.
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

const TOLD_TO_CACHES = {
  withoutHeader: "vary",
  why: "A cache is told that the answer depends on Accept-Encoding",
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

  "cors: a WebSocket of another site": refusedUpgrade(
    "Browsers leave it to servers which pages may open WebSockets (RFC 6455, section 10.2); --cors-origin allows others",
    { status: 101, headers: { upgrade: "websocket" }, body: "" },
    { ...html("Origin not allowed"), status: 403 },
  ),

  "upgrade refused: EIO 3": EIO_BEFORE_THE_UPGRADE,
  "upgrade refused: EIO missing": EIO_BEFORE_THE_UPGRADE,
  "upgrade refused: a version that is unknown": refusedUpgrade(
    "Version 8 was a draft; only 13, which is the standard, is offered",
    html("Missing or invalid Sec-WebSocket-Version header", { "sec-websocket-version": "13, 8" }),
    html("Missing or invalid Sec-WebSocket-Version header", { "sec-websocket-version": "13" }),
  ),

  "hooks: ids of sessions": {
    why: "As with a wrong EIO: refused before the upgrade",
    official: [...idsOverPolling(), ["upgrade", { status: 101, headers: { upgrade: "websocket" }, body: "" }], ...idsOverWebSocket()],
    sprat: [...idsOverPolling(), ["upgrade", html("Bad request")], ...idsOverWebSocket()],
  },
  "transports: polling alone": {
    why: "An upgrade is refused as one; the official server takes no upgrades at all then, and the request for a plain one",
    official: [openOverPolling(), ...Array(2).fill(["upgrade", refusal(0, "Transport unknown")])],
    sprat: [openOverPolling(), ...Array(2).fill(["upgrade", html("Transport unknown")])],
  },

  ...Object.fromEntries(["js", "min.js", "esm.min.js", "msgpack.min.js", "js.map"].map((end) => [`client: socket.io.${end}`, TOLD_TO_CACHES])),
  "client: with CORS": TOLD_TO_CACHES,

  "end: CLOSE from the client": {
    why: "CLOSE ends a WebSocket at once; the official server waits for the ping timeout",
    official: [["ws", "2"], ["ws", { close: 1005 }], ["reason", '430["ping timeout"]']],
    sprat: [["ws", { close: 1005 }], ["reason", '430["transport close"]']],
  },
  "upgrade: UPGRADE without a probe": {
    why: "A WebSocket that was not probed does not take over; the official server takes it, whether it works or not",
    official: [["upgrade", { status: 101, headers: { upgrade: "websocket" }, body: "" }], ["ws", "still open"]],
    sprat: [["upgrade", { status: 101, headers: { upgrade: "websocket" }, body: "" }], ["ws", { close: 1005 }]],
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

function openOverPolling() {
  const body = '0{"sid":"<1>","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}';
  return ["open", { status: 200, headers: { "cache-control": "no-store", "content-type": "text/plain; charset=UTF-8" }, body }];
}

function refusal(code, message) {
  return { status: 400, headers: { "content-type": "application/json" }, body: JSON.stringify({ code, message }) };
}

function idsOverPolling() {
  const body = '0{"sid":"<1>","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}';
  const headers = { "cache-control": "no-store", "content-type": "text/plain; charset=UTF-8" };
  return [
    ["GET", { status: 200, headers, body }],
    ["GET", refusal(3, "Bad request")],
    ["GET", refusal(5, "Unsupported protocol version")],
  ];
}

function idsOverWebSocket() {
  const open = '0{"sid":"<2>","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}';
  return [["upgrade", { status: 101, headers: { upgrade: "websocket" }, body: "" }], ["ws", open]];
}
