#!/usr/bin/env python3
"""Counts lines, words and bytes of what the client sends, and answers when the client has said everything.

A client says "that is all" by shutting down its sending side; it can still read the answer then. For the handler that
is simply the end of standard input.
"""

import os
import sys

lines = words = size = 0
for line in sys.stdin.buffer:
    lines += 1
    words += len(line.split())
    size += len(line)

print(f"{lines} lines, {words} words, {size} bytes")
print(f"counted {size} bytes for {os.environ['TCPREMOTEIP']}", file=sys.stderr)
