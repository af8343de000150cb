// What the page is made of: its texts, its nodes, times in the reader's language, storage. It knows nothing of the chat.

const TEXTS = {
  en: {
    lang: 'en', nickname: 'Nickname', yourId: 'Your id', people: 'Online', showPeople: 'Who is online',
    messages: 'Messages', pending: 'Messages not yet delivered', write: 'Write a message', send: 'Send',
    empty: 'No messages yet. Say hello!', you: 'you', more: n => `${n} more`, fresh: 'New',
    came: ' came online', left: ' left', renamed: ' is now ', renamedSelf: 'You are now ',
    connecting: 'Connecting…', lost: 'Disconnected.', next: n => `Next attempt in ${n} s`, retryNow: 'Retry now',
    back: 'Connected again', latest: 'To the latest message', unread: n => `${n} new`,
    waiting: 'Waiting for the connection', sending: 'Sending…', delivered: 'Delivered', failed: 'Not delivered',
    retry: 'Retry', discard: 'Discard', busy: 'The server is busy', uptime: 'Time since the server started',
    longText: n => `Too long: at most ${n} characters`, full: 'Too many messages are waiting',
    longName: n => `A nickname has at most ${n} characters`, badName: 'This nickname was not accepted',
  },
  zh: {
    lang: 'zh-CN', nickname: '昵称', yourId: '你的 ID', people: '在线', showPeople: '查看在线用户',
    messages: '消息', pending: '尚未送达的消息', write: '输入消息', send: '发送',
    empty: '还没有消息，打个招呼吧！', you: '你', more: n => `另外 ${n} 人`, fresh: '新消息',
    came: ' 上线了', left: ' 离开了', renamed: ' 改名为 ', renamedSelf: '你已改名为 ',
    connecting: '正在连接…', lost: '连接已断开。', next: n => `${n} 秒后重试`, retryNow: '立即重试',
    back: '已重新连接', latest: '回到最新消息', unread: n => `${n} 条新消息`,
    waiting: '等待连接', sending: '发送中…', delivered: '已送达', failed: '未送达',
    retry: '重试', discard: '丢弃', busy: '服务器繁忙', uptime: '服务器启动后的时间',
    longText: n => `太长了：最多 ${n} 个字符`, full: '等待发送的消息太多',
    longName: n => `昵称最多 ${n} 个字符`, badName: '昵称未被接受',
  },
};
export const t = TEXTS[navigator.languages.map(tag => tag.slice(0, 2)).find(tag => TEXTS[tag])] || TEXTS.en;

// Every element that has an id, by that id.
export const page = Object.fromEntries([...document.querySelectorAll('[id]')].map(node => [node.id, node]));
export const list = new Intl.ListFormat(t.lang);
export const { compare } = new Intl.Collator(t.lang);
const clock = new Intl.DateTimeFormat(navigator.languages, { hour: 'numeric', minute: '2-digit' });
const calendar = new Intl.DateTimeFormat(navigator.languages, { dateStyle: 'full' });
const moment = new Intl.DateTimeFormat(navigator.languages, { dateStyle: 'medium', timeStyle: 'medium' });
const ITEMS_MAX = 500;
const marker = make('li', 'marker', t.fresh);
const tasks = new Set();
let atBottom = true;
let lastTop = 0;
let unread = 0;

export function translate() {
  document.documentElement.lang = t.lang;
  for (const node of document.querySelectorAll('[data-t]')) node.textContent = t[node.dataset.t];
  for (const node of document.querySelectorAll('[data-l]')) node.setAttribute('aria-label', t[node.dataset.l]);
  page.text.placeholder = t.write;
  page.messages.dataset.empty = t.empty;
}

export function dayOf(time) {
  return calendar.format(new Date(time));
}

// ---- nodes ----

// A server without a clock says how long it has been running instead.
export function timeNode({ time, uptime_ms }) {
  const node = make('time');
  if (time) {
    const date = new Date(time);
    node.dateTime = time;
    node.textContent = clock.format(date);
    node.title = moment.format(date);
  } else {
    const seconds = Math.floor(uptime_ms / 1000);
    const pad = number => String(Math.floor(number) % 60).padStart(2, '0');
    node.dateTime = `PT${seconds}S`;
    node.textContent = `+${Math.floor(seconds / 3600)}:${pad(seconds / 60)}:${pad(seconds)}`;
    node.title = t.uptime;
  }
  return node;
}

// Web addresses become links; everything else stays a piece of text.
export function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"'「」（）]*[^\s<>"'「」（）.,;:!?。，；：！？)\]])/i).map((piece, index) => {
    if (index % 2 === 0) return piece;
    const link = make('a', '', piece);
    link.href = piece;
    link.target = '_blank';
    link.rel = 'noopener noreferrer nofollow';
    return link;
  });
}

export function avatar(name) {
  const node = make('span', 'avatar', [...name.toUpperCase()][0]);
  node.setAttribute('aria-hidden', 'true');
  hue(node, name);
  return node;
}

export function hue(node, name) {
  let hash = 7;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) % 360;
  node.style.setProperty('--hue', hash);
}

export function button(text, act) {
  const node = make('button', '', text);
  node.type = 'button';
  node.addEventListener('click', act);
  return node;
}

export function make(tag, className = '', text = '') {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

// ---- the log: it stays at the bottom for a reader who is there ----

export function append(item) {
  page.messages.append(item);
  followBottom();
}

export function watchReading() {
  page.scroll.addEventListener('scroll', onScroll, { passive: true });
  new ResizeObserver(followBottom).observe(page.scroll);
  document.addEventListener('visibilitychange', showUnread);
}

// The message that follows is unread if its reader is elsewhere; a line stands before the first such one.
export function countUnread() {
  if (atBottom && !document.hidden) return;
  if (!unread) append(marker);
  unread += 1;
  showUnread();
}

export function followBottom() {
  soon(settle);
}

export function removeMarker() {
  marker.remove();
}

function settle() {
  const { scroll, messages } = page;
  const heightBefore = scroll.scrollHeight;
  while (messages.childElementCount > ITEMS_MAX) messages.firstChild.remove();
  if (atBottom) scroll.scrollTop = scroll.scrollHeight;
  else scroll.scrollTop -= heightBefore - scroll.scrollHeight;
  lastTop = scroll.scrollTop;
}

export function toBottom() {
  atBottom = true;
  settle();
  showUnread();
}

function onScroll() {
  const { scrollHeight, scrollTop, clientHeight } = page.scroll;
  // Messages that came since also make a distance; only the reader scrolls up.
  if (scrollHeight - scrollTop - clientHeight < 50) atBottom = true;
  else if (scrollTop < lastTop) atBottom = false;
  lastTop = scrollTop;
  showUnread();
}

function showUnread() {
  if (atBottom && !document.hidden) unread = 0;
  page.latest.hidden = atBottom;
  page.latest.textContent = unread ? t.unread(unread) : '';
  page.latest.setAttribute('aria-label', unread ? `${t.unread(unread)}. ${t.latest}` : t.latest);
  document.title = (unread ? `(${unread}) ` : '') + 'Sprat';
}

// ---- helpers ----

// Enter acts, Shift+Enter is a new line, and the Enter that takes a candidate of an input method does neither.
// Browsers disagree on the order of `compositionend` and `keydown`, hence three signs of it.
export function onEnter(node, act) {
  let composing = false;
  node.addEventListener('compositionstart', () => { composing = true; });
  node.addEventListener('compositionend', () => setTimeout(() => { composing = false; }));
  node.addEventListener('keydown', event => {
    if (event.key !== 'Enter' || event.shiftKey) return;
    if (event.isComposing || event.keyCode === 229 || composing) return;
    event.preventDefault();
    act();
  });
}

// Runs a task once before the next frame, however often it was asked for.
export function soon(task) {
  if (!tasks.size) requestAnimationFrame(() => {
    const due = [...tasks];
    tasks.clear();
    for (const each of due) each();
  });
  tasks.add(task);
}

// `crypto.randomUUID` is missing on plain http, which is how a small host is usually reached.
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').slice(0, 22);
}

// Storage may be forbidden; the chat works without.
export function remember(store, key, value) {
  try {
    self[store].setItem('sprat-' + key, JSON.stringify(value));
  } catch {}
}

export function recall(store, key) {
  try {
    return JSON.parse(self[store].getItem('sprat-' + key));
  } catch {
    return null;
  }
}
