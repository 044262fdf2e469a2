"""A daemon for tests of freezing, by any handoff in which it accepts by itself: 3, or 0, listens (or takes datagrams).

It serves many clients at once. Each gets the daemon's pid as its first line; then one command per line, answered by one
line: `child` starts a process in a session of its own and says its pid, `sibling` one in its own group, `hush` ends the WATCHDOG=1 messages, anything
else comes back. A datagram is answered by the pid.

It has threads that do nothing, as many programs have: signals are for its first one alone.

Arguments: `polite` exits with status 5 when it is told to stop, `content` with 0, `deaf` does not heed that at all.
"""
import os
import signal
import socket
import subprocess
import sys
import threading

hushed = threading.Event()


def notify():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        address = os.environ["NOTIFY_SOCKET"]
        sender.connect("\0" + address[1:] if address[0] == "@" else address)
        sender.send(b"READY=1")
        while not hushed.wait(0.02):
            sender.send(b"WATCHDOG=1")


def serve(connection):
    with connection, connection.makefile("rw") as stream:
        print(os.getpid(), file=stream, flush=True)
        for line in stream:
            if line in ("child\n", "sibling\n"):
                apart = line == "child\n"
                child = subprocess.Popen(["/bin/sleep", "3600"], start_new_session=apart)
                print(child.pid, file=stream, flush=True)
            else:
                if line == "hush\n":
                    hushed.set()
                print(line, end="", file=stream, flush=True)


for word, status in ("polite", 5), ("content", 0):
    if word in sys.argv:
        signal.signal(signal.SIGTERM, lambda *_, status=status: os._exit(status))
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "NOTIFY_SOCKET" in os.environ:
    threading.Thread(target=notify, daemon=True).start()

for _ in range(8):
    threading.Thread(target=os.read, args=(os.pipe()[0], 1), daemon=True).start()

listener = socket.socket(fileno=3 if "LISTEN_FDS" in os.environ else 0)
if listener.type == socket.SOCK_DGRAM:
    while True:
        _, client = listener.recvfrom(1500)
        listener.sendto(b"%d" % os.getpid(), client)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
