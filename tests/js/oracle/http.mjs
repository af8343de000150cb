// Scripts over HTTP: PROTOCOL facts of the handshake and of long polling. Each is [name, options, script]; `options` are
// those of both servers, by the official names.
import { requestBytes } from "./wire.mjs";

const OPEN = "/socket.io/?EIO=4&transport=polling";
const PLAIN = {};
const SMALL = { maxHttpBufferSize: 1000 };

// --- one request each, without a session

const refusals = [
  ["no parameters", "GET", "/socket.io/"],
  ["transport missing", "GET", "/socket.io/?EIO=4"],
  ["transport unknown", "GET", "/socket.io/?EIO=4&transport=abc"],
  ["transport webtransport", "GET", "/socket.io/?EIO=4&transport=webtransport"],
  ["transport of an object's prototype", "GET", "/socket.io/?EIO=4&transport=constructor"],
  ["EIO 3", "GET", "/socket.io/?EIO=3&transport=polling"],
  ["EIO 5", "GET", "/socket.io/?EIO=5&transport=polling"],
  ["EIO missing", "GET", "/socket.io/?transport=polling"],
  ["EIO abc", "GET", "/socket.io/?EIO=abc&transport=polling"],
  ["sid unknown", "GET", `${OPEN}&sid=nobody`],
  ["sid __proto__", "GET", `${OPEN}&sid=__proto__`],
  ["sid unknown and a wrong method", "POST", `${OPEN}&sid=nobody`],
  ["POST without sid", "POST", OPEN],
  ["PUT without sid", "PUT", OPEN],
  ["DELETE without sid", "DELETE", OPEN],
  ["HEAD without sid", "HEAD", OPEN],
  ["OPTIONS without sid", "OPTIONS", OPEN],
  ["POST without sid and EIO", "POST", "/socket.io/?transport=polling"],
  ["transport unknown is told before the method", "POST", "/socket.io/?EIO=4&transport=abc"],
  ["websocket without upgrade", "GET", "/socket.io/?EIO=4&transport=websocket"],
  ["websocket without upgrade, EIO 3", "GET", "/socket.io/?EIO=3&transport=websocket"],
  ["unknown file below the path", "GET", "/socket.io/nothing.js"],
].map(([name, method, target]) => [`refusal: ${name}`, PLAIN, (p) => p.request(method, target)]);

// --- the handshake

const handshakes = [
  ["handshake: OPEN over polling", PLAIN, (p) => p.request("GET", OPEN)],
  ["handshake: a cache buster and unknown keys", PLAIN, (p) => p.request("GET", `${OPEN}&t=abc.1&x=%F0%9F%98%80&y`)],
  ["handshake: the last of two keys counts", PLAIN, (p) => p.request("GET", "/socket.io/?EIO=3&transport=abc&EIO=4&transport=polling")],
  ["handshake: escapes in the query", PLAIN, (p) => p.request("GET", "/socket.io/?%45IO=%34&transport=poll%69ng")],
  ["handshake: an empty sid is none", PLAIN, (p) => p.request("GET", `${OPEN}&sid=`)],
  ["handshake: anything below the path", PLAIN, (p) => p.request("GET", `/socket.io/foo/bar?EIO=4&transport=polling`)],
  ["handshake: path without its slash is not ours", PLAIN, async (p) => {
    const { status } = await p.quietly(() => p.request("GET", "/socket.io?EIO=4&transport=polling"));
    p.note(status);
  }],
  ["handshake: path in other case is not ours", PLAIN, async (p) => {
    const { status } = await p.quietly(() => p.request("GET", "/SOCKET.IO/?EIO=4&transport=polling"));
    p.note(status);
  }],
  ["handshake: the settings in OPEN", { pingInterval: 12_345, pingTimeout: 6_789, maxHttpBufferSize: 4_321 }, (p) => p.request("GET", OPEN)],
  ["handshake: an Origin header changes nothing without CORS", PLAIN, (p) => p.request("GET", OPEN, { headers: { Origin: "http://a.example" } })],
  ["handshake: several on one connection", PLAIN, async (p) => {
    const connection = await p.connect();
    for (let i = 0; i < 3; i++) await p.request("GET", i === 1 ? "/socket.io/" : OPEN, { connection });
  }],
  ["handshake: requests in a row without waiting", PLAIN, async (p) => {
    const connection = await p.connect();
    connection.write(Buffer.concat([requestBytes("GET", "/socket.io/"), requestBytes("GET", OPEN), requestBytes("PUT", OPEN)]));
    for (let i = 0; i < 3; i++) await p.response(connection, `answer ${i}`);
  }],
  ["handshake: MSIE gets X-XSS-Protection", PLAIN, async (p) => {
    const headers = { "User-Agent": "Mozilla/5.0 (compatible;MSIE 10.0; Windows NT 6.2;Trident/6.0)" };
    const s = await p.polling("", { headers });
    await s.post("40", { headers });
    await s.get({ headers: { "User-Agent": "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko" } });
  }],
];

// --- a session over polling

const sessions = [
  ["polling: CONNECT", PLAIN, async (p) => {
    const s = await p.polling();
    await s.post("40");
    await s.get();
  }],
  ["polling: PUT on a session, which survives", PLAIN, async (p) => {
    const s = await p.joined();
    await p.request("PUT", s.target);
    await p.request("DELETE", s.target, { body: "x" });
    await p.request("OPTIONS", s.target);
    await s.post('420["echo",1]');
    await s.get();
  }],
  ["polling: transport and EIO that do not match the session", PLAIN, async (p) => {
    const s = await p.joined();
    await p.request("GET", s.target.replace("polling", "websocket"));
    await p.request("GET", s.target.replace("EIO=4", "EIO=3"));
    await p.request("GET", s.target.replace("EIO=4&", ""));
    await s.post('420["echo",1]');
    await s.get();
  }],
  ["polling: octet-stream ends the session", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"octets"}');
    await s.post("420[\"echo\"]", { headers: { "Content-Type": "application/octet-stream" } });
    await s.get();
    await p.reason("octets");
  }],
  ["polling: other content types are text", PLAIN, async (p) => {
    const s = await p.joined();
    for (const type of ["text/plain;charset=UTF-8", "application/json", "application/x-www-form-urlencoded"]) {
      await s.post('420["echo","é"]', { headers: { "Content-Type": type } });
      await s.get();
    }
  }],
  ["polling: a body over the limit is refused, the session survives", PLAIN, async (p) => {
    const s = await p.joined();
    await s.post("4".repeat(1_100_000));
    await s.post('420["echo",1]');
    await s.get();
  }],
  ["polling: the limit itself passes, one more does not", SMALL, async (p) => {
    const s = await p.joined();
    const frame = '420["echo",""]';
    await s.post(`420["echo","${"x".repeat(1000 - frame.length)}"]`);
    await s.get();
    await s.post(`420["echo","${"x".repeat(1001 - frame.length)}"]`);
  }],
  ["polling: the limit holds for chunked bodies", SMALL, async (p) => {
    const s = await p.joined();
    const chunk = (text) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
    const headers = { "Transfer-Encoding": "chunked" };
    await s.post(`${chunk('420["ec')}${chunk('ho",1]')}0\r\n\r\n`, { headers });
    await s.get();
    await s.post(`${chunk("x".repeat(600)).repeat(2)}0\r\n\r\n`, { headers });
    await s.post('420["echo",2]');
    await s.get();
  }],
  ["polling: an empty body ends the session", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"empty"}');
    await s.post("");
    await s.get();
    await p.reason("empty");
  }],
  ["polling: a packet of unknown type ends the session", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"unknown"}');
    await s.post("9");
    await s.get();
    await p.reason("unknown");
  }],
  ["polling: what stands before a malformed packet counts", PLAIN, async (p) => {
    const s = await p.joined();
    const parked = await s.park();
    await s.post('420["echo",1]\x1e9\x1e421["echo",2]');
    await parked.answer();
    await s.get();
  }],
  ["polling: many packets in a body", PLAIN, async (p) => {
    const s = await p.joined();
    await s.post(Array.from({ length: 2000 }, (_, n) => `42${n}["echo"]`).join("\x1e"));
    await s.get();
  }],
  ["polling: two GETs at once end the session", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"two GETs"}');
    const parked = await s.park();
    await s.get();
    await parked.answer();
    await s.get();
    await p.reason("two GETs");
  }],
  ["polling: two POSTs at once end the session", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"two POSTs"}');
    const first = await p.connect();
    first.write(requestBytes("POST", s.target, { body: "42", headers: { "Content-Length": 20 } }));
    await p.settle();
    await s.post('420["echo"]');
    await p.response(first, "first POST");
    await s.get();
    await p.reason("two POSTs");
  }],
  ["polling: an aborted GET ends the session", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"aborted"}');
    const parked = await s.park();
    parked.connection.close();
    await p.reason("aborted");
    await s.get();
  }],
  ["polling: an aborted POST", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"aborted POST"}');
    const first = await p.connect();
    first.write(requestBytes("POST", s.target, { body: "42", headers: { "Content-Length": 20 } }));
    await p.settle();
    first.close();
    await p.reason("aborted POST");
    await s.get();
  }],
  ["polling: CLOSE from the client with a GET that waits", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"CLOSE"}');
    const parked = await s.park();
    await s.post("1");
    await parked.answer();
    await s.get();
    await p.reason("CLOSE");
  }],
  ["polling: CLOSE from the client without a GET", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"CLOSE alone"}');
    await s.post("1");
    await s.get();
    await p.reason("CLOSE alone");
  }],
  ["polling: stray packets from the client", PLAIN, async (p) => {
    const s = await p.joined();
    await s.post("0\x1e3\x1e5\x1e6\x1e420[\"echo\"]");
    await s.get();
  }],
  ["polling: PING from the client ends the session", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"PING"}');
    await s.post("2");
    await s.get();
    await p.reason("PING");
  }],
  ["polling: disconnect(true) without a GET", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"bye-all"}');
    await s.post('42["bye-all"]');
    await s.get();
    await s.get();
    await s.get();
    await p.reason("bye-all");
  }],
  ["polling: disconnect(true) with a GET that waits", PLAIN, async (p) => {
    const s = await p.joined();
    const parked = await s.park();
    await s.post('42["bye-all"]');
    await parked.answer();
    await s.get();
    await s.get();
  }],
  ["polling: disconnect()", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"bye"}');
    await s.post('42["bye"]');
    await s.get();
    await p.reason("bye");
  }],
  ["polling: the server drops the connection", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"drop"}');
    const parked = await s.park();
    await s.post('42["drop"]');
    await parked.answer();
    await s.get();
    await p.reason("drop");
  }],
  ["polling: text, binary and text in one body", PLAIN, async (p) => {
    const s = await p.joined();
    await s.post('42["three"]');
    await s.get();
  }],
  ["polling: a binary event from the client", PLAIN, async (p) => {
    const s = await p.joined();
    await s.post('451-0["echo",{"_placeholder":true,"num":0}]\x1ebAQIDBA==');
    await s.get();
    await s.post('451-["back",{"_placeholder":true,"num":0}]\x1ebAQ');
    await s.get();
  }],
  ["polling: leave and join again", PLAIN, async (p) => {
    const s = await p.joined();
    await s.post("41");
    await s.post("40");
    await s.get();
  }],
  ["polling: several namespaces", PLAIN, async (p) => {
    const s = await p.joined();
    await s.post('40/custom,{"a":"b"}\x1e40/dyn-7\x1e40/nope\x1e40/guarded,');
    // Replies may come in several bodies.
    let seen = "";
    await p.quietly(async () => {
      while (seen.split("\x1e").filter(Boolean).length < 5) seen += `${p.named((await s.get()).body.toString())}\x1e`;
    });
    p.note(seen.split("\x1e").filter(Boolean).sort());
  }],
  ["polling: an event to a namespace that was not joined ends the session", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"not joined"}');
    await s.post('42/custom,["echo"]');
    await s.get();
    await p.reason("not joined");
  }],
  ["polling: the same with a GET that waits", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"not joined, parked"}');
    const parked = await s.park();
    await s.post('42/custom,["echo"]');
    await parked.answer();
    await p.reason("not joined, parked");
  }],
  ["polling: malformed JSON ends the session", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"malformed"}');
    await s.post('42["echo",');
    await s.get();
    await p.reason("malformed");
  }],
  ["polling: b64 changes nothing", PLAIN, async (p) => {
    const s = await p.joined("40", "&b64=1");
    await s.post('42["three"]');
    await s.get();
  }],
  ["polling: Expect: 100-continue", PLAIN, async (p) => {
    const s = await p.joined();
    await s.post('420["echo"]', { headers: { Expect: "100-continue" } });
    await s.get();
  }],
  ["polling: Connection: close is honoured", PLAIN, async (p) => {
    const s = await p.joined();
    const connection = await p.connect();
    await s.post('420["echo"]', { connection, headers: { Connection: "close" } });
    p.note("ended", await connection.atEnd());
  }],
  ["polling: HTTP/1.0", PLAIN, async (p) => {
    const connection = await p.connect();
    await p.request("GET", OPEN, { connection, version: "1.0" });
    p.note("ended", await connection.atEnd());
  }],
  ["polling: a client that is silent is gone", { pingInterval: 300, pingTimeout: 200 }, async (p) => {
    const s = await p.joined('40{"label":"silent"}');
    await p.reason("silent");
    await s.get();
  }],
  ["polling: the heartbeat", { pingInterval: 300, pingTimeout: 2000 }, async (p) => {
    const s = await p.joined();
    for (let i = 0; i < 3; i++) {
      await s.get();
      await s.post("3");
    }
  }],
];

export default [...refusals, ...handshakes, ...sessions];
