"""A daemon that takes only the sockets it is configured for, as many do that are started by systemd.

Each argument is a listener in the order of LISTEN_FDS: `tcp`, or the type and path of a Unix socket such as
`stream:/run/x.sock`, checked as sd_is_socket_unix(fd, type, 1, path) does it. Every client gets the pid in a line, and the
end when it ends its own side. Arguments that begin with a dash say how it behaves when it is told to stop:
-once: has taken one client and takes nobody else, and ends at SIGUSR1. -shuts: shuts its sockets down, and ends.
-lingers[=SECONDS]: goes on taking clients for a while, whom nobody answers, and ends.
"""
import os
import selectors
import signal
import socket
import sys
import time

manners = [word for word in sys.argv[1:] if word.startswith("-")]
wanted = [word for word in sys.argv[1:] if not word.startswith("-")]

assert os.environ["LISTEN_PID"] == str(os.getpid())
assert os.environ["LISTEN_FDS"] == str(len(wanted))
listeners = [socket.socket(fileno=3 + n) for n in range(len(wanted))]
for listener, word in zip(listeners, wanted):
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    if word != "tcp":
        kind, path = word.split(":")
        assert listener.family == socket.AF_UNIX, word
        assert listener.type == getattr(socket, "SOCK_" + kind.upper()), word
        assert listener.getsockname() == path, (listener.getsockname(), word)

selector = selectors.DefaultSelector()
lingers = next((float(word[9:] or 0.03) for word in manners if word.startswith("-lingers")), None)

told = False


def stop(_signal, _frame):
    global told
    told = True
    if lingers is not None:
        signal.setitimer(signal.ITIMER_REAL, lingers)
        return
    if "-shuts" in manners:
        for listener in listeners:
            listener.shutdown(socket.SHUT_RDWR)
        sys.exit(0)


if manners:
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(0))

for listener in listeners:
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ)
while True:
    for key, _ in selector.select():
        if key.fileobj not in listeners:
            if told and lingers is not None:
                time.sleep(0.001)
                continue
            selector.unregister(key.fileobj)
            key.fileobj.close()
            continue
        try:
            connection, _ = key.fileobj.accept()
        except BlockingIOError:
            continue
        if "-once" in manners:
            for listener in listeners:
                selector.unregister(listener)
        if not told:
            connection.sendall(b"%d\n" % os.getpid())
        selector.register(connection, selectors.EVENT_READ)
