#!/usr/bin/env python3
"""A guest book that is passed its connections: one process for all guests, who find what the others have written.

Descriptor 3 is the channel, a Unix SOCK_SEQPACKET socket. Each message on it is one JSON object about one connection,
with the connection itself attached. {"done": id} tells tinetd that a connection is closed; end of file on the channel
means that no more will come.
"""

import asyncio
import json
import os
import signal
import socket

channel = socket.socket(fileno=int(os.environ["TINETD_CHANNEL"]))
book = []


async def serve(connection, info):
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        for line in book:
            writer.write(f"{line}\n".encode())
        writer.write(f"{len(book)} lines so far; yours, please\n".encode())
        text = (await reader.readline()).decode(errors="replace").strip()
        if text:
            book.append(f"{info['remote']['address']}: {text}")
            writer.write(b"thank you\n")
        await writer.drain()
    except (OSError, ValueError):
        pass  # a client that resets its connection, or whose line has no end, harms nobody else
    finally:
        writer.close()
        say({"done": info["id"]})


def say(message):
    try:
        channel.send(json.dumps(message).encode())
    except OSError:
        pass  # the channel is closed: nobody wants to know any more


async def main():
    loop = asyncio.get_running_loop()
    channel.setblocking(False)
    arrived = asyncio.Event()
    loop.add_reader(channel, arrived.set)
    say({"ready": True})
    guests = set()
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(channel, 4096, 1)
        except BlockingIOError:
            arrived.clear()
            await arrived.wait()
            continue
        if not message:
            break
        guest = asyncio.create_task(serve(socket.socket(fileno=descriptors[0]), json.loads(message)))
        guests.add(guest)
        guest.add_done_callback(guests.discard)
    await asyncio.gather(*guests)


# It comes together with the end of the channel, which tells the same and lets guests finish.
signal.signal(signal.SIGTERM, signal.SIG_IGN)
asyncio.run(main())
