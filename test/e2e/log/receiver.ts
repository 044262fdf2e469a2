/** The other end of the journal's or of syslog's socket, in the hands of a test, and its protocol read back. */
import { unlinkSync } from "node:fs";
import { loadSys } from "../../../src/native/sys.ts";

const sys = loadSys();

export interface Receiver extends Disposable {
  /** All datagrams that wait. */
  take(): Buffer[];
}

export function receiver(path: string): Receiver {
  const fd = sys.socket("unix", "dgram");
  sys.bind(fd, { family: "unix", path });
  const buffer = Buffer.alloc(256 * 1024);
  return {
    take() {
      const messages: Buffer[] = [];
      for (;;) {
        const message = sys.receiveMessage(fd, buffer);
        if (message === null) return messages;
        messages.push(Buffer.from(buffer.subarray(0, message.length)));
      }
    },
    [Symbol.dispose]() {
      sys.close(fd);
      unlinkSync(path);
    },
  };
}

/** The fields of a datagram of the journal's native protocol. */
export function decodeJournal(datagram: Buffer): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let position = 0; position < datagram.length; ) {
    const end = datagram.indexOf("\n", position);
    const line = datagram.toString("utf8", position, end);
    const equals = line.indexOf("=");
    if (equals >= 0) {
      fields[line.slice(0, equals)] = line.slice(equals + 1);
      position = end + 1;
    } else {
      const length = Number(datagram.readBigUInt64LE(end + 1));
      fields[line] = datagram.toString("utf8", end + 9, end + 9 + length);
      position = end + 9 + length + 1;
    }
  }
  return fields;
}
