"""A worker in Python that does what its clients tell it. Arguments: `silent` never says done, `patient`
ignores SIGTERM, `notify` says that it is ready, `die` ends at once."""
import json
import os
import signal
import socket
import sys
import threading

channel = socket.socket(fileno=int(os.environ["TINETD_CHANNEL"]))
threads = []

if "patient" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def serve(connection, info):
    with connection, connection.makefile("rw") as stream:
        print(json.dumps({"pid": os.getpid(), "info": info}), file=stream, flush=True)
        for line in stream:
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "exit":
                os._exit(int(rest))
            if word == "say":
                channel.send(rest.encode())
                continue
            print(rest, file=stream, flush=True)
    if "silent" not in sys.argv:
        channel.send(json.dumps({"done": info["id"]}).encode())


if "die" in sys.argv:
    sys.exit(1)
if "notify" in sys.argv:
    channel.send(b'{"ready":true}')
while True:
    message, descriptors, _, _ = socket.recv_fds(channel, 4096, 1)
    if not message:
        break
    connection = socket.socket(fileno=descriptors[0])
    threads.append(threading.Thread(target=serve, args=(connection, json.loads(message))))
    threads[-1].start()
for thread in threads:
    thread.join()
print("end of the channel", file=sys.stderr, flush=True)
sys.exit(7)
