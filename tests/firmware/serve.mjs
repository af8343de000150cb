// The firmware as if it were a server on this host: for tests that start servers, or that are given an address.
//
//   node serve.mjs [--listen 127.0.0.1:PORT]      FIRMWARE and MACHINE as in device.mjs

import { startDevice, startFront, startSntp } from './device.mjs';

const listen = process.argv[process.argv.indexOf('--listen') + 1];
const port = process.argv.includes('--listen') ? Number(listen.split(':').at(-1)) : 0;

const sntp = await startSntp();
const device = await startDevice({ sntp: sntp.port });
await device.waitFor(/^time/);
const front = await startFront(device, port);
console.log(`ready ${front.url}`);
device.on('line', line => {
  if (!device.ended) return;
  console.error(`${line}\n${device.lines.slice(-20).join('\n')}`);
  process.exit(1);
});
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => device.stop().finally(() => process.exit(0)));
