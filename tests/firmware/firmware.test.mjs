// The firmware in QEMU against what is promised of it.
//
//   FIRMWARE      the ELF file (required); MACHINE what it is for
//   HOST_SERVER   the chat on this host with the same limits: the example `small` (required for the comparison)
//   SOAK_S        how long the soak takes (default 60)
//   SEED          the seed of its faults (default 1)

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { figures, machine, marks, shortenStack, startDevice, startFront, startSntp } from './device.mjs';
import { Raw, get, upgrade } from './raw.mjs';
import { play } from './script.mjs';
import { soak } from './soak.mjs';

const { io } = createRequire(new URL('../js/package.json', import.meta.url))('socket.io-client');
const WAIT_MS = 15_000;
const LIMIT = { timeout: 150_000 };
const FLASH_BYTES_MAX = 160_000;
const RAM_BYTES_MAX = 60_000;
const CLIENTS = 8;
const POLLING_CLIENTS = 3;
const POLLING = '/socket.io/?EIO=4&transport=polling';

let sntp;
before(async () => { sntp = await startSntp(); });
after(() => sntp.close());

// A device that is stopped when the test is over, and must not have failed before.
async function device(t, options) {
  const started = await startDevice(options);
  t.after(async () => {
    const failed = started.lines.filter(line => /panic|fault/i.test(line));
    const { ended } = started;
    await started.stop();
    assert.deepEqual([failed, ended], [[], null]);
  });
  return started;
}

async function withFront(t, options) {
  const started = await device(t, options);
  const front = await startFront(started);
  t.after(front.close);
  return { ...front, device: started };
}

async function client(t, url, name, options = {}) {
  const socket = io(url, { forceNew: true, reconnection: false, auth: { name }, ...options });
  t.after(() => socket.disconnect());
  socket.events = [];
  socket.onAny((event, value) => socket.events.push({ event, ...value }));
  [socket.hello] = await once(socket, 'hello', { signal: AbortSignal.timeout(WAIT_MS) });
  return socket;
}

async function first(socket, event, match) {
  const signal = AbortSignal.timeout(WAIT_MS);
  for (;;) {
    const found = socket.events.find(each => each.event === event && match(each));
    if (found) return found;
    await once(socket, event, { signal });
  }
}

test('flash and RAM are as promised', LIMIT, () => {
  const { flash, ram, stack } = figures();
  console.log(`${machine}: flash ${flash}, data and bss ${ram}, stack ${stack}, RAM ${ram + stack}`);
  assert.ok(flash <= FLASH_BYTES_MAX, `${flash} bytes of flash`);
  assert.ok(ram + stack <= RAM_BYTES_MAX, `${ram + stack} bytes of RAM`);
});

test('without a seed nothing starts', LIMIT, async t => {
  const started = await startDevice({ seed: Buffer.alloc(16), until: /^no seed/ });
  t.after(() => started.stop());
  await started.waitFor(/^fault/);
  assert.ok(!started.lines.some(line => line.startsWith('ready')));
});

test('a stack that is too short faults, and nothing runs on', LIMIT, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'firmware-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'short');
  // Less than the start takes, and then all of it: only the first word of the file differs.
  shortenStack(2_048, file);
  const started = await startDevice({ file, until: /Lockup|^fault/ });
  t.after(() => started.stop());
  // What a handler would need is missing, too: the processor locks up, and QEMU says where the stack is.
  const stack = await started.waitFor(/R13=/);
  assert.ok(Number.parseInt(/R13=([0-9a-f]{8})/.exec(stack)[1], 16) < 0x2000_0000, `${stack}: below RAM`);
  while (!started.ended) await once(started, 'line', { signal: AbortSignal.timeout(WAIT_MS) });
  assert.ok(!started.lines.some(line => line.startsWith('ready')));
  shortenStack(figures().stack, file);
  await (await startDevice({ file })).stop();
});

test('two starts give different ids, the same seed the same', LIMIT, async t => {
  const ids = [];
  for (const seed of [Buffer.alloc(16, 1), Buffer.alloc(16, 2), Buffer.alloc(16, 1)]) {
    const started = await startDevice({ seed });
    const raw = await Raw.open(started.ports[0]);
    raw.send(get(POLLING));
    const { body } = await raw.response();
    ids.push(JSON.parse(body.toString().slice(1)).sid);
    raw.close();
    await started.stop();
  }
  assert.notEqual(ids[0], ids[1]);
  assert.equal(ids[0], ids[2]);
});

test('without a clock the time is null, and the uptime counts', LIMIT, async t => {
  const { url } = await withFront(t);
  const socket = await client(t, url, 'Ann');
  assert.equal(socket.hello.time, null);
  const said = await socket.timeout(WAIT_MS).emitWithAck('message', { text: 'when?', time: '1999-12-31T23:59:59.000Z' });
  assert.equal(said.time, null);
  assert.ok(said.uptime_ms >= socket.hello.uptime_ms && said.uptime_ms < 600_000, `${said.uptime_ms}`);
});

test('with a server of time it is that of the server', LIMIT, async t => {
  const other = await startSntp(() => Date.parse('2031-02-03T04:05:06.000Z'));
  t.after(other.close);
  const { url, device: started } = await withFront(t, { sntp: other.port });
  await started.waitFor(/^time: 2031-02-03T04:05:06/);
  const socket = await client(t, url, 'Ann');
  assert.match(socket.hello.time, /^2031-02-03T04:05:\d\d\.\d{3}Z$/);
});

test('the same script has the same answers on the device and on the host', LIMIT, async t => {
  assert.ok(process.env.HOST_SERVER, 'HOST_SERVER, the chat on this host, is missing');
  const host = spawn(process.env.HOST_SERVER, ['--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => host.kill());
  const [line] = await once(host.stdout.setEncoding('utf8'), 'data', { signal: AbortSignal.timeout(WAIT_MS) });
  const expected = await play([Number(/127\.0\.0\.1:(\d+)/.exec(line)[1])]);
  const started = await device(t, { sntp: sntp.port });
  await started.waitFor(/^time/);
  const said = await play(started.ports);
  assert.ok(expected.length > 500, `${expected.length} lines`);
  assert.deepEqual(said, expected);
});

test('pages come from flash as from the host, and only once', LIMIT, async t => {
  const host = spawn(process.env.HOST_SERVER, ['--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => host.kill());
  const [line] = await once(host.stdout.setEncoding('utf8'), 'data', { signal: AbortSignal.timeout(WAIT_MS) });
  const started = await device(t, { sntp: sntp.port });
  await started.waitFor(/^time/);
  const answers = async port => {
    const [raw, said] = [await Raw.open(port), []];
    for (const path of ['/', '/index.html', '/chat.js', '/page.js', '/chat.css', '/socket.io.js', '/socket.io/socket.io.js',
      '/socket.io/socket.io.min.js', '/nothing', '/socket.io/nothing.js']) {
      raw.send(get(path, 'Accept-Encoding: gzip\r\n'));
      const { head, body } = await raw.response();
      said.push([path, head.replace(/Date: [^\r]+/, 'Date'), body.toString('base64')]);
      const etag = /\r\nETag: ([^\r]+)/.exec(head)?.[1];
      if (!etag) continue;
      raw.send(get(path, `Accept-Encoding: gzip\r\nIf-None-Match: "other", W/${etag}\r\n`));
      said.push([path, (await raw.response({ hasBody: false })).head.replace(/Date: [^\r]+/, 'Date')]);
      raw.send(get(path, 'Accept-Encoding: gzip\r\n').replace('GET', 'HEAD'));
      said.push([path, (await raw.response({ hasBody: false })).head.replace(/Date: [^\r]+/, 'Date')]);
    }
    raw.close();
    return said;
  };
  const said = await answers(started.ports[0]);
  assert.deepEqual(said, await answers(Number(/127\.0\.0\.1:(\d+)/.exec(line)[1])));
  assert.equal(said.filter(([, head]) => head.startsWith('HTTP/1.1 304')).length, 8);
});

test('eight clients chat over WebSocket, upgraded or not; the ninth is refused in so many words', LIMIT, async t => {
  const { url, device: started } = await withFront(t);
  const sockets = [];
  for (let number = 0; number < CLIENTS; number++) {
    const transports = number % 2 ? ['websocket'] : ['polling', 'websocket'];
    sockets.push(await client(t, url, `n${number}`, { transports }));
    if (number % 2 === 0) {
      const { engine } = sockets.at(-1).io;
      while (engine.transport.name !== 'websocket') await once(engine, 'upgrade', { signal: AbortSignal.timeout(WAIT_MS) });
    }
  }
  assert.equal(sockets.at(-1).hello.count, CLIENTS);
  const raw = await Raw.open(started.ports[0]);
  raw.send(get(POLLING));
  const { head, body } = await raw.response();
  assert.match(head, /^HTTP\/1.1 503 Service Unavailable\r\n/);
  assert.match(head, /\r\nRetry-After: 5\r\n/);
  assert.deepEqual(JSON.parse(body), { code: 4, message: 'Too many clients' });
  raw.close();
  for (const [number, socket] of sockets.entries()) {
    const { id } = await socket.timeout(WAIT_MS).emitWithAck('message', { text: `from ${number}` });
    for (const other of sockets) await first(other, 'message', each => each.id === id && each.from === socket.id);
  }
  // Who leaves makes room.
  sockets[0].disconnect();
  await first(sockets[1], 'offline', each => each.name === 'n0');
  await client(t, url, 'late', { transports: ['websocket'] });
});

test('a hundred messages without a pause arrive once and in order, over either transport', LIMIT, async t => {
  const { url } = await withFront(t);
  for (const transport of ['polling', 'websocket']) {
    const options = { transports: [transport] };
    const [ann, bob] = [await client(t, url, 'Ann', options), await client(t, url, 'Bob', options)];
    const texts = Array.from({ length: 100 }, (_, number) => `${transport} ${number}`);
    for (const text of texts) ann.emit('message', { text });
    for (const socket of [ann, bob]) {
      await first(socket, 'message', each => each.text === texts.at(-1));
      assert.deepEqual(socket.events.filter(each => each.event === 'message').map(each => each.text), texts);
    }
    ann.disconnect();
    bob.disconnect();
  }
});

test('polls that wait leave room for pages, and for one client more on WebSocket', LIMIT, async t => {
  const { url, device: started } = await withFront(t);
  for (let number = 0; number < POLLING_CLIENTS; number++) {
    await client(t, url, `poller ${number}`, { transports: ['polling'] });
  }
  const raw = await Raw.open(started.ports[0]);
  raw.send(get(POLLING));
  assert.match((await raw.response()).head, /^HTTP\/1.1 503/);
  raw.close();
  const ann = await client(t, url, 'Ann', { transports: ['websocket'] });
  const begun = performance.now();
  await Promise.all(['/', '/chat.js', '/page.js', '/chat.css', '/socket.io/socket.io.js'].map(async path => {
    const response = await fetch(url + path);
    assert.equal(response.status, 200);
    assert.ok((await response.text()).length > 500);
  }));
  assert.ok(performance.now() - begun < 5_000, 'the page loads at once');
  await ann.timeout(WAIT_MS).emitWithAck('message', { text: 'still here' });
});

test('a page loads although connections that say nothing occupy all others', LIMIT, async t => {
  const started = await device(t);
  const mute = [];
  for (let number = 1; number <= 12; number++) {
    mute.push(await Raw.open(started.ports[number % started.ports.length]));
    await started.waitFor(new RegExp(`^connection .*\\(${number} open\\)`));
  }
  // One of them has to go; whoever comes before that is not sent away, but let in by and by.
  const pages = await Promise.all(['/', '/chat.js', '/socket.io.js'].map(async (path, at) => {
    const raw = await Raw.open(started.ports[at]);
    raw.send(get(path, 'Connection: close\r\n'));
    const response = await raw.response();
    raw.close();
    return response.head;
  }));
  for (const head of pages) assert.match(head, /^HTTP\/1.1 200/);
  mute.forEach(each => each.close());
});

test('a reader that stalls is cut off, and nobody else waits for it', { timeout: 240_000 }, async t => {
  const { url, device: started } = await withFront(t);
  const [ann, bob] = [await client(t, url, 'Ann', { transports: ['websocket'] }), await client(t, url, 'Bob')];
  const stalled = await Raw.open(started.ports[0]);
  stalled.send(upgrade('/socket.io/?EIO=4&transport=websocket'));
  await stalled.response();
  await stalled.next();
  stalled.text('40{"name":"Stalled"}');
  await first(ann, 'online', each => each.name === 'Stalled');
  stalled.socket.pause();
  let slowest = 0;
  // This host, and QEMU's network, take a good deal on the reader's behalf before they stop.
  const limit = AbortSignal.timeout(200_000);
  for (let number = 0; !ann.events.some(each => each.event === 'offline' && each.name === 'Stalled'); number++) {
    assert.ok(!limit.aborted, 'it is cut off');
    const begun = performance.now();
    const texts = Array.from({ length: 20 }, (_, at) => `${number}-${at} ${'\u{1f41f}'.repeat(140)}`);
    const said = await Promise.all(texts.map(text => ann.timeout(WAIT_MS).emitWithAck('message', { text })));
    slowest = Math.max(slowest, performance.now() - begun);
    for (const { id } of said.filter(each => each.id)) await first(bob, 'message', each => each.id === id);
  }
  assert.ok(slowest < 5_000, `twenty messages took ${slowest} ms`);
  assert.ok(ann.connected && bob.connected);
  stalled.close();
});

test('a minute of chat with faults: nobody healthy loses a message, memory does not grow', { timeout: 3_600_000 }, async t => {
  const { url, device: started } = await withFront(t, { sntp: sntp.port });
  const seed = Number(process.env.SEED ?? 1);
  const result = await soak({ io, url, device: started, seconds: Number(process.env.SOAK_S ?? 60), seed });
  const last = await marks(started);
  console.log(`soak, seed ${seed}: ${JSON.stringify({ ...result, last })}`);
  assert.equal(result.missing, 0);
  assert.equal(result.disconnects, 0);
  assert.ok(result.messages > 100, `${result.messages} messages`);
  assert.ok(last.stack <= last.stack_max - 256, `stack ${last.stack} of ${last.stack_max}`);
  // An interrupt may come at a deeper moment; what grows without end would be far above.
  assert.ok(last.stack <= result.half.stack + 128, `stack ${result.half.stack}, then ${last.stack}`);
  assert.ok(last.frames <= last.frames_max && last.frames_now <= 2_500, `frames ${last.frames}, now ${last.frames_now}`);
  assert.equal(last.clients_now, 0, 'nobody is left');
});
