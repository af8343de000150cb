// A server that is ended and started again: clients see `transport close` and come back by themselves.
//
//   SPRAT_BEHAVIOUR=target/release/examples/behaviour CLIENT=own node --test restart.mjs
//
// SPRAT_BEHAVIOUR  a program that keeps the contract at the top of oracle.mjs and takes Sprat's options
// CLIENT           `own` (the default) or `official`
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, test } from "node:test";
import { event, loadClient } from "./support.mjs";

const TRANSPORTS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

const io = await loadClient(process.env.CLIENT ?? "own");

const start = async (t, port = 0) => {
  const server = spawn(process.env.SPRAT_BEHAVIOUR, ["--listen", `127.0.0.1:${port}`], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => server.kill("SIGKILL"));
  const [line] = await once(server.stdout, "data");
  server.stdout.resume();
  return { server, port: /127\.0\.0\.1:(\d+)/.exec(String(line))[1] };
};

for (const [mode, transports] of Object.entries(TRANSPORTS)) {
  describe(mode, () => {
    test("the server ends and begins again", { timeout: 60000 }, async (t) => {
      const { server, port } = await start(t);
      const url = `http://127.0.0.1:${port}`;
      const socket = io(url, { forceNew: true, transports, reconnectionDelay: 20, reconnectionDelayMax: 60 });
      t.after(() => socket.disconnect());
      await event(socket, "connect");
      if (mode === "upgrade" && socket.io.engine.transport.name === "polling") await event(socket.io.engine, "upgrade");
      const firstId = socket.id;
      await socket.emitWithAck("echo", 1);
      // When this is answered, the poll that the client has begun is waiting at the server.
      await (await fetch(`${url}/socket.io/socket.io.js`)).text();

      const left = event(socket, "disconnect");
      const [ended] = [once(server, "exit"), server.kill("SIGTERM")];
      assert.equal((await left)[0], "transport close");
      assert.equal(socket.active, true, "it comes back without being told to");
      assert.deepEqual(await ended, [0, null]);
      await start(t, port);
      await event(socket, "connect");
      assert.notEqual(socket.id, firstId);
      assert.equal(socket.recovered, false);
      assert.equal(await socket.emitWithAck("echo", 2), 2);
    });
  });
}
