"""A terminal of a test's own, for a command that wants one.

usage: terminal.py ROWS COLUMNS COMMAND [ARG...]

What the command writes goes to stdout as it is. Each line on stdin is a JSON object: {"keys": "q"} types,
{"size": [ROWS, COLUMNS]} resizes, {"signal": 15} sends the command a signal. At the end one line of JSON on stderr says
how the command ended and whether it left the terminal's modes as they were.
"""
import fcntl
import json
import os
import select
import signal
import struct
import subprocess
import sys
import termios


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def take_terminal():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


master, slave = os.openpty()
resize(slave, int(sys.argv[1]), int(sys.argv[2]))
before = termios.tcgetattr(slave)
child = subprocess.Popen(sys.argv[3:], stdin=slave, stdout=slave, stderr=slave, preexec_fn=take_terminal)
# Ends the wait below when the command has ended.
ended, on_end = os.pipe()
os.set_blocking(on_end, False)
signal.set_wakeup_fd(on_end)
signal.signal(signal.SIGCHLD, lambda *_: None)

orders = b""
watched = [master, 0, ended]
while True:
    ready, _, _ = select.select(watched, [], [])
    if master in ready:
        os.write(1, os.read(master, 65536))
    elif child.poll() is not None:
        break
    if 0 in ready:
        chunk = os.read(0, 65536)
        if not chunk:
            child.kill()
            watched.remove(0)
        orders += chunk
        *lines, orders = orders.split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "keys" in order:
                os.write(master, order["keys"].encode())
            if "size" in order:
                resize(slave, *order["size"])
            if "signal" in order:
                child.send_signal(order["signal"])

json.dump({"code": child.returncode, "restored": termios.tcgetattr(slave) == before}, sys.stderr)
