// A chat room: what one person types, all others read. One process serves all who are there: it accepts them by itself,
// on the listening socket that tinetd has put on descriptor 0. When the last has gone, tinetd ends it after a while.
import { createServer } from "node:net";

const present = new Set();
/** Bytes. Who reads too slowly misses something, so that what waits for him does not grow for ever. */
const mostWaiting = 65536;

const room = createServer((person) => {
  person.on("data", (text) => {
    for (const other of present) {
      if (other !== person && other.writableLength < mostWaiting) other.write(text);
    }
  });
  person.on("error", () => {}); // the way some people leave; "close" follows
  person.on("close", () => present.delete(person));
  present.add(person);
  person.write(`${present.size} here\n`);
});

room.listen({ fd: 0 });
