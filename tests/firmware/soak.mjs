// Healthy clients chat while others break everything that a peer can break, in an order that a seed decides.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { marks } from './device.mjs';
import { Raw, frame, get, post, upgrade } from './raw.mjs';

const HEALTHY = 4;
const WAIT_MS = 20_000;
const PATH = '/socket.io/?EIO=4&transport=';

// Numbers that look like chance and are the same for each seed (mulberry32).
function chance(seed) {
  return below => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

// Runs for `seconds` and returns what happened.
export async function soak({ io, url, device, seconds, seed }) {
  const below = chance(seed);
  const healthy = [];
  const over = new AbortController();
  const open = [];
  const result = { messages: 0, faults: 0, busy: 0, missing: 0, disconnects: 0, slowest_ms: 0 };
  let faults;
  try {
    for (let number = 0; number < HEALTHY; number++) healthy.push(await enter(io, url, number));
    const end = Date.now() + seconds * 1000;
    faults = breakThings({ device, below, end, result, open, signal: over.signal });
    const half = halfTime(seconds * 500, over.signal).then(() => marks(device));
    const all = [faults, half, ...healthy.map(each => chat(each, healthy, end, result))];
    [, result.half] = await Promise.all(all);
    await compare(healthy, result);
    await leave(device, healthy, open);
    return result;
  } finally {
    // Whatever has failed, nothing of this stays.
    over.abort();
    healthy.forEach(each => each.socket.disconnect());
    open.forEach(raw => raw.close());
    await faults?.catch(() => {});
  }
}

function halfTime(ms, signal) {
  return new Promise(done => {
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', () => { clearTimeout(timer); done(); });
  });
}

// Everybody has everything, and in order.
async function compare(healthy, result) {
  // The last messages may still be on their way to some: all have an own one to see behind them.
  for (const each of healthy) await say(each, `last of ${each.number}`, result);
  for (const each of healthy) {
    for (const { id } of healthy.flatMap(other => other.said)) await seen(each, id, result);
    result.disconnects += each.disconnects;
    const order = each.received.filter(id => each.saidIds.has(id));
    assert.deepEqual(order, each.said.map(said => said.id), 'own messages come once and in order');
  }
}

async function leave(device, healthy, open) {
  // Half-open peers, too, are gone in the end: their heartbeat is missing.
  const limit = AbortSignal.timeout(90_000);
  while ((await marks(device)).clients_now > HEALTHY) assert.ok(!limit.aborted, 'who is half open is dropped');
  open.forEach(raw => raw.close());
  healthy.forEach(each => each.socket.disconnect());
  while ((await marks(device)).clients_now > 0) assert.ok(!limit.aborted, 'who leaves is gone');
}

async function enter(io, url, number) {
  const socket = io(url, { forceNew: true, reconnection: false, transports: ['websocket'], auth: { name: `healthy ${number}` } });
  const each = { socket, number, said: [], saidIds: new Set(), received: [], ids: new Set(), disconnects: 0 };
  socket.on('message', ({ id }) => { each.received.push(id); each.ids.add(id); });
  socket.on('disconnect', () => { each.disconnects++; });
  await once(socket, 'hello', { signal: AbortSignal.timeout(WAIT_MS) });
  return each;
}

async function chat(each, healthy, end, result) {
  for (let number = 0; Date.now() < end; number++) {
    await say(each, `${each.number}: ${number} ${'.'.repeat(number % 100)}`, result);
    await seen(healthy[number % healthy.length], each.said.at(-1).id, result);
  }
}

// Says it until it is delivered: a server that is short of memory says so.
async function say(each, text, result) {
  const id = `soak-${each.number}-${each.said.length}`;
  for (;;) {
    const begun = performance.now();
    const said = await each.socket.timeout(WAIT_MS).emitWithAck('message', { id, text });
    result.slowest_ms = Math.max(result.slowest_ms, Math.round(performance.now() - begun));
    if (said.id) {
      each.said.push(said);
      each.saidIds.add(said.id);
      result.messages++;
      return;
    }
    assert.equal(said.error, 'busy');
    result.busy++;
  }
}

async function seen(each, id, result) {
  const signal = AbortSignal.timeout(WAIT_MS);
  while (!each.ids.has(id)) {
    if (signal.aborted || !each.socket.connected) {
      result.missing++;
      return;
    }
    await once(each.socket, 'message', { signal }).catch(() => {});
  }
}

// One fault after the other. `open` gets the connections that are left open.
async function breakThings({ device, below, end, result, open, signal }) {
  // A heartbeat that is missed takes 45 s to be noticed.
  const half = Date.now() + (end - Date.now()) / 2;
  const kinds = [garbage, vanish, vanish, halfOpen, flood, packedPost, torn, page, slowHead, badFrames, stalled];
  while (Date.now() < end && !signal.aborted) {
    const kind = kinds[below(kinds.length)];
    const raw = await Raw.open(device.ports[below(device.ports.length)]);
    // Two that only occupy a place are enough: the others are to be let in.
    const stays = await kind(raw, below, Date.now() < half && open.filter(each => !each.ended).length < 2);
    if (stays) open.push(raw);
    else raw.close();
    result.faults++;
    result[kind.name] = (result[kind.name] ?? 0) + 1;
  }
}

// A WebSocket in the namespace; null if it was refused.
async function join(raw, name) {
  raw.send(upgrade(`${PATH}websocket`));
  const response = await raw.response();
  if (!response?.head.startsWith('HTTP/1.1 101')) return false;
  await raw.next();
  raw.text(`40{"name":"${name}"}`);
  return await raw.next() !== null;
}

async function garbage(raw, below) {
  raw.send(Buffer.from(Array.from({ length: 1 + below(600) }, () => below(256))));
  raw.send('\r\n\r\n');
  await raw.end();
}

async function vanish(raw) {
  await join(raw, 'vanishing');
}

// Says nothing any more and does not go: its heartbeat will be missed.
async function halfOpen(raw, below, mayStay) {
  return mayStay && await join(raw, 'half open');
}

async function flood(raw, below) {
  if (!await join(raw, 'flooding')) return;
  for (let number = 0; number < 20 + below(30); number++) {
    raw.text(below(2) ? '42["name","flood"]' : `42["message",{"text":"flood ${number}"}]`);
  }
  raw.frame(8, Buffer.from([3, 0xe8]));
  await raw.end();
}

// As many packets as one body can hold, each of which all are told about.
async function packedPost(raw, below) {
  raw.send(get(`${PATH}polling`));
  const opened = await raw.response();
  if (!opened?.head.startsWith('HTTP/1.1 200')) return;
  const target = `${PATH}polling&sid=${JSON.parse(opened.body.toString().slice(1)).sid}`;
  const packets = ['40{"name":"packed"}', ...Array.from({ length: 40 }, (_, at) => `42["name","p${at % 10}"]`)];
  raw.send(post(target, packets.join('\x1e')));
  await raw.response();
  // Some say that they go, some do not.
  if (below(2)) raw.send(post(target, '1'));
}

// A frame that is never finished.
async function torn(raw, below) {
  if (!await join(raw, 'torn')) return;
  const whole = frame(1, Buffer.from(`42["message",{"text":"${'t'.repeat(100)}"}]`));
  raw.send(whole.subarray(0, 1 + below(whole.length - 1)));
}

async function page(raw) {
  raw.send(get('/socket.io/socket.io.js'));
  await raw.response();
}

async function slowHead(raw, below) {
  const head = get('/');
  for (const piece of [head.slice(0, 10), head.slice(10, 11 + below(20))]) raw.send(piece);
}

async function badFrames(raw, below) {
  if (!await join(raw, 'bad')) return;
  const bad = [
    frame(1, Buffer.from('4'), { masked: false }), frame(1, Buffer.from([0x34, 0xff])), frame(0, Buffer.from('x')),
    frame(1, Buffer.alloc(801, 0x34)), frame(2, Buffer.from([1])), frame(1, Buffer.from('42[')),
  ];
  raw.send(bad[below(bad.length)]);
  await raw.end();
}

// Comes in, asks for much, and takes nothing of it for as long as it stays.
async function stalled(raw, below) {
  if (!await join(raw, 'stalled')) return;
  raw.socket.pause();
  for (let number = 0; number < 30; number++) raw.text('42["name","stalled"]');
}
