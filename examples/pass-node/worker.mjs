// A chat room. tinetd accepts the connections and passes them in; this process holds all of them, and can therefore tell
// each guest what the others say.
import { createInterface } from "node:readline";
import { serve } from "tinetd/worker";

const guests = new Map();

function tellAll(text) {
  for (const socket of guests.values()) socket.write(`${text}\n`);
}

serve((socket, info) => {
  const name = `guest ${info.id}`;
  guests.set(name, socket);
  tellAll(`${name} comes from ${info.remote.address}; ${guests.size} here`);

  createInterface({ input: socket })
    .on("line", (line) => tellAll(`${name}: ${line}`))
    .on("error", () => {}); // of the socket, which "close" follows
  socket.on("close", () => {
    guests.delete(name);
    tellAll(`${name} has left`);
  });
});
