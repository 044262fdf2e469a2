#!/usr/bin/env python3
"""An adding machine over UDP: adds up what one peer sends, and answers each number with the sum so far.

tinetd starts one of these for each peer, which can therefore keep what belongs to it in plain variables. One read is one
datagram, one write is another. When nothing has come for `idle_timeout`, the read finds the end of file.
"""

import os
import sys

total = 0.0
while datagram := os.read(0, 65536):
    text = datagram.decode(errors="replace").strip()
    if text == "bye":
        os.write(1, b"bye\n")
        break
    try:
        total += float(text)
        os.write(1, f"{total:g}\n".encode())
    except ValueError:
        os.write(1, b"a number, please\n")

print(f"{os.environ['UDPREMOTEIP']} came to {total:g}", file=sys.stderr)
