// How many instructions one chat message of 64 bytes to eight clients takes, and whose they are: QEMU writes down every one.
//
//   FIRMWARE   the ELF file (required)

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { firmware, startDevice, startFront } from './device.mjs';

const { io } = createRequire(new URL('../js/package.json', import.meta.url))('socket.io-client');
const CLIENTS = 8;
const MESSAGES = 5;
const WHOSE = [
  // The task of the network has the stack and the driver inlined.
  [/network_task|smoltcp|embassy_net|stellaris|lan9118/i, 'TCP/IP and driver'], [/sprat_core/, 'sprat_core'], [/sprat_firmware/, 'sprat_firmware'],
  [/serde|siphasher|httparse|heapless/, 'libraries of the core'],
  [/mem|__aeabi|compiler_builtins/, 'copying'], [/embassy|SysTick|sprat_cortex_m|critical_section/, 'executor and tick'],
];

const folder = mkdtempSync(join(tmpdir(), 'profile-'));
const [monitorPath, log] = [join(folder, 'monitor'), join(folder, 'log')];
const device = await startDevice({
  icount: 'shift=5,sleep=on',
  args: ['-singlestep', '-D', log, '-qmp', `unix:${monitorPath},server=on,wait=off`],
});
const front = await startFront(device);
const sockets = [];
for (let number = 0; number < CLIENTS; number++) {
  const socket = io(front.url, { forceNew: true, reconnection: false, transports: ['websocket'], auth: { name: `n${number}` } });
  await once(socket, 'hello');
  sockets.push(socket);
}
const monitor = connect(monitorPath);
const answers = createInterface({ input: monitor })[Symbol.asyncIterator]();
await ask({ execute: 'qmp_capabilities' });
await say('log exec,nochain');
for (let number = 0; number < MESSAGES; number++) {
  const got = sockets.map(socket => once(socket, 'message'));
  sockets[0].emit('message', { text: 'm'.repeat(64) }, () => {});
  await Promise.all(got);
}
await say('log none');
await device.stop();
front.close();
const symbols = readSymbols();
const counts = new Map();
let total = 0;
for await (const line of createInterface({ input: createReadStream(log) })) {
  const pc = /^Trace \d+: \S+ \[[0-9a-f]+\/([0-9a-f]+)\//.exec(line)?.[1];
  if (!pc) continue;
  const name = symbolAt(Number.parseInt(pc, 16));
  const whose = WHOSE.find(([pattern]) => pattern.test(name))?.[1] ?? 'other';
  counts.set(whose, (counts.get(whose) ?? 0) + 1);
  total++;
}
rmSync(folder, { recursive: true });
console.log(`${Math.round(total / MESSAGES)} instructions for each of ${MESSAGES} messages, the ticks meanwhile included`);
for (const [whose, count] of [...counts].sort((a, b) => b[1] - a[1])) {
  console.log(`${(100 * count / total).toFixed(1).padStart(5)} % ${Math.round(count / MESSAGES).toString().padStart(8)}  ${whose}`);
}
process.exit(0);

// Says something to QEMU's monitor and waits until it is done.
async function say(command) {
  await ask({ execute: 'human-monitor-command', arguments: { 'command-line': command } });
}

async function ask(request) {
  monitor.write(JSON.stringify(request));
  for (;;) {
    const answer = JSON.parse((await answers.next()).value);
    if ('return' in answer) return;
    if ('error' in answer) throw new Error(answer.error.desc);
  }
}

function readSymbols() {
  return execFileSync('nm', ['-C', '-n', firmware], { encoding: 'utf8', maxBuffer: 1 << 28 }).split('\n')
    .map(line => /^([0-9a-f]+) [tT] (.+)$/.exec(line)).filter(Boolean)
    .map(([, address, name]) => [Number.parseInt(address, 16) & ~1, name]).filter(([, name]) => !name.startsWith('$'));
}

function symbolAt(address) {
  let [low, high] = [0, symbols.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (symbols[middle][0] <= address) low = middle;
    else high = middle;
  }
  return symbols[low][1];
}
