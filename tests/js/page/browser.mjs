// What the page tests share: a Chromium, pages of it with one of the two clients, and a spectator that sees on the wire
// what the pages show.
//
//   SPRAT_URL   address of the chat page (required)
//   CLIENT      own (default): the client that the server serves; official: the one from npm in its place
//   CHROMIUM    the browser's executable (default /usr/bin/chromium)

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import { io } from 'socket.io-client';

export const WAIT_MS = 15000;
const ARGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

export const client = process.env.CLIENT ?? 'own';
assert.ok(['own', 'official'].includes(client), `CLIENT=${client}: own or official`);
assert.ok(process.env.SPRAT_URL, 'SPRAT_URL, the address of the chat page, is missing');
export const url = new URL('./', process.env.SPRAT_URL).href;

const officialClient = readFileSync(createRequire(import.meta.url).resolve('socket.io-client/dist/socket.io.js'), 'utf8');
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGS });

export async function closeBrowser() {
  await browser.close();
}

// A context is a visitor: storage, language, zone. What its pages complain about fails the test.
export async function visitor(test, options = {}) {
  const { clockOffsetMs, ...contextOptions } = options;
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1000, height: 700 }, ...contextOptions });
  context.setDefaultTimeout(WAIT_MS);
  const complaints = [];
  context.on('weberror', error => complaints.push(String(error.error())));
  context.on('console', message => {
    if (/Content Security Policy|TypeError/.test(message.text())) complaints.push(message.text());
  });
  if (client === 'official') {
    await context.route('**/socket.io/socket.io.js', route => route.fulfill({
      contentType: 'application/javascript', body: officialClient,
    }));
  }
  if (clockOffsetMs) await context.addInitScript(shiftClock, clockOffsetMs);
  test.after(async () => {
    await context.close();
    assert.deepEqual(complaints, []);
  });
  return context;
}

function shiftClock(offset) {
  const RealDate = Date;
  globalThis.Date = class extends RealDate {
    constructor(...args) {
      if (args.length) super(...args);
      else super(RealDate.now() + offset);
    }
    static now() {
      return RealDate.now() + offset;
    }
  };
}

export async function enter(context, name, address = url) {
  const page = await context.newPage();
  await page.goto(name === undefined ? address : `${address}#${encodeURIComponent(name)}`);
  await online(page);
  return page;
}

export async function online(page) {
  await page.locator('body[data-state=online]').waitFor();
}

export async function say(page, text) {
  await page.locator('#text').fill(text);
  await page.locator('#text').press('Enter');
}

// The message with exactly these words, in the log (delivered) of a page.
export function message(page, text) {
  return page.locator('#messages .message').filter({ has: page.locator('.words').getByText(text, { exact: true }) });
}

export async function wordsOf(page) {
  return page.locator('#messages .words').allTextContents();
}

export async function noticed(page, text) {
  await page.locator('#messages .notice', { hasText: text }).waitFor();
}

// Letters that occur nowhere else, because the history of the server outlives a test.
export function unique(word) {
  return `${word}-${randomBytes(4).toString('hex')}`;
}

// A connection of its own, from Node, that writes down all it is sent.
export async function spectator(test, name = unique('spectator')) {
  const socket = io(new URL(url).origin, {
    path: new URL('socket.io/', url).pathname, auth: { name }, forceNew: true, transports: ['websocket'],
  });
  test.after(() => socket.disconnect());
  const seen = { name, socket, events: [] };
  socket.onAny((event, value) => seen.events.push({ event, ...value }));
  [seen.hello] = await once(socket, 'hello', { signal: AbortSignal.timeout(WAIT_MS) });
  seen.all = (event, match = () => true) => seen.events.filter(each => each.event === event && match(each));
  // The first such event, that has come or will come.
  seen.first = async (event, match = () => true) => {
    const signal = AbortSignal.timeout(WAIT_MS);
    while (!seen.all(event, match).length) await once(socket, event, { signal });
    return seen.all(event, match)[0];
  };
  seen.say = text => socket.timeout(WAIT_MS).emitWithAck('message', { text });
  return seen;
}

// Waits until two observers agree, which no event announces.
export async function eventually(agree) {
  const deadline = AbortSignal.timeout(WAIT_MS);
  while (!await agree()) {
    assert.ok(!deadline.aborted, `not within ${WAIT_MS} ms: ${agree}`);
    await new Promise(done => setTimeout(done, 50));
  }
}

// Everything that the server had sent before this is in `events` afterwards.
export async function settled(seen) {
  const text = unique('settled');
  await seen.say(text);
  await seen.first('message', each => each.text === text);
}
