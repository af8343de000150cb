// A page in the manner of Socket.IO's tutorial works with the server unchanged.
//
//   TUTORIAL_URL   address of tutorial.html where a server has this folder (`--static DIR`); without it the page is put in
//                  front of the server at SPRAT_URL by the browser

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { closeBrowser, spectator, url, visitor } from './browser.mjs';

const html = readFileSync(new URL('tutorial.html', import.meta.url), 'utf8');

after(closeBrowser);

test("the tutorial's page shows its own id at the top and who comes online", async t => {
  const watcher = await spectator(t);
  const first = await open(t);
  const second = await open(t);
  const ids = [];
  for (const page of [first, second]) {
    await page.locator('#me', { hasText: /\S/ }).waitFor();
    ids.push(await page.locator('#me').textContent());
    assert.equal(await page.evaluate('socket.id'), ids.at(-1));
    await watcher.first('online', ({ id }) => id === ids.at(-1));
  }
  assert.notEqual(ids[0], ids[1]);
  await first.locator('#others li', { hasText: ids[1] }).waitFor();
  for (const [page, id] of [[first, ids[0]], [second, ids[1]]]) {
    const others = await page.locator('#others li').allTextContents();
    assert.ok(!others.includes(id), 'nobody is told of his own arrival');
  }
});

async function open(t) {
  const context = await visitor(t);
  const address = process.env.TUTORIAL_URL ?? new URL('tutorial.html', url).href;
  if (!process.env.TUTORIAL_URL) await context.route(address, route => route.fulfill({ contentType: 'text/html', body: html }));
  const page = await context.newPage();
  await page.goto(address);
  return page;
}
