// Scripts of what options and hooks change. Each is [name, options, script].
import msgpack from "socket.io-msgpack-parser";

const OPEN = "/socket.io/?EIO=4&transport=polling";
const OURS = { Origin: "https://a.example" };
const THEIRS = { Origin: "https://b.example" };
const PREFLIGHT = { "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type, x-test" };

// What a page of another site would ask, one after the other.
// `strangers` are not allowed. What becomes of their WebSockets differs: see the script of its own.
const corsTour = (strangers = []) => async (p) => {
  for (const headers of [OURS, THEIRS, {}]) {
    await p.request("GET", OPEN, { headers });
    await p.request("OPTIONS", OPEN, { headers: { ...headers, ...PREFLIGHT } });
    await p.request("OPTIONS", "/socket.io/", { headers });
    await p.request("GET", "/socket.io/", { headers });
    if (strangers.includes(headers)) continue;
    await p.webSocket("EIO=4&transport=websocket", headers);
    await p.webSocket("EIO=4&transport=abc", headers);
  }
  const s = await p.joined();
  await s.post('420["echo"]', { headers: OURS });
  await s.get({ headers: OURS });
};

const cors = [
  ["cors: any origin", { cors: { origin: "*" } }, corsTour()],
  ["cors: each origin by its name", { cors: { origin: true } }, corsTour()],
  ["cors: each origin by its name, with credentials", { cors: { origin: true, credentials: true } }, corsTour()],
  ["cors: a list of origins", { cors: { origin: ["https://a.example", "https://c.example"], credentials: true } }, corsTour([THEIRS])],
  ["cors: none", {}, corsTour([OURS, THEIRS])],
  ["cors: a WebSocket of another site", {}, (p) => p.webSocket("EIO=4&transport=websocket", THEIRS)],
];

const cookies = [
  ["cookie: by default", { cookie: true }, async (p) => {
    const s = await p.polling();
    await s.post("40");
    await s.get();
    await p.webSocket();
    await p.request("GET", "/socket.io/");
  }],
  ["cookie: with attributes", { cookie: { name: "where", path: "/socket.io/", secure: true } }, (p) => p.request("GET", OPEN)],
];

const transports = [
  ["transports: polling alone", { transports: ["polling"] }, async (p) => {
    const s = await p.polling();
    await p.webSocket();
    const w = await s.probe();
    await w?.untilClosed();
  }],
  ["transports: websocket alone", { transports: ["websocket"] }, async (p) => {
    await p.request("GET", OPEN);
    const w = await p.webSocket();
    await w.next();
  }],
  ["transports: no upgrades are told", { allowUpgrades: false }, async (p) => {
    await p.polling();
    const w = await p.webSocket();
    await w.next();
  }],
  ["transports: who upgrades all the same is let", { allowUpgrades: false }, async (p) => {
    const s = await p.joined();
    const w = await s.probe();
    w.send("2probe");
    await w.next();
    w.send("5");
    await w.fence();
  }],
];

const paths = [
  ["path: without a trailing slash", { addTrailingSlash: false }, async (p) => {
    await p.request("GET", "/socket.io?EIO=4&transport=polling");
    await p.request("GET", OPEN);
    await p.request("GET", "/socket.io");
  }],
];

const MUCH = "abcdefgh".repeat(8);
const compression = [
  ...["gzip", "deflate", "deflate, gzip", "gzip;q=0.5, deflate;q=0.6", "gzip;q=0, *", "br", "identity", "*", ""].map((accepted) => [
    `compression: Accept-Encoding ${JSON.stringify(accepted)}`, { httpCompression: { threshold: 1024 } }, async (p) => {
      const s = await p.joined();
      await s.post(`42["many",${JSON.stringify(MUCH)}]`);
      await s.get({ headers: { "Accept-Encoding": accepted } });
    },
  ]),
  ["compression: not without Accept-Encoding", {}, async (p) => {
    const s = await p.joined();
    await s.post(`42["many",${JSON.stringify(MUCH)}]`);
    await s.get();
  }],
  ["compression: not below the threshold", {}, async (p) => {
    const s = await p.joined();
    await s.post('42["many","x"]');
    await s.get({ headers: { "Accept-Encoding": "gzip" } });
  }],
  ["compression: at the threshold", { httpCompression: { threshold: 33 } }, async (p) => {
    const s = await p.joined();
    for (const text of ["x", "xy"]) {
      await s.post(`42["many","${text}"]`);
      await s.get({ headers: { "Accept-Encoding": "gzip" } });
    }
  }],
  ["compression: switched off", { httpCompression: false }, async (p) => {
    const s = await p.joined();
    await s.post(`42["many",${JSON.stringify(MUCH)}]`);
    await s.get({ headers: { "Accept-Encoding": "gzip" } });
  }],
  ["compression: 200,000 bytes of binary and text", {}, async (p) => {
    const s = await p.joined();
    await s.post(`451-["back",{"_placeholder":true,"num":0}]\x1eb${Buffer.alloc(150_000, "ab").toString("base64")}`);
    await s.get({ headers: { "Accept-Encoding": "gzip" } });
  }],
];

const errors = async (p, query = "") => {
  const w = await p.connected("40", query);
  w.send('420["errors"]');
  await w.next();
};

const hooks = [
  ["hooks: who is refused, with a message", { refuse: "nope" }, async (p) => {
    await p.request("GET", OPEN);
    await p.request("GET", "/socket.io/?EIO=3&transport=polling");
    await p.request("GET", "/socket.io/?EIO=3&transport=polling&let=in");
    await p.request("POST", OPEN);
    await p.webSocket();
    await p.webSocket("EIO=4&transport=websocket&sid=nobody");
    const w = await p.webSocket("EIO=4&transport=websocket&let=in");
    await w.next();
    const s = await p.polling("&let=in");
    await s.post("40");
    await s.get();
    await errors(p, "&let=in");
  }],
  ["hooks: who is refused, without a message", { refuse: "" }, (p) => p.request("GET", OPEN)],
  ["hooks: ids of sessions", { ids: true }, async (p) => {
    await p.request("GET", `${OPEN}&id=AAAAAAAAAA-_00000001`);
    await p.request("GET", OPEN);
    await p.request("GET", "/socket.io/?EIO=3&transport=polling");
    await p.webSocket();
    const w = await p.webSocket("EIO=4&transport=websocket&id=AAAAAAAAAA-_00000002");
    await w.next();
  }],
  ["hooks: header fields", { headers: true }, async (p) => {
    const s = await p.polling();
    await s.post("40");
    await s.get();
    await p.request("PUT", s.target);
    await p.request("GET", "/socket.io/");
    await p.webSocket();
    await s.probe();
  }],
  ["hooks: an initial packet", { initialPacket: "hello" }, async (p) => {
    await p.polling();
    const w = await p.webSocket();
    await w.next();
    await w.next();
  }],
  ["hooks: connection errors", {}, async (p) => {
    await p.quietly(() => errors(p));
    const s = await p.joined();
    await p.request("GET", "/socket.io/?EIO=4");
    await p.request("GET", "/socket.io/?EIO=4&transport=abc");
    await p.request("GET", `${OPEN}&sid=nobody`);
    await p.request("PUT", OPEN);
    await p.request("GET", "/socket.io/?EIO=4&transport=websocket");
    await p.request("GET", s.target.replace("polling", "websocket"));
    await p.webSocket("EIO=4&transport=websocket&sid=nobody");
    await errors(p);
  }],
];

const files = ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js", "socket.io.js.map"];
const client = [
  ...files.map((name) => [`client: ${name}`, { serveClient: true }, async (p) => {
    const { headers } = await p.request("GET", `/socket.io/${name}?t=1`);
    await p.request("GET", `/socket.io/${name}`, { headers: { "Accept-Encoding": "gzip" } });
    await p.request("GET", `/socket.io/${name}`, { headers: { "If-None-Match": headers.etag } });
    await p.request("GET", `/socket.io/${name}`, { headers: { "If-None-Match": `W/${headers.etag}` } });
    await p.request("GET", `/socket.io/${name}`, { headers: { "If-None-Match": '"0.0.0"' } });
  }]),
  ["client: unknown files", { serveClient: true }, async (p) => {
    await p.request("GET", "/socket.io/socket.io.slim.js");
    await p.request("GET", "/socket.io/socket.io.js/");
  }],
  ["client: with CORS", { serveClient: true, cors: { origin: "*" } }, async (p) => {
    await p.request("GET", "/socket.io/socket.io.min.js", { headers: OURS });
    await p.request("OPTIONS", "/socket.io/socket.io.min.js", { headers: { ...OURS, ...PREFLIGHT } });
  }],
];

const RECOVERY = { connectionStateRecovery: { maxDisconnectionDuration: 60_000 } };
const recovery = [
  ["recovery: CONNECT tells a pid, and events have an offset", RECOVERY, async (p) => {
    const w = await p.opened();
    w.send("40");
    await w.next();
    w.send('42["back",1]');
    const event = await p.quietly(() => w.next());
    p.note(event.replace(/"[^"]+"\]$/, '"<offset>"]'));
    w.send('420["echo",2]');
    await w.next();
  }],
  ["recovery: after a cut, with what was missed", RECOVERY, async (p) => {
    const w = await p.opened();
    w.send("40");
    const { sid, pid } = JSON.parse((await w.next()).slice(2));
    w.send('42["back",0]');
    const first = await p.quietly(() => w.next());
    const offset = JSON.parse(first.slice(2)).at(-1);
    w.send('420["join","r"]');
    await w.next();
    w.wire.connection.abort();
    await p.settle();
    const other = await p.connected();
    other.send('42["room","r","missed"]', '42["all","missed too"]');
    await other.fence();
    const again = await p.opened();
    again.send(`40${JSON.stringify({ pid, offset })}`);
    await p.quietly(async () => {
      p.missed = [await again.next(), await again.next(), await again.next()];
    });
    p.note(p.missed.map((text) => p.named(text).replace(/,"[^"<]+"\]$/, ',"<offset>"]')));
    again.send('420["echo",1]');
    await again.next();
    p.note(sid === JSON.parse(p.missed[2].slice(2)).sid);
    again.send('42["rooms","r","another"]');
    p.note((await p.quietly(() => again.next())).replace(/"[^"]+"\]$/, '"<offset>"]'));
  }],
  ["recovery: an offset that is missing or no text", RECOVERY, async (p) => {
    const w = await p.opened();
    w.send("40");
    const { sid, pid } = JSON.parse((await w.next()).slice(2));
    w.wire.connection.abort();
    await p.settle();
    for (const auth of [{ pid }, { pid, offset: 1 }]) {
      const again = await p.opened();
      again.send(`40${JSON.stringify(auth)}`);
      p.note(sid === JSON.parse((await again.next()).slice(2)).sid);
    }
  }],
  ["recovery: a pid that is unknown", RECOVERY, async (p) => {
    const w = await p.opened();
    w.send('40{"pid":"nobody","offset":"nothing"}');
    const { sid } = JSON.parse((await w.next()).slice(2));
    p.note(typeof sid);
  }],
];

const volatile = [
  ["volatile: dropped while no poll waits", {}, async (p) => {
    const s = await p.joined();
    await s.post('42["flicker"]\x1e420["echo"]');
    await s.get();
    const parked = await s.park();
    await s.post('42["flicker"]');
    await parked.answer();
  }],
  ["volatile: sent on a WebSocket that has nothing to do", {}, async (p) => {
    const w = await p.connected();
    w.send('42["flicker"]');
    await w.next();
  }],
];

const shutdown = [
  ["shutdown: what clients see of it", { own: "shutdown" }, async (p) => {
    const w = await p.connected();
    const s = await p.joined();
    const parked = await s.park();
    p.stop();
    await w.untilClosed();
    await parked.answer();
  }],
];

// --- packets in MessagePack

const MSGPACK = { parser: "msgpack" };
const packed = (packet) => new msgpack.Encoder().encode(packet)[0];
const unpacked = (bytes) =>
  new Promise((resolve, reject) => {
    const decoder = new msgpack.Decoder();
    decoder.on("decoded", resolve);
    try {
      decoder.add(bytes);
    } catch (problem) {
      reject(problem);
    }
  });

// Notes the next message as a packet, or how the connection ended.
const nextPacket = async (p, w) => {
  const message = await w.wire.next();
  p.note(Buffer.isBuffer(message) ? JSON.parse(p.named(JSON.stringify(await unpacked(message)))) : message);
};

const packets = [
  ["nothing", ["echo"]],
  ["text and numbers", ["echo", "é😀", 0, -1, 127, 128, -33, 65_536, 2 ** 40, -(2 ** 40), 1.5, true, null]],
  ["nested values", ["echo", { a: [1, { b: [[[]], {}] }], "": "x" }]],
  ["long values", ["echo", "x".repeat(300), Array(20).fill(7), Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`k${n}`, n]))]],
  ["binary", ["echo", Buffer.from([1, 2, 3]), { deep: Buffer.alloc(300, 7) }, Buffer.alloc(0)]],
];

const msgpackScripts = [
  ...packets.map(([name, data]) => [`msgpack: ${name}`, MSGPACK, async (p) => {
    const w = await p.opened();
    w.send(packed({ type: 0, nsp: "/" }));
    await nextPacket(p, w);
    w.send(packed({ type: 2, nsp: "/", id: 0, data }));
    await nextPacket(p, w);
    w.send(packed({ type: 2, nsp: "/", data: ["back", ...data.slice(1)] }));
    await nextPacket(p, w);
  }]),
  ["msgpack: namespaces", MSGPACK, async (p) => {
    const w = await p.opened();
    for (const packet of [{ nsp: "/nope" }, { nsp: "/guarded", data: { no: 1 } }, { nsp: "/guarded", data: { token: 1 } }]) {
      w.send(packed({ type: 0, ...packet }));
      await nextPacket(p, w);
    }
    w.send(packed({ type: 0, nsp: "/custom", data: { a: "b" } }));
    await nextPacket(p, w);
    await nextPacket(p, w);
  }],
  ["msgpack: the server asks and is answered", MSGPACK, async (p) => {
    const w = await p.opened();
    w.send(packed({ type: 0, nsp: "/" }));
    await nextPacket(p, w);
    w.send(packed({ type: 2, nsp: "/", data: ["ask", 1] }));
    await nextPacket(p, w);
    w.send(packed({ type: 3, nsp: "/", id: 0, data: ["fine"] }));
    await nextPacket(p, w);
  }],
  ["msgpack: over polling", MSGPACK, async (p) => {
    const s = await p.polling();
    await s.post(`b${packed({ type: 0, nsp: "/nope" }).toString("base64")}`);
    // The order of the keys of a map means nothing.
    const { body } = await p.quietly(() => s.get());
    p.note(body.toString().slice(0, 1), await unpacked(Buffer.from(body.toString().slice(1), "base64")));
  }],
  ...[["no MessagePack", [0xc1]], ["cut short", [0x82, 0xa4]], ["a number", [7]], ["a type that is unknown", packed({ type: 7, nsp: "/" })]].map(
    ([name, bytes]) => [`msgpack: ${name}`, MSGPACK, async (p) => {
      const w = await p.opened();
      w.send(packed({ type: 0, nsp: "/" }));
      await nextPacket(p, w);
      w.send(Buffer.from(bytes));
      await w.untilClosed();
    }],
  ),
];

export default [...volatile, ...shutdown, ...msgpackScripts, ...cors, ...cookies, ...transports, ...paths, ...compression, ...hooks, ...client, ...recovery];
