// One script for the device and for the host: what they answer, byte by byte, with ids and times replaced by what they are.

import { Raw, frame, get, post, upgrade } from './raw.mjs';

const PATH = '/socket.io/?EIO=4&transport=';

// Plays the script on the ports of one server and returns what it said, line by line.
export async function play(ports) {
  const script = new Script(ports);
  for (const part of [refusals, polling, websocket, upgrading, chatting, framing, malformed, bodies, full]) {
    script.note(`== ${part.name}`);
    await part(script);
    await script.empty();
  }
  return script.lines;
}

class Script {
  constructor(ports) {
    this.ports = ports;
    this.turn = 0;
    this.lines = [];
    this.clients = [];
    this.ids = new Map();
  }

  async open() {
    return Raw.open(this.ports[this.turn++ % this.ports.length]);
  }

  note(line) {
    this.lines.push(line);
  }

  // Replaces what differs between two runs. The same id gets the same number each time.
  say(who, text) {
    const known = (kind, id) => {
      if (!this.ids.has(id)) this.ids.set(id, `<${kind} ${this.ids.size}>`);
      return this.ids.get(id);
    };
    const same = text
      .replace(/\r\ndate: [^\r]+/gi, '\r\nDate: <date>')
      .replace(/"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/g, '"time":"<time>"')
      .replace(/"id":"([\w-]{8})-(\d+)"/g, (_, run, number) => `"id":"${known('run', run)}-${number}"`)
      .replace(/("(?:sid|id|from)":")([\w-]{20})"/g, (_, field, id) => `${field}${known('id', id)}"`)
      .replace(/guest-[\w-]{5}/g, 'guest-<start>');
    this.note(`${who} < ${JSON.stringify(same)}`);
  }

  async response(who, raw, options) {
    const response = await raw.response(options);
    if (!response) return this.note(`${who} < end`);
    const { head, body } = response;
    this.say(who, head);
    if (body.length) this.say(who, body.toString());
    return { head, body: body.toString() };
  }

  // One request on a connection of its own.
  async once(who, bytes, options) {
    const raw = await this.open();
    raw.send(bytes);
    const response = await this.response(who, raw, options);
    raw.close();
    return response;
  }

  async frames(who, raw, count) {
    for (; count > 0; count--) {
      const got = await raw.next();
      if (!got) return this.note(`${who} < end`);
      this.say(who, `${got.opcode}${got.fin ? '' : ' and more'}: ${got.opcode === 8 ? got.payload.toString('hex') : got.payload}`);
    }
  }

  async untilEnd(who, raw) {
    for (;;) {
      const got = await raw.next();
      if (!got) return this.note(`${who} < end`);
      this.say(who, `${got.opcode}: ${got.opcode === 8 ? got.payload.toString('hex') : got.payload}`);
    }
  }

  // A client on a WebSocket, in the namespace, its greeting read: hello and what is remembered.
  async client(who, name) {
    const raw = await this.open();
    raw.send(upgrade(`${PATH}websocket`));
    await this.response(who, raw);
    await this.frames(who, raw, 1);
    raw.text(`40{"name":${JSON.stringify(name)}}`);
    await this.frames(who, raw, 2 + this.history);
    this.clients.push({ who, raw });
    return raw;
  }

  history = 0;

  // All leave, each after the one before it is gone.
  async empty() {
    while (this.clients.length) {
      const { who, raw } = this.clients.shift();
      raw.frame(8, Buffer.from([3, 0xe8]));
      await this.untilEnd(who, raw);
      raw.close();
      for (const other of this.clients) await this.frames(other.who, other.raw, 1);
    }
  }
}

async function refusals(script) {
  for (const target of ['/socket.io/', `${PATH}carrier-pigeon`, '/socket.io/?EIO=3&transport=polling',
    `${PATH}websocket`, `${PATH}polling&sid=unknown`, `${PATH}websocket&sid=unknown`, '/nowhere', '/socket.io']) {
    await script.once(target, get(target));
  }
  await script.once('POST', post(`${PATH}polling`, ''));
  await script.once('PUT', get(`${PATH}polling`).replace('GET', 'PUT'));
  await script.once('polling upgrade', upgrade(`${PATH}polling`));
  await script.once('unknown upgrade', upgrade(`${PATH}websocket&sid=unknown`));
  await script.once('no host', `GET ${PATH}polling HTTP/1.1\r\n\r\n`);
  await script.once('no HTTP', 'what is this?\r\n\r\n');
  await script.once('HTTP/1.0', `GET ${PATH}none HTTP/1.0\r\n\r\n`);
  await script.once('two lengths', `POST ${PATH}polling HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12`);
}

async function polling(script) {
  const raw = await script.open();
  raw.send(get(`${PATH}polling`));
  const { body } = await script.response('poller', raw);
  const target = `${PATH}polling&sid=${JSON.parse(body.slice(1)).sid}`;
  raw.send(post(target, '40{"name":"Polly"}'));
  await script.response('poller', raw);
  raw.send(get(target));
  await script.response('poller', raw);
  // A poll that waits, and two packets in one body.
  const waiting = await script.open();
  waiting.send(get(target));
  raw.send(post(target, '420["name","Polly Esther"]\x1e421["message",{"text":"one"}]'));
  await script.response('poller', raw);
  await script.response('waiting', waiting);
  waiting.send(get(target));
  raw.send(post(target, '41'));
  await script.response('poller', raw);
  raw.send(post(target, '1'));
  await script.response('poller', raw);
  await script.response('waiting', waiting);
  script.history = 1;
  raw.send(get(target));
  await script.response('poller', raw);
  raw.close();
  waiting.close();
  // Two polls at once end the session.
  const twice = await script.open();
  twice.send(get(`${PATH}polling`));
  const other = `${PATH}polling&sid=${JSON.parse((await script.response('twice', twice)).body.slice(1)).sid}`;
  twice.send(get(other));
  const again = await script.open();
  // The first is parked when the second is answered: it came before it on a connection of its own.
  await script.once('between', get('/nowhere'));
  again.send(get(other));
  await script.response('again', again);
  await script.response('twice', twice);
  twice.close();
  again.close();
}

async function websocket(script) {
  const ann = await script.client('ann', 'Ann');
  ann.frame(9, Buffer.from('are you there?'));
  await script.frames('ann', ann, 1);
  // One message in three frames, a ping between them.
  ann.frame(1, Buffer.from('42["na'), { fin: false });
  ann.frame(9, Buffer.from('still?'));
  ann.frame(0, Buffer.from('me","An'), { fin: false });
  ann.frame(0, Buffer.from('na"]'));
  await script.frames('ann', ann, 2);
  ann.text('2');
  ann.text('3');
  ann.text('40');
  await script.untilEnd('ann', ann);
  ann.close();
  script.clients.pop();
}

async function upgrading(script) {
  const raw = await script.open();
  raw.send(get(`${PATH}polling`));
  const { sid } = JSON.parse((await script.response('climber', raw)).body.slice(1));
  raw.send(post(`${PATH}polling&sid=${sid}`, '40'));
  await script.response('climber', raw);
  raw.send(get(`${PATH}polling&sid=${sid}`));
  await script.response('climber', raw);
  raw.send(get(`${PATH}polling&sid=${sid}`));
  const probe = await script.open();
  probe.send(upgrade(`${PATH}websocket&sid=${sid}`));
  await script.response('probe', probe);
  probe.text('2probe');
  await script.frames('probe', probe, 1);
  await script.response('climber', raw);
  probe.text('5');
  probe.text('427["name","Climber"]');
  await script.frames('probe', probe, 2);
  raw.send(get(`${PATH}polling&sid=${sid}`));
  await script.response('climber', raw);
  const second = await script.open();
  second.send(upgrade(`${PATH}websocket&sid=${sid}`));
  await script.response('second', second);
  await script.untilEnd('second', second);
  raw.close();
  second.close();
  script.clients.push({ who: 'probe', raw: probe });
}

async function chatting(script) {
  const ann = await script.client('ann', 'Ann');
  const bob = await script.client('bob', 'a\u202eb\u0007 \u{1f41f}'.padEnd(40, 'x'));
  await script.frames('ann', ann, 1);
  for (const [text, both] of [
    ['427["message",{"text":" G\\u00fc\\ud83d\\ude00 \\"x\\" <b>\\n ","id":"retry_1"}]', true],
    ['428["message",{"text":"again","id":"retry_1"}]', false],
    ['429["message",{"text":"  "}]', false],
    ['4210["message",{"text":7}]', false],
    ['4211["message"]', false],
    ['4212["message",{"text":"x","id":"not valid"}]', false],
    [`4213["message",{"text":"${'y'.repeat(160)}"}]`, true],
    [`4214["message",{"text":"${'y'.repeat(161)}"}]`, false],
    ['4215["nothing"]', false],
    ['4216["name",""]', false],
    [`4217["name","${'n'.repeat(33)}"]`, false],
    ['4218["name","  Anna  "]', 'name'],
  ]) {
    ann.text(text);
    await script.frames('ann', ann, both ? 2 : 1);
    if (both) await script.frames('bob', bob, 1);
    if (both === true) script.history++;
  }
  // Without an acknowledgement: only who is told is told.
  bob.text('42["message",{"text":"quiet"}]');
  await script.frames('bob', bob, 1);
  await script.frames('ann', ann, 1);
  script.history++;
}

async function framing(script) {
  const { history } = script;
  const wrong = [
    ['unmasked', frame(1, Buffer.from('42["x"]'), { masked: false })],
    ['reserved bit', Buffer.concat([Buffer.from([0xc1]), frame(1, Buffer.from('x')).subarray(1)])],
    ['not UTF-8', frame(1, Buffer.from([0x34, 0x32, 0xff]))],
    ['too long', frame(1, Buffer.alloc(801, 0x34))],
    ['a continuation of nothing', frame(0, Buffer.from('x'))],
    ['a long ping', frame(9, Buffer.alloc(126))],
    ['opcode 3', frame(3, Buffer.from('x'))],
    ['a close with a reason', frame(8, Buffer.concat([Buffer.from([3, 0xe9]), Buffer.from('bye')]))],
    ['an empty close', frame(8, Buffer.alloc(0))],
  ];
  for (const [what, bytes] of wrong) {
    const raw = await script.client(what, 'Wrong');
    raw.send(bytes);
    await script.untilEnd(what, raw);
    raw.close();
    script.clients.pop();
    script.history = history;
  }
}

async function malformed(script) {
  for (const packet of ['', '9', '4', '4x', '42[', '42["a",]', '42{}', '42[1]', '42["a"]x', '45', '40/other,', '41', '43', '431[]',
    '4["a"]', '1', '0', '6', '42["a",' + '['.repeat(200) + ']'.repeat(200) + ']', '42["message",{"text":"\\ud800"}]',
    '42["\u0000"]', '451-["a",{"_placeholder":true,"num":0}]', 'b', 'bAAA=']) {
    const raw = await script.client(`packet ${packet.slice(0, 30)}`, 'Wrong');
    raw.text(packet);
    // Whoever is still there answers this; whoever is not has ended.
    raw.text('4299["name","Still here"]');
    await script.frames('it', raw, 2);
    raw.frame(8, Buffer.from([3, 0xe8]));
    await script.untilEnd('it', raw);
    raw.close();
    script.clients.pop();
  }
  const binary = await script.client('binary', 'Wrong');
  binary.frame(2, Buffer.from([1, 2, 3]));
  await script.untilEnd('binary', binary);
  binary.close();
  script.clients.pop();
}

async function bodies(script) {
  const raw = await script.open();
  raw.send(get(`${PATH}polling`));
  const target = `${PATH}polling&sid=${JSON.parse((await script.response('sender', raw)).body.slice(1)).sid}`;
  const chunked = 'Transfer-Encoding: chunked\r\n';
  const head = `POST ${target} HTTP/1.1\r\nHost: device\r\n`;
  raw.send(`${head}${chunked}\r\n3;x=y\r\n40{\r\nf\r\n"name":"Chunk"}\r\n0\r\nTrailer: x\r\n\r\n`);
  await script.response('sender', raw);
  raw.send(get(target));
  await script.response('sender', raw);
  raw.send(`${head}Expect: 100-continue\r\nContent-Length: 23\r\n\r\n`);
  await script.response('sender', raw);
  raw.send('421["name","Continued"]');
  await script.response('sender', raw);
  raw.send(get(target));
  await script.response('sender', raw);
  raw.send(post(target, '1'));
  await script.response('sender', raw);
  raw.close();
  const large = await script.open();
  large.send(get(`${PATH}polling`));
  const other = `${PATH}polling&sid=${JSON.parse((await script.response('large', large)).body.slice(1)).sid}`;
  large.send(post(other, `42["${'x'.repeat(800)}"]`));
  await script.response('large', large);
  large.close();
  const piecewise = await script.open();
  piecewise.send(`POST ${other} HTTP/1.1\r\nHost: device\r\n${chunked}\r\n190\r\n${'x'.repeat(400)}\r\n191\r\n${'x'.repeat(401)}\r\n0\r\n\r\n`);
  await script.response('piecewise', piecewise);
  piecewise.close();
  const octets = await script.open();
  octets.send(post(other, '4').replace('text/plain', 'application/octet-stream'));
  await script.response('octets', octets);
  octets.close();
}

// The eight that the limits allow, and two more.
async function full(script) {
  const { history } = script;
  for (let number = 1; number <= 8; number++) {
    await script.client(`client ${number}`, `Number ${number}`);
    for (const other of script.clients.slice(0, -1)) await script.frames(other.who, other.raw, 1);
  }
  await script.once('ninth, polling', get(`${PATH}polling`));
  await script.once('ninth, WebSocket', upgrade(`${PATH}websocket`));
  script.history = history;
}
