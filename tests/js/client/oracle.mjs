// The behaviour server on the official implementation: what behaviour.mjs needs from a server, in its own words.
//
//   node oracle.mjs [--port N]        prints `ready` and its address when it listens (127.0.0.1)
//
// Settings: ping interval 1,000 ms, ping timeout 2,000 ms, at most 100,000 bytes in a message or a body, connection
// state recovery for 60 s, path /socket.io/, both transports. For Sprat that is
//
//   oracle --ping-interval 1000 --ping-timeout 2000 --max-payload 100000 --recovery-timeout 60000
//
// with the example `oracle` of the crate `sprat-tests`.
//
// The names are those of ../oracle/server.mjs, so that a server for one is a server for the other.
//
// | namespace  | on connect                                                                      |
// | ---------- | ------------------------------------------------------------------------------- |
// | `/`        | nothing is emitted                                                              |
// | `/custom`  | emits `auth` with what the client gave as auth; has the events of `/`           |
// | `/guarded` | a middleware refuses: message "not authorized", data {"code":1}                 |
// | any other  | refused: message "Invalid namespace"                                            |
//
// | event            | what the server does                                                          |
// | ---------------- | ----------------------------------------------------------------------------- |
// | `echo` args, ack | acknowledges with the same args, attachments included                         |
// | `back` args      | emits `back` with the same args to the sender, attachments included           |
// | `ask` args       | emits `question` args and waits for its ack, emits `answered` with its args   |
// | `count` n        | emits `n` 0, `n` 1, … `n` n-1                                                 |
// | `all` args       | emits `all` args to everybody in the namespace but the sender                 |
// | `bye`            | disconnects the socket from the namespace                                     |
// | `bye-all`        | disconnects the client's sockets and closes the connection                    |
// | `drop`           | closes the Engine.IO connection, without a DISCONNECT packet                  |
// | any other        | nothing; above all, it is not acknowledged                                    |
import { createServer } from "node:http";
import { Server } from "socket.io";

const portAt = process.argv.indexOf("--port");
const port = portAt > 0 ? Number(process.argv[portAt + 1]) : 0;

const http = createServer((request, response) => response.writeHead(404).end());
const io = new Server(http, {
  serveClient: false,
  pingInterval: 1000,
  pingTimeout: 2000,
  maxHttpBufferSize: 100_000,
  connectionStateRecovery: { maxDisconnectionDuration: 60_000 },
});

const handlers = (socket) => ({
  echo: (...args) => args.pop()(...args),
  back: (...args) => socket.emit("back", ...args),
  ask: (...args) => socket.emit("question", ...args, (...answer) => socket.emit("answered", ...answer)),
  count: (n) => {
    for (let i = 0; i < n; i++) socket.emit("n", i);
  },
  all: (...args) => socket.broadcast.emit("all", ...args),
  bye: () => socket.disconnect(),
  "bye-all": () => socket.disconnect(true),
  drop: () => socket.conn.close(),
});

const onConnection = (socket) => {
  for (const [event, handler] of Object.entries(handlers(socket))) socket.on(event, handler);
};

io.on("connection", onConnection);

io.of("/custom").on("connection", (socket) => {
  onConnection(socket);
  socket.emit("auth", socket.handshake.auth);
});

io.of("/guarded").use((socket, next) => next(Object.assign(new Error("not authorized"), { data: { code: 1 } })));

http.listen(port, "127.0.0.1", () => console.log(`ready http://127.0.0.1:${http.address().port}`));
