// What the behaviour test stands on: the client under test, a proxy that can be cut, and a server that says what it is
// told to.
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import vm from "node:vm";
import WebSocket, { WebSocketServer } from "ws";
import { servedClient } from "./served.mjs";

// The official client in its Node.js build, or ours as it is served, with the WebSocket of a browser.
export const loadClient = async (name) => {
  if (name === "official") return (await import("socket.io-client")).io;
  globalThis.WebSocket = WebSocket;
  vm.runInThisContext(servedClient(), { filename: "socket.io.js" });
  return globalThis.io;
};

// The behaviour server on the official implementation.
export const startOracle = async () => {
  const oracle = spawn(process.execPath, [fileURLToPath(new URL("oracle.mjs", import.meta.url))], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(oracle.stdout, "data");
  return { url: /http:\S+/.exec(String(line))[0], process: oracle };
};

// Waits for an event of an emitter and gives its arguments.
export const event = (emitter, name, limitMs = 15000) =>
  new Promise((resolve, reject) => {
    const listener = (...args) => {
      clearTimeout(timer);
      resolve(args);
    };
    const timer = setTimeout(() => {
      emitter.off(name, listener);
      reject(new Error(`no event "${name}" within ${limitMs} ms`));
    }, limitMs);
    emitter.once(name, listener);
  });

const listen = (server) =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));

// A TCP proxy in front of a server. `cut` breaks all connections, `cutAfter` does when so many more bytes of the server
// have passed, `refuse` breaks those to come as well, `freeze` lets everything hang as a network that is gone does; with
// `refuseUpgrades` no WebSocket passes.
export const startProxy = async (target) => {
  const { hostname, port } = new URL(target);
  const open = new Set();
  const state = { refuse: false, frozen: false, refuseUpgrades: false };
  let bytesLeft = Infinity;
  // What may still pass of a chunk from the server; cuts when that is not all of it.
  const allowed = (chunk) => {
    const passing = chunk.subarray(0, bytesLeft);
    bytesLeft -= passing.length;
    if (passing.length < chunk.length) queueMicrotask(cut);
    return passing;
  };
  const server = createServer((near) => {
    if (state.refuse) return near.destroy();
    const far = connect(Number(port), hostname);
    const pass = (from, to) => {
      from.on("data", (chunk) => {
        if (state.frozen) return;
        if (state.refuseUpgrades && from === near && /upgrade: websocket/i.test(chunk)) return near.destroy();
        to.write(from === far ? allowed(chunk) : chunk);
      });
      from.on("error", () => {});
      from.on("close", () => {
        open.delete(from);
        if (!state.frozen) to.destroy();
      });
      open.add(from);
    };
    pass(near, far);
    pass(far, near);
  });
  const cut = () => {
    bytesLeft = Infinity;
    for (const socket of open) socket.destroy();
  };
  const cutAfter = (bytes) => {
    bytesLeft = bytes;
  };
  return {
    url: `http://127.0.0.1:${await listen(server)}`,
    state,
    cut,
    cutAfter,
    close: () => {
      state.frozen = false;
      cut();
      server.close();
    },
  };
};

// A server of one client at a time that speaks Engine.IO only as far as a test needs it. `onMessage(text, say)` gets
// each Socket.IO packet; the default answers CONNECT. `posts` are the bodies received.
export const startScript = async ({ onMessage = answerConnect, handshake = {}, firstMessages = [] } = {}) => {
  const session = { queue: [], parked: null, socket: null };
  const news = new EventEmitter();
  let messages = 0;
  // `packets` are all Engine.IO packets of the client, `postGate` is what the answer to a POST waits for.
  const script = { posts: [], packets: [], paths: [], requests: [], postGate: null };
  Object.assign(script, { handshakes: 0, aborted: 0, pending: 0, mostPending: 0 });
  const greeting = (upgrades) =>
    "0" + JSON.stringify({ sid: "engine", upgrades, pingInterval: 20000, pingTimeout: 20000, maxPayload: 1000, ...handshake });
  const flush = () => {
    if (session.socket) for (const text of session.queue.splice(0)) session.socket.send(text);
    else if (session.parked && session.queue.length) {
      session.parked.end(session.queue.splice(0).map(asText).join("\x1e"));
      session.parked = null;
    }
  };
  const raw = (...packets) => {
    session.queue.push(...packets);
    flush();
  };
  const say = (...messages) => raw(...messages.map((text) => (typeof text === "string" ? "4" + text : text)));
  const receive = (packet) => {
    script.packets.push(packet);
    if (packet[0] === "4") {
      onMessage(packet.slice(1), say, script);
      messages++;
    }
    news.emit("news");
  };
  const greet = (upgrades) => {
    script.handshakes++;
    raw(greeting(upgrades), ...firstMessages.map((text) => "4" + text));
  };
  // From then on no poll has to wait (Engine.IO protocol, upgrading).
  const answerProbe = (webSocket) => {
    webSocket.send("3probe", () => {
      session.probed = true;
      raw("6");
    });
  };
  const poll = (response) => {
    if (session.probed) session.queue.push("6");
    session.parked = response;
    session.onPark?.(response);
    response.on("close", () => {
      if (!response.writableFinished) script.aborted++;
    });
    flush();
  };
  const http = createHttpServer(async (request, response) => {
    const { searchParams, pathname } = new URL(request.url, "http://x");
    script.paths.push(pathname);
    script.requests.push({ query: searchParams, headers: request.headers });
    if (request.method === "POST") {
      script.mostPending = Math.max(script.mostPending, ++script.pending);
      let body = "";
      for await (const chunk of request) body += chunk;
      script.posts.push(body);
      body.split("\x1e").forEach(receive);
      await script.postGate;
      script.pending--;
      return response.end("ok");
    }
    if (!searchParams.get("sid")) {
      Object.assign(session, { queue: [], socket: null, parked: null, probed: false });
      greet(script.upgrades ?? []);
    }
    poll(response);
  });
  const webSockets = new WebSocketServer({ server: http });
  webSockets.on("connection", (socket, request) => {
    const query = new URL(request.url, "http://x").searchParams;
    const probe = query.has("sid");
    script.requests.push({ query, headers: request.headers });
    socket.on("error", () => {});
    const accept = () => {
      session.probed = false;
      session.socket = socket;
      if (!probe) session.queue = [];
    };
    if (!probe) {
      accept();
      if (script.greet) return script.greet(socket);
      greet([]);
    }
    socket.on("message", (data) => {
      const text = String(data);
      if (/^[25]/.test(text)) script.packets.push(text);
      if (text === "2probe") return (script.onProbe ?? answerProbe)(socket);
      if (text !== "5") return receive(text);
      accept();
      flush();
      news.emit("news");
    });
  });
  const url = `http://127.0.0.1:${await listen(http)}`;
  // Wait until so many bodies were posted, so many Socket.IO packets received.
  const posted = async (n) => {
    while (script.posts.length < n) await once(news, "news");
  };
  const received = async (n) => {
    while (messages < n) await once(news, "news");
  };
  const packet = async (text) => {
    while (!script.packets.includes(text)) await once(news, "news");
  };
  // The response of the GET that waits, as soon as one does.
  const parked = () => session.parked ?? new Promise((resolve) => (session.onPark = resolve));
  const close = () => {
    for (const socket of webSockets.clients) socket.terminate();
    http.close();
    http.closeAllConnections();
  };
  return Object.assign(script, { url, raw, say, parked, posted, received, packet, answerProbe, close });
};

const asText = (packet) => (typeof packet === "string" ? packet : "b" + packet.toString("base64"));

const answerConnect = (text, say) => {
  if (text.startsWith("0")) say('0{"sid":"abc"}');
};
