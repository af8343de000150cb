// The browser client of Sprat: Engine.IO protocol 4 and Socket.IO protocol 5 in one classic script, with the API of the
// official client, so that a page may load either. It defines the global `io`.
//
// From bottom to top: emitter, codec, transports (polling, WebSocket), engine (one Engine.IO session), manager (keeps a
// session alive), socket (one namespace), io(). Names that begin with `_` are private; all others are the public API.
//
// The server hands this file out without the lines that are empty or start with `//`, and without the blanks around
// each line. So: comments on lines of their own, no string that spans lines.
(() => {
"use strict";

// ---------------------------------------------------------------- emitter

class Emitter {
  constructor() {
    this._listeners = Object.create(null);
  }

  on(event, listener) {
    this._listeners[event] = [...this.listeners(event), listener];
    return this;
  }

  once(event, listener) {
    const wrapper = (...args) => {
      this.off(event, wrapper);
      listener.apply(this, args);
    };
    wrapper.fn = listener;
    return this.on(event, wrapper);
  }

  // Without a listener all those of the event go, without an event all there are.
  off(event, listener) {
    if (event === undefined) this._listeners = Object.create(null);
    else {
      const listeners = [...this.listeners(event)];
      const index = listeners.findIndex((entry) => entry === listener || entry.fn === listener);
      if (listener && index >= 0) listeners.splice(index, 1);
      this._listeners[event] = listener ? listeners : [];
    }
    return this;
  }

  listeners(event) {
    return this._listeners[event] || [];
  }

  hasListeners(event) {
    return this.listeners(event).length > 0;
  }

  // Calls the listeners on this side, whereas `emit` of a socket sends to the server. The lists are never changed in
  // place, so listeners may come and go meanwhile.
  emitReserved(event, ...args) {
    for (const listener of this.listeners(event)) listener.apply(this, args);
    return this;
  }
}

const { prototype: emitterApi } = Emitter;
emitterApi.addEventListener = emitterApi.on;
emitterApi.removeListener = emitterApi.removeAllListeners = emitterApi.removeEventListener = emitterApi.off;

// Adds listeners by event name; the result takes them away again.
const subscribe = (emitter, listeners) => {
  for (const event in listeners) emitter.on(event, listeners[event]);
  return () => {
    for (const event in listeners) emitter.off(event, listeners[event]);
  };
};

// ---------------------------------------------------------------- codec

const isBinary = (value) => value instanceof ArrayBuffer || ArrayBuffer.isView(value) || value instanceof Blob;

// Engine.IO packets. On the wire the type is the index in this list; a binary message has no type at all.
const PACKETS = ["open", "close", "ping", "pong", "message", "upgrade", "noop"];

const encodePacket = ({ type, data }) => (isBinary(data) ? data : PACKETS.indexOf(type) + (data ?? ""));

const decodePacket = (wire) => {
  if (typeof wire != "string") return { type: "message", data: wire };
  const data = wire.slice(1);
  if (wire[0] == "b") return { type: "message", data: Uint8Array.from(atob(data), (char) => char.charCodeAt(0)).buffer };
  return { type: PACKETS[wire[0]] || "error", data };
};

// Long polling carries text only: binary is sent as `b` and base64.
const encodePacketAsText = async (packet) => {
  const wire = encodePacket(packet);
  if (!isBinary(wire)) return wire;
  const bytes = new Uint8Array(await new Response(wire).arrayBuffer());
  return "b" + btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
};

const encodedSize = ({ data = "" }) =>
  typeof data == "string" ? new Blob([data]).size + 1 : Math.ceil((data.byteLength ?? data.size) / 3) * 4 + 1;

// Socket.IO packets. Those with attachments have types of their own on the wire only.
const [CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR] = [0, 1, 2, 3, 4];
const BINARY_OFFSET = 3;
const MAX_ATTACHMENTS = 10;
const RESERVED_EVENTS = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

// Gives the text of the packet, followed by its attachments.
const encode = ({ type, nsp, id = "", data }) => {
  const attachments = [];
  // A replacer sees values after their toJSON, while a Node.js Buffer is binary before it only.
  const json = JSON.stringify(data, function (key, value) {
    const binary = [this[key], value].find(isBinary);
    return binary ? { _placeholder: true, num: attachments.push(binary) - 1 } : value;
  });
  const head = attachments.length ? type + BINARY_OFFSET + `${attachments.length}-` : type;
  return [head + (nsp == "/" ? "" : nsp + ",") + id + (json ?? ""), ...attachments];
};

// Throws when the text is no packet, which ends the connection with "parse error".
const decode = (text) => {
  const [, digit, count, nsp = "/", id, json] = /^([0-6])(?:(\d+)-)?(?:(\/[^,]*),?)?(\d*)(.*)$/s.exec(text);
  const type = digit > CONNECT_ERROR ? digit - BINARY_OFFSET : +digit;
  const packet = { type, nsp, id: id ? +id : undefined };
  if (digit > CONNECT_ERROR ? !(count > 0 && count <= MAX_ATTACHMENTS) : count) throw new Error("illegal attachments");
  if (count) packet.attachments = +count;
  if (json) {
    const data = (packet.data = JSON.parse(json));
    const isArray = Array.isArray(data);
    const isObject = data && typeof data == "object" && !isArray;
    const isEvent = isArray && /number|string/.test(typeof data[0]) && !RESERVED_EVENTS.includes(data[0]);
    // By type: CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR.
    if (![isObject, false, isEvent, isArray, isObject || typeof data == "string"][type]) throw new Error("invalid payload");
  }
  return packet;
};

// Puts the attachments in the place of their placeholders.
const restore = (value, attachments) => {
  if (!value || typeof value != "object") return value;
  if (value._placeholder === true) {
    const attachment = typeof value.num == "number" && attachments[value.num];
    if (!attachment) throw new Error("illegal attachments");
    return attachment;
  }
  for (const key of Object.keys(value)) value[key] = restore(value[key], attachments);
  return value;
};

// ---------------------------------------------------------------- transports

// Events: open, packet, drain, error, close.
class Transport extends Emitter {
  constructor(engine) {
    super();
    this.writable = false;
    this._engine = engine;
    this._sid = engine.id;
  }

  _url(scheme, extra) {
    const { opts, _address } = this._engine;
    const query = new URLSearchParams(opts.query || _address.query);
    const own = { EIO: 4, transport: this.name, ...extra };
    if (this._sid) own.sid = this._sid;
    for (const key in own) query.set(key, own[key]);
    return scheme + (_address.secure ? "s" : "") + "://" + _address.host + opts.path.replace(/\/?$/, "/?") + query;
  }

  _opened() {
    this.writable = true;
    this.emitReserved("open");
  }

  _drained() {
    this.writable = true;
    this.emitReserved("drain");
  }

  _failed(message, description, context) {
    this.emitReserved("error", Object.assign(new Error(message), { type: "TransportError", description, context }));
  }
}

// One GET waits for packets at any time, and one POST at most is under way.
class Polling extends Transport {
  get name() {
    return "polling";
  }

  async open() {
    this._polling = true;
    const body = await this._request("poll");
    if (body === undefined) return;
    for (const packet of body.split("\x1e").map(decodePacket)) {
      if (packet.type == "open") {
        this._sid = JSON.parse(packet.data).sid;
        this._opened();
        // Given up during the handshake: only now is it known which session the server has to close.
        if (this._closed) return this.close();
      }
      if (this._closed) return;
      if (packet.type == "close") {
        this._sid = null;
        return this.emitReserved("close", { description: "transport closed by the server" });
      }
      this.emitReserved("packet", packet);
    }
    this._polling = false;
    this._settle();
  }

  async send(packets) {
    this.writable = false;
    const body = (await Promise.all(packets.map(encodePacketAsText))).join("\x1e");
    if ((await this._request("post", body)) === undefined) return;
    this._drained();
    this._settle();
  }

  // Before an upgrade (Engine.IO protocol, upgrading): calls back when both requests have come to their end. Aborting
  // the GET instead would close the session.
  pause(callback) {
    this._onPause = callback;
    this._settle();
  }

  resume() {
    this._onPause = null;
    this._settle();
  }

  close() {
    this._closed = true;
    if (this._sid) this.send([{ type: "close" }]);
  }

  _settle() {
    if (this._polling || this._closed) return;
    if (!this._onPause) this.open();
    else if (this.writable) this._onPause();
  }

  // The names of the errors are those of the official client, which pages may compare.
  async _request(action, body) {
    const { extraHeaders: headers, withCredentials } = this._engine.opts;
    const method = body === undefined ? "GET" : "POST";
    const credentials = withCredentials ? "include" : "same-origin";
    let response;
    try {
      response = await fetch(this._url("http", { t: uniqueText() }), { method, body, headers, credentials });
      if (response.status == 200) return await response.text();
    } catch (error) {
      response = error;
    }
    // A session whose GET has failed is gone on the server as well.
    if (action == "poll") this._sid = null;
    this._failed(`xhr ${action} error`, response.status || 0, response);
  }
}

// Against caches that ignore `cache-control`.
const uniqueText = () => Math.random().toString(36).slice(2);

class WebSocketTransport extends Transport {
  get name() {
    return "websocket";
  }

  open() {
    try {
      const socket = (this._socket = new WebSocket(this._url("ws")));
      socket.binaryType = "arraybuffer";
      socket.onopen = () => this._opened();
      socket.onmessage = ({ data }) => this.emitReserved("packet", decodePacket(data));
      socket.onerror = (event) => this._failed("websocket error", event);
      socket.onclose = (context) => this.emitReserved("close", { description: "websocket connection closed", context });
    } catch (error) {
      // The browser forbids it, by the page's policy for instance.
      queueMicrotask(() => this._failed("websocket error", error));
    }
  }

  send(packets) {
    this.writable = false;
    for (const packet of packets) this._socket.send(encodePacket(packet));
    queueMicrotask(() => this._drained());
  }

  close() {
    this._socket?.close();
  }
}

const TRANSPORTS = { polling: Polling, websocket: WebSocketTransport };

// ---------------------------------------------------------------- engine

// `[scheme:][//]host[:port][/namespace][?query]`; what is missing comes from the page's address.
const parseUri = (uri) => {
  const page = globalThis.location || { protocol: "https:", host: "localhost" };
  const [, scheme = page.protocol, host, path, query] = /^(?:(\w+:)?\/\/)?([^/?#]*)([^?#]*)\??([^#]*)/.exec(uri || "");
  const secure = /s:$/.test(scheme);
  const ownHost = (host || page.host).replace(secure ? /:443$/ : /:80$/, "");
  return { scheme, secure, host: ownHost, path: path || "/", query };
};

// One session. Events: open, handshake, packet, packetCreate, heartbeat, ping, pong, data, message, flush, drain,
// upgrading, upgrade, upgradeError, error, close.
class Engine extends Emitter {
  constructor(uri, opts) {
    super();
    this.opts = opts;
    this.readyState = "opening";
    this.writeBuffer = [];
    this.upgrading = false;
    this._inFlight = 0;
    this._pingDeadline = Infinity;
    this._address = parseUri(uri);
    this._transports = (opts.transports || ["polling", "websocket"]).filter((name) => TRANSPORTS[name]);
    this._onOffline = () => this._onClose("transport close", { description: "network connection lost" });
    if (!/^localhost(:|$)/.test(this._address.host)) globalThis.addEventListener?.("offline", this._onOffline);
    this._use(this._createTransport(this._transports[0]));
    this.transport.open();
  }

  write(data) {
    this._send("message", data);
    return this;
  }

  send(data) {
    return this.write(data);
  }

  // What was written before still leaves, and an upgrade is not cut in the middle.
  close() {
    const step = () => {
      if (this.writeBuffer.length) this.once("drain", step);
      else if (this.upgrading) this.once("upgrade", step).once("upgradeError", step);
      else this._onClose("forced close");
    };
    if (/^open/.test(this.readyState)) {
      this.readyState = "closing";
      step();
    }
    return this;
  }

  // Timers stand still while a computer sleeps: before a packet is trusted to the connection, the clock is asked.
  _hasPingExpired() {
    const expired = Date.now() > this._pingDeadline;
    if (expired) queueMicrotask(() => this._onClose("ping timeout"));
    return expired;
  }

  _createTransport(name) {
    return new TRANSPORTS[name](this);
  }

  _use(transport) {
    this.transport?.off();
    this.transport = transport;
    subscribe(transport, {
      packet: (packet) => this._onPacket(packet),
      drain: () => this._onDrain(),
      error: (error) => this._onError(error),
      close: (details) => this._onClose("transport close", details),
    });
  }

  _onPacket(packet) {
    const { type, data } = packet;
    this.emitReserved("packet", packet);
    this.emitReserved("heartbeat");
    if (type == "open") this._onHandshake(JSON.parse(data));
    if (type == "ping") {
      this._send("pong");
      this.emitReserved("ping");
      this.emitReserved("pong");
      this._restartPingTimer();
    }
    if (type == "message") {
      this.emitReserved("data", data);
      this.emitReserved("message", data);
    }
    if (type == "error") this._onError(Object.assign(new Error("server error"), { code: "parser error" }));
  }

  _onHandshake(handshake) {
    this.emitReserved("handshake", handshake);
    this.id = handshake.sid;
    this._handshake = handshake;
    this.readyState = "open";
    this.emitReserved("open");
    this._flush();
    // A listener may have closed the session.
    if (this.readyState != "open") return;
    const upgrades = handshake.upgrades.filter((name) => this._transports.includes(name));
    if (this.opts.upgrade !== false && upgrades.length) this._probe(upgrades[0]);
    this._restartPingTimer();
  }

  // Engine.IO protocol, heartbeat: the server pings, and each ping may be late by the timeout.
  _restartPingTimer() {
    const { pingInterval, pingTimeout } = this._handshake;
    clearTimeout(this._pingTimer);
    this._pingDeadline = Date.now() + pingInterval + pingTimeout;
    this._pingTimer = setTimeout(() => this._onClose("ping timeout"), pingInterval + pingTimeout);
  }

  // Engine.IO protocol, upgrading: probe the new transport, let the old one come to rest, then switch. When that fails
  // the session stays where it is.
  _probe(name) {
    const transport = this._createTransport(name);
    const stop = () => {
      unsubscribe();
      transport.off();
      this.upgrading = false;
    };
    const fail = (cause) => {
      stop();
      transport.close();
      this.emitReserved("upgradeError", Object.assign(new Error("probe error: " + cause), { transport: name }));
      this.transport.resume?.();
      this._flush();
    };
    const unsubscribe = subscribe(this, { close: () => fail("socket closed") });
    subscribe(transport, {
      open: () => transport.send([{ type: "ping", data: "probe" }]),
      error: fail,
      close: () => fail("transport closed"),
      packet: ({ type, data }) => {
        if (type != "pong" || data != "probe") return fail("unexpected packet");
        this.upgrading = true;
        this.emitReserved("upgrading", transport);
        this.transport.pause(() => {
          stop();
          this._use(transport);
          transport.send([{ type: "upgrade" }]);
          this.emitReserved("upgrade", transport);
          this._flush();
        });
      },
    });
    transport.open();
  }

  _send(type, data) {
    if (!/^open/.test(this.readyState)) return;
    const packet = { type, data };
    this.emitReserved("packetCreate", packet);
    this.writeBuffer.push(packet);
    this._flush();
  }

  _flush() {
    if (this.readyState == "closed" || this.upgrading || !this.transport.writable || !this.writeBuffer.length) return;
    const packets = this._nextBatch();
    this._inFlight = packets.length;
    this.transport.send(packets);
    this.emitReserved("flush");
  }

  // As many packets as one POST may carry; a single one that is too large is for the server to refuse.
  _nextBatch() {
    const { maxPayload } = this._handshake;
    if (this.transport.name != "polling" || !maxPayload) return [...this.writeBuffer];
    let size = -1;
    const end = this.writeBuffer.findIndex((packet, index) => (size += 1 + encodedSize(packet)) > maxPayload && index);
    return this.writeBuffer.slice(0, end < 0 ? undefined : end);
  }

  // Packets stay in the buffer until the transport has taken them.
  _onDrain() {
    this.writeBuffer.splice(0, this._inFlight);
    this._inFlight = 0;
    if (this.writeBuffer.length) this._flush();
    else this.emitReserved("drain");
  }

  _onError(error) {
    this.emitReserved("error", error);
    this._onClose("transport error", error);
  }

  _onClose(reason, details) {
    if (this.readyState == "closed") return;
    this.readyState = "closed";
    clearTimeout(this._pingTimer);
    globalThis.removeEventListener?.("offline", this._onOffline);
    this.transport.off();
    this.transport.close();
    this.id = null;
    this.emitReserved("close", reason, details);
    this.writeBuffer = [];
  }
}

// ---------------------------------------------------------------- manager

const DEFAULTS = {
  path: "/socket.io",
  timeout: 20000,
  reconnection: true,
  reconnectionAttempts: Infinity,
  reconnectionDelay: 1000,
  reconnectionDelayMax: 5000,
  randomizationFactor: 0.5,
};

// Keeps a session for the sockets of all namespaces. Events: open, ping, packet, error, close, reconnect_attempt,
// reconnect, reconnect_error, reconnect_failed.
class Manager extends Emitter {
  constructor(uri, opts) {
    super();
    if (uri && typeof uri == "object") [uri, opts] = [undefined, uri];
    this.uri = uri;
    this.opts = { ...DEFAULTS, ...opts };
    this.nsps = {};
    this._autoConnect = this.opts.autoConnect !== false;
    this._readyState = "closed";
    this._reconnecting = this._stopped = false;
    this._attempts = 0;
    if (this._autoConnect) this.open();
  }

  open(callback) {
    if (this._readyState != "closed") return this;
    const { timeout, reconnection } = this.opts;
    this._readyState = "opening";
    this._stopped = false;
    const engine = (this.engine = new Engine(this.uri, this.opts));
    const fail = (error) => {
      this._cleanup();
      this._readyState = "closed";
      this.emitReserved("error", error);
      if (callback) callback(error);
      else if (reconnection && !this._attempts) this._reconnect();
    };
    const open = () => {
      this._onOpen();
      callback?.();
    };
    this._unsubscribe = subscribe(engine, { open, error: fail });
    if (timeout !== false) {
      this._timer = setTimeout(() => {
        fail(new Error("timeout"));
        engine.close();
      }, timeout);
    }
    return this;
  }

  connect(callback) {
    return this.open(callback);
  }

  socket(nsp, opts) {
    const known = this.nsps[nsp];
    if (known && this._autoConnect && !known.active) known.connect();
    return known || (this.nsps[nsp] = new Socket(this, nsp, opts));
  }

  disconnect() {
    this._stopped = true;
    this._reconnecting = false;
    this._onClose("forced close");
  }

  _onOpen() {
    this._cleanup();
    this._readyState = "open";
    this._unsubscribe = subscribe(this.engine, {
      ping: () => this.emitReserved("ping"),
      data: (data) => this._onData(data),
      error: (error) => this.emitReserved("error", error),
      close: (reason, details) => this._onClose(reason, details),
    });
    this.emitReserved("open");
  }

  _send(packet) {
    for (const part of encode(packet)) this.engine.write(part);
  }

  _onData(data) {
    try {
      const packet = this._collect(data);
      // An error in a listener must not be taken for one of the packet.
      if (packet) queueMicrotask(() => this.emitReserved("packet", packet));
    } catch (error) {
      this._onClose("parse error", error);
    }
  }

  // Socket.IO protocol, binary: the text comes first, then the attachments it announces and nothing else.
  _collect(data) {
    const isText = typeof data == "string";
    if (isText == !!this._partial) throw new Error(isText ? "attachment expected" : "attachment not expected");
    const packet = this._partial || decode(data);
    if (packet.attachments) {
      this._partial = packet;
      if (isText) this._attachments = [];
      else this._attachments.push(data);
      if (this._attachments.length < packet.attachments) return;
      this._partial = null;
      packet.data = restore(packet.data, this._attachments);
    }
    return packet;
  }

  _cleanup() {
    clearTimeout(this._timer);
    this._unsubscribe?.();
    this._partial = null;
  }

  _onClose(reason, details) {
    this._cleanup();
    this.engine?.close();
    this._attempts = 0;
    this._readyState = "closed";
    this.emitReserved("close", reason, details);
    this._reconnect();
  }

  _reconnect() {
    const { reconnection, reconnectionAttempts, reconnectionDelay, reconnectionDelayMax, randomizationFactor } = this.opts;
    if (this._reconnecting || this._stopped || !reconnection) return;
    if (this._attempts >= reconnectionAttempts) {
      this._attempts = 0;
      return this.emitReserved("reconnect_failed");
    }
    this._reconnecting = true;
    const jitter = 1 + (Math.random() * 2 - 1) * randomizationFactor;
    const delay = Math.min(reconnectionDelay * 2 ** this._attempts++ * jitter, reconnectionDelayMax);
    this._timer = setTimeout(() => this._attempt(), delay);
  }

  _attempt() {
    const attempt = this._attempts;
    if (!this._stopped) this.emitReserved("reconnect_attempt", attempt);
    // The listeners may have disconnected.
    if (this._stopped) return;
    this.open((error) => {
      this._reconnecting = false;
      if (error) {
        this._reconnect();
        this.emitReserved("reconnect_error", error);
      } else {
        this._attempts = 0;
        this.emitReserved("reconnect", attempt);
      }
    });
  }
}

// The settings are methods too: with a value they set it, without one they return it.
for (const name of Object.keys(DEFAULTS).slice(1)) {
  Manager.prototype[name] = function (...value) {
    if (!value.length) return this.opts[name];
    this.opts[name] = value[0];
    if (name == "reconnection") this._stopped = !value[0];
    return this;
  };
}

// ---------------------------------------------------------------- socket

// One namespace. Events: connect, connect_error, disconnect, and whatever the server emits.
class Socket extends Emitter {
  constructor(manager, nsp, opts) {
    super();
    this.io = manager;
    this.nsp = nsp;
    this.connected = this.recovered = false;
    this.sendBuffer = [];
    this.receiveBuffer = [];
    this.flags = {};
    this.acks = new Map();
    this._nextAckId = 0;
    this._queue = [];
    this._anyListeners = [];
    this._anyOutgoingListeners = [];
    this._opts = { ...opts };
    this.auth = this._opts.auth;
    if (manager._autoConnect) this.connect();
  }

  get disconnected() {
    return !this.connected;
  }

  // Whether it follows the manager, connected at the moment or not.
  get active() {
    return !!this._unsubscribe;
  }

  get volatile() {
    this.flags.volatile = true;
    return this;
  }

  compress(compress) {
    this.flags.compress = compress;
    return this;
  }

  timeout(timeout) {
    this.flags.timeout = timeout;
    return this;
  }

  connect() {
    const { io, active } = this;
    if (this.connected) return this;
    if (!active) {
      this._unsubscribe = subscribe(io, {
        open: () => this._onOpen(),
        packet: (packet) => packet.nsp == this.nsp && this._onPacket(packet),
        error: (error) => this.connected || this.emitReserved("connect_error", error),
        close: (reason, details) => this._onClose(reason, details),
      });
    }
    if (!io._reconnecting) io.open();
    if (!active && io._readyState == "open") this._onOpen();
    return this;
  }

  open() {
    return this.connect();
  }

  disconnect() {
    const { connected } = this;
    if (connected) this._send({ type: DISCONNECT });
    this._leave();
    if (connected) this._onClose("io client disconnect");
    return this;
  }

  close() {
    return this.disconnect();
  }

  send(...args) {
    return this.emit("message", ...args);
  }

  emit(event, ...args) {
    const { flags, io, _opts } = this;
    if (RESERVED_EVENTS.includes(event)) throw new Error(`"${event}" is a reserved event name`);
    this.flags = {};
    const packet = { type: EVENT, data: [event, ...args] };
    if (_opts.retries && !flags.queued && !flags.volatile) {
      this._enqueue(packet.data, flags);
      return this;
    }
    if (typeof args[args.length - 1] == "function") {
      packet.id = this._nextAckId++;
      this._registerAck(packet.id, packet.data.pop(), flags.timeout ?? _opts.ackTimeout);
    }
    const usable = this.connected && !io.engine._hasPingExpired();
    if (flags.volatile && !(usable && io.engine.transport.writable)) return this;
    if (usable) this._sendEvent(packet);
    else this.sendBuffer.push(packet);
    return this;
  }

  emitWithAck(event, ...args) {
    return new Promise((resolve, reject) => {
      const ack = (error, value) => (error ? reject(error) : resolve(value));
      ack.withError = true;
      this.emit(event, ...args, ack);
    });
  }

  _registerAck(id, ack, timeout) {
    if (timeout === undefined) return this.acks.set(id, ack);
    const timer = setTimeout(() => {
      this.acks.delete(id);
      this.sendBuffer = this.sendBuffer.filter((packet) => packet.id !== id);
      ack.call(this, new Error("operation has timed out"));
    }, timeout);
    const entry = (...args) => {
      clearTimeout(timer);
      ack.apply(this, args);
    };
    entry.withError = true;
    this.acks.set(id, entry);
  }

  // Option `retries`: one packet at a time, in order, sent again until it is acknowledged or was tried often enough.
  _enqueue(args, flags) {
    const userAck = typeof args[args.length - 1] == "function" ? args.pop() : () => {};
    const entry = { args, flags: { ...flags, queued: true }, tries: 0, pending: false };
    const ack = (error, ...results) => {
      entry.pending = false;
      if (!error || entry.tries > this._opts.retries) {
        this._queue.shift();
        userAck(error, ...results);
      }
      this._drainQueue();
    };
    ack.withError = true;
    args.push(ack);
    this._queue.push(entry);
    this._drainQueue();
  }

  _drainQueue() {
    const [entry] = this._queue;
    if (!this.connected || !entry || entry.pending) return;
    entry.pending = true;
    entry.tries++;
    this.flags = entry.flags;
    this.emit(...entry.args);
  }

  _sendEvent(packet) {
    for (const listener of this._anyOutgoingListeners) listener.apply(this, packet.data);
    this._send(packet);
  }

  _send(packet) {
    this.io._send({ ...packet, nsp: this.nsp });
  }

  _onOpen() {
    const { auth } = this;
    const recovery = this._pid && { pid: this._pid, offset: this._offset };
    const send = (data) => this._send({ type: CONNECT, data: recovery ? { ...recovery, ...data } : data });
    if (typeof auth == "function") auth.call(this, send);
    else send(auth);
  }

  _onPacket({ type, id, data }) {
    if (type == CONNECT) this._onConnect(data || {});
    if (type == EVENT) {
      const args = data || [];
      if (id !== undefined) args.push(this._ackSender(id));
      if (this.connected) this._dispatch(args);
      else this.receiveBuffer.push(args);
    }
    if (type == ACK) this._onAck(id, data);
    if (type == DISCONNECT) {
      this._leave();
      this._onClose("io server disconnect");
    }
    if (type == CONNECT_ERROR) {
      this._leave();
      this.emitReserved("connect_error", Object.assign(new Error(data.message), { data: data.data }));
    }
  }

  _onConnect({ sid, pid }) {
    if (!sid) return this.emitReserved("connect_error", new Error("the server speaks an older protocol"));
    this.id = sid;
    this.recovered = !!pid && this._pid === pid;
    this._pid = pid;
    this.connected = true;
    for (const args of this.receiveBuffer.splice(0)) this._dispatch(args);
    for (const packet of this.sendBuffer.splice(0)) this._sendEvent(packet);
    this._drainQueue();
    this.emitReserved("connect");
  }

  _dispatch(args) {
    for (const listener of this._anyListeners) listener.apply(this, args);
    this.emitReserved(...args);
    // Connection state recovery: the last argument says how far this client has read.
    const offset = args[args.length - 1];
    if (this._pid && typeof offset == "string") this._offset = offset;
  }

  _ackSender(id) {
    let sent = false;
    return (...data) => {
      if (!sent) this._send({ type: ACK, id, data });
      sent = true;
    };
  }

  _onAck(id, data) {
    const ack = this.acks.get(id);
    this.acks.delete(id);
    ack?.apply(this, ack.withError ? [null, ...data] : data);
  }

  _leave() {
    this._unsubscribe?.();
    this._unsubscribe = null;
    if (!Object.values(this.io.nsps).some(({ active }) => active)) this.io.disconnect();
  }

  _onClose(reason, details) {
    this.connected = false;
    this.id = undefined;
    this.emitReserved("disconnect", reason, details);
    // Acknowledgements of packets that still wait to be sent may still come.
    for (const [id, ack] of this.acks) {
      if (this.sendBuffer.some((packet) => packet.id === id)) continue;
      this.acks.delete(id);
      if (ack.withError) ack.call(this, new Error("socket has been disconnected"));
    }
  }
}

// onAny and onAnyOutgoing with their companions.
for (const [suffix, list] of [["Any", "_anyListeners"], ["AnyOutgoing", "_anyOutgoingListeners"]]) {
  const methods = {
    on: (listeners, listener) => [...listeners, listener],
    prepend: (listeners, listener) => [listener, ...listeners],
    off: (listeners, listener) => listeners.filter((entry) => listener && entry !== listener),
  };
  for (const prefix in methods) {
    Socket.prototype[prefix + suffix] = function (listener) {
      this[list] = methods[prefix](this[list], listener);
      return this;
    };
  }
  Socket.prototype["listeners" + suffix] = function () {
    return this[list];
  };
}

// ---------------------------------------------------------------- io()

const managers = {};

// Sockets of different namespaces share a connection; a second one for the same namespace gets a connection of its own.
const io = (uri, opts) => {
  if (uri && typeof uri == "object") [uri, opts] = [undefined, uri];
  const { path = DEFAULTS.path, forceNew, multiplex } = opts || {};
  const { scheme, host, path: nsp } = parseUri(uri);
  const key = scheme + host + path;
  const own = forceNew || multiplex === false || (managers[key] && nsp in managers[key].nsps);
  const manager = own ? new Manager(uri, opts) : (managers[key] = managers[key] || new Manager(uri, opts));
  return manager.socket(nsp, opts);
};

Object.assign(io, { io, connect: io, Manager, Socket, protocol: 5 });
globalThis.io = io;
if (typeof module == "object") module.exports = io;
})();
