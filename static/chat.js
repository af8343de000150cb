// The chat page: what it shows and what it sends. The events are the contract of the chat application:
// `hello`, `history`, `message`, `online`, `offline` and `name` come in, `message` and `name` go out.
// Times are always the server's. What a peer wrote reaches the page as text, never as markup.

import {
  append, avatar, button, compare, countUnread, dayOf, followBottom, hue, linked, list, make, onEnter, page, randomId,
  recall, remember, removeMarker, soon, t, timeNode, toBottom, translate, watchReading,
} from './page.js';

const ACK_TIMEOUT_MS = 10000;
// A page that is reloaded leaves and comes back: a departure is told only after this long.
const LEAVE_HOLD_MS = 2500;
const GROUP_MS = 300000;
const RETRY_MAX_S = 30;
const SEEN_MAX = 1000;
const PEOPLE_MAX = 200;
const QUEUE_MAX = 50;
const NOTICE_MAX = 100;

const limits = { name_chars: 32, text_chars: 2000 };

// People: socket id -> nickname. `equal` holds the nicknames that more than one of them uses.
const people = new Map();
let equal = new Set();
let count = 0;
let formerNames = new Set();
// Every socket id this tab has had, so that what it wrote before a reload is still shown as its own.
const ownIds = new Set(recall('sessionStorage', 'ids') || []);
let nickname = nicknameAtStart();

let online = false;
let connecting = true;
let visits = 0;
let attempts = 0;
let retryTimer = 0;

const seen = new Set();
const leaving = new Map();
let notice = null;
let lastDay = '';
let lastTime = NaN;
const queue = [];

translate();
showName();
let socket;
if (self.io) start();
else offerReload();

function start() {
  socket = connect();
  listen();
  recallQueue();
}

// The client script did not arrive: a small host has few connections and may have refused this one.
function offerReload() {
  showBanner(t.lost, ' ');
  page.retry.addEventListener('click', () => location.reload());
}

// ---- connection ----

function connect() {
  // The path follows the script, so the page works under any prefix of a reverse proxy.
  const path = new URL('.', document.querySelector('script').src).pathname;
  const socket = io({ path, reconnection: false, timeout: 10000, auth: done => done(nickname ? { name: nickname } : {}) });
  // Most connections take less than this; a banner would only flicker.
  setTimeout(() => connecting && showBanner(t.connecting, ''), 700);
  socket.on('connect', () => socket.recovered && cameOnline());
  socket.on('hello', onHello);
  socket.on('history', (...messages) => messages.forEach(message => onMessage(message, visits === 1)));
  socket.on('message', message => onMessage(message, false));
  socket.on('online', onOnline);
  socket.on('offline', onOffline);
  socket.on('name', onName);
  socket.on('disconnect', onLost);
  socket.on('connect_error', onLost);
  return socket;
}

function onHello(hello) {
  visits += 1;
  Object.assign(limits, hello.limits);
  page.id.textContent = hello.id;
  ownIds.add(hello.id);
  remember('sessionStorage', 'ids', [...ownIds].slice(-20));
  people.clear();
  for (const { id, name } of hello.users) people.set(id, name);
  count = hello.count;
  keepName(hello.name);
  // Whoever lost the connection together with this page comes back unannounced.
  setTimeout(() => formerNames.clear(), 10000);
  // The history that follows is not read aloud.
  setTimeout(() => page.log.removeAttribute('aria-busy'), 1000);
  cameOnline();
  soon(showPeople);
}

function cameOnline() {
  if (attempts) page.status.textContent = t.back;
  online = true;
  connecting = false;
  attempts = 0;
  clearTimeout(retryTimer);
  document.body.dataset.state = 'online';
  page.banner.hidden = true;
  for (const entry of [...queue]) if (entry.state === 'waiting') transmit(entry);
}

function onLost() {
  if (online) formerNames = new Set(people.values());
  online = false;
  connecting = false;
  page.log.setAttribute('aria-busy', 'true');
  document.body.dataset.state = 'offline';
  page.status.textContent = t.lost;
  for (const entry of queue) if (entry.state === 'sending') setState(entry, 'waiting');
  // Spread the attempts, so that not everybody comes back to a restarted server at once.
  countDown(Math.ceil(Math.min(RETRY_MAX_S, 2 ** attempts) * (0.5 + Math.random() / 2)));
  attempts += 1;
}

function countDown(seconds) {
  clearTimeout(retryTimer);
  if (seconds < 1) return retry();
  showBanner(t.lost, t.next(seconds));
  retryTimer = setTimeout(countDown, 1000, seconds - 1);
}

function retry() {
  if (online || connecting) return;
  connecting = true;
  clearTimeout(retryTimer);
  showBanner(t.connecting, '');
  socket.connect();
}

function showBanner(state, countdown) {
  page.state.textContent = state;
  page.countdown.textContent = countdown;
  page.retry.hidden = !countdown;
  page.banner.hidden = false;
}

// ---- people ----

function onOnline(person) {
  count = person.count;
  if (people.size < PEOPLE_MAX) people.set(person.id, person.name);
  soon(showPeople);
  for (const [id, gone] of leaving) {
    if (gone.name !== person.name) continue;
    clearTimeout(gone.timer);
    leaving.delete(id);
    return;
  }
  if (!formerNames.delete(person.name)) addNotice('came', person);
}

function onOffline(person) {
  count = person.count;
  people.delete(person.id);
  soon(showPeople);
  const tell = () => {
    leaving.delete(person.id);
    addNotice('left', person);
  };
  leaving.set(person.id, { name: person.name, timer: setTimeout(tell, LEAVE_HOLD_MS) });
}

function onName(person) {
  const own = person.id === socket.id;
  const before = people.get(person.id);
  if (people.has(person.id)) people.set(person.id, person.name);
  if (own) keepName(person.name);
  if (before !== person.name && (own || before)) addNotice('renamed', { ...person, before, own });
  soon(showPeople);
}

function showPeople() {
  const plain = [...people.values()].map(comparable);
  equal = new Set(plain.filter((name, index) => plain.indexOf(name) !== index));
  const sorted = [...people].sort((a, b) => (b[0] === socket.id) - (a[0] === socket.id) || compare(a[1], b[1]));
  page.list.replaceChildren(...sorted.map(([id, name]) => {
    const item = make('li');
    item.append(avatar(name), who(id, name));
    if (id === socket.id) item.append(make('span', 'you', t.you));
    return item;
  }));
  if (count > people.size) page.list.append(make('li', 'rest', t.more(count - people.size)));
  for (const node of document.querySelectorAll('.count')) node.textContent = count;
  document.querySelectorAll('.tag').forEach(fillTag);
}

// The nickname and, as long as somebody else has the same, the beginning of the socket id.
function who(id, name) {
  const node = make('span', 'who');
  const tag = make('span', 'tag');
  tag.dataset.id = id;
  tag.dataset.name = comparable(name);
  fillTag(tag);
  node.append(make('bdi', '', name), tag);
  hue(node, name);
  return node;
}

function fillTag(tag) {
  tag.textContent = equal.has(tag.dataset.name) ? ' #' + tag.dataset.id.slice(0, 4) : '';
}

// Nicknames that look alike count as equal.
function comparable(name) {
  return name.normalize('NFKC').toLowerCase().replace(/[\p{Cf}\s]/gu, '');
}

// ---- notices ----

// Notices in a row are one line; the last word about somebody counts.
function addNotice(kind, person) {
  addDay(person.time);
  if (!notice || notice.entries.size >= NOTICE_MAX) {
    notice = { item: make('li', 'notice'), entries: new Map() };
    append(notice.item);
  }
  const key = kind === 'renamed' ? 'name ' + person.id : person.id;
  const before = notice.entries.get(key);
  notice.entries.delete(key);
  notice.entries.set(key, { ...person, kind, before: before ? before.before : person.before });
  notice.item.replaceChildren(...noticeParts([...notice.entries.values()]), ' ', timeNode(person));
  followBottom();
}

function noticeParts(entries) {
  const parts = [];
  for (const kind of ['came', 'left']) {
    const some = entries.filter(entry => entry.kind === kind);
    if (!some.length) continue;
    const shown = some.length > 4 ? some.slice(-3) : some;
    const words = shown.map(entry => entry.name);
    if (some.length > shown.length) words.push(t.more(some.length - shown.length));
    if (parts.length) parts.push(' · ');
    let index = 0;
    for (const { type, value } of list.formatToParts(words)) {
      const person = type === 'element' && shown[index++];
      parts.push(person ? who(person.id, value) : value);
    }
    parts.push(t[kind]);
  }
  for (const { id, before, name, own } of entries.filter(entry => entry.kind === 'renamed').slice(-3)) {
    if (parts.length) parts.push(' · ');
    parts.push(...(own ? [t.renamedSelf] : [who(id, before), t.renamed]), who(id, name));
  }
  return parts;
}

// ---- messages ----

function onMessage(message, old) {
  // After a reconnect the history comes again.
  if (seen.has(message.id)) return;
  const own = ownIds.has(message.from);
  if (!own && !old) countUnread();
  addMessage(message, own);
}

function addMessage(message, own) {
  seen.add(message.id);
  if (seen.size > SEEN_MAX) seen.delete(seen.values().next().value);
  addDay(message.time);
  const time = Date.parse(message.time);
  const sameGroup = page.messages.lastChild?.dataset.from === message.from && !(time - lastTime > GROUP_MS);
  lastTime = time;
  notice = null;
  const item = messageNode(message, own);
  item.classList.toggle('grouped', sameGroup);
  append(item);
}

// A line with the date stands before the first message or notice of a day.
function addDay(time) {
  if (!time || dayOf(time) === lastDay) return;
  lastDay = dayOf(time);
  notice = null;
  append(make('li', 'day', lastDay));
}

function messageNode({ from, name, text, time, uptime_ms }, own) {
  const item = make('li', own ? 'message own' : 'message');
  item.dataset.from = from;
  const bubble = make('div', 'bubble');
  const words = make('p', 'words');
  words.dir = 'auto';
  words.append(...linked(text));
  const foot = make('span', 'foot');
  foot.append(timeNode({ time, uptime_ms }));
  if (own) {
    const tick = make('span', 'tick', '✓');
    tick.title = t.delivered;
    tick.setAttribute('role', 'img');
    tick.setAttribute('aria-label', t.delivered);
    foot.append(tick);
  }
  bubble.append(who(from, name), words, foot);
  item.append(avatar(name), bubble);
  return item;
}

// ---- outgoing ----

function submit() {
  const text = page.text.value.trim();
  if (!text) return;
  if ([...text].length > limits.text_chars) return hint(t.longText(limits.text_chars));
  if (queue.length >= QUEUE_MAX) return hint(t.full);
  page.text.value = '';
  onTyping();
  enqueue({ id: randomId(), text });
  removeMarker();
  toBottom();
}

// The queue outlives a reload; the server knows a message that it already has by its id.
function recallQueue() {
  for (const { id, text } of recall('sessionStorage', 'queue') || []) enqueue({ id, text });
}

function enqueue(entry) {
  entry.item = make('li', 'message own');
  entry.attempt = 0;
  const bubble = make('div', 'bubble');
  const words = make('p', 'words', entry.text);
  words.dir = 'auto';
  entry.foot = make('span', 'foot');
  bubble.append(words, entry.foot);
  entry.item.append(bubble);
  page.pending.append(entry.item);
  queue.push(entry);
  saveQueue();
  transmit(entry);
}

function transmit(entry) {
  setState(entry, online ? 'sending' : 'waiting');
  if (!online) return;
  const { attempt, id, text } = entry;
  socket.timeout(ACK_TIMEOUT_MS).emit('message', { id, text }, (error, reply) => {
    if (!queue.includes(entry)) return;
    if (reply?.id) return delivered(entry, reply);
    // An attempt that was already given up, because the connection was lost, has no say any more.
    if (attempt === entry.attempt) setState(entry, 'failed', reply?.error);
  });
}

function delivered(entry, { id, time, uptime_ms }) {
  drop(entry);
  if (!seen.has(id)) addMessage({ id, from: socket.id, name: nickname, text: entry.text, time, uptime_ms }, true);
}

function setState(entry, state, error) {
  entry.state = state;
  entry.attempt += 1;
  entry.item.dataset.state = state;
  const reason = { busy: t.busy, too_long: t.longText(limits.text_chars) }[error];
  entry.foot.replaceChildren(reason || t[state]);
  if (state !== 'failed') return;
  entry.foot.append(button(t.retry, () => transmit(entry)), button(t.discard, () => drop(entry)));
  page.status.textContent = t.failed;
  followBottom();
}

function drop(entry) {
  queue.splice(queue.indexOf(entry), 1);
  saveQueue();
  if (entry.item.contains(document.activeElement)) page.text.focus();
  entry.item.remove();
}

function saveQueue() {
  remember('sessionStorage', 'queue', queue.map(({ id, text }) => ({ id, text })));
}

// ---- nickname ----

function nicknameAtStart() {
  return nicknameFromAddress() || recall('sessionStorage', 'nickname') || recall('localStorage', 'nickname') || '';
}

function nicknameFromAddress() {
  try {
    return [...decodeURIComponent(location.hash.slice(1))].slice(0, limits.name_chars).join('').trim();
  } catch {
    return '';
  }
}

function rename(name) {
  name = name.trim();
  if (!name || name === nickname) return showName();
  if ([...name].length > limits.name_chars) return refuse(t.longName(limits.name_chars));
  hint('');
  if (!online) return chosen(name);
  socket.timeout(ACK_TIMEOUT_MS).emit('name', name, (error, reply) => {
    if (reply?.name) chosen(reply.name);
    else refuse(reply?.error === 'busy' ? t.busy : t.badName);
  });
}

function refuse(reason) {
  hint(reason);
  showName();
}

function chosen(name) {
  keepName(name);
  remember('localStorage', 'nickname', name);
  history.replaceState(null, '', location.pathname + location.search);
}

// A nickname that the server assigned is kept for this tab only, one that was chosen for all visits.
function keepName(name) {
  nickname = name;
  remember('sessionStorage', 'nickname', name);
  if (document.activeElement !== page.nickname) showName();
}

function showName() {
  page.nickname.value = nickname;
}

// ---- input ----

function listen() {
  page.text.addEventListener('input', onTyping);
  onEnter(page.text, submit);
  page.send.addEventListener('click', () => {
    submit();
    page.text.focus();
  });
  onEnter(page.nickname, () => page.text.focus());
  page.nickname.addEventListener('change', () => rename(page.nickname.value));
  page.nickname.addEventListener('keydown', event => {
    if (event.key === 'Escape') showName();
  });
  addEventListener('hashchange', () => rename(nicknameFromAddress()));
  watchReading();
  page.latest.addEventListener('click', () => {
    toBottom();
    page.text.focus();
  });
  page.retry.addEventListener('click', retry);
  page.peopleButton.addEventListener('click', () => openPeople(!document.body.classList.contains('open')));
  page.scroll.addEventListener('click', () => openPeople(false));
  addEventListener('keydown', event => event.key === 'Escape' && openPeople(false));
  addEventListener('online', retry);
  // Do not wait for the missing ping to notice that the network is gone.
  addEventListener('offline', () => socket.io.engine?.close());
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) retry();
  });
  if (matchMedia('(pointer: fine)').matches) page.text.focus();
}

function onTyping() {
  hint('');
  const { text } = page;
  const left = limits.text_chars - [...text.value.trim()].length;
  page.left.textContent = left < limits.text_chars / 10 ? left : '';
  page.left.classList.toggle('over', left < 0);
  text.style.height = 'auto';
  text.style.height = text.scrollHeight + 'px';
}

function openPeople(open) {
  document.body.classList.toggle('open', open);
  page.peopleButton.setAttribute('aria-expanded', open);
}

function hint(text) {
  page.hint.textContent = text;
}
