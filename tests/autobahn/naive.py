#!/usr/bin/env python3
"""A WebSocket echo that checks nothing, for the suite to fail it: what it passes would tell nothing about others.

It says "ready PORT", and serves until it is ended. Pings, closes and messages are answered whatever is wrong with them.
"""

import asyncio
import base64
import hashlib
import re

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CLOSE, PING, PONG = 8, 9, 10


async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def echo(reader, writer):
    try:
        await shake_hands(reader, writer)
        opcode, kind = None, 1
        message = b""
        while opcode != CLOSE:
            opcode, last, payload = await frame(reader)
            if opcode in (CLOSE, PING):
                send(writer, PONG if opcode == PING else CLOSE, payload)
            elif opcode != PONG:
                kind = opcode or kind
                message += payload
                if last:
                    send(writer, kind, message)
                    message = b""
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def shake_hands(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)[1]
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
    writer.write(b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")


async def frame(reader):
    """Opcode, whether it is the last of its message, and payload."""
    first, second = await reader.readexactly(2)
    size = second & 0x7F
    if size > 125:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
    mask = await reader.readexactly(4)
    payload = await reader.readexactly(size)
    return first & 0xF, first & 0x80, bytes(byte ^ mask[index & 3] for index, byte in enumerate(payload))


def send(writer, opcode, payload):
    size = len(payload)
    if size < 126:
        length = bytes([size])
    elif size < 1 << 16:
        length = b"\x7e" + size.to_bytes(2, "big")
    else:
        length = b"\x7f" + size.to_bytes(8, "big")
    writer.write(bytes([0x80 | opcode]) + length + payload)


if __name__ == "__main__":
    asyncio.run(main())
