#!/bin/sh
# Answers one datagram and ends. tinetd keeps the borders of datagrams: one read is one of them, one write is another.
# So it is read in one go with dd, since the shell's own read takes a byte at a time and would lose the rest.

text=$(dd bs=65536 count=1 status=none)

echo "${#text} characters from $UDPREMOTEIP port $UDPREMOTEPORT"
