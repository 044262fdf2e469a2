"""A daemon that is ready in the way its arguments say, and then answers every client with one line."""
import os
import socket
import subprocess
import sys
import time

how = sys.argv[1]
listener = socket.socket(fileno=3)


def notify(*messages):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        address = os.environ["NOTIFY_SOCKET"]
        for message in messages:
            sender.sendto(message, "\0" + address[1:] if address[0] == "@" else address)


if how == "notify":
    notify(b"", b"no field at all", b"=1", b"READY=0", b"\xff\xfe=\x00", b"x" * 8000)
    print("nothing said yet", file=sys.stderr, flush=True)
    notify(b"STATUS=here I am\nREADY=1\n")
elif how == "child":
    # It stays until the daemon has read what it said (BARRIER=1), or nobody could tell whose process it was.
    code = (
        "import socket, os; s = socket.socket(1, 2); s.connect('\\0' + os.environ['NOTIFY_SOCKET'][1:]); "
        "s.send(b'READY=1'); r, w = os.pipe(); socket.send_fds(s, [b'BARRIER=1'], [w]); os.close(w); os.read(r, 1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
elif how == "fd":
    os.write(int(os.environ["TINETD_READY_FD"]), b"\n")
elif how == "log":
    print("warming up", file=sys.stderr, flush=True)
    print("now listening on descriptor 3", file=sys.stderr, flush=True)
elif how == "tell":  # Where it could be told that it is ready, to whoever should not.
    print(os.environ["NOTIFY_SOCKET"], file=sys.stderr, flush=True)
elif how == "hang":
    notify(b"READY=1\nWATCHDOG=1")
elif how == "die":
    sys.exit(1)

if how == "http":
    refused = 2  # It has no answer yet the first times.
    while True:
        connection, _ = listener.accept()
        request = connection.recv(4096)
        if request.startswith(b"GET /healthz ") and refused > 0:
            refused -= 1
            connection.sendall(b"HTTP/1.1 503 Not yet\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 7\r\n\r\nserved\n")
        connection.close()
while how in ("tell", "hang", "never"):
    time.sleep(60)
while True:
    connection, _ = listener.accept()
    connection.sendall(b"served\n")
    connection.close()
