#!/usr/bin/env python3
"""Serves HTTP on the socket that tinetd listens on, and says when it is ready.

By sd_listen_fds(3) and sd_notify(3), which need no library: the socket is descriptor 3, and readiness is one datagram.
Under systemd this works as it is. tinetd ends it when nobody has been connected for `idle_timeout`.
"""

import os
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

started = time.monotonic()


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"%s, after %d s\n" % (self.path.encode(), time.monotonic() - started)
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def ready():
    """READY=1, where somebody wants to know."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
            manager.send(b"READY=1")


if os.environ.get("LISTEN_PID") != str(os.getpid()):
    sys.exit("start me through tinetd or a systemd socket")

server = ThreadingHTTPServer(("", 0), Page, bind_and_activate=False)
server.socket.close()
server.socket = socket.socket(fileno=3)
ready()
server.serve_forever()
