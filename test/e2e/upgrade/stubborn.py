"""A daemon that accepts at 3 (sd_listen_fds(3)) or at 0, says its pid to each client, and does not heed SIGTERM."""
import os
import signal
import socket

signal.signal(signal.SIGTERM, signal.SIG_IGN)

listener = socket.socket(fileno=3 if "LISTEN_FDS" in os.environ else 0)
while True:
    connection, _ = listener.accept()
    connection.sendall(b"%d\n" % os.getpid())
    connection.close()
