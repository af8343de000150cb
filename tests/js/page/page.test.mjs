// The chat page in a real Chromium against the server at SPRAT_URL; see browser.mjs for the environment.

import assert from 'node:assert/strict';
import { createServer, request as httpRequest } from 'node:http';
import { after, test } from 'node:test';
import {
  closeBrowser, enter, eventually, message, noticed, online, say, settled, spectator, unique, url, visitor, WAIT_MS, wordsOf,
} from './browser.mjs';

// Not whole days, which would leave the time of day as it is.
const CLOCK_OFFSET_MS = 86_400_000 + 8_220_000;

after(closeBrowser);

test('two visitors see their own ids, each other and what they write', async t => {
  const watcher = await spectator(t);
  const [ada, bob] = [unique('Ada'), unique('Bob')];
  const first = await enter(await visitor(t), ada);
  const second = await enter(await visitor(t), bob);

  for (const [page, name] of [[first, ada], [second, bob]]) {
    const { id } = await watcher.first('online', each => each.name === name);
    assert.equal(await page.locator('header #id').textContent(), id);
    assert.equal(await page.locator('#nickname').inputValue(), name);
  }
  await noticed(first, `${bob} came online`);
  assert.equal(await second.locator('.notice', { hasText: bob }).count(), 0, 'nobody is told of his own arrival');
  await second.locator('#list li', { hasText: ada }).waitFor();
  await first.locator('#list li', { hasText: bob }).waitFor();
  // Others may come and go meanwhile; sooner or later the page says what the last event said.
  await eventually(async () => {
    const { count } = watcher.events.filter(each => 'count' in each).at(-1);
    return await first.locator('aside .count').textContent() === String(count);
  });

  const [hello, answer] = [unique('hello'), unique('answer')];
  await say(first, hello);
  await message(second, hello).waitFor();
  await say(second, answer);
  await message(first, answer).waitFor();
  assert.equal(await message(second, hello).locator('.who bdi').textContent(), ada);
  assert.match(await message(first, hello).getAttribute('class'), /\bown\b/);
  assert.doesNotMatch(await message(second, hello).getAttribute('class'), /\bown\b/);
  assert.equal(await message(first, hello).locator('.tick').getAttribute('aria-label'), 'Delivered');
  assert.equal(await message(second, hello).locator('.tick').count(), 0);
  assert.equal(await first.locator('#pending li').count(), 0);

  await second.close();
  await noticed(first, `${bob} left`);
  await first.locator('#list li', { hasText: bob }).waitFor({ state: 'detached' });
});

for (const [name, clockOffsetMs] of [['more than a day ahead', CLOCK_OFFSET_MS], ['more than a day behind', -CLOCK_OFFSET_MS]]) {
  test(`a message shows the server's time, in the reader's zone, on a clock ${name}`, async t => {
    const watcher = await spectator(t);
    const page = await enter(await visitor(t, { clockOffsetMs, timezoneId: 'Asia/Tokyo' }), unique('Late'));
    assert.ok(Math.abs(await page.evaluate(() => Date.now()) - Date.now()) > CLOCK_OFFSET_MS / 2, 'the clock is off');
    const [own, other] = [unique('own'), unique('other')];
    await say(page, own);
    await watcher.say(other);
    for (const text of [own, other]) {
      const { time } = await watcher.first('message', each => each.text === text);
      assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000, time);
      await message(page, text).waitFor();
      const shown = message(page, text).locator('time');
      assert.equal(await shown.getAttribute('datetime'), time);
      const inTokyo = { timeZone: 'Asia/Tokyo' };
      assert.equal(await shown.textContent(), new Date(time).toLocaleTimeString('en-GB', {
        ...inTokyo, hour: 'numeric', minute: '2-digit',
      }));
      const days = await page.locator('.day').allTextContents();
      const day = new Date(time).toLocaleDateString('en-GB', { ...inTokyo, day: 'numeric', month: 'long', year: 'numeric' });
      assert.ok(days.at(-1).includes(day), `${days} has ${day}`);
    }
  });
}

test('a reload brings back the history, once and in order, and the nickname', async t => {
  const context = await visitor(t);
  const name = unique('Ada');
  const page = await enter(context, name);
  const texts = [1, 2, 3].map(n => unique(`line ${n}`));
  for (const text of texts) {
    await say(page, text);
    await message(page, text).waitFor();
  }
  const times = await page.locator('#messages .message time').evaluateAll(all => all.slice(-3).map(each => each.dateTime));
  await page.reload();
  await online(page);
  await message(page, texts[2]).waitFor();
  assert.deepEqual((await wordsOf(page)).slice(-3), texts);
  assert.deepEqual(
    await page.locator('#messages .message time').evaluateAll(all => all.slice(-3).map(each => each.dateTime)), times,
  );
  assert.match(await message(page, texts[0]).getAttribute('class'), /\bown\b/);
  assert.equal(await page.locator('#nickname').inputValue(), name);
});

test('a chosen nickname reaches the others and is kept for the next visit', async t => {
  const watcher = await spectator(t);
  const context = await visitor(t);
  const page = await enter(context);
  const assigned = await page.locator('#nickname').inputValue();
  assert.match(assigned, /^guest-/);
  const other = await enter(await visitor(t));
  const name = unique('Grace');
  await page.locator('#nickname').fill(` ${name} `);
  await page.locator('#nickname').press('Enter');
  await noticed(other, `${assigned} is now ${name}`);
  await noticed(page, `You are now ${name}`);
  await other.locator('#list li', { hasText: name }).waitFor();
  assert.equal((await watcher.first('name', each => each.name === name)).id, await page.locator('#id').textContent());
  await page.close();

  const again = await enter(context);
  await watcher.first('online', each => each.name === name);
  assert.equal(await again.locator('#nickname').inputValue(), name);
});

test('a nickname of 32 characters is taken, of 33 not, an empty one leaves it as it is', async t => {
  const watcher = await spectator(t);
  const page = await enter(await visitor(t), unique('Short'));
  const before = await page.locator('#nickname').inputValue();
  const nickname = page.locator('#nickname');
  await nickname.fill('  ');
  await nickname.press('Enter');
  assert.equal(await nickname.inputValue(), before);
  await nickname.fill('é'.repeat(33));
  await nickname.press('Enter');
  await page.locator('#hint', { hasText: 'at most 32 characters' }).waitFor();
  assert.equal(await nickname.inputValue(), before);
  const fishes = '🐟'.repeat(32);
  await nickname.fill(fishes);
  await nickname.press('Enter');
  await watcher.first('name', each => each.name === fishes);
  await page.locator('#list .who', { hasText: fishes }).waitFor();
  assert.equal(await page.locator('#hint').textContent(), '');
});

test('two tabs of one visitor have one nickname and are told apart by their ids', async t => {
  const context = await visitor(t);
  const name = unique('Twin');
  const first = await enter(context);
  await first.locator('#nickname').fill(name);
  await first.locator('#nickname').press('Enter');
  await noticed(first, `You are now ${name}`);
  assert.equal(await first.locator('#list .tag:not(:empty)').count(), 0);
  const second = await enter(context);
  const text = unique('from the second');
  await say(second, text);
  await message(first, text).waitFor();
  const tag = ' #' + (await second.locator('#id').textContent()).slice(0, 4);
  await first.locator('#list .tag:not(:empty)', { hasText: tag }).waitFor();
  assert.equal(await message(first, text).locator('.tag').textContent(), tag);
  await second.close();
  await first.locator('#list .tag:not(:empty)').first().waitFor({ state: 'detached' });
});

test('the Enter that takes a candidate of an input method sends nothing', async t => {
  const watcher = await spectator(t);
  const page = await enter(await visitor(t), unique('Lin'));
  const text = page.locator('#text');
  await text.focus();
  const chinese = unique('你好');

  // A composition as the browser itself makes it.
  const session = await page.context().newCDPSession(page);
  await session.send('Input.imeSetComposition', { text: 'nihao', selectionStart: 5, selectionEnd: 5 });
  await session.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 13 });
  await session.send('Input.insertText', { text: chinese });
  assert.equal(await text.inputValue(), chinese);

  // The orders of events of other browsers and input methods, each with one sign only.
  const values = await text.evaluate(async node => {
    const key = init => node.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', cancelable: true, ...init }));
    const seen = [];
    key({ isComposing: true });
    seen.push(node.value);
    key({ keyCode: 229 });
    seen.push(node.value);
    node.dispatchEvent(new CompositionEvent('compositionstart'));
    key({});
    seen.push(node.value);
    node.dispatchEvent(new CompositionEvent('compositionend'));
    key({});
    seen.push(node.value);
    await new Promise(done => setTimeout(done));
    return seen;
  });
  assert.deepEqual(values, [chinese, chinese, chinese, chinese]);

  await text.press('Enter');
  await message(page, chinese).waitFor();
  assert.equal(await text.inputValue(), '');
  await settled(watcher);
  assert.equal(watcher.all('message', each => each.text.includes(chinese)).length, 1);
});

test('Shift+Enter is a new line, Enter sends, blanks alone are not sent', async t => {
  const watcher = await spectator(t);
  const page = await enter(await visitor(t), unique('Ada'));
  const [one, two] = [unique('one'), unique('two')];
  await say(page, ' \n ');
  await page.locator('#text').fill('');
  await page.locator('#text').pressSequentially(one);
  await page.locator('#text').press('Shift+Enter');
  await page.locator('#text').pressSequentially(two);
  await page.locator('#text').press('Enter');
  await watcher.first('message', each => each.text === `${one}\n${two}`);
  const words = page.locator('.words', { hasText: two });
  await words.waitFor();
  assert.equal(await words.innerText(), `${one}\n${two}`);
});

test('a text over the limit stays in the field', async t => {
  const page = await enter(await visitor(t), unique('Ada'));
  const limit = (await spectator(t)).hello.limits.text_chars;
  const long = 'x'.repeat(limit + 1);
  await say(page, long);
  await page.locator('#hint', { hasText: `at most ${limit} characters` }).waitFor();
  assert.equal(await page.locator('#text').inputValue(), long);
  assert.equal(await page.locator('#left').textContent(), '-1');
  assert.equal(await page.locator('#pending li').count(), 0);
  const fits = unique('') + '🐟'.repeat(limit - 20);
  await say(page, fits);
  await message(page, fits).waitFor();
});

test('markup in a nickname or a text is shown, not interpreted', async t => {
  const watcher = await spectator(t, '<b id=evil>B</b><img src=x>');
  const page = await enter(await visitor(t), unique('Ada'));
  const name = unique('<i id=evil>');
  const other = await enter(await visitor(t), name);
  await noticed(page, `${name} came online`);
  const text = `<img src=x onerror="document.title='evil'"><script>document.title='evil'</script>&amp;${unique('')}`;
  await watcher.say(text);
  await message(page, text).waitFor();
  assert.equal(await message(page, text).locator('.who bdi').textContent(), watcher.name);
  await page.locator('#list li', { hasText: watcher.name }).waitFor();
  assert.equal(await page.locator('#evil, main img, aside img, main script, #messages b, #messages i').count(), 0);
  assert.doesNotMatch(await page.title(), /evil/);
  await other.close();
});

test('web addresses are links that tell nothing of this page, other schemes are text', async t => {
  const watcher = await spectator(t);
  const page = await enter(await visitor(t), unique('Ada'));
  const text = `(see https://example.org/a?b=1), javascript:alert(1) ${unique('')}`;
  await watcher.say(text);
  await message(page, text).waitFor();
  const links = message(page, text).locator('a');
  assert.equal(await links.count(), 1);
  assert.equal(await links.getAttribute('href'), 'https://example.org/a?b=1');
  assert.match(await links.getAttribute('rel'), /noopener/);
});

test('what is written while disconnected is shown as waiting and sent once afterwards', async t => {
  const watcher = await spectator(t);
  const context = await visitor(t);
  const page = await enter(context, unique('Ada'));
  const before = unique('before');
  await say(page, before);
  await message(page, before).waitFor();

  await context.setOffline(true);
  await page.locator('#banner', { hasText: 'Disconnected.' }).waitFor();
  const texts = [1, 2, 3].map(n => unique(`waiting ${n}`));
  for (const text of texts) await say(page, text);
  assert.deepEqual(await page.locator('#pending .words').allTextContents(), texts);
  assert.deepEqual(await page.locator('#pending .foot').allTextContents(), Array(3).fill('Waiting for the connection'));
  await page.locator('#countdown', { hasText: /Next attempt in \d+ s/ }).waitFor();
  await page.locator('#retry').waitFor();
  assert.equal(watcher.all('message', each => texts.includes(each.text)).length, 0);

  await context.setOffline(false);
  await online(page);
  await page.locator('#banner').waitFor({ state: 'hidden' });
  await message(page, texts[2]).waitFor();
  await settled(watcher);
  assert.deepEqual(watcher.all('message').map(each => each.text).filter(text => texts.includes(text)), texts);
  assert.equal(await page.locator('#pending li').count(), 0);
  assert.deepEqual((await wordsOf(page)).filter(text => [before, ...texts].includes(text)), [before, ...texts]);
});

test('the retry button does not wait for the countdown', async t => {
  const context = await visitor(t);
  // The event that would make the page try again by itself.
  await context.addInitScript(() => addEventListener('online', event => event.stopImmediatePropagation()));
  const page = await context.newPage();
  await page.clock.install();
  await page.goto(`${url}#${unique('Ada')}`);
  await online(page);
  await context.setOffline(true);
  const countdown = page.locator('#countdown', { hasText: /\d/ });
  // The waits grow from attempt to attempt, up to one that tells a click from mere patience.
  const waits = [];
  while (!waits.some(seconds => seconds >= 10)) {
    await countdown.waitFor();
    waits.push(Number.parseInt((await countdown.textContent()).match(/\d+/)[0], 10));
    assert.ok(waits.length < 12 && Math.max(...waits) <= 30, String(waits));
    if (waits.at(-1) < 10) await page.clock.runFor(waits.at(-1) * 1000);
  }
  await context.setOffline(false);
  await page.locator('#retry').focus();
  await page.keyboard.press('Enter');
  await page.locator('body[data-state=online]').waitFor({ timeout: 8000 });
});

test('a message whose acknowledgement is lost is offered for a retry, which does not double it', async t => {
  const watcher = await spectator(t);
  const context = await visitor(t);
  const link = await controlledLink(context);
  const page = await context.newPage();
  await page.clock.install();
  await page.goto(`${url}#${unique('Ada')}`);
  await online(page);
  await link.upgraded;

  const text = unique('once');
  link.dropAcknowledgements = true;
  await say(page, text);
  await watcher.first('message', each => each.text === text);
  assert.equal(await page.locator('#pending .foot').textContent(), 'Sending…');
  await page.clock.fastForward(11_000);
  await page.locator('#pending .foot', { hasText: 'Not delivered' }).waitFor();

  link.dropAcknowledgements = false;
  await page.locator('#pending').getByRole('button', { name: 'Retry' }).click();
  await page.locator('#pending li').waitFor({ state: 'detached' });
  await settled(watcher);
  assert.equal(watcher.all('message', each => each.text === text).length, 1);
  assert.equal(await message(page, text).count(), 1);
});

test('a connection lost before the acknowledgement: sent again by itself, shown and delivered once', async t => {
  const watcher = await spectator(t);
  const context = await visitor(t);
  const link = await controlledLink(context);
  const page = await enter(context, unique('Ada'));
  await link.upgraded;
  const text = unique('once');
  link.dropAcknowledgements = true;
  await say(page, text);
  await watcher.first('message', each => each.text === text);
  link.dropAcknowledgements = false;
  await link.cut();
  await page.locator('#banner').waitFor();
  await online(page);
  await message(page, text).waitFor();
  await page.locator('#pending li').waitFor({ state: 'detached' });
  await settled(watcher);
  assert.equal(watcher.all('message', each => each.text === text).length, 1);
  assert.equal(await message(page, text).count(), 1);
  assert.match(await message(page, text).getAttribute('class'), /\bown\b/);
});

// Lets a test lose acknowledgements and connections, once the client has changed to WebSocket.
async function controlledLink(context) {
  const link = { dropAcknowledgements: false };
  link.upgraded = new Promise(resolve => { link.onUpgraded = resolve; });
  await context.routeWebSocket(/socket\.io/, page => {
    const server = page.connectToServer();
    link.cut = async () => {
      await server.close();
      await page.close();
    };
    page.onMessage(packet => {
      server.send(packet);
      // Engine.IO protocol, upgrade: the client ends it with this packet.
      if (packet === '5') link.onUpgraded();
    });
    server.onMessage(packet => {
      if (!(link.dropAcknowledgements && /^43/.test(packet))) page.send(packet);
    });
  });
  return link;
}

test('an undelivered message outlives a reload and is sent once', async t => {
  const watcher = await spectator(t);
  const context = await visitor(t);
  const page = await enter(context, unique('Ada'));
  await context.setOffline(true);
  await page.locator('#banner').waitFor();
  const text = unique('survivor');
  await say(page, text);
  await page.locator('#pending .words', { hasText: text }).waitFor();
  await page.goto('about:blank');
  await context.setOffline(false);
  await page.goto(url);
  await message(page, text).waitFor();
  await settled(watcher);
  assert.equal(watcher.all('message', each => each.text === text).length, 1);
});

test('the view stays where the reader is; a button counts what is new and leads back', async t => {
  const watcher = await spectator(t);
  const page = await enter(await visitor(t, { viewport: { width: 500, height: 400 } }), unique('Ada'));
  const texts = Array.from({ length: 20 }, (_, n) => unique(`line ${n}`));
  for (const text of texts) await watcher.say(text);
  await message(page, texts[19]).waitFor();
  const fromBottom = () => page.locator('#scroll').evaluate(node => node.scrollHeight - node.scrollTop - node.clientHeight);
  await page.waitForFunction(() => {
    const node = document.querySelector('#scroll');
    return node.scrollTop > 0 && node.scrollHeight - node.scrollTop - node.clientHeight < 2;
  });
  assert.equal(await page.locator('#latest').isVisible(), false);

  await page.locator('#scroll').evaluate(node => { node.scrollTop = 100; });
  await page.locator('#latest').waitFor();
  const [one, two] = [unique('new one'), unique('new two')];
  await watcher.say(one);
  await watcher.say(two);
  await page.locator('#latest', { hasText: '2 new' }).waitFor();
  assert.equal(await page.locator('#scroll').evaluate(node => node.scrollTop), 100);
  assert.equal(await page.locator('.marker + .message .words').textContent(), one);

  await page.locator('#latest').click();
  await page.locator('#latest').waitFor({ state: 'hidden' });
  assert.ok(await fromBottom() < 2);
  assert.equal(await page.title(), 'Sprat');
});

test('the title counts what came while the page was hidden', async t => {
  const watcher = await spectator(t);
  const page = await enter(await visitor(t), unique('Ada'));
  const hide = hidden => page.evaluate(value => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  await hide(true);
  await watcher.say(unique('one'));
  await watcher.say(unique('two'));
  await page.waitForFunction(() => document.title === '(2) Sprat');
  await hide(false);
  await page.waitForFunction(() => document.title === 'Sprat');
});

test('arrivals in a row are one line', async t => {
  const page = await enter(await visitor(t), unique('Ada'));
  const start = unique('start');
  await say(page, start);
  await message(page, start).waitFor();
  const names = Array.from({ length: 6 }, (_, n) => unique(`guest${n}`));
  for (const name of names) await spectator(t, name);
  await noticed(page, '3 more came online');
  const after = page.locator('#messages li').filter({ hasText: start }).locator('~ .notice');
  assert.equal(await after.count(), 1);
  assert.match(await after.textContent(), new RegExp(`^${names[3]}.*, ${names[4]}.*, ${names[5]}.* and 3 more came online`));
});

test('a quick reload of somebody is not worth a notice', async t => {
  const page = await enter(await visitor(t), unique('Ada'));
  const name = unique('Flicker');
  const other = await enter(await visitor(t), name);
  await noticed(page, `${name} came online`);
  const start = unique('start');
  await say(page, start);
  await message(page, start).waitFor();
  const idBefore = await other.locator('#id').textContent();
  await other.reload();
  await online(other);
  const id = await other.locator('#id').textContent();
  assert.notEqual(id, idBefore);
  const left = unique('Left');
  (await spectator(t, left)).socket.disconnect();
  // Whoever leaves later is told later; by then the reload would have been told.
  await noticed(page, `${left} left`);
  assert.equal(await page.locator('.notice', { hasText: `${name} left` }).count(), 0);
  assert.equal(await page.locator('#messages li', { hasText: start }).locator('~ .notice', { hasText: name }).count(), 0);
  await page.locator('#list li', { hasText: name }).waitFor();
});

test('everything can be done with the keyboard', async t => {
  const page = await enter(await visitor(t), unique('Ada'));
  await page.locator('#text').focus();
  const text = unique('typed');
  await page.keyboard.type(text);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'send');
  assert.notEqual(await page.locator('#send').evaluate(node => getComputedStyle(node).outlineStyle), 'none');
  await page.keyboard.press('Enter');
  await message(page, text).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'text');
  // Once around, whatever links the history holds.
  const reached = [];
  while (reached.length < 100 && !reached.includes('text')) {
    await page.keyboard.press('Tab');
    reached.push(await page.evaluate(() => document.activeElement.id));
  }
  // A focused link scrolls the log, which brings the way back down into the round.
  assert.deepEqual(reached.filter(id => id && id !== 'latest'), ['send', 'nickname', 'scroll', 'text']);
  await page.locator('#nickname').focus();
  const name = unique('Keys');
  await page.keyboard.press('Control+A');
  await page.keyboard.type(name);
  await page.keyboard.press('Enter');
  await noticed(page, `You are now ${name}`);
});

test('every control has a name, the log is a polite live region', async t => {
  const page = await enter(await visitor(t), unique('Ada'));
  for (const [role, name] of [['textbox', 'Nickname'], ['textbox', 'Write a message'], ['button', 'Send']]) {
    await page.getByRole(role, { name, exact: true }).waitFor();
  }
  assert.equal(await page.locator('[role=log]').getAttribute('aria-live'), 'polite');
  await page.locator('#log:not([aria-busy])').waitFor();
  assert.equal(await page.locator('[role=status]').count(), 1);
  assert.equal(await page.locator('html').getAttribute('lang'), 'en');
});

test('a Chinese browser gets Chinese, with its own dates', async t => {
  const page = await enter(await visitor(t, { locale: 'zh-CN', timezoneId: 'Asia/Shanghai' }), unique('林'));
  assert.equal(await page.locator('html').getAttribute('lang'), 'zh-CN');
  await page.getByRole('button', { name: '发送', exact: true }).waitFor();
  assert.equal(await page.locator('#text').getAttribute('placeholder'), '输入消息');
  const name = unique('王');
  await spectator(t, name);
  await noticed(page, `${name} 上线了`);
  const text = unique('你好');
  await say(page, text);
  await message(page, text).waitFor();
  assert.match(await page.locator('.day').last().textContent(), /^\d+年\d+月\d+日/);
  const english = /[A-Za-z]{4,}/;
  const words = await page.evaluate(() => [...document.querySelectorAll('[data-t], [data-l]')].map(
    node => node.dataset.t ? node.textContent : node.getAttribute('aria-label'),
  ));
  assert.ok(words.length > 8);
  assert.deepEqual(words.filter(word => english.test(word)), []);
});

for (const [name, viewport] of [['phone', { width: 390, height: 844 }], ['small phone', { width: 320, height: 480 }]]) {
  test(`on a ${name} nothing is cut off and the list opens`, async t => {
    const watcher = await spectator(t, 'W'.repeat(32));
    const page = await enter(await visitor(t, { viewport, hasTouch: true, isMobile: true }), 'M'.repeat(32));
    // As long as the server takes it, and far wider than the phone.
    const text = 'long'.repeat(100).slice(0, watcher.hello.limits.text_chars);
    await watcher.say(text);
    await message(page, text).first().waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width);
    assert.ok(await page.locator('#scroll').evaluate(node => node.scrollWidth <= node.clientWidth));
    await page.getByRole('textbox', { name: 'Nickname', exact: true }).waitFor();
    for (const id of ['nickname', 'id', 'text', 'send', 'peopleButton']) {
      const box = await page.locator('#' + id).boundingBox();
      assert.ok(box.x >= 0 && box.x + box.width <= viewport.width && box.y + box.height <= viewport.height, id);
    }
    await page.locator('#list').waitFor({ state: 'hidden' });
    await page.locator('#peopleButton').tap();
    await page.locator('#list li', { hasText: watcher.name }).first().waitFor();
    assert.equal(await page.locator('#peopleButton').getAttribute('aria-expanded'), 'true');
    await page.keyboard.press('Escape');
    await page.locator('#list').waitFor({ state: 'hidden' });
  });
}

for (const colorScheme of ['light', 'dark']) {
  test(`text has contrast in the ${colorScheme} scheme`, async t => {
    const watcher = await spectator(t);
    const page = await enter(await visitor(t, { colorScheme }), unique('Ada'));
    const [own, other] = [unique('own'), unique('other')];
    await say(page, own);
    await watcher.say(other);
    await message(page, other).waitFor();
    await page.locator('.notice, .day').first().waitFor();
    const ratios = await page.evaluate(contrasts, [
      '#id', '#nickname', '.row label', 'aside h2', '.day', '.own .words', '.own .foot', '.message:not(.own) .words',
      '.message:not(.own) .foot', '.bubble .who', '#text', '#latest', 'aside .who',
    ]);
    for (const [selector, ratio] of ratios) assert.ok(ratio >= 4.5, `${selector} ${ratio}`);
  });
}

// WCAG 2.2, contrast ratio, of the text and the nearest opaque background.
function contrasts(selectors) {
  const canvas = document.createElement('canvas').getContext('2d');
  const channels = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = colour => channels(colour).slice(0, 3).map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  return selectors.map(selector => {
    const node = [...document.querySelectorAll(selector)].at(-1);
    let behind = node;
    while (channels(getComputedStyle(behind).backgroundColor)[3] < 255) behind = behind.parentElement;
    const [a, b] = [getComputedStyle(node).color, getComputedStyle(behind).backgroundColor].map(luminance);
    return [selector, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  });
}

test('the number of nodes is bounded, however long the chat', async t => {
  const watcher = await spectator(t);
  const page = await enter(await visitor(t), unique('Ada'));
  const texts = Array.from({ length: 520 }, (_, n) => unique(`many ${n}`));
  await Promise.all(texts.map(text => watcher.say(text)));
  await message(page, texts.at(-1)).waitFor();
  await page.waitForFunction(() => document.querySelectorAll('#messages > li').length <= 500);
  assert.deepEqual((await wordsOf(page)).slice(-400), texts.slice(-400));
});

test('works under a sub-path behind a reverse proxy', async t => {
  const proxy = createServer((request, response) => forward(request, answer => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  }));
  proxy.on('upgrade', (request, socket) => {
    forward(request, () => socket.destroy()).on('upgrade', (answer, upstream) => {
      const headers = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}\r\n`).join('');
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${headers}\r\n`);
      socket.on('error', () => upstream.destroy());
      upstream.on('error', () => socket.destroy());
      upstream.pipe(socket).pipe(upstream);
    });
  });
  await new Promise(done => proxy.listen(0, '127.0.0.1', done));
  t.after(() => {
    proxy.close();
    proxy.closeAllConnections();
  });
  const address = `http://127.0.0.1:${proxy.address().port}/some/chat/`;
  const page = await enter(await visitor(t), unique('Ada'), address);
  const text = unique('through the proxy');
  await say(page, text);
  await message(page, text).waitFor();
});

function forward(request, onAnswer) {
  const path = request.url.replace(/^\/some\/chat\//, new URL(url).pathname);
  const { hostname, port } = new URL(url);
  const onward = httpRequest({ hostname, port, path, method: request.method, headers: request.headers }, onAnswer);
  onward.on('error', () => request.destroy());
  request.pipe(onward);
  return onward;
}

test('the page keeps to its own policy: nothing inline, nothing from elsewhere', async t => {
  const response = await fetch(url, { signal: AbortSignal.timeout(WAIT_MS) });
  const policy = response.headers.get('content-security-policy');
  for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'"]) {
    assert.ok(policy.includes(rule), `${rule} in ${policy}`);
  }
  const html = await response.text();
  assert.doesNotMatch(html, /\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)/i);
  const context = await visitor(t);
  const foreign = [];
  context.on('request', request => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:')) foreign.push(request.url());
  });
  await enter(context, unique('Ada'));
  assert.deepEqual(foreign, []);
});
