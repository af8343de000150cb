// The firmware in QEMU: started with a seed, stopped, its console read, its figures taken from the ELF file.
//
//   FIRMWARE   the ELF file (required)
//   MACHINE    lm3s6965evb (default) or mps2-an385

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { EventEmitter, once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dial } from './raw.mjs';

export const machine = process.env.MACHINE ?? 'lm3s6965evb';
export const firmware = process.env.FIRMWARE;
assert.ok(firmware, 'FIRMWARE, the ELF file, is missing');

// Where the firmware finds what the host tells it, and how QEMU calls the Ethernet controller.
const MACHINES = {
  'lm3s6965evb': { host: 0x2000ffe0, model: 'stellaris' },
  'mps2-an385': { host: 0x2000ffe0, model: 'lan9118' },
};
const BOOT_MS = 20_000;
// QEMU's network takes one connection at a time on each port, and loses some that come together.
const FORWARDS = 8;

const running = new Set();
process.on('exit', () => running.forEach(child => child.kill('SIGKILL')));

// Starts a device. `seed` is 16 bytes; `sntp` the port of a time server on this host; `icount` makes time a matter of instructions, `args` are more
// arguments of QEMU.
export async function startDevice({ seed = randomBytes(16), sntp, icount, until = /^ready/, args = [], file = firmware } = {}) {
  const ports = await freePorts(FORWARDS);
  const { host, model } = MACHINES[machine];
  const told = Buffer.alloc(24);
  seed.copy(told);
  if (sntp) {
    told.set([10, 0, 2, 2], 16);
    told.writeUInt16BE(sntp, 20);
  }
  const words = [0, 8, 16].flatMap(at => [
    '-device', `loader,addr=${host + at},data=${told.readBigUInt64LE(at)},data-len=8`,
  ]);
  const forwards = ports.map(port => `,hostfwd=tcp:127.0.0.1:${port}-10.0.2.15:80`).join('');
  const child = spawn('qemu-system-arm', [
    '-M', machine, '-kernel', file, '-display', 'none', '-monitor', 'none', '-serial', 'stdio', ...words,
    '-nic', `user,id=net,model=${model}${forwards}`, ...(icount ? ['-icount', icount] : []), ...args,
  ], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  const device = new EventEmitter();
  Object.assign(device, { ports, lines: [], child, ended: null });
  readLines(child.stdout, device);
  readLines(child.stderr, device);
  child.on('exit', (code, signal) => {
    running.delete(child);
    device.ended = { code, signal };
    device.emit('line', 'QEMU has ended');
  });
  device.waitFor = pattern => waitFor(device, pattern);
  device.stop = () => stop(device);
  await device.waitFor(until);
  return device;
}

function readLines(stream, device) {
  let rest = '';
  stream.setEncoding('utf8').on('data', text => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      device.lines.push(line);
      device.emit('line', line);
    }
  });
}

// The first line of the console that matches, written already or still to come.
async function waitFor(device, pattern, from = 0) {
  const signal = AbortSignal.timeout(BOOT_MS);
  for (let at = from; ; at++) {
    while (at >= device.lines.length) {
      assert.equal(device.ended, null, `the device is gone:\n${device.lines.slice(-10).join('\n')}`);
      await once(device, 'line', { signal });
    }
    if (pattern.test(device.lines[at])) return device.lines[at];
  }
}

async function stop(device) {
  if (!device.ended) {
    device.child.kill();
    await once(device.child, 'exit');
  }
}

// The next `marks` line, as numbers.
export async function marks(device) {
  const line = await waitFor(device, /^marks:/, device.lines.length);
  const marks = {};
  for (const [, name, value, most] of line.matchAll(/(\w+) (\d+)(?:\/(\d+))?/g)) {
    marks[name] = Number(value);
    if (most) marks[`${name}_max`] = Number(most);
  }
  return marks;
}

// Free ports below those that the system gives to connections of its own.
async function freePorts(count) {
  const ports = [];
  for (let port = 20_000 + Math.floor(Math.random() * 10_000); ports.length < count; port++) {
    const server = createServer();
    const free = await new Promise(done => {
      server.once('error', () => done(false)).listen(port, '127.0.0.1', () => server.close(() => done(true)));
    });
    if (free) ports.push(port);
  }
  return ports;
}

// One address for a device, which connects one client after the other through all its ports. `open` has all connections.
export async function startFront(device, listen = 0) {
  const open = new Set();
  let turn = Promise.resolve();
  let next = 0;
  const server = createServer({ allowHalfOpen: true }, near => {
    const port = device.ports[next++ % device.ports.length];
    near.pause().on('error', () => {});
    open.add(near);
    near.on('close', () => open.delete(near));
    turn = turn.then(async () => {
      const far = await dial(port).catch(() => near.destroy());
      if (near.destroyed) return far.destroy();
      near.setNoDelay();
      far.on('close', () => near.destroy());
      near.on('close', () => far.destroy());
      near.pipe(far);
      far.pipe(near);
    });
  });
  await new Promise(done => server.listen(listen, '127.0.0.1', done));
  const url = `http://127.0.0.1:${server.address().port}`;
  return { url, open, close: () => { server.close(); open.forEach(socket => socket.destroy()); } };
}

// A server of RFC 4330 that says what `now` says.
export async function startSntp(now = Date.now) {
  const socket = createSocket('udp4');
  socket.on('message', (asked, from) => {
    if (asked.length < 48) return;
    const answer = Buffer.alloc(48);
    answer.set([0x24, 2, 0, 0xec]);
    asked.copy(answer, 24, 40, 48);
    for (const at of [32, 40]) {
      const ms = now();
      answer.writeUInt32BE((Math.floor(ms / 1000) + 2_208_988_800) % 2 ** 32, at);
      answer.writeUInt32BE(Math.floor((ms % 1000) / 1000 * 2 ** 32), at + 4);
    }
    socket.send(answer, from.port, from.address);
  });
  await new Promise(done => socket.bind(0, '127.0.0.1', done));
  return { port: socket.address().port, close: () => socket.close() };
}

// What the linker made: bytes of flash, of RAM for data, and of the stack.
export function figures(file = firmware) {
  const { sections, symbol } = readElf(readFileSync(file));
  const figures = { flash: 0, ram: 0, stack: symbol('_stack_start') - symbol('_stack_end') };
  for (const { type, flags, length } of sections) {
    const [allocated, writable, isEmpty] = [flags & 2, flags & 1, type === 8];
    if (allocated && !isEmpty) figures.flash += length;
    if (allocated && writable) figures.ram += length;
  }
  return figures;
}

// Writes the same firmware with a stack of so many bytes, at the same place, to a file.
export function shortenStack(bytes, file) {
  const elf = readFileSync(firmware);
  const { sections, symbol } = readElf(elf);
  // The first word of the vector table is the stack's top (ARMv7-M, B1.5.3).
  const vectors = sections.find(({ address, flags, type }) => address === 0 && flags & 2 && type === 1);
  assert.equal(elf.readUInt32LE(vectors.offset), symbol('_stack_start'));
  elf.writeUInt32LE(symbol('_stack_end') + bytes, vectors.offset);
  writeFileSync(file, elf);
}

function readElf(elf) {
  assert.equal(elf.readUInt32BE(0), 0x7f454c46, 'an ELF file');
  const table = elf.readUInt32LE(0x20);
  const [size, count] = [elf.readUInt16LE(0x2e), elf.readUInt16LE(0x30)];
  const sections = Array.from({ length: count }, (_, number) => {
    const word = at => elf.readUInt32LE(table + size * number + at);
    return { type: word(4), flags: word(8), address: word(12), offset: word(16), length: word(20), link: word(24) };
  });
  const symbols = sections.find(({ type }) => type === 2);
  const names = sections[symbols.link].offset;
  const symbol = name => {
    for (let at = symbols.offset; at < symbols.offset + symbols.length; at += 16) {
      const start = names + elf.readUInt32LE(at);
      if (elf.toString('latin1', start, elf.indexOf(0, start)) === name) return elf.readUInt32LE(at + 4);
    }
    throw new Error(`no symbol ${name}`);
  };
  return { sections, symbol };
}
