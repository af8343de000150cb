// The chat page with a scripted connection in place of the client: what a server may send but a test can hardly bring
// about. The page's files come from SPRAT_URL.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeBrowser, message, online, say, url, visitor, WAIT_MS, wordsOf } from './browser.mjs';

const ME = 'me-0123456789abcdefg';
const LIMITS = { name_chars: 32, text_chars: 2000 };

after(closeBrowser);

// Stands for socket.io.js: what the server would send comes from `wire.deliver`, what the page sends lands in `wire.sent`.
function scriptedClient() {
  const handlers = new Map();
  const wire = { sent: [], connects: 0, active: true };
  const socket = {
    id: 'me-0123456789abcdefg', connected: true, io: { engine: { close() {} } },
    on: (event, handler) => handlers.set(event, handler),
    connect: () => { wire.connects += 1; },
    timeout: () => ({
      emit: (event, ...rest) => wire.sent.push({ event, args: rest.slice(0, -1), acknowledge: rest.at(-1) }),
    }),
  };
  wire.deliver = (event, ...args) => handlers.get(event)(...args);
  globalThis.wire = wire;
  globalThis.io = options => {
    wire.options = options;
    return socket;
  };
}

async function scripted(t, options) {
  const context = await visitor(t, options);
  await context.route('**/socket.io/socket.io.js', route => route.fulfill({
    contentType: 'application/javascript', body: `(${scriptedClient})()`,
  }));
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForFunction(() => globalThis.wire?.options);
  page.deliver = (event, ...args) => page.evaluate(([name, values]) => globalThis.wire.deliver(name, ...values), [event, args]);
  page.sent = () => page.evaluate(() => globalThis.wire.sent.map(({ event, args }) => [event, ...args]));
  page.acknowledge = (index, ...args) => page.evaluate(
    ([at, values]) => globalThis.wire.sent.at(at).acknowledge(...values), [index, args],
  );
  page.hello = more => page.deliver('hello', {
    id: ME, name: 'Me', time: '2026-03-01T10:00:00.000Z', count: 1, users: [{ id: ME, name: 'Me' }], limits: LIMITS, ...more,
  });
  return page;
}

const words = (id, time, more) => ({ id, from: 'peer-1', name: 'Peer', text: id, time, ...more });

test('a server without a clock: times are those since its start, days are not told', async t => {
  const page = await scripted(t);
  await page.hello({ time: null, uptime_ms: 1000 });
  await page.deliver('history', words('early', null, { uptime_ms: 59_999 }));
  await page.deliver('message', words('later', null, { uptime_ms: 3_723_400 }));
  assert.deepEqual(await page.locator('#messages .message time').allTextContents(), ['+0:00:59', '+1:02:03']);
  assert.equal(await message(page, 'later').locator('time').getAttribute('datetime'), 'PT3723S');
  assert.equal(await page.locator('.day').count(), 0);
  await say(page, 'mine');
  await page.acknowledge(-1, null, { id: 'm1', time: null, uptime_ms: 7_200_000 });
  assert.equal(await message(page, 'mine').locator('time').textContent(), '+2:00:00');
});

for (const [timezoneId, days] of [['Asia/Shanghai', 2], ['UTC', 1]]) {
  test(`a date stands before each day of the reader in ${timezoneId}`, async t => {
    const page = await scripted(t, { timezoneId });
    await page.hello();
    await page.deliver('history', words('before', '2026-03-01T15:59:00.000Z'));
    await page.deliver('history', words('after', '2026-03-01T16:01:00.000Z'));
    const order = await page.locator('#messages > li').evaluateAll(all => all.map(node => node.className.split(' ')[0]));
    assert.deepEqual(order, days === 2 ? ['day', 'message', 'day', 'message'] : ['day', 'message', 'message']);
    assert.match(await page.locator('.day').first().textContent(), /Sunday.* 1 March 2026/);
  });
}

test('who is online beyond the list is counted', async t => {
  const page = await scripted(t);
  const users = Array.from({ length: 100 }, (_, n) => ({ id: `id-${n}`, name: `user ${n}` }));
  await page.hello({ count: 1000, users: [{ id: ME, name: 'Me' }, ...users.slice(1)] });
  await page.locator('#list .rest', { hasText: '900 more' }).waitFor();
  assert.equal(await page.locator('#list li:not(.rest)').count(), 100);
  assert.match(await page.locator('#list li').first().textContent(), /^M?Me.*you$/);
  assert.equal(await page.locator('aside .count').textContent(), '1000');
});

test('the history of a second hello shows what is new only', async t => {
  const page = await scripted(t);
  await page.hello();
  for (const id of ['a', 'b']) await page.deliver('history', words(id, '2026-03-01T10:00:00.000Z'));
  await page.deliver('disconnect', 'transport close');
  await page.locator('#banner', { hasText: 'Disconnected.' }).waitFor();
  await page.hello();
  for (const id of ['a', 'b', 'c']) await page.deliver('history', words(id, '2026-03-01T10:00:00.000Z'));
  assert.deepEqual(await wordsOf(page), ['a', 'b', 'c']);
});

test('a refused message says why; a retry has the same id; a discarded one is gone', async t => {
  const page = await scripted(t);
  await page.hello();
  await say(page, 'words');
  assert.equal(await page.locator('#pending .foot').textContent(), 'Sending…');
  await page.acknowledge(-1, null, { error: 'busy' });
  await page.locator('#pending .foot', { hasText: 'The server is busy' }).waitFor();
  await page.getByRole('button', { name: 'Retry' }).click();
  const [first, second] = await page.sent();
  assert.deepEqual(second, first);
  assert.match(first[1].id, /^[A-Za-z0-9_-]{22}$/);
  await page.acknowledge(-1, null, { error: 'bad_request' });
  await page.locator('#pending .foot', { hasText: 'Not delivered' }).waitFor();
  await page.getByRole('button', { name: 'Discard' }).click();
  assert.equal(await page.locator('#pending li').count(), 0);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'text');
  assert.deepEqual(await wordsOf(page), []);
});

test('an attempt given up with its connection has no say in the next one', async t => {
  const page = await scripted(t);
  await page.hello();
  await say(page, 'words');
  await page.deliver('disconnect', 'ping timeout');
  assert.equal(await page.locator('#pending .foot').textContent(), 'Waiting for the connection');
  await page.hello();
  assert.equal((await page.sent()).length, 2);
  await page.acknowledge(0, { message: 'operation has timed out' });
  assert.equal(await page.locator('#pending .foot').textContent(), 'Sending…');
  await page.acknowledge(1, null, { id: 'm1', time: '2026-03-01T10:00:00.000Z' });
  await page.acknowledge(0, null, { id: 'm1', time: '2026-03-01T10:00:00.000Z' });
  await page.deliver('message', { ...words('m1', '2026-03-01T10:00:00.000Z'), from: ME, text: 'words' });
  assert.deepEqual(await wordsOf(page), ['words']);
});

test('a delivered message whose acknowledgement got lost is found in the history', async t => {
  const page = await scripted(t);
  await page.hello();
  await say(page, 'words');
  await page.deliver('disconnect', 'transport close');
  await page.hello({ id: 'me-again', users: [{ id: 'me-again', name: 'Me' }] });
  await page.deliver('history', { ...words('m1', '2026-03-01T10:00:00.000Z'), from: ME, text: 'words' });
  await page.acknowledge(-1, null, { id: 'm1', time: '2026-03-01T10:00:00.000Z' });
  assert.deepEqual(await wordsOf(page), ['words']);
  assert.match(await message(page, 'words').getAttribute('class'), /\bown\b/);
  assert.equal(await page.locator('#pending li').count(), 0);
});

test('the queue of waiting messages is bounded, and nothing typed is lost', async t => {
  const page = await scripted(t);
  for (let n = 0; n < 50; n += 1) await say(page, `message ${n}`);
  await say(page, 'one too many');
  await page.locator('#hint', { hasText: 'Too many messages are waiting' }).waitFor();
  assert.equal(await page.locator('#text').inputValue(), 'one too many');
  assert.equal(await page.locator('#pending li').count(), 50);
  await page.hello();
  assert.deepEqual((await page.sent()).map(([, { text }]) => text), Array.from({ length: 50 }, (_, n) => `message ${n}`));
});

test('the waits between attempts grow, are spread, and have an upper bound', async t => {
  const page = await scripted(t);
  await page.hello();
  const seconds = [];
  for (let attempt = 0; attempt < 12; attempt += 1) {
    await page.deliver(attempt ? 'connect_error' : 'disconnect', {});
    seconds.push(Number.parseInt((await page.locator('#countdown').textContent()).match(/\d+/)[0], 10));
  }
  seconds.forEach((wait, attempt) => {
    const most = Math.min(30, 2 ** attempt);
    assert.ok(wait >= most / 2 && wait <= most, `wait ${attempt}: ${wait} of at most ${most}`);
  });
  assert.ok(new Set(seconds.slice(5)).size > 1, `not all alike: ${seconds}`);
});

test('coming back to the page, or to the network, tries at once and only once', async t => {
  const page = await scripted(t);
  await page.hello();
  for (const [node, event] of [['document', 'visibilitychange'], ['window', 'online']]) {
    await page.deliver('disconnect', 'transport close');
    for (let n = 0; n < 5; n += 1) await page.deliver('connect_error', {});
    const before = await page.evaluate(() => globalThis.wire.connects);
    await page.evaluate(([target, name]) => {
      globalThis[target].dispatchEvent(new Event(name));
      globalThis[target].dispatchEvent(new Event(name));
    }, [node, event]);
    assert.equal(await page.evaluate(() => globalThis.wire.connects), before + 1, event);
    await page.hello();
    assert.equal(await page.locator('#banner').isVisible(), false);
  }
});

test('a restarted server does not announce those who were there before', async t => {
  const page = await scripted(t);
  const other = { id: 'old', name: 'Other' };
  await page.hello({ count: 2, users: [{ id: ME, name: 'Me' }, other] });
  await page.deliver('disconnect', 'transport close');
  await page.hello();
  const time = '2026-03-01T10:00:01.000Z';
  await page.deliver('online', { id: 'new', name: 'Other', time, count: 2 });
  await page.deliver('online', { id: 'newer', name: 'Newcomer', time, count: 3 });
  await page.locator('.notice', { hasText: 'Newcomer came online' }).waitFor();
  assert.deepEqual(await page.locator('.notice').evaluateAll(all => all.map(node => /Other/.test(node.textContent))), [false]);
  await page.locator('#list li', { hasText: 'Other' }).waitFor();
});

test('a nickname chosen while disconnected is used for the next connection', async t => {
  const page = await scripted(t);
  await page.hello();
  await page.deliver('disconnect', 'transport close');
  await page.locator('#nickname').fill('Later');
  await page.locator('#nickname').press('Enter');
  const auth = await page.evaluate(() => new Promise(done => globalThis.wire.options.auth(done)));
  assert.deepEqual(auth, { name: 'Later' });
  assert.deepEqual(await page.sent(), []);
});

test('nicknames that only look different are told apart by their ids', async t => {
  const page = await scripted(t);
  await page.hello({ count: 3, users: [{ id: ME, name: 'Me' }, { id: 'aaaa1', name: 'Ada' }, { id: 'bbbb2', name: 'ａda\u200b' }] });
  await page.locator('#list .tag', { hasText: '#aaaa' }).waitFor();
  await page.locator('#list .tag', { hasText: '#bbbb' }).waitFor();
  assert.equal(await page.locator('#list .tag', { hasText: '#me-0' }).count(), 0);
});

test('without the client script the page says so and offers to load again', async t => {
  const context = await visitor(t);
  let refused = 0;
  await context.route('**/socket.io/socket.io.js', route => {
    refused += 1;
    return refused === 1 ? route.abort() : route.fulfill({
      contentType: 'application/javascript', body: `(${scriptedClient})()`,
    });
  });
  const page = await context.newPage();
  await page.goto(url);
  await page.locator('#retry').click();
  await page.waitForFunction(() => globalThis.wire?.options, undefined, { timeout: WAIT_MS });
  await page.evaluate(([id, limits]) => globalThis.wire.deliver('hello', {
    id, name: 'Me', time: '2026-03-01T10:00:00.000Z', count: 1, users: [{ id, name: 'Me' }], limits,
  }), [ME, LIMITS]);
  await online(page);
});
