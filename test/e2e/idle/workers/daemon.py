"""A daemon that is given its listening socket (sd_listen_fds(3)) and answers every client with one line, at once.

With the argument `stubborn` it says its pid, and goes on when it is told to stop.
"""
import os
import signal
import socket
import sys

stubborn = "stubborn" in sys.argv
if stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

assert os.environ["LISTEN_PID"] == str(os.getpid())
listener = socket.socket(fileno=3)
while True:
    connection, _ = listener.accept()
    connection.sendall(b"%d\n" % os.getpid() if stubborn else b"served\n")
    connection.close()
