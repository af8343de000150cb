// What a client's application gets of the packets on a WebSocket: JSON is read, attachments are where they belong.

export const meaning = (seen) => {
  const result = [];
  const steps = [...seen];
  while (steps.length > 0) {
    const step = steps.shift();
    const packet = step[0] === "ws" && typeof step[1] === "string" && /^4([2356])(?:(\d+)-)?(\/[^,]*,)?(\d*)(\[.*)$/s.exec(step[1]);
    if (!packet) {
      result.push(step);
      continue;
    }
    const [, type, count = 0, namespace = "/", id, json] = packet;
    const attachments = steps.splice(0, Number(count)).map(([, bytes]) => bytes);
    const args = JSON.parse(json, (_, value) => (value?._placeholder === true ? { attachment: attachments[value.num] } : value));
    result.push(["ws", { is: type === "2" || type === "5" ? "event" : "ack", namespace, id, args }]);
  }
  return result;
};
