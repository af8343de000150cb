// Plays a script against one server and writes down what it saw, with what differs by chance given names.
import { inflateSync, gunzipSync } from "node:zlib";
import { Connection, WebSocketWire, readResponse, requestBytes } from "./wire.mjs";

// What says something about the connection or the moment, not about the answer: how the end of a body is told among it.
// `Connection: close` is kept.
const PASSING_HEADERS = new Set(["content-length", "date", "keep-alive", "sec-websocket-accept", "transfer-encoding"]);
const FENCE_ID = 4_000_000;

export class Player {
  constructor({ child, port }) {
    this.child = child;
    this.port = port;
    this.seen = [];
    this.names = new Map();
    this.open = [];
    this.fences = FENCE_ID;
  }

  // Writes a step down.
  note(...step) {
    this.seen.push(step.length === 1 ? step[0] : step);
  }

  // Ids as `<1>`, `<2>` … in the order they came to light.
  named(text) {
    for (const [, id] of text.matchAll(/"(?:sid|pid)":"([^"]+)"/g)) this.name(id);
    let result = text;
    for (const [id, name] of this.names) result = result.replaceAll(id, name);
    return result;
  }

  name(id) {
    if (!this.names.has(id)) this.names.set(id, `<${this.names.size + 1}>`);
    return this.names.get(id);
  }

  // --- HTTP

  async connect() {
    const connection = await Connection.open(this.port);
    this.open.push(connection);
    return connection;
  }

  // Sends a request on a connection of its own, or a given one, and notes the answer.
  async request(method, target, options = {}) {
    const { connection = await this.connect(), label = method } = options;
    connection.write(requestBytes(method, target, options));
    return this.response(connection, label, method);
  }

  async response(connection, label, method) {
    const response = await readResponse(connection, method);
    this.note(label, this.shown(response));
    return response;
  }

  shown(response) {
    if (!response) return "destroyed";
    // First, since it is the body that brings new ids to light.
    const body = this.named(decoded(response));
    const headers = {};
    for (const name of Object.keys(response.headers).sort()) {
      if (PASSING_HEADERS.has(name)) continue;
      const value = response.headers[name];
      if (name === "connection" && String(value).toLowerCase() !== "close") continue;
      headers[name] = this.named([value].flat().join(", "));
    }
    return { status: response.status, headers, body };
  }

  // Two round trips on another connection: what was sent before them has been read.
  async settle() {
    for (let i = 0; i < 2; i++) {
      const connection = await this.connect();
      connection.write(requestBytes("GET", "/socket.io/"));
      await readResponse(connection);
      connection.close();
    }
  }

  // A session over polling; its answer is noted.
  async polling(query = "", options = {}) {
    const response = await this.request("GET", `/socket.io/?EIO=4&transport=polling${query}`, { label: "open", ...options });
    const { sid } = JSON.parse(response.body.toString().split("\x1e")[0].slice(1));
    return new Polling(this, sid);
  }

  // A session over polling that has joined a namespace; nothing of that is noted.
  async joined(packet = "40", query = "") {
    return this.quietly(async () => {
      const session = await this.polling(query);
      await session.post(packet);
      await session.get();
      return session;
    });
  }

  // --- WebSocket

  // Opens a WebSocket and notes how it was answered.
  async webSocket(query = "&EIO=4&transport=websocket", headers = {}) {
    const opened = await WebSocketWire.open(this.port, `/socket.io/?${query.replace(/^&/, "")}`, headers);
    this.open.push(opened.connection);
    this.note("upgrade", this.shown(opened.response));
    return opened.socket && new Socket(this, opened.socket);
  }

  // A WebSocket whose OPEN has come; nothing of that is noted.
  async opened(query = "", headers = {}) {
    return this.quietly(async () => {
      const socket = await this.webSocket(`EIO=4&transport=websocket${query}`, headers);
      socket.sid = JSON.parse((await socket.next()).slice(1)).sid;
      return socket;
    });
  }

  // A WebSocket that has joined `/`; nothing of that is noted.
  async connected(packet = "40", query = "") {
    return this.quietly(async () => {
      const socket = await this.opened(query);
      socket.send(packet);
      await socket.next();
      return socket;
    });
  }

  async quietly(act) {
    const { seen } = this;
    this.seen = [];
    try {
      return await act();
    } finally {
      this.seen = seen;
    }
  }

  // Notes why the socket that came with `{"label": …}` as auth was disconnected.
  async reason(label) {
    const watcher = await this.connected();
    await this.quietly(async () => {
      watcher.send(`420${JSON.stringify(["reason", label])}`);
      this.last = await watcher.next();
    });
    this.note("reason", this.last);
  }

  // Asks the server to stop.
  stop() {
    this.child.kill("SIGTERM");
  }

  end() {
    for (const connection of this.open) connection.close();
  }
}

class Polling {
  constructor(player, sid) {
    this.player = player;
    this.sid = sid;
    this.target = `/socket.io/?EIO=4&transport=polling&sid=${sid}`;
  }

  get(options) {
    return this.player.request("GET", this.target, options);
  }

  post(body, options) {
    return this.player.request("POST", this.target, { body, ...options });
  }

  // Sends a GET that is to wait. Its answer is noted when `answer` of the result is called.
  async park(label = "parked GET") {
    const connection = await this.player.connect();
    connection.write(requestBytes("GET", this.target));
    await this.player.settle();
    return { connection, answer: () => this.player.response(connection, label) };
  }

  probe(headers) {
    return this.player.webSocket(`EIO=4&transport=websocket&sid=${this.sid}`, headers);
  }
}

class Socket {
  constructor(player, wire) {
    this.player = player;
    this.wire = wire;
  }

  // Text, or bytes as a binary message.
  send(...messages) {
    for (const message of messages) {
      if (typeof message === "string") this.wire.send(message);
      else this.wire.sendBinary(message);
    }
  }

  // Notes the next message, or how the connection ended.
  async next() {
    const message = await this.wire.next();
    this.player.note("ws", this.shown(message));
    return message;
  }

  async until(isLast) {
    for (;;) {
      const message = await this.next();
      if (isLast(message) || message.end || message.close !== undefined) return message;
    }
  }

  untilClosed() {
    return this.until(() => false);
  }

  // Notes all that comes until the server has read everything sent so far, or has closed.
  async fence(namespace = "") {
    const id = this.player.fences++;
    this.send(`42${namespace}${id}["echo"]`);
    const answer = `43${namespace}${id}[]`;
    for (;;) {
      const message = await this.wire.next();
      if (message === answer) return this.player.note("ws", "still open");
      this.player.note("ws", this.shown(message));
      if (message.end || message.close !== undefined) return;
    }
  }

  shown(message) {
    if (typeof message === "string") return this.player.named(message);
    return Buffer.isBuffer(message) ? `binary ${message.toString("hex")}` : message;
  }

  close() {
    this.wire.close();
  }
}

const decoded = ({ headers, body }) => {
  const coding = headers["content-encoding"];
  const bytes = coding === "gzip" ? gunzipSync(body) : coding === "deflate" ? inflateSync(body) : body;
  return bytes.toString();
};
