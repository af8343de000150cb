// Scripts of the upgrade from polling to WebSocket (Engine.IO protocol, upgrade). Each is [name, options, script].
const PLAIN = {};

const upgrades = [
  ["upgrade: to its end", PLAIN, async (p) => {
    const s = await p.joined();
    const w = await s.probe();
    w.send("2probe");
    await w.next();
    const parked = await s.park();
    await parked.answer();
    w.send("5");
    w.send('420["echo",1]');
    await w.next();
    await s.get();
    await s.post('421["echo",2]');
    await w.fence();
  }],
  ["upgrade: a GET that waits is answered with NOOP", PLAIN, async (p) => {
    const s = await p.joined();
    const parked = await s.park();
    const w = await s.probe();
    w.send("2probe");
    await w.next();
    await parked.answer();
    for (let i = 0; i < 3; i++) await s.get();
    w.send("5");
    await w.fence();
  }],
  ["upgrade: what is emitted meanwhile", PLAIN, async (p) => {
    const s = await p.joined();
    const w = await s.probe();
    w.send("2probe");
    await w.next();
    await s.post('42["count",3]');
    w.send("5");
    await w.fence();
  }],
  ["upgrade: what is emitted meanwhile goes to a GET", PLAIN, async (p) => {
    const s = await p.joined();
    const w = await s.probe();
    w.send("2probe");
    await w.next();
    await s.post('42["count",3]');
    await s.get();
    w.send("5");
    await w.fence();
  }],
  ["upgrade: anything but a probe closes the WebSocket", PLAIN, async (p) => {
    const s = await p.joined();
    const w = await s.probe();
    w.send('420["echo",1]');
    await w.untilClosed();
    await s.post('421["echo",2]');
    await s.get();
  }],
  ["upgrade: a PING that is no probe", PLAIN, async (p) => {
    const s = await p.joined();
    const w = await s.probe();
    w.send("2");
    await w.untilClosed();
    await s.post('421["echo",2]');
    await s.get();
  }],
  ["upgrade: UPGRADE without a probe", PLAIN, async (p) => {
    const s = await p.joined();
    const w = await s.probe();
    w.send("5");
    await w.fence();
  }],
  ["upgrade: something else after the probe", PLAIN, async (p) => {
    const s = await p.joined();
    const w = await s.probe();
    w.send("2probe");
    await w.next();
    w.send('420["echo",1]');
    await w.untilClosed();
    await s.post('421["echo",2]');
    await s.get();
  }],
  ["upgrade: a WebSocket without a probe is given up", { upgradeTimeout: 300 }, async (p) => {
    const s = await p.joined();
    const w = await s.probe();
    await w.untilClosed();
    await s.post('421["echo",2]');
    await s.get();
  }],
  ["upgrade: a probe without an UPGRADE is given up", { upgradeTimeout: 300 }, async (p) => {
    const s = await p.joined();
    const w = await s.probe();
    w.send("2probe");
    await w.untilClosed();
    await s.post('421["echo",2]');
    await s.get();
  }],
  ["upgrade: after a first one that failed", PLAIN, async (p) => {
    const s = await p.joined();
    const first = await s.probe();
    first.send("2probe");
    await first.next();
    first.wire.sendClose();
    await first.untilClosed();
    await p.settle();
    const w = await s.probe();
    w.send("2probe");
    await w.next();
    w.send("5");
    await w.fence();
  }],
  ["upgrade: a second WebSocket meanwhile", PLAIN, async (p) => {
    const s = await p.joined();
    const w = await s.probe();
    w.send("2probe");
    await w.next();
    const second = await s.probe();
    await second.untilClosed();
    w.send("5");
    await w.fence();
  }],
  ["upgrade: a second WebSocket afterwards", PLAIN, async (p) => {
    const s = await p.joined();
    const w = await s.probe();
    w.send("2probe");
    await w.next();
    w.send("5");
    await w.fence();
    const second = await s.probe();
    await second.untilClosed();
    await w.fence();
  }],
  ["upgrade: a second WebSocket for a session that began as one", { upgradeTimeout: 300 }, async (p) => {
    const w = await p.opened();
    const second = await p.webSocket(`EIO=4&transport=websocket&sid=${w.sid}`);
    await second.untilClosed();
    w.send("40/nope");
    await w.next();
  }],
  ["upgrade: requests over HTTP for a session that began as a WebSocket", PLAIN, async (p) => {
    const w = await p.opened();
    const target = `/socket.io/?EIO=4&transport=polling&sid=${w.sid}`;
    await p.request("GET", target);
    await p.request("POST", target, { body: "1" });
    w.send("40/nope");
    await w.next();
  }],
  ["upgrade: the session ends meanwhile", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"ended meanwhile"}');
    const w = await s.probe();
    w.send("2probe");
    await w.next();
    await s.post("1");
    await w.untilClosed();
    await p.reason("ended meanwhile");
  }],
  ["upgrade: the session ends before the probe", PLAIN, async (p) => {
    const s = await p.joined('40{"label":"ended before"}');
    const w = await s.probe();
    await s.post("1");
    await w.untilClosed();
    await p.reason("ended before");
  }],
  ["upgrade: a POST on its way is read to its end", PLAIN, async (p) => {
    const s = await p.joined();
    const w = await s.probe();
    w.send("2probe");
    await w.next();
    await s.post('420["echo","before"]');
    w.send("5");
    w.send('421["echo","after"]');
    await w.next();
    await w.next();
    await w.fence();
  }],
  ["upgrade: asked for with transport=polling on a session", PLAIN, async (p) => {
    const s = await p.joined();
    const w = await p.webSocket(`EIO=4&transport=polling&sid=${s.sid}`);
    await w?.untilClosed();
    await s.post('420["echo"]');
    await s.get();
  }],
  ["upgrade: binary as base64 for who asks", PLAIN, async (p) => {
    const s = await p.joined("40", "&b64=1");
    const w = await s.probe();
    w.send("2probe");
    await w.next();
    w.send("5", '42["three"]');
    await w.fence();
  }],
];

export default upgrades;
