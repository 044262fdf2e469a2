"""A daemon that knows nothing of tinetd: listens at an address of its own and does what its clients tell it.

    daemon.py ADDRESS [WORD...]

ADDRESS is a path, @NAME (abstract) or HOST:PORT. Words:

    fault=FILE      exits with status 1 at once if FILE exists
    gate=FIFO       listens only when somebody has opened FIFO for writing
    stop-gate=FIFO  ends, when told to, only when somebody has opened FIFO for writing
    header          every connection begins with a PROXY header
    deaf            never listens
    timid           leaves a file alone that is where its socket should be, and ends
    flash           exits at once
    bye             says "bye" to everybody before it ends

A client sends lines. "pid" and "header" (in hexadecimal) are answered; "exit", "reset" and "close" are done, "unlisten"
too; after "copy" everything comes back as it is, up to the end. Any other line comes back.
"""

import os
import signal
import socket
import struct
import sys
import threading

words = dict(word.partition("=")[::2] for word in sys.argv[2:])
clients = set()


def pass_gate(name):
    if name in words:
        open(words[name]).close()


def listen(address):
    if ":" in address:
        host, port = address.rsplit(":", 1)
        server = socket.socket(socket.AF_INET)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, int(port)))
    else:
        if not address.startswith("@") and os.path.exists(address) and "timid" not in words:
            os.unlink(address)
        server = socket.socket(socket.AF_UNIX)
        server.bind(address.replace("@", "\0"))
    server.listen(128)
    return server


def read_header(stream):
    # The shortest there is: "PROXY UNKNOWN".
    start = stream.read(15)
    if start.startswith(b"PROXY"):
        while start and not start.endswith(b"\r\n"):
            start += stream.read(1)
        return start
    start += stream.read(1)
    return start + stream.read(struct.unpack(">H", start[14:])[0]) if len(start) == 16 else b""


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def copy(client, stream):
    while data := stream.read1(65536):
        client.sendall(data)


def converse(client, server):
    stream = client.makefile("rb")
    header = read_header(stream) if "header" in words else b""
    for line in stream:
        command = line.decode().rstrip("\n")
        if command == "pid":
            client.sendall(b"%d\n" % os.getpid())
        elif command == "header":
            client.sendall(header.hex().encode() + b"\n")
        elif command == "exit":
            os._exit(3)
        elif command == "unlisten":
            server.shutdown(socket.SHUT_RDWR)
            server.close()
            client.sendall(b"done\n")
        elif command == "reset":
            reset(client)
            return
        elif command == "close":
            return
        elif command == "copy":
            copy(client, stream)
        else:
            client.sendall(line)


def serve(client, server):
    clients.add(client)
    try:
        converse(client, server)
    except OSError:
        pass
    finally:
        clients.discard(client)
        # The buffered reader holds the socket too: this is what ends the connection, at once.
        try:
            if struct.unpack("ii", client.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))[0] == 0:
                client.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        client.close()


def end():
    pass_gate("stop-gate")
    for client in list(clients):
        if "bye" in words:
            client.sendall(b"bye\n")
    os._exit(0)


if "fault" in words and os.path.exists(words["fault"]):
    sys.exit(1)
if "flash" in words:
    sys.exit(0)
pass_gate("gate")
# By all threads: the main one asks for it, whatever the others do.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
if "deaf" in words:
    signal.sigwait({signal.SIGTERM})
    sys.exit(0)
server = listen(sys.argv[1])


def accept():
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(client, server), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
signal.sigwait({signal.SIGTERM})
end()
