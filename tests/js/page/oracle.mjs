// The chat on the official Socket.IO server: the judge of the page tests. What passes here and fails against Sprat
// is Sprat's fault; what fails here is the page's or the test's.
//
//   node oracle.mjs [--port N] [--prefix /chat] [--static DIR]
//
// `--port 0` (the default) takes a free port. Prints `ready http://127.0.0.1:PORT/` and runs until it is killed.
// `--prefix` serves everything under a path, as a reverse proxy would.

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Server } from 'socket.io';

const HISTORY_MAX = 200;
const NAME_CHARS_MAX = 32;
const TEXT_CHARS_MAX = 2000;
const USERS_MAX = 100;
const ANSWERS_MAX = 1000;

const CONTENT_SECURITY_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
  + "connect-src 'self' ws: wss:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'application/javascript; charset=utf-8',
};

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    prefix: { type: 'string', default: '' },
    static: { type: 'string', default: fileURLToPath(new URL('../../../static', import.meta.url)) },
  },
});

const history = [];
const answers = new Map();
const server = createServer();
const io = new Server(server, { path: options.prefix + '/socket.io', serveClient: false });
io.on('connection', onConnect);
// The library claims everything under its path, where the page's client script lies too.
const [claim] = server.listeners('request');
server.removeAllListeners('request').on('request', (request, response) => {
  const isScript = /\.js$/.test(new URL(request.url, 'http://localhost').pathname);
  const isSession = request.url.startsWith(options.prefix + '/socket.io/');
  (isSession && !isScript ? claim : serveFile)(request, response);
});
server.listen(Number(options.port), '127.0.0.1', () => {
  console.log(`ready http://127.0.0.1:${server.address().port}${options.prefix}/`);
});

function onConnect(socket) {
  const { auth } = socket.handshake;
  socket.data.name = truncate(clean(auth.name)) || 'guest-' + randomBytes(4).toString('hex').slice(0, 5);
  const who = () => ({ id: socket.id, name: socket.data.name });
  const event = () => ({ ...who(), time: now(), count: io.of('/').sockets.size });

  socket.emit('hello', {
    ...event(), users: users(), limits: { name_chars: NAME_CHARS_MAX, text_chars: TEXT_CHARS_MAX },
  });
  for (const message of history) socket.emit('history', message);
  socket.broadcast.emit('online', event());
  socket.on('disconnect', () => io.emit('offline', event()));

  socket.on('name', (name, acknowledge = () => {}) => {
    if (typeof name !== 'string') return acknowledge({ error: 'bad_request' });
    const cleaned = clean(name);
    if (!cleaned) return acknowledge({ error: 'empty' });
    if ([...cleaned].length > NAME_CHARS_MAX) return acknowledge({ error: 'too_long' });
    socket.data.name = cleaned;
    acknowledge({ name: cleaned });
    io.emit('name', { ...who(), time: now() });
  });
  socket.on('message', (request, acknowledge = () => {}) => acknowledgeMessage(socket, request, acknowledge));
}

function acknowledgeMessage(socket, request, acknowledge) {
  const { text, id } = request ?? {};
  if (typeof text !== 'string') return acknowledge({ error: 'bad_request' });
  if (id !== undefined && !(typeof id === 'string' && /^[A-Za-z0-9_-]{1,36}$/.test(id))) {
    return acknowledge({ error: 'bad_request' });
  }
  if (!text.trim()) return acknowledge({ error: 'empty' });
  if ([...text.trim()].length > TEXT_CHARS_MAX) return acknowledge({ error: 'too_long' });
  if (id && answers.has(id)) return acknowledge(answers.get(id));
  const answer = { id: randomBytes(9).toString('base64url'), time: now() };
  const message = { ...answer, from: socket.id, name: socket.data.name, text: text.trim() };
  if (id) keep(answers, id, answer);
  history.push(message);
  if (history.length > HISTORY_MAX) history.shift();
  acknowledge(answer);
  io.emit('message', message);
}

function users() {
  const sockets = [...io.of('/').sockets.values()].slice(-USERS_MAX);
  return sockets.map(({ id, data }) => ({ id, name: data.name }));
}

function keep(map, key, value) {
  map.set(key, value);
  if (map.size > ANSWERS_MAX) map.delete(map.keys().next().value);
}

// Control characters and those that override the direction of what follows.
function clean(name) {
  return typeof name === 'string' ? name.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '').trim() : '';
}

function truncate(name) {
  return [...name].slice(0, NAME_CHARS_MAX).join('').trim();
}

function now() {
  return new Date().toISOString();
}

async function serveFile(request, response) {
  const path = new URL(request.url, 'http://localhost').pathname;
  const inside = path.startsWith(options.prefix + '/') ? path.slice(options.prefix.length) : '/not-found';
  const name = inside === '/' ? '/index.html' : inside.replace('/socket.io/', '/');
  try {
    const body = await readFile(join(options.static, normalize(name)));
    response.writeHead(200, {
      'Content-Type': TYPES[extname(name)] ?? 'application/octet-stream',
      'Content-Security-Policy': CONTENT_SECURITY_POLICY,
      'X-Content-Type-Options': 'nosniff',
    });
    response.end(body);
  } catch {
    response.writeHead(404).end('not found');
  }
}
