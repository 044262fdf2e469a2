#!/usr/bin/env python3
"""Gives out tickets over UDP: whatever is asked, the answer is a number that nobody else has got.

One process serves all peers, since it is one row of numbers. tinetd starts it for the first datagram and leaves it the
socket, which is descriptor 0, until it has ended. tinetd ends it, when nothing has come for `idle_timeout`.
"""

import socket

service = socket.socket(fileno=0)
ticket = 0
while True:
    _, peer = service.recvfrom(2048)
    ticket += 1
    service.sendto(b"ticket %d\n" % ticket, peer)
