// Connection state recovery when the network breaks again and again: nothing is lost, nothing comes twice or out of turn.
//
//   SPRAT_URL=http://127.0.0.1:3000 CLIENT=own SEED=1 node --test recovery.mjs
//
// The settings are those of behaviour.mjs. SEED makes a run the same choices as another: when a connection is cut, after how
// many bytes, and what the client comes back over.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { event, loadClient, startOracle, startProxy } from "./support.mjs";

const CUTS = 100;
const EVENTS = 10_000;
const EVENTS_BY_CUT = EVENTS / CUTS;
const TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]];
const SEED = Number(process.env.SEED ?? 1);

const io = await loadClient(process.env.CLIENT ?? "own");
let server = process.env.SPRAT_URL?.replace(/\/$/, "");
let oracle;

before(async () => {
  if (!server) ({ url: server, process: oracle } = await startOracle());
});

after(() => oracle?.kill());

// Numbers from 0 to below n, the same for the same seed (xorshift).
const chance = (seed) => {
  let state = seed * 2654435761 | 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
};

test("100 cut connections lose none of 10,000 events", { timeout: 170_000 }, async (t) => {
  const pick = chance(SEED);
  const proxy = await startProxy(server);
  const sender = io(server, { forceNew: true, transports: ["websocket"] });
  const socket = io(proxy.url, { forceNew: true, transports: TRANSPORTS[2], reconnectionDelay: 1, reconnectionDelayMax: 5, timeout: 2_000 });
  t.after(() => {
    sender.disconnect();
    socket.disconnect();
    proxy.close();
  });

  const seen = [];
  const transports = new Set();
  let cuts = 0;
  let wake = () => {};
  socket.on("all", (n) => {
    seen.push(n);
    transports.add(socket.io.engine.transport.name);
    wake();
  });
  const heard = (n) =>
    new Promise((resolve) => {
      wake = () => seen.length >= n && resolve();
      wake();
    });
  let recovered = true;
  socket.on("connect", () => (recovered &&= socket.recovered));
  socket.io.on("close", () => {
    cuts++;
    socket.io.opts.transports = TRANSPORTS[pick(TRANSPORTS.length)];
    // Now and then the way back is cut as well.
    if (pick(4) === 0) proxy.cutAfter(pick(1_500));
  });
  // The official client hands out twice what it got before a CONNECT that never came.
  socket.io.on("open", () => (socket.receiveBuffer = []));
  let sent = 0;
  const send = (n) => {
    for (let i = 0; i < n; i++) sender.emit("all", sent++);
  };

  await Promise.all([event(sender, "connect"), event(socket, "connect")]);
  recovered = true;
  // Who has heard nothing yet has no offset to come back with.
  send(1);
  await heard(1);
  while (sent < EVENTS || cuts < CUTS) {
    const early = pick(EVENTS_BY_CUT);
    const from = seen.length;
    send(early);
    await heard(from + pick(early + 1));
    if (pick(2)) proxy.cut();
    else proxy.cutAfter(pick(2_000));
    send(EVENTS_BY_CUT - early);
    // Over polling a connection may be cut that nobody needs just then. Nothing is lost then either.
    await heard(sent);
    if (!socket.connected) await event(socket, "connect");
  }
  await sender.emitWithAck("echo", "the end");
  assert.ok(recovered, "each time the client came back as itself");
  assert.deepEqual(seen, Array.from({ length: sent }, (_, i) => i));
  assert.deepEqual([...transports].sort(), ["polling", "websocket"]);
});
