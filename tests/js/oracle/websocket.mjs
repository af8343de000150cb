// Scripts over WebSocket: what is sent after the handshake, and the upgrade. Each is [name, options, script].
const PLAIN = {};
const BYTES = [1, 2, 3];
const PLACED = '{"_placeholder":true,"num":0}';

// Between two messages: until the server has read the first one, or has answered it.
const PAUSE = Symbol("pause");
const ANSWER = Symbol("answer");

const sendAll = async (p, w, messages) => {
  for (const message of messages) {
    if (message === PAUSE) await p.settle();
    else if (message === ANSWER) await w.next();
    else w.send(message);
  }
};

// --- after CONNECT: what is sent; then everything that comes until the server has read it, or has closed

const afterConnect = [
  ["CONNECT twice", "40"],
  ["CONNECT with an array as auth", "41", PAUSE, "40[1]"],
  ["CONNECT with text as auth", "41", PAUSE, '40"abc"'],
  ["CONNECT with an id", "41", PAUSE, "401", ANSWER],
  ["CONNECT with null as auth", "41", PAUSE, "40null"],
  ["CONNECT to an unknown namespace", "40/nope"],
  ["CONNECT to an unknown namespace with a comma", "40/nope,"],
  ["CONNECT to an unknown namespace with auth", '40/nope,{"a":1}'],
  ["CONNECT to a namespace with a query", "40/custom?a=b,"],
  ["CONNECT to a dynamic namespace", "40/dyn-12,", ANSWER],
  ["CONNECT to a namespace that the pattern refuses", "40/dyn-x,"],
  ["event to a namespace that was not joined", '42/custom,["echo"]'],
  ["ack to a namespace that was not joined", "43/custom,0[]"],
  ["DISCONNECT of a namespace that was not joined", "41/custom,"],
  ["event after DISCONNECT", "41", PAUSE, '42["echo"]'],
  ["DISCONNECT, then CONNECT", "41", PAUSE, "40", ANSWER],
  ["DISCONNECT with an id", "411", PAUSE, "40", ANSWER],
  ["DISCONNECT with data", "41{}"],
  ["ack nobody waits for", "43999[1]"],
  ["ack without an id", "43[1]"],
  ["ack that is no array", '430{"a":1}'],
  ["ack without data", "430"],
  ["CONNECT_ERROR from the client", '44{"message":"x"}'],
  ["empty array", "42[]"],
  ["name null", "42[null]"],
  ["name true", "42[true]"],
  ["name an object", "42[{}]"],
  ["name a number", "42[1,2]"],
  ["name an empty text", '42["",2]'],
  ["name disconnect", '42["disconnect"]'],
  ["name connect", '42["connect"]'],
  ["name connect_error", '42["connect_error"]'],
  ["name disconnecting", '42["disconnecting"]'],
  ["name newListener", '42["newListener"]'],
  ["name removeListener", '42["removeListener"]'],
  ["name disconnect, written with an escape", '42["disconnec\\u0074"]'],
  ["an object", "42{}"],
  ["text as data", '42"abc"'],
  ["no data", "42"],
  ["no data but an id", "421"],
  ["JSON that ends early", '42["m",'],
  ["JSON with something behind it", '42["m"]x'],
  ["JSON with a comma too many", '42["m",]'],
  ["JSON with a number that begins with zero", '42["m",01]'],
  ["JSON with a control character", '42["m","\x01"]'],
  ["an id with a letter", '421a["m"]'],
  ["a blank before the id", '42 7["echo",1]'],
  ["a blank after the id", '427 ["echo",1]'],
  ["zeros before the id", '42007["echo",1]'],
  ["id 0", '420["echo",0]'],
  ["blanks in JSON", '420 [ "echo" , { "a" : [ ] } ]'],
  ["escapes in JSON", '420["echo","\\ud83d\\ude00\\u0000\\/\\"é😀"]'],
  ["numbers in JSON", '420["echo",0,1.5,1e3,-2]'],
  ["nested JSON", '420["echo",{"a":[1,{"b":[[[]]]},null,true,false]}]'],
  ["type 7", "47"],
  ["type 9", "49"],
  ["no type", "4"],
  ["a type that is a letter", "4x"],
  ["BINARY_EVENT without attachments", '450-["echo"]'],
  ["BINARY_EVENT with 11 attachments", '4511-["echo"]'],
  ["BINARY_EVENT with 10 attachments", '4510-0["echo"]', ...Array(10).fill(BYTES)],
  ["BINARY_EVENT without a dash", '451["echo"]'],
  ["BINARY_EVENT with a negative number", '45-1-["echo"]'],
  ["BINARY_EVENT with a broken number", '451.5-["echo"]'],
  ["BINARY_EVENT without a number", '45-["echo"]'],
  ["BINARY_EVENT with a number of zeros", '45001-0["echo",{"_placeholder":true,"num":0}]', BYTES],
  ["BINARY_EVENT that is no array", "451-{}", BYTES],
  ["placeholder out of range", '451-["echo",{"_placeholder":true,"num":5}]', BYTES],
  ["placeholder below range", '451-["echo",{"_placeholder":true,"num":-1}]', BYTES],
  ["placeholder that is text", '451-["echo",{"_placeholder":true,"num":"splice"}]', BYTES],
  ["placeholder without a number", '451-["echo",{"_placeholder":true}]', BYTES],
  ["placeholder that is not true", '451-0["echo",{"_placeholder":1,"num":0}]', BYTES],
  ["placeholder in an event without attachments", '420["echo",{"_placeholder":true,"num":0}]'],
  ["text among attachments", `452-["echo",${PLACED}]`, BYTES, '42["echo"]'],
  ["binary that nobody announced", BYTES],
  ["PONG among attachments", `451-0["echo",${PLACED}]`, "3", BYTES],
  ["an attachment as base64", `451-0["echo",${PLACED}]`, "bAQID"],
  ["repeated and swapped placeholders", '452-0["echo",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0},{"num":1,"_placeholder":true}]', BYTES, [9]],
  ["nested placeholders", '451-0["echo",{"a":[{"_placeholder":true,"num":0}]}]', BYTES],
  ["an empty attachment", `451-0["echo",${PLACED}]`, []],
  ["an event with an attachment and back", `451-["back",${PLACED}]`, BYTES],
  ["attachments that no placeholder refers to", '451-0["echo"]', BYTES],
  ["BINARY_ACK that nobody waits for", `461-5[${PLACED}]`, BYTES],
  ["PING", "2"],
  ["probe", "2probe"],
  ["OPEN", "0"],
  ["PONG", "3"],
  ["UPGRADE", "5"],
  ["NOOP", "6"],
  ["an empty text frame", ""],
  ["an engine packet of unknown type", "9"],
  ["base64 that nobody announced", "bAQID"],
].map(([name, ...messages]) => [`websocket: ${name}`, PLAIN, async (p) => {
  const w = await p.connected();
  await sendAll(p, w, messages);
  await w.fence();
}]);

// --- before CONNECT

const beforeConnect = [
  ["CONNECT", "40", ANSWER],
  ["CONNECT with auth", '40{"a":1}', ANSWER],
  ["CONNECT with a slash", "40/,", ANSWER],
  ["CONNECT with an empty object", "40{}", ANSWER],
  ["CONNECT with malformed JSON", "40{"],
  ["event first", '42["echo"]'],
  ["ack first", "430[]"],
  ["DISCONNECT first", "41"],
  ["CONNECT_ERROR first", '44{"message":"x"}'],
  ["binary first", BYTES],
  ["an attachment's header first", `451-["echo",${PLACED}]`],
  ["type 9 first", "49"],
];
const openings = beforeConnect.map(([name, ...messages]) => [`websocket before CONNECT: ${name}`, PLAIN, async (p) => {
  const w = await p.opened();
  await sendAll(p, w, messages);
  w.send("40/nope");
  await w.until((text) => text === '44/nope,{"message":"Invalid namespace"}');
}]);

// --- conversations

const conversations = [
  ["websocket: the handshake", PLAIN, async (p) => {
    const w = await p.webSocket();
    await w.next();
    w.send("40");
    await w.next();
  }],
  ["websocket: a sid that is empty", PLAIN, async (p) => {
    const w = await p.webSocket("EIO=4&transport=websocket&sid=");
    await w.next();
  }],
  ["websocket: all namespaces and their replies", PLAIN, async (p) => {
    const w = await p.connected();
    w.send('40/custom,{"a":"b"}');
    await w.next();
    await w.next();
    w.send('40/guarded,{"no":1}');
    await w.next();
    w.send('40/guarded,{"token":1}');
    await w.next();
    w.send('42/guarded,5["echo",1]');
    await w.next();
    w.send("41/guarded,");
    await p.settle();
    w.send('40/guarded,{"token":2}');
    await w.next();
    w.send('42/custom,["back",2]');
    await w.next();
    await w.fence();
    await w.fence("/custom,");
  }],
  ["websocket: the server asks and is answered", PLAIN, async (p) => {
    const w = await p.connected();
    w.send('42["ask",1]');
    await w.next();
    w.send('430["fine",2]', '430["again"]');
    await w.next();
    w.send('42["ask"]');
    await w.next();
    w.send('431[]');
    await w.next();
    await w.fence();
  }],
  ["websocket: the server is answered with an attachment", PLAIN, async (p) => {
    const w = await p.connected();
    w.send('42["ask"]');
    await w.next();
    w.send(`461-0[${PLACED}]`, BYTES);
    await w.next();
    await w.next();
    await w.fence();
  }],
  ["websocket: text, binary and text", PLAIN, async (p) => {
    const w = await p.connected();
    w.send('42["three"]');
    await w.fence();
  }],
  ["websocket: binary as base64 for who asks", PLAIN, async (p) => {
    const w = await p.connected("40", "&b64=1");
    w.send('42["three"]');
    await w.fence();
  }],
  ["websocket: events in order", PLAIN, async (p) => {
    const w = await p.connected();
    w.send('42["count",100]');
    await w.fence();
  }],
  ["websocket: rooms", PLAIN, async (p) => {
    const [a, b, c] = [await p.connected(), await p.connected(), await p.connected()];
    a.send('420["join","r"]', '421["join","r"]', '422["join","s"]');
    b.send('420["join","r"]');
    c.send('420["join","s"]');
    for (const w of [a, b, c]) await w.fence();
    a.send('42["room","r",1]', '42["room","s",2]');
    await a.fence();
    a.send('42["rooms","r","s"]', '42["but","s"]', '423["leave","r"]', '424["leave","nowhere"]');
    await a.fence();
    b.send('42["room","r",3]', '42["all",4]');
    await b.fence();
    for (const w of [a, b, c]) await w.fence();
  }],
  ["websocket: a binary event for everybody else", PLAIN, async (p) => {
    const [a, b] = [await p.connected(), await p.connected()];
    a.send(`451-["all",${PLACED}]`, BYTES);
    await a.fence();
    await b.fence();
  }],
  ["websocket: a room of the id of a socket", PLAIN, async (p) => {
    const [a, b] = [await p.connected(), await p.opened()];
    b.send("40");
    const { sid } = JSON.parse((await b.next()).slice(2));
    a.send(`42["room","${sid}",1]`);
    await a.fence();
    await b.fence();
  }],
];

// --- ends

const ends = [
  ["end: disconnect()", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws bye"}');
    w.send('42["bye"]');
    await w.next();
    await p.reason("ws bye");
    w.send("40");
    await w.next();
  }],
  ["end: disconnect(true)", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws bye-all"}');
    await p.quietly(async () => {
      w.send("40/dyn-1,");
      await w.next();
    });
    w.send('42["bye-all"]');
    await w.untilClosed();
    await p.reason("ws bye-all");
  }],
  ["end: the server drops the connection", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws drop"}');
    w.send('42["drop"]');
    await w.untilClosed();
    await p.reason("ws drop");
  }],
  ["end: the client leaves a namespace", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws leave"}');
    w.send("41");
    await p.reason("ws leave");
  }],
  ["end: the client closes the WebSocket", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws close"}');
    w.wire.sendClose(1000);
    await w.untilClosed();
    await p.reason("ws close");
  }],
  ["end: the client closes the WebSocket without a code", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws close plain"}');
    w.wire.sendClose();
    await w.untilClosed();
    await p.reason("ws close plain");
  }],
  ["end: the connection ends without a close frame", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws end"}');
    w.wire.connection.socket.end();
    await p.reason("ws end");
  }],
  ["end: the connection is reset", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws reset"}');
    w.wire.connection.abort();
    await p.reason("ws reset");
  }],
  ["end: CLOSE from the client", { pingInterval: 300, pingTimeout: 200 }, async (p) => {
    const w = await p.connected('40{"label":"ws CLOSE"}');
    w.send("1");
    await w.untilClosed();
    await p.reason("ws CLOSE");
  }],
  ["end: a message over the limit", { maxHttpBufferSize: 1000 }, async (p) => {
    const w = await p.connected('40{"label":"ws large"}');
    w.send("4".repeat(1001));
    await w.untilClosed();
    await p.reason("ws large");
  }],
  ["end: the limit itself passes", { maxHttpBufferSize: 1000 }, async (p) => {
    const w = await p.connected();
    w.send(`420["echo","${"x".repeat(1000 - '420["echo",""]'.length)}"]`);
    await w.fence();
  }],
  ["end: a message over the limit in fragments", { maxHttpBufferSize: 1000 }, async (p) => {
    const w = await p.connected('40{"label":"ws fragments"}');
    w.wire.frame(0x01, Buffer.from("4".repeat(600)));
    w.wire.frame(0x80, Buffer.from("4".repeat(600)));
    await w.untilClosed();
    await p.reason("ws fragments");
  }],
  ["end: a frame without a mask", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws mask"}');
    w.wire.frame(0x81, Buffer.from("3"), { masked: false });
    await w.untilClosed();
    await p.reason("ws mask");
  }],
  ["end: a reserved bit", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws bit"}');
    w.wire.frame(0xc1, Buffer.from("3"));
    await w.untilClosed();
    await p.reason("ws bit");
  }],
  ["end: an unknown opcode", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws opcode"}');
    w.wire.frame(0x83, Buffer.from("3"));
    await w.untilClosed();
    await p.reason("ws opcode");
  }],
  ["end: text that is not UTF-8", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws utf-8"}');
    w.wire.frame(0x81, Buffer.from([0x34, 0xff]));
    await w.untilClosed();
    await p.reason("ws utf-8");
  }],
  ["end: a message that a continuation begins", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws continuation"}');
    w.wire.frame(0x80, Buffer.from("3"));
    await w.untilClosed();
    await p.reason("ws continuation");
  }],
  ["end: a fragmented ping", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws ping fragment"}');
    w.wire.frame(0x09, Buffer.from("x"));
    await w.untilClosed();
    await p.reason("ws ping fragment");
  }],
  ["end: malformed JSON", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws malformed"}');
    w.send("42[");
    await w.untilClosed();
    await p.reason("ws malformed");
  }],
  ["end: a packet of unknown type", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws unknown"}');
    w.send("9");
    await w.untilClosed();
    await p.reason("ws unknown");
  }],
  ["end: PING from the client", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws PING"}');
    w.send("2");
    await w.untilClosed();
    await p.reason("ws PING");
  }],
  ["end: CONNECT twice", PLAIN, async (p) => {
    const w = await p.connected('40{"label":"ws twice"}');
    w.send("40");
    await w.untilClosed();
    await p.reason("ws twice");
  }],
  ["end: silence after a PING", { pingInterval: 300, pingTimeout: 200 }, async (p) => {
    const w = await p.connected('40{"label":"ws silence"}');
    await w.untilClosed();
    await p.reason("ws silence");
  }],
  ["end: nobody connects", { connectTimeout: 300 }, async (p) => {
    const w = await p.opened();
    await w.untilClosed();
  }],
  ["end: the heartbeat goes on after the last namespace is left", { pingInterval: 300, pingTimeout: 2000 }, async (p) => {
    const w = await p.connected();
    w.send("41");
    for (let i = 0; i < 3; i++) {
      await w.next();
      w.send("3");
    }
  }],
  ["end: frames of WebSocket itself are answered", PLAIN, async (p) => {
    const w = await p.connected();
    w.wire.frame(0x89, Buffer.from("hello"));
    await w.next();
    w.wire.frame(0x8a, Buffer.from("nobody asked"));
    await w.fence();
  }],
  ["end: a message in three fragments with a ping among them", PLAIN, async (p) => {
    const w = await p.connected();
    w.wire.frame(0x01, Buffer.from('420["ec'));
    w.wire.frame(0x89, Buffer.from(""));
    w.wire.frame(0x00, Buffer.from('ho",'));
    w.wire.frame(0x80, Buffer.from("1]"));
    await w.next();
    await w.next();
    await w.fence();
  }],
];

// --- refused upgrades

const refused = [
  ["no parameters", "", {}],
  ["transport unknown", "EIO=4&transport=abc", {}],
  ["sid unknown", "EIO=4&transport=websocket&sid=nobody", {}],
  ["a key that is none", "EIO=4&transport=websocket", { "Sec-WebSocket-Key": "abc" }],
  ["a version that is unknown", "EIO=4&transport=websocket", { "Sec-WebSocket-Version": "12" }],
  ["EIO 3", "EIO=3&transport=websocket", {}],
  ["EIO missing", "transport=websocket", {}],
  ["polling", "EIO=4&transport=polling", {}],
].map(([name, query, headers]) => [`upgrade refused: ${name}`, PLAIN, async (p) => {
  const w = await p.webSocket(query, headers);
  await w?.untilClosed();
}]);

export default [...afterConnect, ...openings, ...conversations, ...ends, ...refused];
