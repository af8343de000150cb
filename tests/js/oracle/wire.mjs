// HTTP and WebSocket as bytes on a TCP connection: what a client library would not let pass, or would hide.
import { randomBytes } from "node:crypto";
import { connect } from "node:net";

// How long anything may take to come. Far more than any server needs: it only ends a test that would hang.
export const PATIENCE_MS = 8000;

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;

// One TCP connection. Everything that came and was not taken yet is in `buffer`.
export class Connection {
  static open(port) {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => resolve(new Connection(socket)));
    });
  }

  constructor(socket) {
    this.socket = socket;
    this.buffer = Buffer.alloc(0);
    this.ended = false;
    const wake = () => this.wake?.();
    socket.on("data", (bytes) => {
      this.buffer = Buffer.concat([this.buffer, bytes]);
      wake();
    });
    // However it ends: what counts is that nothing more comes.
    for (const event of ["end", "error", "close"]) {
      socket.on(event, () => {
        this.ended = true;
        wake();
      });
    }
  }

  write(bytes) {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  close() {
    this.socket.destroy();
  }

  // Breaks off: the peer sees the connection reset.
  abort() {
    this.socket.resetAndDestroy();
  }

  // Waits until `find` gives something for the buffer; undefined if the connection ends before.
  async until(find) {
    for (;;) {
      const found = find(this.buffer);
      if (found !== undefined) return found;
      if (this.ended) return undefined;
      await new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`nothing came, after ${JSON.stringify(String(this.buffer))}`)), PATIENCE_MS);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  take(len) {
    const taken = this.buffer.subarray(0, len);
    this.buffer = this.buffer.subarray(len);
    return taken;
  }

  async exactly(len) {
    const there = await this.until((buffer) => (buffer.length >= len ? true : undefined));
    if (!there) throw new Error("the connection ended inside a body");
    return this.take(len);
  }

  async line() {
    const at = await this.until((buffer) => nonNegative(buffer.indexOf("\r\n")));
    if (at === undefined) throw new Error("the connection ended inside a line");
    return this.take(at + 2).toString("latin1", 0, at);
  }

  // True when the peer has ended the connection and nothing is left.
  async atEnd() {
    const more = await this.until((buffer) => (buffer.length > 0 ? true : undefined));
    return more === undefined;
  }
}

const nonNegative = (at) => (at < 0 ? undefined : at);

// The bytes of a request. A length is added for a body unless the headers say how long it is.
export const requestBytes = (method, target, { headers = {}, body, version = "1.1" } = {}) => {
  const fields = { Host: "localhost", ...headers };
  const names = Object.keys(fields).map((name) => name.toLowerCase());
  if (body !== undefined && !names.includes("content-length") && !names.includes("transfer-encoding")) {
    fields["Content-Length"] = Buffer.byteLength(body);
  }
  const lines = Object.entries(fields).flatMap(([name, value]) => [value].flat().map((item) => `${name}: ${item}\r\n`));
  const head = `${method} ${target} HTTP/${version}\r\n${lines.join("")}\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), Buffer.from(body ?? "")]);
};

// Reads a response; null if the connection ends without one. `headers` has lower-case names.
export const readResponse = async (connection, method = "GET") => {
  const headLen = await connection.until((buffer) => nonNegative(buffer.indexOf("\r\n\r\n")));
  if (headLen === undefined) return null;
  const [first, ...lines] = connection.take(headLen + 4).toString("latin1", 0, headLen).split("\r\n");
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? [headers[name], value].flat() : value;
  }
  const status = Number(first.split(" ")[1]);
  if (status === 100) return readResponse(connection, method);
  return { status, headers, body: await readBody(connection, status, headers, method) };
};

const readBody = async (connection, status, headers, method) => {
  if (status === 101 || status === 204 || status === 304 || method === "HEAD") return Buffer.alloc(0);
  if (headers["transfer-encoding"] === "chunked") {
    const chunks = [];
    for (;;) {
      const len = parseInt(await connection.line(), 16);
      if (len === 0) break;
      chunks.push(await connection.exactly(len));
      await connection.line();
    }
    await connection.line();
    return Buffer.concat(chunks);
  }
  if ("content-length" in headers) return connection.exactly(Number(headers["content-length"]));
  await connection.until(() => undefined);
  return connection.take(connection.buffer.length);
};

// A WebSocket on a connection, without any rule about what may be sent.
export class WebSocketWire {
  // Opens one; `response` of the result is the answer to the handshake, `socket` null if it was refused.
  static async open(port, target, headers = {}) {
    const connection = await Connection.open(port);
    const fields = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
      "Sec-WebSocket-Version": "13",
      ...headers,
    };
    connection.write(requestBytes("GET", target, { headers: fields }));
    const response = await readResponse(connection);
    return { response, connection, socket: response?.status === 101 ? new WebSocketWire(connection) : null };
  }

  constructor(connection) {
    this.connection = connection;
  }

  send(text) {
    this.frame(0x80 | TEXT, Buffer.from(text));
  }

  sendBinary(bytes) {
    this.frame(0x80 | BINARY, Buffer.from(bytes));
  }

  sendClose(code) {
    const payload = Buffer.alloc(code === undefined ? 0 : 2);
    if (code !== undefined) payload.writeUInt16BE(code);
    this.frame(0x80 | CLOSE, payload);
  }

  // Any frame, masked as a client has to.
  frame(first, payload, { masked = true } = {}) {
    const mask = masked ? randomBytes(4) : Buffer.alloc(0);
    const body = masked ? payload.map((byte, at) => byte ^ mask[at % 4]) : payload;
    const bit = masked ? 0x80 : 0;
    let head;
    if (payload.length < 126) head = Buffer.from([first, bit | payload.length]);
    else if (payload.length < 65_536) head = Buffer.from([first, bit | 126, payload.length >> 8, payload.length & 255]);
    else {
      head = Buffer.from([first, bit | 127, 0, 0, 0, 0, 0, 0, 0, 0]);
      head.writeUInt32BE(payload.length, 6);
    }
    this.connection.write(Buffer.concat([head, mask, body]));
  }

  // The next message as text or Buffer; { close: code } for a close frame, { end: true } for an end without one.
  async next() {
    const header = await this.connection.until((buffer) => frameHeader(buffer));
    if (!header) return { end: true };
    this.connection.take(header.headLen);
    const payload = await this.connection.exactly(header.len).catch(() => null);
    if (!payload) return { end: true };
    if (header.opcode === TEXT) return payload.toString();
    if (header.opcode === BINARY) return Buffer.from(payload);
    if (header.opcode !== CLOSE) return { opcode: header.opcode, payload: payload.toString("hex") };
    this.sendClose();
    this.connection.socket.end();
    return { close: payload.length < 2 ? 1005 : payload.readUInt16BE() };
  }

  close() {
    this.connection.close();
  }
}

// Unmasked, as a server's frames are.
function frameHeader(buffer) {
  if (buffer.length < 2) return undefined;
  const short = buffer[1] & 127;
  const headLen = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (buffer.length < headLen) return undefined;
  const len = short < 126 ? short : short === 126 ? buffer.readUInt16BE(2) : Number(buffer.readBigUInt64BE(2));
  return { opcode: buffer[0] & 15, len, headLen };
}
