#!/bin/sh
# Talks to one client over standard input and output; tinetd has put the TCP connection there.
# What it writes to standard error goes to tinetd's log, never to the client.

echo "Who are you?"
read -r name || exit 0 # the client went without a word

echo "Good day, $name. You come from $TCPREMOTEIP, and it is $(date '+%H:%M')."
echo "greeted $name" >&2
