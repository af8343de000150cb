// The server of the comparison on the official implementation; ../../oracle/server.rs says the same in Rust.
//
//   node server.mjs [OPTIONS AS JSON]    prints `ready` and its address when it listens (127.0.0.1)
//
// Besides the official options: `refuse` TEXT refuses whoever has no `let=in` in the query, `ids` takes the id of a session
// from the query, `headers` adds fields to answers. `parser` is "msgpack" for the other parser; `own` is ignored.
//
// | namespace   | on connect                                                                            |
// | ----------- | ------------------------------------------------------------------------------------- |
// | `/`         | nothing is emitted                                                                    |
// | `/custom`   | emits `auth` with what the client gave as auth                                        |
// | `/guarded`  | refused with "not authorized" and data {"code":1}, unless auth has `token`            |
// | `/dyn-N`    | as `/`, for any number N                                                              |
// | any other   | there is none                                                                         |
//
// | event                | what the server does                                                         |
// | -------------------- | ---------------------------------------------------------------------------- |
// | `echo` args, ack     | acknowledges with the same args                                              |
// | `back` args          | emits `back` with the same args to the sender                                |
// | `ask` args           | emits `question` args, waits for its ack, emits `answered` with its args     |
// | `three`              | emits `a` 1, `b` with the bytes 1 2 3, and `c`                               |
// | `count` n            | emits `n` 0 … `n` n-1                                                        |
// | `many` text          | emits `many` with the text twenty times over                                 |
// | `join` room, ack     | joins, then acknowledges                                                     |
// | `leave` room, ack    | leaves, then acknowledges                                                    |
// | `room` room args     | emits `room` args to the others in the room                                  |
// | `rooms` a b          | emits `rooms` to everybody in a or b                                         |
// | `but` room           | emits `but` to everybody who is not in the room                              |
// | `all` args           | emits `all` args to everybody else                                           |
// | `flicker`            | emits `flicker`, volatile                                                    |
// | `bye`                | disconnects the socket                                                       |
// | `bye-all`            | disconnects the client's sockets and closes the connection                   |
// | `drop`               | closes the Engine.IO connection                                              |
// | `errors` ack         | acknowledges with the connection errors so far, and forgets them             |
// | `reason` label, ack  | acknowledges with why the socket with this `label` in its auth left, when it has |
import { createServer } from "node:http";
import { Server } from "socket.io";
import msgpack from "socket.io-msgpack-parser";

const { refuse, ids, headers, parser, ...options } = JSON.parse(process.argv[2] ?? "{}");
if (parser === "msgpack") options.parser = msgpack;
if (refuse !== undefined) options.allowRequest = (request, answer) => answer(refuse, request.url.includes("let=in"));
const http = createServer((request, response) => response.writeHead(404).end());
const io = new Server(http, { serveClient: false, ...options });

// The id of a session is what the query says.
if (ids) {
  io.engine.generateId = (request) => {
    if (!request._query.id) throw new Error("no id");
    return request._query.id;
  };
}
if (headers) {
  io.engine.on("initial_headers", (fields) => (fields["x-initial"] = "yes"));
  io.engine.on("headers", (fields) => (fields["x-all"] = "yes"));
}
const errors = [];
io.engine.on("connection_error", ({ code, message, context }) => errors.push({ code, message, context }));

const reasons = new Map();
const asked = new Map();

const handlers = (socket) => ({
  echo: (...args) => (typeof args.at(-1) === "function" ? args.pop()(...args) : undefined),
  back: (...args) => socket.emit("back", ...args),
  ask: (...args) => socket.emit("question", ...args, (...answer) => socket.emit("answered", ...answer)),
  three: () => {
    socket.emit("a", 1);
    socket.emit("b", Buffer.from([1, 2, 3]));
    socket.emit("c");
  },
  count: (n) => {
    for (let i = 0; i < n; i++) socket.emit("n", i);
  },
  many: (text) => socket.emit("many", text.repeat(20)),
  join: (room, ack) => {
    socket.join(room);
    ack();
  },
  leave: (room, ack) => {
    socket.leave(room);
    ack();
  },
  room: (room, ...args) => socket.to(room).emit("room", ...args),
  rooms: (a, b) => io.to(a).to(b).emit("rooms"),
  but: (room) => io.except(room).emit("but"),
  all: (...args) => socket.broadcast.emit("all", ...args),
  flicker: () => socket.volatile.emit("flicker"),
  bye: () => socket.disconnect(),
  "bye-all": () => socket.disconnect(true),
  drop: () => socket.conn.close(),
  errors: (ack) => ack(errors.splice(0)),
  reason: (label, ack) => {
    if (reasons.has(label)) ack(reasons.get(label));
    else asked.set(label, ack);
  },
});

const onConnection = (socket) => {
  for (const [event, handler] of Object.entries(handlers(socket))) socket.on(event, handler);
  // What an application that does not listen would not have.
  socket.on("error", () => {});
  socket.on("disconnect", (reason) => {
    const { label } = socket.handshake.auth;
    reasons.set(label, reason);
    asked.get(label)?.(reason);
  });
};

io.on("connection", onConnection);
io.of(/^\/dyn-\d+$/).on("connection", onConnection);
io.of("/custom").on("connection", (socket) => {
  onConnection(socket);
  socket.emit("auth", socket.handshake.auth);
});
io.of("/guarded")
  .use((socket, next) => {
    if (socket.handshake.auth.token) return next();
    next(Object.assign(new Error("not authorized"), { data: { code: 1 } }));
  })
  .on("connection", onConnection);

process.on("SIGTERM", () => io.close(() => process.exit(0)));
http.listen(0, "127.0.0.1", () => console.log(`ready http://127.0.0.1:${http.address().port}`));
