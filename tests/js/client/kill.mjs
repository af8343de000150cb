// A server that is killed again and again: the official client comes back by itself, and with retries no message that was
// acknowledged is lost.
//
//   SPRAT_COMMAND=target/release/sprat node --test kill.mjs
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { io } from "socket.io-client";
import { event } from "./support.mjs";

const KILLS = 5;
const MESSAGES_BY_KILL = 20;
const TRANSPORTS = [["websocket"], ["polling"], ["polling", "websocket"]];

// The chat server on a port; 0 lets the system choose.
const start = async (port) => {
  assert.ok(process.env.SPRAT_COMMAND, "SPRAT_COMMAND is not set");
  const child = spawn(process.env.SPRAT_COMMAND, [`--listen=127.0.0.1:${port}`], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  while (!said.includes("\n", said.indexOf("http://"))) said += (await once(child.stdout, "data"))[0];
  return { child, port: Number(/http:\/\/127\.0\.0\.1:(\d+)/.exec(said)[1]) };
};

test("a killed server's clients come back, and no acknowledged message is lost", { timeout: 60_000 }, async (t) => {
  let server = await start(0);
  const options = { forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 200 };
  const url = `http://127.0.0.1:${server.port}`;
  const writer = io(url, { ...options, transports: ["websocket"], retries: 100, ackTimeout: 2_000 });
  const readers = TRANSPORTS.map((transports) => {
    const socket = io(url, { ...options, transports });
    const reader = { socket, seen: new Set(), wake() {} };
    const add = (...messages) => {
      for (const { text } of messages) reader.seen.add(text);
      reader.wake();
    };
    socket.on("message", add);
    socket.on("history", add);
    return reader;
  });
  t.after(() => {
    for (const socket of [writer, ...readers.map(({ socket }) => socket)]) socket.disconnect();
    server.child.kill("SIGKILL");
  });
  const sockets = [writer, ...readers.map(({ socket }) => socket)];
  await Promise.all(sockets.map((socket) => event(socket, "connect")));

  // Acknowledged, and then seen by everybody: in a message, or in the history of who came back later.
  const say = (text) =>
    new Promise((resolve, reject) => {
      writer.emit("message", { text }, (problem, answer) => (problem || !answer.id ? reject(problem ?? answer) : resolve(text)));
    });
  const seenByAll = async (text) => {
    for (const reader of readers) {
      while (!reader.seen.has(text)) await new Promise((resolve) => (reader.wake = resolve));
    }
  };
  for (let kill = 0; kill < KILLS; kill++) {
    const back = sockets.map((socket) => event(socket, "connect"));
    const ended = once(server.child, "exit");
    server.child.kill("SIGKILL");
    // Said while nobody listens; sent when somebody does.
    const said = Array.from({ length: MESSAGES_BY_KILL }, (_, n) => say(`${kill}-${n}`));
    await ended;
    server = await start(server.port);
    await Promise.all(back);
    for (const text of await Promise.all(said)) await seenByAll(text);
  }
  for (const { seen } of readers) assert.equal(seen.size, KILLS * MESSAGES_BY_KILL);
});
