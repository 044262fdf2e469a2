#!/bin/sh
# Takes messages from a datagram socket, which tinetd has put on descriptor 3 (sd_listen_fds(3)).
#
# A shell cannot accept a connection, but it can read datagrams: in one go with dd, since the shell's own read takes a
# byte at a time and would lose the rest. tinetd ends this when nothing has come for `idle_timeout`.

[ "$LISTEN_PID" = "$$" ] || exit 1 # the sockets are meant for another process

while text=$(dd bs=65536 count=1 status=none <&3); do
  echo "message: $text" >&2
done
