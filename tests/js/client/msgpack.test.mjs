// The other parser: the official client with socket.io-msgpack-parser, against the official server and against Sprat.
//
//   SPRAT_ORACLE=PROGRAM node --test msgpack.test.mjs      PROGRAM is the example `oracle` of the crate in tests/
//
// Without SPRAT_ORACLE only the official server is tested, which is how this file is.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import parser from "socket.io-msgpack-parser";
import WebSocket from "ws";
import { event } from "./support.mjs";

const TRANSPORTS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

const startOfficial = async () => {
  const http = createServer((request, response) => response.writeHead(404).end());
  const server = new Server(http, { serveClient: false, parser });
  const onConnection = (socket) => {
    socket.on("echo", (...args) => args.pop()(...args));
    socket.on("back", (...args) => socket.emit("back", ...args));
    socket.on("ask", (...args) => socket.emit("question", ...args, (...answer) => socket.emit("answered", ...answer)));
    socket.on("count", (n) => {
      for (let i = 0; i < n; i++) socket.emit("n", i);
    });
    socket.on("all", (...args) => socket.broadcast.emit("all", ...args));
    socket.on("bye", () => socket.disconnect());
    socket.on("error", () => {});
  };
  server.on("connection", onConnection);
  server.of("/custom").on("connection", (socket) => {
    onConnection(socket);
    socket.emit("auth", socket.handshake.auth);
  });
  const refuse = (socket, next) => next(Object.assign(new Error("not authorized"), { data: { code: 1 } }));
  server.of("/guarded").use(refuse);
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${http.address().port}`, stop: () => server.close() };
};

const startSprat = async () => {
  const options = ["--listen=127.0.0.1:0", "--log=warn", "--parser=msgpack"];
  const child = spawn(process.env.SPRAT_ORACLE, options, { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(child.stdout, "data");
  return { url: /http:\/\/[^\s,]+/.exec(String(line))[0].replace(/\/$/, ""), stop: () => child.kill() };
};

// The same values on every run.
let state = 9;
const below = (end) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * end);
};
const pick = (choices) => choices[below(choices.length)];
const STRINGS = ["", "a", '"', "\\", "\n\t\0", "é", "€", "😀", "\u2028", "[,]{:}", "x".repeat(40), "y".repeat(300)];
const NUMBERS = [0, -1, 31, -33, 127, 128, 255, 256, 65535, 65536, -32769, 2 ** 32, -(2 ** 31) - 1, 2 ** 53 - 1, -(2 ** 53) + 1, 0.1, -1e-7, 1.5e-300, 5e-324]; // notepack.io writes 2^64 and more as 0
const bytes = () => Buffer.from(Array.from({ length: pick([0, 1, 40, 300]) }, () => below(256)));
const string = () => pick(STRINGS) + pick(STRINGS);
const value = (budget, depth = 0) => {
  const kind = below(depth > 4 ? 7 : 11);
  if (kind < 2) return pick(NUMBERS);
  if (kind < 3) return (below(2 ** 30) - 2 ** 29) / 2 ** below(40);
  if (kind < 5) return string();
  if (kind < 6) return pick([null, true, false]);
  if (kind < 7) return budget.binary-- > 0 ? bytes() : null;
  const children = Array.from({ length: below(6) }, () => value(budget, depth + 1));
  return kind < 9 ? children : Object.fromEntries(children.map((child) => [string(), child]));
};
const args = () => {
  const budget = { binary: 5 };
  return Array.from({ length: below(5) }, () => value(budget));
};

const SERVERS = { official: startOfficial, ...(process.env.SPRAT_ORACLE && { Sprat: startSprat }) };

for (const [name, start] of Object.entries(SERVERS)) {
  describe(`msgpack, ${name}`, { timeout: 120_000 }, () => {
    let server;
    before(async () => {
      server = await start();
    });
    after(() => server.stop());

    const client = (t, path = "/", options = {}) => {
      const socket = io(server.url + path, { forceNew: true, reconnection: false, parser, ...options });
      t.after(() => socket.io.engine.close());
      return socket;
    };
    const connected = async (t, path, options) => {
      const socket = client(t, path, options);
      await event(socket, "connect");
      return socket;
    };
    const echo = async (socket, ...sent) => {
      const answer = event(socket, "back");
      socket.emit("back", ...sent);
      return answer;
    };

    for (const [mode, transports] of Object.entries(TRANSPORTS)) {
      test(`${mode}: any values come back, in events and in acknowledgements`, async (t) => {
        const socket = await connected(t, "/", { transports });
        for (let round = 0; round < 40; round++) {
          const sent = Array.from({ length: 20 }, args);
          const got = await Promise.all(sent.map((one) => new Promise((done) => socket.emit("echo", ...one, (...answer) => done(answer)))));
          assert.deepEqual(got, sent);
        }
        for (let round = 0; round < 50; round++) {
          const sent = args();
          assert.deepEqual(await echo(socket, ...sent), sent);
        }
      });

      test(`${mode}: the server asks and the client answers, with binary values`, async (t) => {
        const socket = await connected(t, "/", { transports });
        socket.on("question", (data, answer) => answer({ data, id: 0 }));
        const answered = event(socket, "answered");
        socket.emit("ask", Buffer.from([1, 2]));
        assert.deepEqual(await answered, [{ data: Buffer.from([1, 2]), id: 0 }]);
      });

      test(`${mode}: a burst keeps its order`, async (t) => {
        const socket = await connected(t, "/", { transports });
        const seen = [];
        const all = new Promise((done) => socket.on("n", (n) => seen.push(n) === 1000 && done()));
        socket.emit("count", 1000);
        await all;
        assert.deepEqual(seen, [...Array(1000).keys()]);
      });

      test(`${mode}: a broadcast reaches the others`, async (t) => {
        const [sender, ...others] = await Promise.all([0, 1, 2].map(() => connected(t, "/", { transports })));
        const got = Promise.all(others.map((socket) => event(socket, "all")));
        sender.emit("all", Buffer.from([7]), { a: [Buffer.from([8])] });
        for (const one of await got) assert.deepEqual(one, [Buffer.from([7]), { a: [Buffer.from([8])] }]);
      });
    }

    test("namespaces: auth, refusal with data, none such, disconnection by either side", async (t) => {
      const custom = client(t, "/custom", { auth: { token: "é", n: [1] } });
      assert.deepEqual(await event(custom, "auth"), [{ token: "é", n: [1] }]);
      assert.deepEqual(await echo(custom, 1), [1]);
      const [refused] = await event(client(t, "/guarded"), "connect_error");
      assert.deepEqual([refused.message, refused.data], ["not authorized", { code: 1 }]);
      const [unknown] = await event(client(t, "/nowhere"), "connect_error");
      assert.equal(unknown.message, "Invalid namespace");
      const socket = await connected(t);
      socket.emit("bye");
      assert.deepEqual(await event(socket, "disconnect"), ["io server disconnect", undefined]);
      socket.connect();
      await event(socket, "connect");
      socket.disconnect();
      socket.connect();
      await event(socket, "connect");
    });

    test("a message that is no packet ends the connection", async () => {
      const encode = (packet) => new parser.Encoder().encode(packet)[0];
      const wrong = {
        text: '2["back"]',
        nothing: Buffer.alloc(0),
        garbage: Buffer.from([0xc1]),
        cut: encode({ type: 2, data: ["back", 1], nsp: "/" }).subarray(0, -1),
        long: Buffer.concat([encode({ type: 2, data: ["back"], nsp: "/" }), Buffer.from([0])]),
        "no map": encode([2, ["back"], "/"]),
        "type 5": encode({ type: 5, data: ["back"], nsp: "/" }),
        "type as text": encode({ type: "2", data: ["back"], nsp: "/" }),
        "no namespace": encode({ type: 2, data: ["back"] }),
        "no data": encode({ type: 2, nsp: "/" }),
        "no array": encode({ type: 2, data: {}, nsp: "/" }),
        "id as text": encode({ type: 2, data: ["back"], id: "1", nsp: "/" }),
        "fraction as id": encode({ type: 2, data: ["back"], id: 0.5, nsp: "/" }),
        "auth as text": encode({ type: 0, data: "x", nsp: "/custom" }),
        "namespace not joined": encode({ type: 2, data: ["back"], nsp: "/custom" }),
      };
      for (const [why, message] of Object.entries(wrong)) {
        const socket = new WebSocket(`${server.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
        await once(socket, "message");
        socket.send(encode({ type: 0, nsp: "/" }));
        const [answer] = await once(socket, "message");
        assert.equal(answer[0], 0x83, why);
        socket.send(typeof message === "string" ? `4${message}` : message);
        await event(socket, "close").catch(() => assert.fail(`${why}: still open`));
      }
    });
  });
}

// Sprat's applications see JSON, so what JSON has no form for comes back as JSON.stringify would leave it.
test("msgpack, Sprat: what JSON has no form for", { skip: !process.env.SPRAT_ORACLE && "SPRAT_ORACLE is not set" }, async () => {
  const server = await startSprat();
  const socket = io(server.url, { reconnection: false, parser });
  const date = new Date(1795539037123);
  const sent = [undefined, [undefined, NaN], { a: undefined, b: Infinity, c: date }, date, new Uint8Array([1, 2]).buffer, -0];
  const expected = [null, [null, null], { b: null, c: date.toISOString() }, date.toISOString(), Buffer.from([1, 2]), 0];
  assert.deepEqual(await new Promise((done) => socket.emit("echo", ...sent, (...answer) => done(answer))), expected);
  socket.close();
  server.stop();
});
