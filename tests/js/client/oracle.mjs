// The behaviour server on the official implementation: what behaviour.mjs needs from a server, in its own words.
//
//   node oracle.mjs [--port N]        prints `ready` and its address when it listens (127.0.0.1)
//
// Settings: ping interval 1,000 ms, ping timeout 1,000 ms, at most 100,000 bytes in a message or a body, connection
// state recovery for 60 s, path /socket.io/, both transports.
//
// | namespace  | on connect                                                                                          |
// | ---------- | --------------------------------------------------------------------------------------------------- |
// | `/`        | nothing is emitted                                                                                  |
// | `/custom`  | emits `auth` with what the client gave as auth; has the event `echo` of `/`                         |
// | `/refused` | a middleware refuses: message "not authorized", data {"code":1}                                     |
// | any other  | refused: message "Invalid namespace"                                                                |
//
// | event on `/`          | what the server does                                                                     |
// | --------------------- | ---------------------------------------------------------------------------------------- |
// | `echo` args, ack      | acknowledges with the same args                                                          |
// | `back` args           | emits `back` with the same args to the sender                                            |
// | `message` args        | emits `message` with the same args to the sender                                         |
// | `binary` args, ack    | as `echo`, for args with attachments                                                     |
// | `binary-back` args    | emits `binary-back` with the same args, attachments included                             |
// | `ask`                 | emits `question` 1 and waits for its ack, then emits `answered` with the args of the ack |
// | `count` n             | emits `n` 0, `n` 1, … `n` n-1                                                            |
// | `silent` ack          | never acknowledges                                                                       |
// | `third` key, ack      | acknowledges with the number of times it came with this key, from the third time on      |
// | `handshake` ack       | acknowledges with {query, header}: the handshake's query and its header `x-test`         |
// | `all` x               | emits `all` x to everybody in `/` but the sender                                         |
// | `bye`                 | disconnects the socket from the namespace                                                |
// | `bye-all`             | disconnects the client's sockets and closes the connection                               |
// | `drop`                | closes the Engine.IO connection, without a DISCONNECT packet                             |
import { createServer } from "node:http";
import { Server } from "socket.io";

const portAt = process.argv.indexOf("--port");
const port = portAt > 0 ? Number(process.argv[portAt + 1]) : 0;

const http = createServer((request, response) => response.writeHead(404).end());
const io = new Server(http, {
  serveClient: false,
  pingInterval: 1000,
  pingTimeout: 1000,
  maxHttpBufferSize: 100_000,
  connectionStateRecovery: { maxDisconnectionDuration: 60_000 },
});
const timesByKey = new Map();

const handlers = (socket) => ({
  echo: (...args) => args.pop()(...args),
  back: (...args) => socket.emit("back", ...args),
  message: (...args) => socket.emit("message", ...args),
  binary: (...args) => args.pop()(...args),
  "binary-back": (...args) => socket.emit("binary-back", ...args),
  ask: () => socket.emit("question", 1, (...args) => socket.emit("answered", ...args)),
  count: (n) => {
    for (let i = 0; i < n; i++) socket.emit("n", i);
  },
  silent: () => {},
  third: (key, ack) => {
    const times = (timesByKey.get(key) ?? 0) + 1;
    timesByKey.set(key, times);
    if (times >= 3) ack(times);
  },
  handshake: (ack) => ack({ query: socket.handshake.query, header: socket.handshake.headers["x-test"] ?? null }),
  all: (x) => socket.broadcast.emit("all", x),
  bye: () => socket.disconnect(),
  "bye-all": () => socket.disconnect(true),
  drop: () => socket.conn.close(),
});

io.on("connection", (socket) => {
  for (const [event, handler] of Object.entries(handlers(socket))) socket.on(event, handler);
});

io.of("/custom").on("connection", (socket) => {
  socket.emit("auth", socket.handshake.auth);
  socket.on("echo", handlers(socket).echo);
});

io.of("/refused").use((socket, next) => next(Object.assign(new Error("not authorized"), { data: { code: 1 } })));

http.listen(port, "127.0.0.1", () => console.log(`ready http://127.0.0.1:${http.address().port}`));
