"""Answers every line with its own pid and the line, whichever way its connections come to it."""
import json
import os
import socket
import sys
import threading


def serve(connection):
    with connection, connection.makefile("rb") as lines:
        for line in lines:
            connection.sendall(b"%d %s" % (os.getpid(), line))


def start(connection):
    threading.Thread(target=serve, args=(connection,), daemon=True).start()


def accept_all(listener):
    listener.setblocking(True)
    while True:
        start(listener.accept()[0])


def receive_all(channel):
    open_connections = []
    while True:
        data, descriptors, _, _ = socket.recv_fds(channel, 4096, 1)
        if not data:
            break
        number = json.loads(data)["id"]
        connection = socket.socket(fileno=descriptors[0])

        def serve_and_tell(connection=connection, number=number):
            serve(connection)
            channel.send(json.dumps({"done": number}).encode())

        thread = threading.Thread(target=serve_and_tell)
        thread.start()
        open_connections.append(thread)
    for thread in open_connections:
        thread.join()


if "TINETD_CHANNEL" in os.environ:
    receive_all(socket.socket(fileno=int(os.environ["TINETD_CHANNEL"])))
elif "LISTEN_FDS" in os.environ:
    accept_all(socket.socket(fileno=3))
else:
    upstream = socket.socket(socket.AF_UNIX)
    upstream.bind(sys.argv[1])
    upstream.listen(128)
    accept_all(upstream)
