// The same script against Sprat and against the official server: what both say has to be the same, byte for byte, ids and
// moments aside. Where Sprat is stricter on purpose, differences.mjs says what each of them does, and why.
//
//   SPRAT_ORACLE=PROGRAM node --test compare.test.mjs      PROGRAM is the example `oracle` of the crate in tests/
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import differences from "./differences.mjs";
import http from "./http.mjs";
import { meaning } from "./meaning.mjs";
import options from "./options.mjs";
import { Player } from "./player.mjs";
import upgrade from "./upgrade.mjs";
import websocket from "./websocket.mjs";

const scripts = [...http, ...websocket, ...upgrade, ...options];
const only = process.env.ONLY && new RegExp(process.env.ONLY);

const CLIENT_DIST = fileURLToPath(new URL("../node_modules/socket.io/client-dist", import.meta.url));
const switched = (is) => (is ? "on" : "off");

// The official server's options as the flags of Sprat.
const FLAGS = {
  addTrailingSlash: (is) => [`--trailing-slash=${switched(is)}`],
  allowUpgrades: (is) => [`--upgrades=${switched(is)}`],
  connectTimeout: (ms) => [`--connect-timeout=${ms}`],
  connectionStateRecovery: ({ maxDisconnectionDuration }) => [`--recovery-timeout=${maxDisconnectionDuration}`],
  cookie: (cookie) => [`--cookie=${cookie === true ? "io" : attributes(cookie)}`],
  cors: ({ origin, credentials = false }) => [
    `--cors-origin=${origin === true ? "echo" : origin}`,
    `--cors-credentials=${switched(credentials)}`,
  ],
  headers: () => ["--headers"],
  httpCompression: (is) => [`--compress-from=${is ? is.threshold : 0}`],
  ids: () => ["--ids"],
  initialPacket: (text) => [`--initial-packet=${text}`],
  maxHttpBufferSize: (bytes) => [`--max-payload=${bytes}`],
  // Only so that a script has servers of its own.
  own: () => [],
  parser: (name) => [`--parser=${name}`],
  pingInterval: (ms) => [`--ping-interval=${ms}`],
  pingTimeout: (ms) => [`--ping-timeout=${ms}`],
  refuse: (text) => [`--refuse=${text}`],
  serveClient: () => [`--client-dir=${CLIENT_DIST}`],
  transports: (names) => [`--transports=${names}`],
  upgradeTimeout: (ms) => [`--upgrade-timeout=${ms}`],
};

const attributes = ({ name, path, secure }) => `${name}; Path=${path}; HttpOnly${secure ? "; Secure" : ""}; SameSite=Lax`;
const flags = (options) => Object.entries(options).flatMap(([name, value]) => FLAGS[name](value));

const running = [];
after(() => running.forEach((child) => child.kill("SIGKILL")));

// Starts a server and gives its process and port as soon as it says it.
const start = (command, args) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    running.push(child);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${command} ended with ${code}`)));
    let said = "";
    child.stdout.on("data", (bytes) => {
      said += bytes;
      const port = /http:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      if (port) resolve({ child, port: Number(port) });
    });
  });

const pairs = new Map();

// Both servers with these options; those of other scripts are used again.
const serversWith = (options) => {
  const key = JSON.stringify(options);
  if (!pairs.has(key)) {
    const official = start(process.execPath, [fileURLToPath(new URL("server.mjs", import.meta.url)), key]);
    const sprat = start(process.env.SPRAT_ORACLE, ["--listen=127.0.0.1:0", "--log=warn", ...flags(options)]);
    pairs.set(key, Promise.all([official, sprat]));
  }
  return pairs.get(key);
};

const play = async (server, script) => {
  const player = new Player(server);
  try {
    await script(player);
  } catch (problem) {
    player.note("stuck", problem.message);
  } finally {
    player.end();
  }
  return player.seen;
};

const without = (header, seen) =>
  seen.map(([label, { headers: { [header]: _, ...headers }, ...answer }]) => [label, { ...answer, headers }]);

assert.ok(process.env.SPRAT_ORACLE, "SPRAT_ORACLE is not set");
assert.deepEqual(Object.keys(differences).filter((name) => !scripts.some(([script]) => script === name)), [], "differences of no script");

for (const [name, options, script] of scripts) {
  if (only && !only.test(name)) continue;
  test(name, async () => {
    const [official, sprat] = await serversWith(options);
    const [expected, seen] = [await play(official, script), await play(sprat, script)];
    assert.ok(expected.length > 0, "the script saw nothing");
    const difference = differences[name];
    if (!difference) return assert.deepEqual(seen, expected);
    assert.notDeepEqual(seen, expected, "there is no difference any more");
    const { withoutHeader: header } = difference;
    if (header) return assert.deepEqual(without(header, seen), without(header, expected));
    if (difference.meansTheSame) return assert.deepEqual(meaning(seen), meaning(expected));
    assert.deepEqual(expected, difference.official, "the official server");
    assert.deepEqual(seen, difference.sprat, "Sprat");
  });
}
