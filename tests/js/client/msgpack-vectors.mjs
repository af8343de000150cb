// Packets in both wire forms, as the two official parsers write them.
//
//   node msgpack-vectors.mjs > ../../../core/src/wire/msgpack/vectors.txt     writes them
//   node msgpack-vectors.mjs --check                                          fails if that file is not what they write
//   node msgpack-vectors.mjs --count 5000                                     writes more of the random ones
//
// A line: `=` or `<` (only from MessagePack to text: the text has another MessagePack too), MessagePack in hexadecimal, the
// text, and each attachment in hexadecimal. Tabs stand between them; the text has none, because JSON escapes them.
import { readFileSync } from "node:fs";
import { Encoder as TextEncoder, PacketType } from "socket.io-parser";
import msgpack from "socket.io-msgpack-parser";

const { CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR } = PacketType;
const VECTORS = new URL("../../../core/src/wire/msgpack/vectors.txt", import.meta.url);
const argument = (name) => process.argv[process.argv.indexOf(name) + 1];

// The same numbers on every run (mulberry32).
let state = 4;
const chance = () => {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};
const below = (end) => Math.floor(chance() * end);
const pick = (choices) => choices[below(choices.length)];

const line = (direction, packet) => {
  // Encoding takes binary values out of the packet, in a copy of it.
  const [text, ...attachments] = new TextEncoder().encode({ ...packet });
  const [bytes] = new msgpack.Encoder().encode(packet);
  const hex = (value) => Buffer.from(value).toString("hex");
  return [direction, hex(bytes), text, ...attachments.map(hex)].join("\t");
};

const event = (...data) => ({ type: EVENT, data, nsp: "/" });
const LENGTHS = [0, 1, 15, 16, 17, 31, 32, 33, 255, 256, 257];
// Of larger ones JavaScript does not write all digits.
const POWERS = [5, 7, 8, 15, 16, 31, 32, 52, 53].flatMap((bits) => [-1, 0, 1].map((near) => 2 ** bits + near));
const INTEGERS = [0, ...POWERS, ...POWERS.map((value) => -value)];
const FLOATS = [
  0.5, -0.5, 0.1, 1 / 3, Math.PI, 1e-5, 1e-6, 1e-7, 1.5e-7, 123e-20, 5e-324, Number.MIN_VALUE * 3, 2 ** -1022,
  123456.789, 9007199254740.993, 4503599627370495.5, 0.000001234, 1234.5678e-10,
];
const STRINGS = ["", "a", '"', "\\", '\\"', "\\\\", "/", "\b\f\n\r\t", "\0\x1f\x7f", "é", "€", "😀", "\u2028", "\ufeff", "\ud7ff\ue000", "[,]{:}", "true", "\x1e"];

const PLAIN = [
  { type: CONNECT, nsp: "/" },
  { type: CONNECT, nsp: "/admin" },
  { type: CONNECT, data: {}, nsp: "/" },
  { type: CONNECT, data: { sid: "abc" }, nsp: "/ä?x=1&y=2" },
  { type: DISCONNECT, nsp: "/" },
  { type: DISCONNECT, nsp: "/admin" },
  { type: CONNECT_ERROR, data: { message: "no", data: { code: 1 } }, nsp: "/" },
  { id: 0, type: ACK, data: [], nsp: "/" },
  { id: 12, type: ACK, data: [null, false, true], nsp: "/x" },
  { id: 2 ** 53 - 1, type: ACK, data: [Buffer.of(1, 2)], nsp: "/x" },
  { type: EVENT, data: ["e"], id: 0, nsp: "/" },
  { type: EVENT, data: [7, 1], id: 300, nsp: "/n" },
  event("attachments", Buffer.alloc(0), { a: Buffer.of(0), b: [Buffer.of(255, 254), null] }, [Buffer.alloc(300, 7)]),
  event("not one", { _placeholder: true, num: 0 }, { _placeholder: 1, num: 0 }),
  event("nested", [[[[[{ a: { b: [{}, []] } }]]]]]),
  ...INTEGERS.map((value) => event("n", value)),
  ...FLOATS.flatMap((value) => [event("f", value), event("f", -value, [value])]),
  ...STRINGS.flatMap((value) => [event("s", value), event("s", { [value]: value + value })]),
  ...LENGTHS.map((length) => event("x".repeat(length), "é".repeat(length))),
  ...LENGTHS.map((length) => event("a", Array(length).fill(1))),
  ...LENGTHS.map((length) => event("o", Object.fromEntries(Array.from({ length }, (_, at) => [`k${at}`, at])))),
  ...LENGTHS.map((length) => event("b", Buffer.alloc(length, 0xc1))),
];

// What JSON has no form for, or another one.
const ONE_WAY = [
  { type: CONNECT, data: undefined, nsp: "/" },
  { type: CONNECT, data: { token: undefined, a: 1, b: undefined }, nsp: "/" },
  { type: DISCONNECT, data: undefined, nsp: "/", options: { compress: true } },
  { type: EVENT, data: ["client", 1], options: { compress: true }, id: 4, nsp: "/" },
  { type: EVENT, data: ["client"], options: { compress: false }, id: undefined, nsp: "/" },
  { type: EVENT, nsp: "/a", data: ["order"] },
  event("undefined", undefined, [undefined], { a: undefined }, { a: undefined, b: 1 }, { b: 1, a: undefined, c: 2 }),
  event("not finite", NaN, Infinity, -Infinity),
  event("minus zero", -0, [-0]),
  ...[0, 1, -1, 951782399999, 253402300799999, 253402300800000, -62167219200000, -62167219200001, 8.64e15, -8.64e15].map((ms) =>
    event("date", new Date(ms), { date: new Date(ms) }),
  ),
  event("array buffer", new Uint8Array([1, 2, 3]).buffer, { b: new ArrayBuffer(0) }, new ArrayBuffer(16), new ArrayBuffer(300)),
];

const string = () => Array.from({ length: below(6) }, () => pick(STRINGS)).join("");
const number = () => {
  const value = pick([pick(INTEGERS), pick(FLOATS), below(2 ** 32), (chance() - 0.5) * 10 ** (below(60) - 40), chance()]);
  if (Math.abs(value) >= 2 ** 53) return 1;
  // With few bits behind the point, two decimal fractions can be equally near.
  return Math.abs(value) > 2 ** 40 ? Math.trunc(value) : value;
};
const value = (budget, depth = 0) => {
  const kind = below(depth > 5 ? 6 : 10);
  if (kind < 2) return number();
  if (kind < 4) return string();
  if (kind === 4) return pick([null, true, false]);
  if (kind === 5) return budget.binary-- > 0 ? Buffer.from(string()) : 0;
  const children = Array.from({ length: below(5) }, () => value(budget, depth + 1));
  return kind < 8 ? children : Object.fromEntries(children.map((child) => [string(), child]));
};
const random = () => {
  const data = Array.from({ length: below(4) }, ((budget) => () => value(budget))({ binary: 6 }));
  const nsp = pick(["/", "/a", "/ü?q"]);
  const id = pick([undefined, 0, below(2 ** 40)]);
  if (chance() < 0.3) return { id: id ?? 1, type: ACK, data, nsp };
  return { type: EVENT, data: [string(), ...data], ...(id !== undefined && { id }), nsp };
};

const count = process.argv.includes("--count") ? Number(argument("--count")) : 120;
const lines = [
  ...PLAIN.map((packet) => line("=", packet)),
  ...ONE_WAY.map((packet) => line("<", packet)),
  ...Array.from({ length: count }, () => line("=", random())),
];
const text = lines.join("\n") + "\n";
if (!process.argv.includes("--check")) process.stdout.write(text);
else if (readFileSync(VECTORS, "utf8") !== text) {
  console.error("vectors.txt is not what the official parsers write");
  process.exitCode = 1;
}
