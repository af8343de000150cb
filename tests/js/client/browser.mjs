// The client in a real browser, for what Node.js stand-ins cannot show: the page's address, fetch, Blob, CSP, `offline`.
//
//   SPRAT_URL=http://127.0.0.1:3000 CLIENT=own node --test browser.mjs
//
// SPRAT_URL, CLIENT and SKIP are those of behaviour.mjs; CHROMIUM is the browser, /usr/bin/chromium without it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { servedClient } from "./served.mjs";
import { startOracle, startProxy } from "./support.mjs";

const CLIENT = process.env.CLIENT ?? "own";
const SKIP = (process.env.SKIP ?? "").split(",");
const OFFICIAL = new URL("../node_modules/socket.io-client/dist/socket.io.js", import.meta.url);
const CSP = "default-src 'none'; script-src 'self'; connect-src 'self' ws:";
// The page does not come from the network, so Chromium would keep its WebSockets away from local addresses.
const FLAGS = [
  "--disable-features=LocalNetworkAccessChecks",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

let server = process.env.SPRAT_URL?.replace(/\/$/, "");
let oracle;
let browser;

before(async () => {
  if (!server) ({ url: server, process: oracle } = await startOracle());
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  browser = await chromium.launch({ executablePath, headless: true, args: FLAGS });
});

after(async () => {
  await browser?.close();
  oracle?.kill();
});

// A page of the server's origin that loads the client, and nothing else.
const openPage = async (t, url = server) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const client = CLIENT === "official" ? readFileSync(OFFICIAL, "utf8") : servedClient();
  await page.route("**/page/", (route) =>
    route.fulfill({ contentType: "text/html", headers: { "content-security-policy": CSP }, body: '<!doctype html><script src="client.js"></script>' }),
  );
  await page.route("**/page/client.js", (route) => route.fulfill({ contentType: "text/javascript", body: client }));
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(`${url}/page/`);
  await page.evaluate(() => {
    globalThis.event = (emitter, name) => new Promise((resolve) => emitter.once(name, (...args) => resolve(args)));
    globalThis.fast = { reconnectionDelay: 20, reconnectionDelayMax: 60 };
  });
  return { page, context, problems };
};

const check = (name, run, skip = false) => test(name, { timeout: 30000, skip }, run);

check("connects to the page's own address and upgrades", async (t) => {
  const { page, problems } = await openPage(t);
  const aborted = [];
  page.on("requestfailed", (request) => aborted.push(request.url()));
  const seen = await page.evaluate(async () => {
    const socket = io();
    await event(socket.io, "open");
    const { engine } = socket.io;
    const before = engine.transport.name;
    await event(engine, "upgrade");
    const answer = await socket.emitWithAck("echo", "聊天 😀");
    return { before, after: engine.transport.name, answer, id: socket.id, nsp: socket.nsp };
  });
  assert.deepEqual([seen.before, seen.after, seen.answer, seen.nsp], ["polling", "websocket", "聊天 😀", "/"]);
  assert.match(seen.id, /^[\w-]{20}$/);
  assert.deepEqual([aborted, problems], [[], []]);
});

check("1,000 events each way during the upgrade", async (t) => {
  const { page } = await openPage(t);
  const isOrdered = await page.evaluate(async () => {
    const socket = io();
    const lists = { n: [], back: [] };
    const done = new Promise((resolve) => {
      for (const name in lists) {
        socket.on(name, (n) => {
          lists[name].push(n);
          if (lists.n.length + lists.back.length === 2000) resolve();
        });
      }
    });
    socket.emit("count", 1000);
    for (let i = 0; i < 1000; i++) socket.emit("back", i);
    await done;
    return Object.values(lists).every((list) => list.length === 1000 && list.every((n, i) => n === i));
  });
  assert.equal(isOrdered, true);
});

for (const transport of ["polling", "websocket"]) {
  check(`${transport}: binary, blobs and files`, async (t) => {
    const { page } = await openPage(t);
    const parts = await page.evaluate(async (name) => {
      const socket = io({ transports: [name] });
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      const sent = [bytes.buffer, bytes.subarray(250), new Blob(["é"]), new File([bytes.subarray(0, 3)], "f"), { deep: [new Uint8Array()] }];
      const [a, b, c, d, e] = await new Promise((resolve) => socket.emit("echo", ...sent, (...args) => resolve(args)));
      const all = [a, b, c, d, e.deep[0]];
      return { kinds: all.map((part) => part.constructor.name), bytes: all.map((part) => [...new Uint8Array(part)]) };
    }, transport);
    assert.deepEqual(parts.kinds, Array(5).fill("ArrayBuffer"));
    assert.deepEqual(parts.bytes, [Array.from({ length: 256 }, (_, i) => i), [250, 251, 252, 253, 254, 255], [195, 169], [0, 1, 2], []]);
  }, SKIP.includes("binary") && "SKIP names binary");

  check(`${transport}: reconnects by itself and sends what was written meanwhile`, async (t) => {
    const proxy = await startProxy(server);
    t.after(() => proxy.close());
    const { page } = await openPage(t, proxy.url);
    await page.evaluate(async (name) => {
      globalThis.socket = io({ transports: [name], ...fast });
      globalThis.gone = event(socket, "disconnect");
      await event(socket, "connect");
    }, transport);
    proxy.state.refuse = true;
    proxy.cut();
    const reason = await page.evaluate(async () => {
      const [why] = await gone;
      globalThis.answer = socket.emitWithAck("echo", "written offline");
      await event(socket.io, "reconnect_error");
      return why;
    });
    assert.match(reason, transport === "polling" ? /^transport error$/ : /^transport (close|error)$/);
    proxy.state.refuse = false;
    assert.equal(await page.evaluate(() => answer), "written offline");
  });
}

check("the browser says it is offline", async (t) => {
  const { page, context } = await openPage(t);
  await page.evaluate(async () => {
    globalThis.socket = io({ transports: ["websocket"], ...fast });
    await event(socket, "connect");
    globalThis.gone = event(socket, "disconnect");
  });
  await context.setOffline(true);
  const [reason, details] = await page.evaluate(() => gone);
  assert.equal(reason, "transport close");
  assert.equal(details.description, "network connection lost");
  await context.setOffline(false);
  assert.equal(await page.evaluate(() => socket.emitWithAck("echo", "back")), "back");
});

check("two tabs talk to each other; a closed one goes", async (t) => {
  const [one, two] = [await openPage(t), await openPage(t)];
  await one.page.evaluate(async () => {
    globalThis.socket = io();
    globalThis.heard = event(socket, "all");
    await event(socket, "connect");
  });
  await two.page.evaluate(async () => {
    const socket = io();
    await event(socket, "connect");
    socket.emit("all", "hello");
    await socket.emitWithAck("echo", 1);
  });
  assert.equal((await one.page.evaluate(() => heard))[0], "hello");
});

check("namespaces by a relative address", async (t) => {
  const { page } = await openPage(t);
  const seen = await page.evaluate(async () => {
    const custom = io("/custom", { auth: { from: "page" } });
    const root = io();
    const [auth] = await event(custom, "auth");
    const [error] = await event(io("/guarded"), "connect_error");
    return { from: auth.from, nsp: custom.nsp, isShared: custom.io === root.io, message: error.message, data: error.data };
  });
  assert.deepEqual(seen, { from: "page", nsp: "/custom", isShared: true, message: "not authorized", data: { code: 1 } });
}, SKIP.includes("namespaces") && "SKIP names namespaces");

check("polling alone, for as long as two heartbeats", async (t) => {
  const { page, problems } = await openPage(t);
  const seen = await page.evaluate(async () => {
    const socket = io({ transports: ["polling"] });
    let reason = null;
    socket.on("disconnect", (why) => (reason = why));
    await event(socket.io, "ping");
    await event(socket.io, "ping");
    return { reason, answer: await socket.emitWithAck("echo", 1) };
  });
  assert.deepEqual(seen, { reason: null, answer: 1 });
  assert.deepEqual(problems, []);
});
