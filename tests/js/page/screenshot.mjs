// Makes the picture of the README, docs/chat.png: two people chatting, one at a desk and one on a phone in the dark.
//
//   SPRAT_URL=http://127.0.0.1:3000/ node screenshot.mjs [FILE]
//
// Wants a server whose history is empty. Reduces the colours if `pngquant` is installed.

import { spawnSync } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { closeBrowser, enter, message, say, visitor } from './browser.mjs';

const file = process.argv[2] ?? fileURLToPath(new URL('../../../docs/chat.png', import.meta.url));
const FONT = { content: 'body { font-family: Inter, "Noto Sans CJK SC", system-ui, sans-serif }' };
const cleanUps = [];
const scene = { after: cleanUp => cleanUps.push(cleanUp) };

const desk = await enter(await visitor(scene, { viewport: { width: 760, height: 560 }, bypassCSP: true }), 'Ada');
const phone = await enter(await visitor(scene, {
  viewport: { width: 360, height: 640 }, colorScheme: 'dark', bypassCSP: true, deviceScaleFactor: 0.72,
}), '林');
for (const page of [desk, phone]) await page.addStyleTag(FONT);
await desk.locator('.notice', { hasText: '林' }).waitFor();
for (const [page, words] of [
  [desk, 'Morning! Did the Pi survive the move?'],
  [phone, '早上好 👋 It did, it just sent you this page.'],
  [phone, 'It lives on the bookshelf now.'],
  [desk, 'Does it mind the books?'],
  [phone, 'No. It is small, and it likes company. 🐟'],
  [desk, 'Then let us invite the others.'],
]) {
  await say(page, words);
  await Promise.all([desk, phone].map(each => message(each, words).waitFor()));
}

const pictures = [];
for (const page of [desk, phone]) {
  await page.evaluate(() => document.activeElement.blur());
  pictures.push((await page.screenshot()).toString('base64'));
}
const [context] = await Promise.all([visitor(scene, { viewport: { width: 900, height: 620 } })]);
const sheet = await context.newPage();
await sheet.setContent(`<style>
  body { margin: 0; height: 620px; position: relative; background: #cfe0ee }
  img { position: absolute; border-radius: 12px; box-shadow: 0 8px 24px #0b254066 }
  .desk { left: 24px; top: 30px }
  .phone { right: 22px; bottom: 24px; border-radius: 20px; border: 5px solid #0b1218 }
</style><img class="desk" src="data:image/png;base64,${pictures[0]}"><img class="phone" src="data:image/png;base64,${pictures[1]}">`);
await sheet.waitForFunction(() => [...document.images].every(image => image.complete));
writeFileSync(file, await sheet.screenshot());
for (const cleanUp of cleanUps.reverse()) await cleanUp();
await closeBrowser();
spawnSync('pngquant', ['--force', '--skip-if-larger', '--quality', '70-95', '--strip', '--output', file, '128', file]);
console.log(`${file}: ${statSync(file).size} bytes`);
