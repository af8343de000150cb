// The browser client of Sprat: Engine.IO protocol 4 and Socket.IO protocol 5 in one classic script, with the API of the
// official client, so that a page may load either. It defines the global `io`.
//
// From top to bottom: emitter, codec, transports (long polling, WebSocket), engine (one Engine.IO session), manager
// (keeps a session alive), socket (one namespace), io(). Names that begin with `_` are private, all others are API.
//
// The server hands this file out without the lines that are empty or start with `//`, and without the blanks around
// each line. So: comments on lines of their own, no string that spans lines. It is kept small enough for a
// microcontroller; tests/js/client/size.mjs knows the limit. Semicolons are left out for that reason, so no line may
// begin with a bracket, a quote or an operator.
(() => {
// ---------------------------------------------------------------- emitter

class Emitter {
  constructor() {
    this._listeners = Object.create(null)
  }

  on(event, listener) {
    this._listeners[event] = [...this.listeners(event), listener]
    return this
  }

  prepend(event, listener) {
    this._listeners[event] = [listener, ...this.listeners(event)]
    return this
  }

  once(event, listener) {
    const wrapper = (...args) => {
      this.off(event, wrapper)
      listener.apply(this, args)
    }
    wrapper.fn = listener
    return this.on(event, wrapper)
  }

  // Without a listener all those of the event go, without an event all there are.
  off(event, listener) {
    if (event == null) for (const name in this._listeners) this.off(name)
    const listeners = listener ? [...this.listeners(event)] : []
    const index = listeners.findIndex((entry) => [entry, entry.fn].includes(listener))
    if (index >= 0) listeners.splice(index, 1)
    this._listeners[event] = listeners
    return this
  }

  listeners(event) {
    return this._listeners[event] || []
  }

  hasListeners(event) {
    return !!this.listeners(event)[0]
  }

  // Calls the listeners here, whereas `emit` of a socket sends to the server. The lists are never changed in place, so
  // listeners may come and go meanwhile.
  _fire(event, ...args) {
    for (const listener of this.listeners(event)) listener.apply(this, args)
  }
}

const { prototype } = Emitter
prototype.addEventListener = prototype.on
prototype.removeListener = prototype.removeAllListeners = prototype.removeEventListener = prototype.off

// Hands the events of an emitter to the methods `_onopen`, `_onerror` and so on of another object, until the result is
// called.
const subscribe = (emitter, target, ...events) => {
  const entries = events.map((event) => [event, (...args) => target["_on" + event](...args)])
  entries.forEach((entry) => emitter.on(...entry))
  return () => entries.forEach((entry) => emitter.off(...entry))
}

// ---------------------------------------------------------------- codec

const isBinary = (data) => data instanceof ArrayBuffer || ArrayBuffer.isView(data) || data instanceof Blob

// Engine.IO packets. On the wire the type is the index in this list; a binary message has no type at all.
const PACKETS = ["open", "close", "ping", "pong", "message", "upgrade", "noop"]

const encodePacket = ({ type, data }) => (isBinary(data) ? data : PACKETS.indexOf(type) + (data ?? ""))

// Long polling carries text only: there binary is `b` and base64.
const encodeAsText = async (packet) => {
  const data = encodePacket(packet)
  if (!isBinary(data)) return data
  const bytes = new Uint8Array(await new Blob([data]).arrayBuffer())
  return "b" + btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
}

const decodePacket = (data) => {
  if (data[0] == "b") data = Uint8Array.from(atob(data.slice(1)), (char) => char.charCodeAt(0)).buffer
  if (isBinary(data)) return { type: "message", data }
  const type = PACKETS[data[0]]
  return type ? { type, data: data.slice(1) } : { type: "error", data: new Error("server error") }
}

// Socket.IO packets. The type is the index in this list; on the wire those with attachments have 3 more.
const TYPES = ["connect", "disconnect", "event", "ack", "connect_error"]
const RESERVED = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]

// Gives the text of the packet, followed by its attachments.
const encode = (name, nsp, data, id = "") => {
  const type = TYPES.indexOf(name)
  const attachments = []
  const json = JSON.stringify(data, function (key, value) {
    // `value` is what toJSON made of it, and some kinds of buffer have that.
    const part = this[key]
    return isBinary(part) ? { _placeholder: true, num: attachments.push(part) - 1 } : value
  })
  const head = attachments[0] ? `${type + 3}${attachments.length}-` : type
  return [head + (nsp == "/" ? "" : nsp + ",") + id + (json ?? ""), ...attachments]
}

// Throws when the text is no packet, which ends the connection with "parse error".
const decode = (text) => {
  const pattern = /^(?:([56])([1-9]|10)-|([0-4]))(?:(\/[^,]*),?)?(\d+)?\s*(.+)?$/s
  const [, binaryType, attachments, plainType, nsp = "/", id, json] = pattern.exec(text)
  const type = +(plainType || binaryType - 3)
  const data = json && JSON.parse(json)
  // By type: an object, nothing, an array that starts with a name, an array, an object or text.
  const isValid = !json || /^(0\{|2\[\s*["\d-]|3\[|4[{"])/.test(type + json)
  if (!isValid || (type == 2 && RESERVED.includes(data?.[0]))) throw new Error("invalid packet")
  return { type, nsp, id: id && +id, data, attachments, received: [] }
}

// Puts the attachments in the place of their placeholders.
const restore = (data, attachments) => {
  if (typeof data != "object") return data
  if (data?._placeholder === true) {
    const attachment = attachments[+data.num]
    if (!attachment) throw new Error("invalid packet")
    return attachment
  }
  for (const key in data) data[key] = restore(data[key], attachments)
  return data
}

// ---------------------------------------------------------------- transports

// Events: open, packet, drain, error, close.
class Transport extends Emitter {
  constructor(engine) {
    super()
    this.writable = false
    this._engine = engine
    this._sid = engine.id
  }

  _url(scheme) {
    const { opts, _address } = this._engine
    const query = new URLSearchParams(opts.query || _address.search)
    query.set("EIO", 4)
    query.set("transport", this.name)
    if (this._sid) query.set("sid", this._sid)
    return scheme + _address.origin + opts.path.replace(/\/?$/, "/?") + query
  }

  _ready(event) {
    this.writable = true
    this._fire(event)
  }

  _fail(message, description, context) {
    this._fire("error", Object.assign(new Error(message), { type: "TransportError", description, context }))
  }
}

// One GET waits for packets at any time, and at most one POST is under way.
class Polling extends Transport {
  async open() {
    this._polling = true
    const body = await this._request()
    if (body == null) return
    for (const packet of body.split("\x1e").map(decodePacket)) {
      if (packet.type == "open") {
        this._sid = JSON.parse(packet.data).sid
        this._ready("open")
        // Given up during the handshake: only now is it known which session the server has to close.
        if (this._closed) this.close()
      }
      if (this._closed) return
      if (packet.type == "close") {
        this._sid = null
        return this._fire("close", { description: "transport closed by the server" })
      }
      this._fire("packet", packet)
    }
    this._polling = false
    this._settle()
  }

  async send(packets) {
    this.writable = false
    const body = (await Promise.all(packets.map(encodeAsText))).join("\x1e")
    if ((await this._request(body)) == null) return
    this._ready("drain")
    this._settle()
  }

  // Before an upgrade (Engine.IO protocol, upgrading): calls back when both requests have come to their end. Aborting
  // the GET instead would close the session. Without a callback polling goes on.
  pause(callback) {
    this._onPause = callback
    this._settle()
  }

  close() {
    this._closed = true
    if (this._sid) this.send([{ type: "close" }])
  }

  _settle() {
    if (this._polling || this._closed) return
    if (!this._onPause) this.open()
    else if (this.writable) this._onPause()
  }

  // The names of the errors are those of the official client, as pages may compare them.
  async _request(body) {
    const { extraHeaders: headers, withCredentials } = this._engine.opts
    const credentials = withCredentials ? "include" : "same-origin"
    let response
    try {
      response = await fetch(this._url("http"), { method: body ? "POST" : "GET", body, headers, credentials })
      if (response.ok) return await response.text()
    } catch {}
    this._fail(`xhr ${body ? "post" : "poll"} error`, response?.status, response)
  }
}

Polling.prototype.name = "polling"

class WebSocketTransport extends Transport {
  open() {
    const socket = (this._socket = new WebSocket(this._url("ws")))
    socket.binaryType = "arraybuffer"
    socket.onopen = () => this._ready("open")
    socket.onmessage = ({ data }) => this._fire("packet", decodePacket(data))
    socket.onerror = (event) => this._fail("websocket error", event)
    socket.onclose = (context) => this._fire("close", { description: "websocket connection closed", context })
  }

  send(packets) {
    this.writable = false
    for (const packet of packets) this._socket.send(encodePacket(packet))
    queueMicrotask(() => this._ready("drain"))
  }

  close() {
    this._socket?.close()
  }
}

WebSocketTransport.prototype.name = "websocket"

// ---------------------------------------------------------------- engine

// `[scheme:][//]host[:port][/namespace][?query]`; what is missing comes from the page's address.
const parseUri = (uri) => {
  const url = (uri || "/").replace(/^(?!\/|\w+:\/\/)/, "//")
  const { protocol, host, pathname, search } = new URL(url, globalThis.location?.href)
  return { origin: protocol.replace(/http|ws/, "") + "//" + host, nsp: decodeURI(pathname), search }
}

// One session. Events: open, packet, packetCreate, ping, data, drain, upgrade, upgradeError, error, close.
class Engine extends Emitter {
  constructor(uri, opts) {
    super()
    this.opts = opts
    this.readyState = "opening"
    this.writeBuffer = []
    this._address = parseUri(uri)
    this._onOffline = () => this._end("transport close", { description: "network connection lost" })
    globalThis.addEventListener?.("offline", this._onOffline)
    this._use(new (opts.transports[0] == "polling" ? Polling : WebSocketTransport)(this))
    this.transport.open()
  }

  // What was written before still leaves, and an upgrade is not cut in the middle.
  close() {
    const close = () => this._end("forced close")
    if (this.readyState == "open") {
      this.readyState = "closing"
      if (this.upgrading || !this.transport.writable) this.once("drain", close)
      else close()
    } else if (this.readyState == "opening") close()
  }

  _use(transport) {
    this.transport?.off()
    this.transport = transport
    subscribe(transport, this, "packet", "drain", "error", "close")
  }

  // Packets of other types say nothing to a client.
  _onpacket(packet) {
    this._fire("packet", packet)
    this["_on" + packet.type]?.(packet.data)
  }

  _onmessage(data) {
    this._fire("data", data)
  }

  _onping() {
    this._send("pong")
    this._fire("ping")
    this._awaitPing()
  }

  _onopen(data) {
    this._handshake = JSON.parse(data)
    this.id = this._handshake.sid
    this.readyState = "open"
    this._awaitPing()
    this._fire("open")
    const { transports, upgrade } = this.opts
    // A listener may have closed the session.
    if (this.readyState != "open" || !upgrade) return
    if (this._handshake.upgrades.some((name) => transports.includes(name))) this._probe()
  }

  // Engine.IO protocol, heartbeat: the server pings, and each ping may be late by the timeout.
  _awaitPing() {
    const delay = this._handshake.pingInterval + this._handshake.pingTimeout
    clearTimeout(this._pingTimer)
    this._pingEnd = Date.now() + delay
    this._pingTimer = setTimeout(() => this._end("ping timeout"), delay)
  }

  // Engine.IO protocol, upgrading: probe the new transport, let the old one come to rest, then switch. When that fails
  // the session stays where it is.
  _probe() {
    const transport = (this._probing = new WebSocketTransport(this))
    const fail = () => {
      transport.off().close()
      this.upgrading = false
      this._fire("upgradeError", new Error("probe error"))
      this.transport.pause()
      this._ondrain()
    }
    transport.on("open", () => transport.send([{ type: "ping", data: "probe" }]))
    transport.on("error", fail).on("close", fail)
    transport.on("packet", ({ type, data }) => {
      if (type + data != "pongprobe") return fail()
      this.upgrading = true
      this.transport.pause(() => {
        this.upgrading = false
        transport.off().send([{ type: "upgrade" }])
        this._use(transport)
        this._fire("upgrade", transport)
      })
    })
    transport.open()
  }

  _send(type, data) {
    if (!/^open/.test(this.readyState)) return
    const packet = { type, data }
    this._fire("packetCreate", packet)
    this.writeBuffer.push(packet)
    this._flush()
  }

  // As many packets as one POST may carry, by a safe estimate; one that is too large alone is the server's to refuse.
  _flush() {
    const { transport, writeBuffer } = this
    if (this.upgrading || !transport.writable) return
    let count = 0
    let size = 0
    for (const { data } of writeBuffer) {
      if (transport.pause) size += new Blob([data]).size * 1.4 + 5
      if (count && size > this._handshake.maxPayload) break
      count++
    }
    transport.send(writeBuffer.splice(0, count))
  }

  _ondrain() {
    if (this.writeBuffer.length) this._flush()
    else this._fire("drain")
  }

  _onclose(details) {
    this._end("transport close", details)
  }

  _onerror(error) {
    this._fire("error", error)
    this._end("transport error", error)
  }

  _end(reason, details) {
    if (this.readyState == "closed") return
    this.readyState = "closed"
    clearTimeout(this._pingTimer)
    globalThis.removeEventListener?.("offline", this._onOffline)
    for (const transport of [this.transport, this._probing]) transport?.off().close()
    this.id = null
    this._fire("close", reason, details)
  }
}

// ---------------------------------------------------------------- manager

const DEFAULTS = {
  path: "/socket.io",
  multiplex: true,
  transports: ["polling", "websocket"],
  upgrade: true,
  autoConnect: true,
  timeout: 20000,
  reconnection: true,
  reconnectionAttempts: Infinity,
  reconnectionDelay: 1000,
  reconnectionDelayMax: 5000,
  randomizationFactor: 0.5,
}

// Keeps a session for the sockets of all namespaces. Events: open, ping, packet, error, close, reconnect_attempt,
// reconnect, reconnect_error, reconnect_failed.
class Manager extends Emitter {
  constructor(uri, opts) {
    super()
    this.uri = uri
    this.opts = { ...DEFAULTS, ...opts }
    for (const name in DEFAULTS) this.opts[name] ??= DEFAULTS[name]
    this.nsps = {}
    this._readyState = "closed"
    // Above 0 while it reconnects.
    this._attempts = 0
    if (this.opts.autoConnect) this.open()
  }

  open() {
    if (this._readyState != "closed") return this
    this._readyState = "opening"
    this._stopped = false
    this.engine = new Engine(this.uri, this.opts)
    this._unsubscribe = subscribe(this.engine, this, "open", "ping", "data", "error", "close")
    const { timeout } = this.opts
    if (timeout) this._timer = setTimeout(() => this._onerror(new Error("timeout")), timeout)
    return this
  }

  socket(nsp, opts) {
    const socket = (this.nsps[nsp] ||= new Socket(this, nsp, opts))
    return this.opts.autoConnect ? socket.connect() : socket
  }

  disconnect() {
    this._stopped = true
    this._attempts = 0
    this._reset()
    this._onclose("forced close")
  }

  _onopen() {
    clearTimeout(this._timer)
    this._readyState = "open"
    this._fire("open")
    if (this._attempts) this._fire("reconnect", this._attempts)
    this._attempts = 0
  }

  // An open session closes after it, one that opens does not.
  _onerror(error) {
    const { _readyState, _attempts } = this
    if (_readyState == "opening") this._reset()
    this._fire("error", error)
    if (_readyState == "open") return
    this._reconnect()
    if (_attempts) this._fire("reconnect_error", error)
  }

  _onping() {
    this._fire("ping")
  }

  _ondata(data) {
    try {
      const packet = this._collect(data)
      // An error in a listener must not be taken for one of the packet.
      if (packet) queueMicrotask(() => this._fire("packet", packet))
    } catch (error) {
      this._onclose("parse error", error)
    }
  }

  // Socket.IO protocol, binary: the text comes first, then the attachments it announces and nothing else.
  _collect(data) {
    const { _partial } = this
    if (isBinary(data) != !!_partial) throw new Error("invalid packet")
    const packet = _partial || decode(data)
    if (_partial) packet.received.push(data)
    this._partial = packet.received.length < packet.attachments && packet
    if (this._partial) return
    packet.data = restore(packet.data, packet.received)
    return packet
  }

  _reset() {
    clearTimeout(this._timer)
    this._unsubscribe?.()
    this.engine?.close()
    this._partial = null
    this._readyState = "closed"
  }

  _onclose(reason, details) {
    if (this._readyState == "opening") return this._onerror(new Error(reason))
    this._reset()
    this._fire("close", reason, details)
    this._reconnect()
  }

  _reconnect() {
    const { opts } = this
    // A listener may have opened it at once.
    if (this._stopped || !opts.reconnection || this._readyState != "closed") return
    if (this._attempts >= opts.reconnectionAttempts) {
      this._attempts = 0
      return this._fire("reconnect_failed")
    }
    const jitter = 1 + (Math.random() * 2 - 1) * opts.randomizationFactor
    const delay = opts.reconnectionDelay * 2 ** this._attempts++ * jitter
    this._timer = setTimeout(() => {
      this._fire("reconnect_attempt", this._attempts)
      // The listeners may have disconnected.
      if (!this._stopped) this.open()
    }, Math.min(delay, opts.reconnectionDelayMax))
  }
}

// The settings are methods too: with a value they set it, without one they return it.
for (const name in DEFAULTS) {
  Manager.prototype[name] = function (value) {
    if (value == null) return this.opts[name]
    this.opts[name] = value
    return this
  }
}

// ---------------------------------------------------------------- socket

// The names under which catch-all listeners are kept; no server can send a symbol.
const ANY = { Any: Symbol(), AnyOutgoing: Symbol() }

// One namespace. Events: connect, connect_error, disconnect, and whatever the server emits.
class Socket extends Emitter {
  constructor(manager, nsp, opts) {
    super()
    this.io = manager
    this.nsp = nsp
    // `active` is whether it follows the manager, connected at the moment or not.
    this.active = this.connected = this.recovered = false
    this.sendBuffer = []
    this.receiveBuffer = []
    this.flags = {}
    this.acks = new Map()
    this._nextAckId = 0
    this._queue = []
    this._opts = { ...opts }
    this.auth = this._opts.auth
  }

  get disconnected() {
    return !this.connected
  }

  get volatile() {
    this.flags.volatile = true
    return this
  }

  // Left to the browser.
  compress() {
    return this
  }

  timeout(timeout) {
    this.flags.timeout = timeout
    return this
  }

  connect() {
    const { io } = this
    if (!this.active) {
      this.active = true
      this._unsubscribe = subscribe(io, this, "open", "packet", "error", "close")
      if (io._readyState == "open") this._onopen()
    }
    if (!io._attempts) io.open()
    return this
  }

  disconnect() {
    if (!this.connected) this._leave()
    else {
      this._send("disconnect")
      this._leave()
      this._onclose("io client disconnect")
    }
    return this
  }

  send(...args) {
    return this.emit("message", ...args)
  }

  emit(...args) {
    const { flags, io, _opts } = this
    this.flags = {}
    if (RESERVED.includes(args[0])) throw new Error(`"${args[0]}" is a reserved event name`)
    const packet = { data: args }
    const ack = typeof args[args.length - 1] == "function" && args.pop()
    if (_opts.retries && !flags.queued && !flags.volatile) {
      this._enqueue(args, ack, flags)
      return this
    }
    if (ack) packet.id = this._addAck(ack, { timeout: _opts.ackTimeout, ...flags })
    // Timers stand still while a computer sleeps: the clock says whether a ping is overdue.
    const usable = this.connected && Date.now() < io.engine._pingEnd
    if (flags.volatile && !(usable && io.engine.transport.writable)) return this
    if (usable) this._sendEvent(packet)
    else this.sendBuffer.push(packet)
    return this
  }

  emitWithAck(...args) {
    return new Promise((resolve, reject) => {
      this.flags.withError = true
      this.emit(...args, (error, value) => (error ? reject(error) : resolve(value)))
    })
  }

  _addAck(ack, { timeout, withError = timeout >= 0 }) {
    const id = this._nextAckId++
    const entry = (error, ...results) => {
      clearTimeout(timer)
      this.acks.delete(id)
      this.sendBuffer = this.sendBuffer.filter((packet) => packet.id !== id)
      if (withError) ack(error, ...results)
      else if (!error) ack(...results)
    }
    const timer = timeout >= 0 && setTimeout(() => entry(new Error("operation has timed out")), timeout)
    this.acks.set(id, entry)
    return id
  }

  // Option `retries`: one packet at a time, in order, sent again until it is acknowledged or was tried often enough.
  _enqueue(args, ack, flags) {
    const entry = { args, flags: { ...flags, queued: true, withError: true }, tries: 0 }
    const onAck = (error, ...results) => {
      entry.pending = false
      if (!error || entry.tries > this._opts.retries) {
        this._queue.shift()
        if (ack) ack(error, ...results)
      }
      this._sendNext()
    }
    args.push(onAck)
    this._queue.push(entry)
    this._sendNext()
  }

  _sendNext() {
    const [entry] = this._queue
    if (!this.connected || !entry || entry.pending) return
    entry.pending = true
    entry.tries++
    this.flags = entry.flags
    this.emit(...entry.args)
  }

  _sendEvent({ data, id }) {
    this._fire(ANY.AnyOutgoing, ...data)
    this._send("event", data, id)
  }

  _send(type, ...rest) {
    for (const part of encode(type, this.nsp, ...rest)) this.io.engine._send("message", part)
  }

  _onopen() {
    // What an earlier connection brought before its CONNECT (recovery) is sent again.
    this.receiveBuffer = []
    const send = (data) => this._send("connect", { pid: this._pid, offset: this._offset, ...data })
    if (typeof this.auth == "function") this.auth(send)
    else send(this.auth)
  }

  _onerror(error) {
    if (!this.connected) this._fire("connect_error", error)
  }

  _onpacket({ nsp, type, data, id }) {
    if (nsp == this.nsp) this["_on" + TYPES[type]](data || [], id)
  }

  _onconnect({ sid, pid }) {
    this.id = sid
    this.recovered = !!pid && pid == this._pid
    this._pid = pid
    this.connected = true
    for (const args of this.receiveBuffer.splice(0)) this._dispatch(args)
    for (const packet of this.sendBuffer.splice(0)) this._sendEvent(packet)
    this._sendNext()
    this._fire("connect")
  }

  _onconnect_error(data) {
    this._leave()
    this._fire("connect_error", Object.assign(new Error(data.message), data))
  }

  _ondisconnect() {
    this._leave()
    this._onclose("io server disconnect")
  }

  _onack(data, id) {
    this.acks.get(id)?.(null, ...data)
  }

  _onevent(args, id) {
    let sent = id == null
    const acknowledge = (...results) => {
      if (!sent) this._send("ack", results, id)
      sent = true
    }
    if (!sent) args.push(acknowledge)
    if (this.connected) this._dispatch(args)
    else this.receiveBuffer.push(args)
  }

  _dispatch(args) {
    this._fire(ANY.Any, ...args)
    this._fire(...args)
    // Connection state recovery: the last argument says how far this client has read.
    const offset = args[args.length - 1]
    if (this._pid && typeof offset == "string") this._offset = offset
  }

  _leave() {
    this._unsubscribe?.()
    this.active = false
    if (!Object.values(this.io.nsps).some(({ active }) => active)) this.io.disconnect()
  }

  _onclose(reason, details) {
    this.connected = false
    this.id = undefined
    this._fire("disconnect", reason, details)
    // Acknowledgements of packets that still wait to be sent may still come.
    for (const [id, ack] of this.acks) {
      if (!this.sendBuffer.some((packet) => packet.id === id)) ack(new Error("socket has been disconnected"))
    }
  }
}

Socket.prototype.open = Socket.prototype.connect
Socket.prototype.close = Socket.prototype.disconnect

for (const suffix in ANY) {
  for (const verb of ["on", "prepend", "off", "listeners"]) {
    Socket.prototype[verb + suffix] = function (listener) {
      return this[verb](ANY[suffix], listener)
    }
  }
}

// ---------------------------------------------------------------- io()

const managers = {}

// Sockets of different namespaces share a connection; a second one for the same namespace gets a connection of its own.
const io = (uri, opts) => {
  if (uri && typeof uri == "object") [uri, opts] = [, uri]
  const { path, forceNew, multiplex } = { ...DEFAULTS, ...opts }
  const { origin, nsp } = parseUri(uri)
  const key = origin + path
  if (forceNew || !multiplex || managers[key]?.nsps[nsp]) return new Manager(uri, opts).socket(nsp, opts)
  return (managers[key] ||= new Manager(uri, opts)).socket(nsp, opts)
}

globalThis.io = Object.assign(io, { io, connect: io, Manager, Socket, protocol: 5 })
})()
