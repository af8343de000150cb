// Bytes over TCP, and what a server makes of them: answers of HTTP and frames of WebSocket, taken apart but not interpreted.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';

const WAIT_MS = 15_000;
// Every frame is masked with the same key, so that a script has the same bytes each time.
const KEY = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

// The guest sees all clients at one address, whatever port of the host they came through: two that had the same port of their own
// would be one to it. So each gets one that no other has.
const taken = new Set();
let local = 33_000 + Math.floor(Math.random() * 20_000);

// Connects to a port of this host. Resolves when the connection is there.
export async function dial(port) {
  for (;;) {
    do local = local < 60_000 ? local + 1 : 33_000; while (taken.has(local));
    const localPort = local;
    const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.1', localPort, allowHalfOpen: true, noDelay: true });
    taken.add(localPort);
    socket.once('close', () => taken.delete(localPort));
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(WAIT_MS) });
      return socket.on('error', () => {});
    } catch (error) {
      // Somebody else has it.
      if (!['EADDRINUSE', 'EADDRNOTAVAIL'].includes(error.code)) throw error;
    }
  }
}

export class Raw {
  // A connection to a port of this host. Resolves when it is there.
  static async open(port) {
    const raw = new Raw();
    raw.wake = () => {};
    raw.socket = await dial(port);
    raw.received = Buffer.alloc(0);
    raw.ended = false;
    const came = (data, ended) => {
      if (data) raw.received = Buffer.concat([raw.received, data]);
      raw.ended ||= ended;
      raw.wake();
    };
    raw.socket.on('data', data => came(data, false));
    raw.socket.on('end', () => { came(null, true); raw.socket.end(); });
    raw.socket.on('error', () => came(null, true)).on('close', () => came(null, true));
    return raw;
  }

  send(bytes) {
    this.socket.write(bytes);
    return this;
  }

  frame(opcode, payload, { fin = true, masked = true } = {}) {
    return this.send(frame(opcode, payload, { fin, masked }));
  }

  text(text) {
    return this.frame(1, Buffer.from(text));
  }

  // Waits until `take` gives something for what was received: a value and how many bytes it is made of. Null at the end.
  async take(take) {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const taken = take(this.received);
      if (taken) {
        this.received = this.received.subarray(taken.len);
        return taken.value;
      }
      if (this.ended) return null;
      await new Promise((done, failed) => {
        const timer = setTimeout(() => failed(new Error(`nothing came; what did: ${this.received}`)), deadline - Date.now());
        this.wake = () => { clearTimeout(timer); done(); };
      });
    }
  }

  // An answer of HTTP as { head, body }.
  response({ hasBody = true } = {}) {
    return this.take(bytes => {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) return null;
      const head = bytes.toString('latin1', 0, end + 2);
      const length = hasBody ? Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0) : 0;
      const len = end + 4 + length;
      return bytes.length < len ? null : { len, value: { head, body: bytes.subarray(end + 4, len) } };
    });
  }

  // A frame as { opcode, fin, payload }.
  async next() {
    return this.take(bytes => {
      if (bytes.length < 2) return null;
      let len = bytes[1] & 0x7f;
      let at = 2;
      assert.ok(!(bytes[1] & 0x80) && len < 127, 'a frame of a server that has no long ones');
      if (len === 126) {
        if (bytes.length < 4) return null;
        len = bytes.readUInt16BE(2);
        at = 4;
      }
      if (bytes.length < at + len) return null;
      const value = { fin: bytes[0] >> 7 === 1, opcode: bytes[0] & 0x7f, payload: bytes.subarray(at, at + len) };
      return { len: at + len, value };
    });
  }

  // Waits for the end and gives what came before it.
  async end() {
    await this.take(() => null);
    const rest = this.received;
    this.received = Buffer.alloc(0);
    return rest;
  }

  close() {
    this.socket.destroy();
  }
}

export function frame(opcode, payload, { fin = true, masked = true } = {}) {
  const header = [(fin ? 0x80 : 0) | opcode];
  const mask = masked ? 0x80 : 0;
  if (payload.length < 126) header.push(mask | payload.length);
  else header.push(mask | 126, payload.length >> 8, payload.length & 0xff);
  if (!masked) return Buffer.concat([Buffer.from(header), payload]);
  return Buffer.concat([Buffer.from(header), KEY, payload.map((byte, at) => byte ^ KEY[at % 4])]);
}

export function get(target, fields = '') {
  return `GET ${target} HTTP/1.1\r\nHost: device\r\n${fields}\r\n`;
}

export function post(target, body, fields = '') {
  return `POST ${target} HTTP/1.1\r\nHost: device\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${fields}\r\n${body}`;
}

export function upgrade(target) {
  return get(target, 'Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n');
}
