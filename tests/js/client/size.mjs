// Checks that the browser client, as it is served, fits its size and still loads; `node --test size.mjs`.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";
import { gzipSync } from "node:zlib";
import { clientFile, served, servedClient } from "./served.mjs";

const LIMIT_BYTES = 5900;

test(`the served client has at most ${LIMIT_BYTES} bytes after gzip -9`, (t) => {
  const size = gzipSync(servedClient(), { level: 9 }).length;
  t.diagnostic(`${size} bytes`);
  assert.ok(size <= LIMIT_BYTES, `${size} bytes`);
});

test("the serving step is safe for the source", () => {
  const source = readFileSync(clientFile, "utf8");
  const [, ...lines] = servedClient().split("\n");
  const risky = lines.filter((line) => /^[[(`"'+*/-]/.test(line));
  assert.deepEqual(risky, [], "without semicolons such a line continues the one before");
  assert.ok(!source.includes("/*"), "only whole-line // comments are dropped");
  assert.equal(served(servedClient()), servedClient(), "the step changes nothing when it is done twice");
  for (const line of servedClient().split("\n")) {
    assert.ok((line.match(/`/g) ?? []).length % 2 === 0, `a template literal spans lines: ${line}`);
  }
});

test("the served client loads as a classic script and adds one global", () => {
  const page = vm.createContext({});
  vm.runInContext(servedClient(), page);
  assert.deepEqual(Object.keys(page), ["io"]);
  const { io } = page;
  assert.equal(typeof io, "function");
  assert.equal(io.io, io);
  assert.equal(io.connect, io);
  assert.equal(io.protocol, 5);
  assert.equal(typeof io.Manager, "function");
  assert.equal(typeof io.Socket, "function");
});
