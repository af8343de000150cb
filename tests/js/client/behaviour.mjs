// How a Socket.IO client behaves, whichever client and whichever server it is.
//
//   SPRAT_URL=http://127.0.0.1:3000 CLIENT=own node --test behaviour.mjs
//
// SPRAT_URL  the server, which keeps the contract at the top of oracle.mjs; without it the oracle is started
// CLIENT     `own` (static/socket.io.js, the default) or `official` (socket.io-client from npm)
// SKIP       groups the server does not know yet, of: namespaces, binary, recovery
import assert from "node:assert/strict";
import { File } from "node:buffer";
import { after, before, describe, test } from "node:test";
import { event, loadClient, startOracle, startProxy, startScript } from "./support.mjs";

const SKIP = (process.env.SKIP ?? "").split(",");
const CLIENT = process.env.CLIENT ?? "own";
const TRANSPORTS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };
const FAST = { reconnectionDelay: 20, reconnectionDelayMax: 60 };

const io = await loadClient(CLIENT);
const { Manager } = io;
let server = process.env.SPRAT_URL?.replace(/\/$/, "");
let oracle;

before(async () => {
  if (!server) ({ url: server, process: oracle } = await startOracle());
});

after(() => oracle?.kill());

const skipped = (group) => ({ skip: SKIP.includes(group) && `SKIP names ${group}`, timeout: 60000 });
const it = (name, ...rest) => test(name, { timeout: 60000, ...(rest.length > 1 && rest[0]) }, rest.at(-1));
// The Node.js build of the official client does not know Blob; browser.mjs tests that one in a browser.
const BLOBS = { skip: CLIENT === "official" && "the official client takes blobs in a browser only" };

// A socket that is closed when its test ends.
const client = (t, url, options = {}) => {
  const socket = io(url, { forceNew: true, ...FAST, ...options });
  t.after(() => {
    socket.io.reconnection(false);
    socket.disconnect();
    socket.io.engine?.close();
  });
  return socket;
};

const scripted = async (t, options) => {
  const script = await startScript(options);
  t.after(() => script.close());
  return script;
};

const proxied = async (t) => {
  const proxy = await startProxy(server);
  t.after(() => proxy.close());
  return proxy;
};

// Collects the arguments of an event; `until(n)` waits for n of them.
const collect = (emitter, name) => {
  const seen = [];
  let wake = () => {};
  emitter.on(name, (...args) => {
    seen.push(args);
    wake();
  });
  const until = (n, limitMs = 15000) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${seen.length} of ${n} "${name}"`)), limitMs);
      wake = () => {
        if (seen.length < n) return;
        clearTimeout(timer);
        resolve(seen);
      };
      wake();
    });
  return { seen, until };
};

const bytes = (value) => (ArrayBuffer.isView(value) ? [...Buffer.from(value.buffer, value.byteOffset, value.byteLength)] : [...new Uint8Array(value)]);

// Once everything sent before has been answered, nothing of it can still be under way.
const settled = (socket) => socket.emitWithAck("echo", "settled");

for (const [mode, transports] of Object.entries(TRANSPORTS)) {
  const options = { transports };

  // In the mode `upgrade` most tests want the upgrade behind them; the rest take `client`.
  const connected = async (t, more = {}, url = server) => {
    const socket = client(t, url, { ...options, ...more });
    await event(socket, "connect");
    if (mode === "upgrade" && socket.io.engine.transport.name === "polling") await event(socket.io.engine, "upgrade");
    return socket;
  };

  describe(`${mode}: connection`, () => {
    it("connects", async (t) => {
      const socket = client(t, server, options);
      assert.deepEqual([socket.connected, socket.disconnected, socket.active, socket.id], [false, true, true, undefined]);
      await event(socket, "connect");
      assert.deepEqual([socket.connected, socket.disconnected, socket.active, socket.recovered], [true, false, true, false]);
      assert.match(socket.id, /^[\w-]{20}$/);
      assert.equal(typeof socket.io.engine.id, "string");
      assert.notEqual(socket.io.engine.id, socket.id);
      assert.equal(socket.nsp, "/");
      if (mode !== "upgrade") assert.equal(socket.io.engine.transport.name, mode);
    });

    it("the client disconnects and connects again", async (t) => {
      const socket = await connected(t);
      const firstId = socket.id;
      const reasons = collect(socket, "disconnect");
      socket.disconnect();
      assert.deepEqual(reasons.seen.map(([reason]) => reason), ["io client disconnect"]);
      assert.deepEqual([socket.connected, socket.active, socket.id], [false, false, undefined]);
      assert.equal(socket.connect(), socket);
      await event(socket, "connect");
      assert.notEqual(socket.id, firstId);
      assert.equal(socket.close(), socket);
      assert.equal(reasons.seen.length, 2);
    });

    it("the server disconnects the socket, which stays away until asked", async (t) => {
      const socket = await connected(t);
      const attempts = collect(socket.io, "reconnect_attempt");
      socket.emit("bye");
      const [reason] = await event(socket, "disconnect");
      assert.equal(reason, "io server disconnect");
      assert.deepEqual([socket.connected, socket.active, socket.id], [false, false, undefined]);
      socket.open();
      await event(socket, "connect");
      assert.equal(attempts.seen.length, 0);
    });

    it("the server disconnects the client", async (t) => {
      const socket = await connected(t);
      socket.emit("bye-all");
      assert.equal((await event(socket, "disconnect"))[0], "io server disconnect");
      assert.equal(socket.active, false);
    });

    it("the server drops the connection and the client comes back", async (t) => {
      const socket = await connected(t);
      const order = [];
      for (const name of ["close", "reconnect_attempt", "open", "reconnect"]) {
        socket.io.on(name, (value) => order.push([name, value]));
      }
      socket.emit("drop");
      const [reason, details] = await event(socket, "disconnect");
      assert.equal(reason, "transport close");
      assert.equal(typeof details.description, "string");
      assert.equal(socket.active, true);
      await event(socket, "connect");
      assert.deepEqual(order, [["close", "transport close"], ["reconnect_attempt", 1], ["open", undefined], ["reconnect", 1]]);
    });

    it("the network breaks the connection", async (t) => {
      const proxy = await proxied(t);
      const socket = await connected(t, {}, proxy.url);
      proxy.state.refuse = true;
      proxy.cut();
      const [reason, details] = await event(socket, "disconnect");
      proxy.state.refuse = false;
      assert.equal(reason, mode === "polling" ? "transport error" : "transport close");
      assert.ok(details);
      await event(socket, "connect");
      assert.deepEqual(await socket.emitWithAck("echo", 1), 1);
    });

    it("a silent server is a ping timeout", async (t) => {
      const proxy = await proxied(t);
      const socket = await connected(t, {}, proxy.url);
      await event(socket.io, "ping");
      proxy.state.frozen = true;
      assert.equal((await event(socket, "disconnect"))[0], "ping timeout");
      assert.equal(socket.active, true);
    });
  });

  describe(`${mode}: events`, () => {
    it("acknowledgements carry what was sent", async (t) => {
      const socket = await connected(t);
      const values = [1, -0.5, true, null, "text", "聊天 😀 \"\\\u0000\u2028", [], {}, [[1, { a: [null] }]], { "": 1, __proto__x: 2 }];
      const answer = await new Promise((resolve) => socket.emit("echo", ...values, (...args) => resolve(args)));
      assert.deepEqual(answer, values);
      assert.deepEqual(await socket.emitWithAck("echo", "a"), "a");
      assert.deepEqual(await new Promise((resolve) => socket.emit("echo", (...args) => resolve(args))), []);
    });

    it("events come back", async (t) => {
      const socket = await connected(t);
      assert.equal(socket.emit("back", 1, { b: [2] }, "c"), socket);
      assert.deepEqual((await event(socket, "back")).slice(0, 3), [1, { b: [2] }, "c"]);
    });

    it("the client answers a question, once", async (t) => {
      const socket = await connected(t);
      socket.on("question", (value, ack) => {
        ack(value + 1, "x");
        ack("again");
      });
      const answers = collect(socket, "answered");
      socket.emit("ask", 1);
      await answers.until(1);
      await settled(socket);
      assert.deepEqual(answers.seen.map((args) => args.slice(0, 2)), [[2, "x"]]);
    });

    it("a broadcast reaches the others", async (t) => {
      const [one, two] = await Promise.all([connected(t), connected(t)]);
      const heard = collect(one, "all");
      const mark = Math.random();
      one.emit("all", mark);
      const others = collect(two, "all");
      await others.until(1);
      await settled(one);
      assert.deepEqual(others.seen.map(([value]) => value), [mark]);
      assert.deepEqual(heard.seen, []);
    });

    it("listeners come and go", async (t) => {
      const socket = await connected(t);
      const calls = [];
      const first = () => calls.push("first");
      const second = () => calls.push("second");
      const once = () => calls.push("once");
      assert.equal(socket.on("back", first).on("back", second).once("back", once), socket);
      assert.equal(socket.hasListeners("back"), true);
      assert.equal(socket.listeners("back").length, 3);
      socket.emit("back");
      socket.emit("back");
      await settled(socket);
      assert.deepEqual(calls.splice(0), ["first", "second", "once", "first", "second"]);
      socket.once("back", once).off("back", once).off("back", first);
      socket.emit("back");
      await settled(socket);
      assert.deepEqual(calls.splice(0), ["second"]);
      assert.equal(socket.off("back").hasListeners("back"), false);
      const any = () => calls.push("any");
      socket.on("back", first).removeListener("back", first).addEventListener("back", second).onAny(any).removeAllListeners();
      socket.emit("back");
      await settled(socket);
      assert.deepEqual(calls, ["any"]);
    });

    it("a listener that is removed by another still gets the event at hand", async (t) => {
      const socket = await connected(t);
      const calls = [];
      const second = () => calls.push("second");
      socket.on("back", () => socket.off("back", second));
      socket.on("back", second);
      socket.emit("back");
      socket.emit("back");
      await settled(socket);
      assert.deepEqual(calls, ["second"]);
    });

    it("catch-all listeners", async (t) => {
      const socket = await connected(t);
      const calls = [];
      const any = (name, value) => calls.push(["any", name, value]);
      const early = (name) => calls.push(["early", name]);
      assert.equal(socket.onAny(any).prependAny(early), socket);
      socket.on("back", () => calls.push(["on"]));
      assert.deepEqual(socket.listenersAny(), [early, any]);
      socket.emit("back", 5);
      await settled(socket);
      assert.deepEqual(calls.splice(0), [["early", "back"], ["any", "back", 5], ["on"]]);
      socket.offAny(early);
      assert.deepEqual(socket.listenersAny(), [any]);
      socket.offAny();
      assert.deepEqual(socket.listenersAny(), []);
    });

    it("catch-all listeners of what is sent", async (t) => {
      const socket = await connected(t);
      const calls = [];
      const any = (...args) => calls.push(args);
      const early = (name) => calls.push(["early", name]);
      socket.onAnyOutgoing(any).prependAnyOutgoing(early);
      assert.deepEqual(socket.listenersAnyOutgoing(), [early, any]);
      socket.emit("back", 1, "b");
      assert.deepEqual(calls.splice(0), [["early", "back"], ["back", 1, "b"]]);
      socket.offAnyOutgoing(early);
      socket.emit("echo", 2, () => {});
      assert.deepEqual(calls.splice(0), [["echo", 2]]);
      socket.offAnyOutgoing();
      assert.deepEqual(socket.listenersAnyOutgoing(), []);
    });

    it("reserved names are not sent", async (t) => {
      const socket = await connected(t);
      for (const name of ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]) {
        assert.throws(() => socket.emit(name), { message: `"${name}" is a reserved event name` });
      }
    });

    it("1,000 events each way stay in order, from the first moment on", async (t) => {
      const socket = client(t, server, options);
      const down = collect(socket, "n");
      const up = collect(socket, "back");
      socket.emit("count", 1000);
      for (let i = 0; i < 1000; i++) socket.emit("back", i);
      await Promise.all([down.until(1000), up.until(1000)]);
      const expected = Array.from({ length: 1000 }, (_, i) => i);
      assert.deepEqual(down.seen.map(([n]) => n), expected);
      assert.deepEqual(up.seen.map(([n]) => n), expected);
    });

    if (mode === "upgrade") it("1,000 events each way, through the upgrade, arrive once and in order", async (t) => {
      const socket = client(t, server, options);
      const up = collect(socket, "back");
      let sent = 0;
      let upgradedAt;
      await event(socket.io, "open");
      socket.io.engine.once("upgrade", () => (upgradedAt = sent));
      // One round trip after the other until the upgrade is through, then as much again.
      while (upgradedAt === undefined || sent < Math.max(1000, upgradedAt * 2)) {
        for (let i = 0; i < 10; i++) socket.emit("back", sent++);
        await settled(socket);
      }
      assert.ok(upgradedAt > 0, "some were on their way before");
      await up.until(sent);
      await settled(socket);
      assert.deepEqual(up.seen.map(([n]) => n), Array.from({ length: sent }, (_, i) => i));
    });

    it("a burst larger than one body may be", async (t) => {
      const socket = await connected(t);
      const reasons = collect(socket, "disconnect");
      const text = "é".repeat(5000);
      const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => socket.emitWithAck("echo", text + i)));
      assert.ok(answers.every((answer, i) => answer === text + i));
      assert.deepEqual(reasons.seen, []);
    });

    it("a message of nearly the largest size", async (t) => {
      const socket = await connected(t);
      const text = "x".repeat(99_000);
      assert.equal(await socket.emitWithAck("echo", text), text);
    });
  });

  describe(`${mode}: acknowledgements and buffers`, () => {
    it("an acknowledgement that does not come in time", async (t) => {
      const socket = await connected(t);
      const [error] = await new Promise((resolve) => socket.timeout(30).emit("silent", (...args) => resolve(args)));
      assert.equal(error.message, "operation has timed out");
      await assert.rejects(socket.timeout(30).emitWithAck("silent"), { message: "operation has timed out" });
    });

    it("an acknowledgement in time has null for an error", async (t) => {
      const socket = await connected(t);
      const args = await new Promise((resolve) => socket.timeout(5000).emit("echo", 1, 2, (...all) => resolve(all)));
      assert.deepEqual(args, [null, 1, 2]);
      assert.equal(await socket.timeout(5000).emitWithAck("echo", 3), 3);
      // The flag was for those only.
      assert.deepEqual(await new Promise((resolve) => socket.emit("echo", 4, (...all) => resolve(all))), [4]);
    });

    it("the option ackTimeout", async (t) => {
      const socket = await connected(t, { ackTimeout: 40 });
      const [error] = await new Promise((resolve) => socket.emit("silent", (...args) => resolve(args)));
      assert.equal(error.message, "operation has timed out");
      assert.deepEqual(await new Promise((resolve) => socket.timeout(5000).emit("echo", 1, (...all) => resolve(all))), [null, 1]);
    });

    it("acknowledgements still open at a disconnect", async (t) => {
      const socket = await connected(t);
      const open = socket.emitWithAck("silent");
      const timed = socket.timeout(5000).emitWithAck("silent");
      let called = false;
      socket.emit("silent", () => (called = true));
      socket.disconnect();
      await assert.rejects(open, { message: "socket has been disconnected" });
      await assert.rejects(timed, { message: "socket has been disconnected" });
      assert.equal(called, false);
    });

    it("what is emitted before the connection waits", async (t) => {
      const socket = client(t, server, options);
      const back = collect(socket, "back");
      socket.emit("back", 1);
      const answer = socket.emitWithAck("echo", "early");
      socket.emit("back", 2);
      assert.equal(socket.sendBuffer.length, 3);
      await back.until(2);
      assert.equal(await answer, "early");
      assert.deepEqual(back.seen.map(([n]) => n), [1, 2]);
      assert.equal(socket.sendBuffer.length, 0);
    });

    it("what is emitted offline is sent after the reconnection", async (t) => {
      const proxy = await proxied(t);
      const socket = await connected(t, {}, proxy.url);
      const back = collect(socket, "back");
      proxy.state.refuse = true;
      proxy.cut();
      await event(socket, "disconnect");
      for (let i = 0; i < 5; i++) socket.emit("back", i);
      const answer = socket.emitWithAck("echo", "late");
      await event(socket.io, "reconnect_error");
      assert.deepEqual(back.seen, []);
      proxy.state.refuse = false;
      await back.until(5);
      assert.deepEqual(back.seen.map(([n]) => n), [0, 1, 2, 3, 4]);
      assert.equal(await answer, "late");
    });

    it("what has timed out offline is not sent any more", async (t) => {
      const proxy = await proxied(t);
      const socket = await connected(t, {}, proxy.url);
      const back = collect(socket, "back");
      proxy.state.refuse = true;
      proxy.cut();
      await event(socket, "disconnect");
      await assert.rejects(socket.timeout(20).emitWithAck("back", "stale"), { message: "operation has timed out" });
      assert.equal(socket.sendBuffer.length, 0);
      proxy.state.refuse = false;
      await event(socket, "connect");
      await settled(socket);
      assert.deepEqual(back.seen, []);
    });

    it("volatile events are for now only", async (t) => {
      const socket = client(t, server, options);
      const back = collect(socket, "back");
      assert.equal(socket.volatile.emit("back", "lost"), socket);
      socket.emit("back", "kept");
      assert.equal(socket.sendBuffer.length, 1);
      await event(socket, "connect");
      await settled(socket);
      if (mode === "upgrade" && socket.io.engine.transport.name === "polling") await event(socket.io.engine, "upgrade");
      await settled(socket);
      const { engine } = socket.io;
      while (!engine.transport.writable) await event(engine, "drain");
      socket.compress(false).volatile.emit("back", "now");
      await back.until(2);
      assert.deepEqual(back.seen.map(([value]) => value), ["kept", "now"]);
    });
  });

  describe(`${mode}: namespaces`, skipped("namespaces"), () => {
    it("auth as an object", async (t) => {
      const socket = client(t, `${server}/custom`, { ...options, auth: { token: "a", n: 1 } });
      assert.deepEqual((await event(socket, "auth"))[0], { token: "a", n: 1 });
      assert.equal(socket.nsp, "/custom");
      assert.deepEqual(socket.auth, { token: "a", n: 1 });
    });

    it("auth as a function, asked at each connect", async (t) => {
      let times = 0;
      const socket = client(t, `${server}/custom`, { ...options, auth: (give) => setTimeout(give, 5, { times: ++times }) });
      assert.equal((await event(socket, "auth"))[0].times, 1);
      socket.disconnect().connect();
      assert.equal((await event(socket, "auth"))[0].times, 2);
      socket.auth = { changed: true };
      socket.disconnect().connect();
      assert.equal((await event(socket, "auth"))[0].changed, true);
    });

    it("an unknown namespace is refused", async (t) => {
      const socket = client(t, `${server}/nowhere`, options);
      const [error] = await event(socket, "connect_error");
      assert.ok(error instanceof Error);
      assert.equal(error.message, "Invalid namespace");
      assert.deepEqual([socket.connected, socket.active], [false, false]);
    });

    it("a middleware refuses with data, and again", async (t) => {
      const socket = client(t, `${server}/guarded`, options);
      for (let i = 0; i < 2; i++) {
        const [error] = await event(socket, "connect_error");
        assert.equal(error.message, "not authorized");
        assert.deepEqual(error.data, { code: 1 });
        assert.equal(socket.active, false);
        socket.connect();
      }
      await event(socket, "connect_error");
    });

    it("namespaces share a connection and end on their own", async (t) => {
      const root = await connected(t);
      const custom = root.io.socket("/custom", { auth: { a: 1 } });
      const refused = root.io.socket("/guarded");
      t.after(() => custom.disconnect());
      const [[error]] = await Promise.all([event(refused, "connect_error"), event(custom, "connect")]);
      assert.equal(error.message, "not authorized");
      assert.equal(root.io.socket("/custom"), custom);
      assert.notEqual(custom.id, root.id);
      root.disconnect();
      assert.equal(await custom.emitWithAck("echo", "alive"), "alive");
      root.connect();
      await event(root, "connect");
      custom.disconnect();
      assert.equal(await root.emitWithAck("echo", "alive too"), "alive too");
    });

    it("all namespaces come back after a break", async (t) => {
      const proxy = await proxied(t);
      const root = await connected(t, {}, proxy.url);
      const custom = root.io.socket("/custom");
      t.after(() => custom.disconnect());
      await event(custom, "connect");
      proxy.state.refuse = true;
      proxy.cut();
      await Promise.all([event(root, "disconnect"), event(custom, "disconnect")]);
      proxy.state.refuse = false;
      await Promise.all([event(root, "connect"), event(custom, "connect")]);
      assert.deepEqual(await Promise.all([settled(root), settled(custom)]), ["settled", "settled"]);
    });
  });

  describe(`${mode}: binary`, skipped("binary"), () => {
    it("buffers of all kinds are echoed", async (t) => {
      const socket = await connected(t);
      const buffer = new Uint8Array([0, 1, 2, 128, 255, 30]);
      const [plain, view, words, empty] = await new Promise((resolve) =>
        socket.emit("echo", buffer.buffer, buffer.subarray(2, 5), new Uint16Array([258]), new Uint8Array(), (...args) => resolve(args)),
      );
      assert.deepEqual(bytes(plain), [0, 1, 2, 128, 255, 30]);
      assert.deepEqual(bytes(view), [2, 128, 255]);
      assert.deepEqual(bytes(words), [2, 1]);
      assert.deepEqual(bytes(empty), []);
    });

    it("blobs and files are buffers too", BLOBS, async (t) => {
      const socket = await connected(t);
      const [blob, file] = await new Promise((resolve) =>
        socket.emit("echo", new Blob(["é"]), new File([new Uint8Array([9])], "f"), (...args) => resolve(args)),
      );
      assert.deepEqual([bytes(blob), bytes(file)], [[195, 169], [9]]);
    });

    it("buffers deep inside, with what looks like a placeholder", async (t) => {
      const socket = await connected(t);
      const data = { list: [1, { part: new Uint8Array([7]) }], date: new Date(0), text: "t", none: null };
      const answer = await socket.emitWithAck("echo", data);
      assert.deepEqual(bytes(answer.list[1].part), [7]);
      assert.deepEqual([answer.list[0], answer.date, answer.text, answer.none], [1, "1970-01-01T00:00:00.000Z", "t", null]);
      const text = { _placeholder: false, num: 0 };
      assert.deepEqual(await socket.emitWithAck("echo", text), text);
    });

    it("events with and without attachments keep their order", async (t) => {
      const socket = await connected(t);
      const all = collect(socket, "back");
      for (let i = 0; i < 20; i++) {
        socket.emit("back", i);
        socket.emit("back", i, i % 2 && !BLOBS.skip ? new Blob([new Uint8Array([i])]) : new Uint8Array([i]));
      }
      await all.until(40);
      const seen = all.seen.map(([n, part]) => (part instanceof Object ? [n, ...bytes(part)] : n));
      assert.deepEqual(seen, Array.from({ length: 20 }, (_, i) => [i, [i, i]]).flat(1));
    });

    it("a large buffer", async (t) => {
      const socket = await connected(t);
      const large = Uint8Array.from({ length: 60_000 }, (_, i) => (i * 7) % 256);
      assert.deepEqual(bytes(await socket.emitWithAck("echo", large)), [...large]);
    });

    it("buffers emitted before the connection", async (t) => {
      const socket = client(t, server, options);
      assert.deepEqual(bytes(await socket.emitWithAck("echo", new Uint8Array([1, 2]))), [1, 2]);
    });
  });

  describe(`${mode}: recovery`, skipped("recovery"), () => {
    it("what was missed is delivered, under the same id", async (t) => {
      const proxy = await proxied(t);
      const socket = await connected(t, {}, proxy.url);
      const other = await connected(t);
      const heard = collect(socket, "all");
      const { id } = socket;
      other.emit("all", "before");
      await heard.until(1);
      socket.emit("drop");
      await event(socket, "disconnect");
      proxy.state.refuse = true;
      proxy.cut();
      other.emit("all", "missed");
      await settled(other);
      proxy.state.refuse = false;
      await event(socket, "connect");
      assert.equal(socket.recovered, true);
      assert.equal(socket.id, id);
      other.emit("all", "after");
      await heard.until(3);
      assert.deepEqual(heard.seen.map(([value]) => value), ["before", "missed", "after"]);
    });

    it("after a disconnect on purpose there is nothing to recover", async (t) => {
      const socket = await connected(t);
      socket.emit("back");
      await event(socket, "back");
      const { id } = socket;
      socket.disconnect().connect();
      await event(socket, "connect");
      assert.equal(socket.recovered, false);
      assert.notEqual(socket.id, id);
    });
  });
}

describe("io()", () => {
  const shared = (t, url, options = {}) => {
    const socket = io(url, { autoConnect: false, ...options });
    t.after(() => socket.disconnect());
    return socket;
  };

  it("sockets of one address share a manager, unless asked", async (t) => {
    const root = shared(t, `${server}/`);
    const custom = shared(t, `${server}/custom`);
    assert.equal(custom.io, root.io);
    assert.notEqual(shared(t, `${server}/custom`).io, root.io, "the same namespace twice");
    assert.notEqual(shared(t, `${server}/a`, { forceNew: true }).io, root.io);
    assert.notEqual(shared(t, `${server}/b`, { multiplex: false }).io, root.io);
    assert.notEqual(shared(t, `${server}/c`, { path: "/other" }).io, root.io);
    assert.equal(shared(t, `${server}/d`).io, root.io);
  });

  it("the default port and no port are one address", (t) => {
    assert.equal(shared(t, "http://host.invalid:80/x").io, shared(t, "http://host.invalid/y").io);
    assert.equal(shared(t, "https://host.invalid:443/x").io, shared(t, "https://host.invalid/y").io);
    assert.notEqual(shared(t, "http://other.invalid/x").io, shared(t, "https://other.invalid/y").io);
  });

  it("namespaces are taken from the address as they stand", (t) => {
    assert.equal(shared(t, "http://one.invalid").nsp, "/");
    assert.equal(shared(t, "http://two.invalid/聊天?a=1#x").nsp, "/聊天");
    assert.equal(shared(t, "ws://[::1]:8080/a/b").nsp, "/a/b");
  });

  it("addresses relative to the page", async (t) => {
    const { host, hostname, port, protocol } = new URL(server);
    globalThis.location = { href: `${server}/some/page?x=1`, host, hostname, port, protocol };
    t.after(() => delete globalThis.location);
    for (const address of [undefined, "/", `//${host}`, host]) {
      const socket = client(t, address, { transports: ["websocket"] });
      await event(socket, "connect");
      assert.equal(socket.nsp, "/");
    }
    const fromOptions = client(t, { transports: ["polling"], query: { a: 1 } });
    await event(fromOptions, "connect");
    assert.equal(fromOptions.io.opts.query.a, 1);
    assert.equal(shared(t, "/custom").nsp, "/custom");
  });

  it("has its companions", () => {
    assert.equal(io.io, io);
    assert.equal(io.connect, io);
    assert.equal(typeof io.Socket, "function");
    const socket = io(server, { autoConnect: false, forceNew: true });
    assert.ok(socket instanceof io.Socket);
    assert.ok(socket.io instanceof Manager);
  });

  it("autoConnect: false waits", async (t) => {
    const socket = client(t, server, { autoConnect: false });
    assert.deepEqual([socket.active, socket.io.engine], [false, undefined]);
    socket.connect();
    socket.connect();
    await event(socket, "connect");
    assert.equal(socket.active, true);
  });

  it("a manager made by hand", async (t) => {
    const manager = new Manager(server, { ...FAST, autoConnect: false });
    const socket = manager.socket("/");
    t.after(() => socket.disconnect());
    socket.connect();
    await event(socket, "connect");
    assert.equal(socket.io, manager);
  });

  it("extra headers, as far as the transport can", async (t) => {
    const script = await scripted(t);
    const socket = client(t, script.url, { transports: ["polling"], extraHeaders: { "x-test": "yes" } });
    await event(socket, "connect");
    assert.ok(script.requests.length > 1);
    assert.ok(script.requests.every(({ headers }) => headers["x-test"] === "yes"));
  });
});

describe("manager", () => {
  it("settings are methods", (t) => {
    const manager = new Manager(server, { autoConnect: false, reconnectionDelay: 7 });
    assert.equal(manager.reconnection(), true);
    assert.equal(manager.reconnectionAttempts(), Infinity);
    assert.equal(manager.reconnectionDelay(), 7);
    assert.equal(manager.reconnectionDelayMax(), 5000);
    assert.equal(manager.randomizationFactor(), 0.5);
    assert.equal(manager.timeout(), 20000);
    assert.equal(manager.reconnectionDelay(9).reconnectionAttempts(3).timeout(false).reconnection(false), manager);
    assert.deepEqual([manager.reconnectionDelay(), manager.reconnectionAttempts(), manager.timeout(), manager.reconnection()], [9, 3, false, false]);
  });

  it("events of a connection", async (t) => {
    const socket = client(t, server, { autoConnect: false, transports: ["websocket"] });
    const order = [];
    for (const name of ["open", "packet", "ping", "close", "error"]) socket.io.on(name, () => order.push(name));
    socket.on("connect", () => order.push("connect"));
    socket.connect();
    await event(socket.io, "ping");
    socket.disconnect();
    assert.equal(order.slice(0, 2).join(), "open,packet");
    assert.ok(order.includes("connect"));
    assert.deepEqual(order.slice(-2), ["ping", "close"]);
    assert.ok(!order.includes("error"));
  });

  it("packets are shown", async (t) => {
    const socket = client(t, server, { transports: ["websocket"] });
    const packets = collect(socket.io, "packet");
    await packets.until(1);
    assert.equal(packets.seen[0][0].type, 0);
    assert.equal(packets.seen[0][0].nsp, "/");
    const engine = collect(socket.io.engine, "packet");
    socket.emit("back", 5);
    await event(socket, "back");
    const message = engine.seen.map(([packet]) => packet).find((packet) => packet.type === "message");
    assert.match(message.data, /^2\["back",5/);
  });

  it("attempts have growing delays, then an end", async (t) => {
    const proxy = await proxied(t);
    proxy.state.refuse = true;
    const settings = { reconnectionDelay: 40, reconnectionDelayMax: 100, randomizationFactor: 0, reconnectionAttempts: 4 };
    const socket = client(t, proxy.url, settings);
    const times = [performance.now()];
    const attempts = [];
    const errors = collect(socket.io, "reconnect_error");
    const connectErrors = collect(socket, "connect_error");
    socket.io.on("error", () => times.push(performance.now()));
    socket.io.on("reconnect_attempt", (attempt) => {
      attempts.push(attempt);
      times[times.length - 1] = performance.now() - times.at(-1);
    });
    await event(socket.io, "reconnect_failed");
    assert.deepEqual(attempts, [1, 2, 3, 4]);
    const delays = times.slice(1, 5);
    [40, 80, 100, 100].forEach((least, i) => assert.ok(delays[i] >= least - 2, `${delays[i]} ms of ${least}`));
    assert.ok(delays[0] < 2000, "the unit is milliseconds");
    assert.equal(errors.seen.length + 1, connectErrors.seen.length);
    assert.equal(socket.active, true);
  });

  it("the delays are spread at random", async (t) => {
    const proxy = await proxied(t);
    proxy.state.refuse = true;
    const settings = { reconnectionDelay: 100, reconnectionDelayMax: 1000, randomizationFactor: 0.9, reconnectionAttempts: 1 };
    const delays = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const { io: manager } = client(t, proxy.url, settings);
        await event(manager, "error");
        const from = performance.now();
        await event(manager, "reconnect_attempt");
        return performance.now() - from;
      }),
    );
    assert.ok(Math.min(...delays) < 90, `none is shorter than the base: ${delays}`);
    assert.ok(Math.min(...delays) > 8, `one is shorter than it may be: ${delays}`);
  });

  for (const [transport, message] of [["polling", "xhr poll error"], ["websocket", "websocket error"]]) {
    it(`${transport}: an unreachable server`, async (t) => {
      const proxy = await proxied(t);
      proxy.state.refuse = true;
      const socket = client(t, proxy.url, { transports: [transport], reconnection: false });
      const attempts = collect(socket.io, "reconnect_attempt");
      const managerError = event(socket.io, "error");
      const [error] = await event(socket, "connect_error");
      assert.ok(error instanceof Error);
      assert.deepEqual([error.message, error.type], [message, "TransportError"]);
      assert.equal((await managerError)[0], error);
      assert.equal(socket.active, true);
      proxy.state.refuse = false;
      socket.connect();
      await event(socket, "connect");
      assert.deepEqual(attempts.seen, []);
    });
  }

  it("a wrong path", async (t) => {
    const socket = client(t, server, { path: "/nowhere", transports: ["polling"], reconnection: false });
    const [error] = await event(socket, "connect_error");
    assert.equal(error.message, "xhr poll error");
    assert.equal(error.description, 404);
  });

  it("a server that does not answer is a timeout", async (t) => {
    const proxy = await proxied(t);
    proxy.state.frozen = true;
    const socket = client(t, proxy.url, { timeout: 60, reconnectionAttempts: 1 });
    assert.equal((await event(socket, "connect_error"))[0].message, "timeout");
    assert.equal((await event(socket.io, "reconnect_error"))[0].message, "timeout");
  });

  it("while it waits to reconnect: give up, or try at once", async (t) => {
    const proxy = await proxied(t);
    const socket = client(t, proxy.url, { reconnectionDelay: 60_000, reconnectionDelayMax: 60_000 });
    await event(socket, "connect");
    const attempts = collect(socket.io, "reconnect_attempt");
    const reasons = collect(socket, "disconnect");
    proxy.state.refuse = true;
    proxy.cut();
    await event(socket, "disconnect");
    proxy.state.refuse = false;
    socket.disconnect();
    assert.equal(socket.active, false);
    socket.connect();
    await event(socket, "connect");
    assert.deepEqual(attempts.seen, []);
    assert.equal(reasons.seen.length, 1);
  });

  it("a listener of the attempt may give up", async (t) => {
    const proxy = await proxied(t);
    const socket = client(t, proxy.url);
    await event(socket, "connect");
    socket.io.once("reconnect_attempt", () => socket.disconnect());
    proxy.state.refuse = true;
    proxy.cut();
    await event(socket.io, "reconnect_attempt");
    await new Promise(setImmediate);
    assert.deepEqual([socket.io.engine.readyState, socket.active], ["closed", false]);
  });

  it("a listener of the disconnect may connect at once", async (t) => {
    const proxy = await proxied(t);
    const socket = client(t, proxy.url, { reconnectionDelay: 60_000, reconnectionDelayMax: 60_000, timeout: 3000 });
    await event(socket, "connect");
    socket.once("disconnect", () => {
      proxy.state.refuse = false;
      socket.connect();
    });
    proxy.state.refuse = true;
    proxy.cut();
    await event(socket, "connect");
    const errors = collect(socket.io, "error");
    // Nothing of the wait that was begun is left to disturb it.
    for (let i = 0; i < 4; i++) await event(socket.io, "ping");
    assert.deepEqual(errors.seen, []);
    assert.equal(socket.connected, true);
  });

  it("a connection closed in the handshake leaves nothing behind", async (t) => {
    for (const transports of Object.values(TRANSPORTS)) {
      const socket = client(t, server, { transports });
      const events = [collect(socket, "connect"), collect(socket, "disconnect")];
      socket.disconnect();
      assert.equal(socket.active, false);
      const next = client(t, server, { transports });
      await event(next, "connect");
      await settled(next);
      assert.deepEqual(events.map(({ seen }) => seen), [[], []]);
    }
  });

  it("the engine is closed by hand", async (t) => {
    const socket = client(t, server);
    await event(socket, "connect");
    const gone = event(socket, "disconnect");
    socket.io.engine.close();
    assert.equal((await gone)[0], "forced close");
    await event(socket, "connect");
  });
});

describe("upgrade", () => {
  it("happens without losing the session", async (t) => {
    const socket = client(t, server);
    const reasons = collect(socket, "disconnect");
    await event(socket.io, "open");
    const { engine } = socket.io;
    const { id } = engine;
    assert.equal(engine.transport.name, "polling");
    const [transport] = await event(engine, "upgrade");
    assert.equal(transport.name, "websocket");
    assert.equal(engine.transport, transport);
    assert.equal(await socket.emitWithAck("echo", 1), 1);
    assert.equal(engine.id, id);
    assert.deepEqual(reasons.seen, []);
  });

  it("can be forbidden", async (t) => {
    const script = await scripted(t);
    script.upgrades = ["websocket"];
    const socket = client(t, script.url, { upgrade: false });
    let upgrading = false;
    await event(socket, "connect");
    socket.io.engine.on("upgrading", () => (upgrading = true));
    script.raw("2");
    await event(socket.io, "ping");
    assert.equal(upgrading, false);
    assert.equal(socket.io.engine.transport.name, "polling");
  });

  it("waits for the pending poll instead of aborting it", async (t) => {
    const script = await scripted(t);
    script.upgrades = ["websocket"];
    const socket = client(t, script.url);
    await event(socket, "connect");
    if (socket.io.engine.transport.name === "polling") await event(socket.io.engine, "upgrade");
    script.say('2["x",1]');
    assert.deepEqual(await event(socket, "x"), [1]);
    assert.equal(script.aborted, 0);
  });

  it("waits for the pending post as well, and sends nothing meanwhile", async (t) => {
    const script = await scripted(t);
    script.upgrades = ["websocket"];
    const socket = client(t, script.url, { autoConnect: false });
    const connected = event(socket, "connect");
    let probe;
    script.onProbe = (webSocket) => (probe = webSocket);
    socket.connect();
    await connected;
    await script.packet("2probe");
    let open;
    script.postGate = new Promise((resolve) => (open = resolve));
    socket.emit("first");
    await script.packet('42["first"]');
    script.answerProbe(probe);
    // When a poll ends after the client has seen the answer, only the post holds it back.
    do await event(socket.io.engine, "packet");
    while (!socket.io.engine.upgrading);
    socket.emit("second");
    socket.emit("third");
    assert.equal(socket.io.engine.transport.name, "polling");
    const upgrade = event(socket.io.engine, "upgrade");
    open();
    await upgrade;
    await script.packet('42["third"]');
    assert.deepEqual(script.packets.slice(-4), ['42["first"]', "5", '42["second"]', '42["third"]']);
    assert.equal(script.mostPending, 1);
    assert.equal(script.aborted, 0);
  });

  it("the session stays where it is when no WebSocket passes", async (t) => {
    const proxy = await proxied(t);
    proxy.state.refuseUpgrades = true;
    const socket = client(t, proxy.url);
    const errors = collect(socket.io, "error");
    await event(socket.io, "open");
    const [error] = await event(socket.io.engine, "upgradeError");
    assert.match(error.message, /^probe error/);
    await settled(socket);
    assert.equal(socket.io.engine.transport.name, "polling");
    assert.deepEqual(errors.seen, []);
  });
});

describe("a server that says what it likes", () => {
  const wrong = {
    "an unknown type": "9",
    "no text at all": "",
    "broken JSON": '2["a"',
    "something after the JSON": '2["a"]x',
    "an object for an event": '2{"a":1}',
    "an event without a name": "2[]",
    "an event of a reserved name": '2["disconnect"]',
    "an acknowledgement that is no list": '31{"a":1}',
    "a connection that is no object": "0[1]",
    "a disconnection with data": '1{"a":1}',
    "an attachment count that is none": '5x-["a"]',
    "no attachments": '50-["a"]',
    "too many attachments": '511-["a"]',
    "text in place of an attachment": ['51-["a",{"_placeholder":true,"num":0}]', '2["b"]'],
    "an attachment from nowhere": [Buffer.from([1])],
    "a placeholder out of range": ['51-["a",{"_placeholder":true,"num":1}]', Buffer.from([1])],
    "a placeholder that is no number": ['51-["a",{"_placeholder":true,"num":"splice"}]', Buffer.from([1])],
  };

  for (const transport of ["websocket", "polling"]) {
    for (const [name, packets] of Object.entries(wrong)) {
      it(`${transport}: ${name} is a parse error`, async (t) => {
        const script = await scripted(t);
        const socket = client(t, script.url, { transports: [transport] });
        await event(socket, "connect");
        script.say(...[packets].flat());
        const [reason, details] = await event(socket, "disconnect");
        assert.equal(reason, "parse error");
        assert.ok(details instanceof Error);
        await event(socket, "connect");
      });
    }

    it(`${transport}: an undecodable Engine.IO packet is an error`, async (t) => {
      const script = await scripted(t);
      const socket = client(t, script.url, { transports: [transport] });
      await event(socket, "connect");
      script.raw("x");
      const [reason, details] = await event(socket, "disconnect");
      assert.equal(reason, "transport error");
      assert.equal(details.message, "server error");
    });

    it(`${transport}: the query, from the options or from the address`, async (t) => {
      const script = await scripted(t);
      const cases = [
        [script.url, { query: { a: "1 2", b: "é&=" } }, { a: "1 2", b: "é&=" }],
        [`${script.url}/?c=3`, {}, { c: "3" }],
        [script.url, { query: "d=4" }, { d: "4" }],
      ];
      for (const [address, options, expected] of cases) {
        script.requests.length = 0;
        const socket = client(t, address, { ...options, transports: [transport] });
        await event(socket, "connect");
        const { query } = script.requests.find((request) => !request.query.has("sid"));
        for (const [name, value] of Object.entries(expected)) assert.equal(query.get(name), value);
        assert.deepEqual([query.get("EIO"), query.get("transport")], ["4", transport]);
        socket.disconnect();
      }
    });

    it(`${transport}: send is an event named message`, async (t) => {
      const script = await scripted(t);
      const socket = client(t, script.url, { transports: [transport] });
      await event(socket, "connect");
      assert.equal(socket.send("hello", 7), socket);
      await script.packet('42["message","hello",7]');
    });

    it(`${transport}: a question is answered once`, async (t) => {
      const script = await scripted(t);
      const socket = client(t, script.url, { transports: [transport] });
      await event(socket, "connect");
      socket.on("question", (ack) => {
        ack(1, "x");
        ack(2);
        socket.emit("answered");
      });
      script.say('20["question"]');
      await script.packet('42["answered"]');
      assert.deepEqual(script.packets.slice(1), ['430[1,"x"]', '42["answered"]']);
    });

    it(`${transport}: the option retries sends again, in order`, async (t) => {
      let times = 0;
      const onMessage = (text, say) => {
        const [, id, name] = /^2(\d+)\["(\w+)"/.exec(text) ?? [];
        if (text[0] === "0") say('0{"sid":"abc"}');
        else if (name === "later") say(`3${id}["after"]`);
        else if (++times === 3) say(`3${id}[3]`);
      };
      const script = await scripted(t, { onMessage });
      const socket = client(t, script.url, { transports: [transport], ackTimeout: 100, retries: 3 });
      const order = [];
      const acked = (name) => new Promise((resolve) => socket.emit(name, (...args) => resolve(args))).then((args) => order.push([name, ...args]));
      await Promise.all([acked("third"), acked("later")]);
      assert.deepEqual(order, [["third", null, 3], ["later", null, "after"]]);
      assert.equal(times, 3);
    });

    it(`${transport}: the option retries gives up`, async (t) => {
      const script = await scripted(t);
      const socket = client(t, script.url, { transports: [transport], ackTimeout: 20, retries: 1 });
      const [error] = await new Promise((resolve) => socket.emit("silent", (...args) => resolve(args)));
      assert.equal(error.message, "operation has timed out");
      await script.packet('421["silent"]');
      assert.deepEqual(script.packets.filter((packet) => packet.startsWith("42")), ['420["silent"]', '421["silent"]']);
    });

    it(`${transport}: pings are answered`, async (t) => {
      const script = await scripted(t);
      const socket = client(t, script.url, { transports: [transport] });
      await event(socket, "connect");
      script.raw("2");
      await script.packet("3");
    });

    it(`${transport}: what was emitted before a disconnect still leaves`, async (t) => {
      const script = await scripted(t);
      const socket = client(t, script.url, { transports: [transport] });
      await event(socket, "connect");
      socket.emit("a");
      socket.emit("b");
      socket.disconnect();
      await script.received(1 + 3);
      assert.deepEqual(script.packets.slice(1, 4), ['42["a"]', '42["b"]', "41"]);
      if (transport === "polling") await script.packet("1");
      assert.ok(script.mostPending <= 1, "one POST at a time");
    });

    it(`${transport}: noise is ignored`, async (t) => {
      const script = await scripted(t);
      const socket = client(t, script.url, { transports: [transport] });
      await event(socket, "connect");
      script.raw("6", "5", "3");
      script.say('399["nobody waits"]', '2/other,["not here"]', '2["here",1]');
      assert.deepEqual(await event(socket, "here"), [1]);
    });

    it(`${transport}: events before the connection wait for it`, async (t) => {
      const onMessage = (text, say) => {
        if (text[0] === "0") say('2["missed",1]', '2["missed",2]', '0{"sid":"abc"}');
      };
      const script = await scripted(t, { onMessage });
      const socket = client(t, script.url, { transports: [transport] });
      const heard = [];
      socket.on("missed", (n) => heard.push([n, socket.connected]));
      await event(socket, "connect");
      assert.deepEqual(heard, [[1, true], [2, true]]);
    });

    it(`${transport}: an acknowledgement with attachments`, async (t) => {
      const onMessage = (text, say) => {
        if (text[0] === "0") say('0{"sid":"abc"}');
        else say('62-0[{"b":{"num":1,"_placeholder":true}},{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', Buffer.from([1]), Buffer.from([2, 3]));
      };
      const script = await scripted(t, { onMessage });
      const socket = client(t, script.url, { transports: [transport] });
      const [first, second, third] = await new Promise((resolve) => socket.emit("x", (...args) => resolve(args)));
      assert.deepEqual([bytes(first.b), bytes(second), bytes(third)], [[2, 3], [1], [2, 3]]);
    });

    it(`${transport}: the trailing slash of the path`, async (t) => {
      const script = await scripted(t);
      for (const path of ["/deep/er", "/deep/er/"]) {
        const socket = client(t, script.url, { transports: [transport], path });
        await event(socket, "connect");
        socket.disconnect();
      }
      if (transport === "polling") assert.ok(script.paths.every((path) => path === "/deep/er/"));
    });
  }

  it("a body never exceeds what the server allows", async (t) => {
    const script = await scripted(t, { handshake: { maxPayload: 100 } });
    const socket = client(t, script.url, { transports: ["polling"] });
    await event(socket, "connect");
    for (let i = 0; i < 12; i++) socket.emit("é".repeat(i), new Uint8Array(3 * i + 3));
    socket.emit("x", "é".repeat(100));
    let last;
    do {
      last = script.posts.length;
      script.raw("2");
      await event(socket.io.engine, "drain");
    } while (!script.posts.join("").includes('2["x"'));
    assert.ok(script.posts.length > 8);
    for (const body of script.posts) {
      const size = Buffer.byteLength(body);
      assert.ok(size <= 100 || !body.includes("\x1e"), `${size} bytes: ${body}`);
    }
    const order = script.posts.flatMap((body) => body.split("\x1e")).filter((packet) => /^4\d.*"é*"/.test(packet) && !packet.includes("x"));
    assert.deepEqual(order.map((packet) => /"(é*)"/.exec(packet)[1].length), Array.from({ length: 12 }, (_, i) => i));
  });

  it("the server closes a polling session with a packet", async (t) => {
    const script = await scripted(t);
    const socket = client(t, script.url, { transports: ["polling"] });
    await event(socket, "connect");
    script.raw("1");
    const [reason, details] = await event(socket, "disconnect");
    assert.equal(reason, "transport close");
    assert.equal(details.description, "transport closed by the server");
    await event(socket, "connect");
    assert.ok(!script.posts.includes("1"), "the session is not closed twice");
  });

  it("what waits for the connection outlives a connection that came to nothing", async (t) => {
    const onMessage = (text, say, script) => {
      if (text[0] === "0" && script.handshakes === 1) script.raw("1");
      else if (text[0] === "0") say('0{"sid":"abc"}');
      else say('30["late"]');
    };
    const script = await scripted(t, { onMessage });
    const socket = client(t, script.url, { transports: ["polling"] });
    assert.equal(await socket.emitWithAck("x"), "late");
    assert.equal(script.handshakes, 2);
  });

  it("half an event is forgotten with its connection", async (t) => {
    const script = await scripted(t);
    const socket = client(t, script.url, { transports: ["polling"] });
    await event(socket, "connect");
    script.say('51-["half",{"_placeholder":true,"num":0}]');
    script.raw("1");
    assert.equal((await event(socket, "disconnect"))[0], "transport close");
    await event(socket, "connect");
    script.say('2["whole"]');
    await event(socket, "whole");
  });

  it("after a sleep nothing is trusted to the connection", async (t) => {
    const script = await scripted(t);
    const socket = client(t, script.url, { transports: ["websocket"] });
    await event(socket, "connect");
    const { now } = Date;
    t.after(() => (Date.now = now));
    Date.now = () => now() + 60_000;
    socket.emit("x");
    assert.equal(socket.sendBuffer.length, 1);
  });

  it("a session unknown to the server is a transport error", async (t) => {
    const script = await scripted(t);
    const socket = client(t, script.url, { transports: ["polling"] });
    await event(socket, "connect");
    (await script.parked()).writeHead(400).end('{"code":1,"message":"Session ID unknown"}');
    const [reason, details] = await event(socket, "disconnect");
    assert.equal(reason, "transport error");
    assert.deepEqual([details.message, details.description], ["xhr poll error", 400]);
    await event(socket, "connect");
  });

  it("an empty body is an error of the transport", async (t) => {
    const script = await scripted(t);
    const socket = client(t, script.url, { transports: ["polling"] });
    await event(socket, "connect");
    (await script.parked()).end("");
    assert.equal((await event(socket, "disconnect"))[0], "transport error");
  });

  it("a listener that throws does not end the connection", async (t) => {
    const script = await scripted(t);
    const socket = client(t, script.url, { transports: ["polling"] });
    await event(socket, "connect");
    const thrown = [];
    const catcher = (error) => thrown.push(error.message);
    process.setUncaughtExceptionCaptureCallback(catcher);
    t.after(() => process.setUncaughtExceptionCaptureCallback(null));
    socket.on("bad", () => {
      throw new Error("of the listener");
    });
    script.say('2["bad"]', '2["good"]');
    await event(socket, "good");
    assert.deepEqual(thrown, ["of the listener"]);
    assert.equal(socket.connected, true);
  });
});

// Where the official client does worse.
describe("our own client", { skip: CLIENT === "official" && "the official client does not do this" }, () => {
  it("closes the session of a handshake that was given up", async (t) => {
    const script = await scripted(t);
    const socket = client(t, script.url, { transports: ["polling"] });
    socket.disconnect();
    await script.posted(1);
    assert.deepEqual(script.posts, ["1"]);
    assert.equal(script.handshakes, 1);
  });

  it("goes on polling when the upgrade fails in the middle", async (t) => {
    const script = await scripted(t);
    script.upgrades = ["websocket"];
    // The probe is answered, then the WebSocket breaks while the client waits for its poll to end.
    const socket = client(t, script.url, { autoConnect: false });
    const connected = event(socket, "connect");
    script.onProbe = async (webSocket) => {
      await connected;
      await script.parked();
      webSocket.send("3probe", () => webSocket.terminate());
    };
    socket.connect();
    await event(socket.io, "open");
    await event(socket.io.engine, "upgradeError");
    assert.equal(socket.io.engine.transport.name, "polling");
    for (let i = 0; i < 2; i++) {
      script.say(`2["still here",${i}]`);
      assert.deepEqual(await event(socket, "still here"), [i]);
    }
    assert.equal(script.handshakes, 1);
  });

  it("does not wait for the timeout when the server closes before its handshake", async (t) => {
    const script = await scripted(t);
    script.greet = (webSocket) => webSocket.close();
    const socket = client(t, script.url, { transports: ["websocket"], reconnectionAttempts: 1 });
    assert.equal((await event(socket, "connect_error"))[0].message, "transport close");
    assert.equal((await event(socket.io, "reconnect_error"))[0].message, "transport close");
  });

  it("sends one CONNECT however often it is told to connect", async (t) => {
    const seen = [];
    const script = await scripted(t, { onMessage: (text) => seen.push(text[0]) });
    const socket = client(t, script.url, { transports: ["websocket"] });
    await event(socket.io, "open");
    socket.connect();
    socket.connect();
    script.say('0{"sid":"abc"}');
    await event(socket, "connect");
    socket.emit("x");
    await script.received(2);
    assert.deepEqual(seen, ["0", "2"]);
  });

  it("keeps bodies within the limit when a buffer is empty", async (t) => {
    const script = await scripted(t, { handshake: { maxPayload: 100 } });
    const socket = client(t, script.url, { transports: ["polling"] });
    await event(socket, "connect");
    for (let i = 0; i < 5; i++) socket.emit("x", new Uint8Array(i));
    await script.received(1 + 5);
    assert.ok(script.posts.every((body) => Buffer.byteLength(body) <= 100));
  });

  it("drops volatile events while it is offline", async (t) => {
    const proxy = await proxied(t);
    const socket = client(t, proxy.url, { transports: ["websocket"] });
    await event(socket, "connect");
    proxy.state.refuse = true;
    proxy.cut();
    await event(socket, "disconnect");
    socket.volatile.emit("back", "lost");
    assert.equal(socket.sendBuffer.length, 0);
  });

  it("options that are undefined have their defaults", async (t) => {
    const socket = client(t, server, { path: undefined, transports: undefined, timeout: undefined, autoConnect: undefined });
    await event(socket, "connect");
    assert.equal(socket.io.timeout(), 20000);
  });
});
