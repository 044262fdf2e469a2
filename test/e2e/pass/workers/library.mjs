// A worker that does what its clients tell it, by the package's own library.
import { createInterface } from "node:readline";
import { serve } from "./tinetd-worker.js";

serve((socket, info) => {
  socket.write(`${JSON.stringify({ pid: process.pid, info })}\n`);
  const lines = createInterface({ input: socket });
  lines.on("error", () => {}); // Of the socket, told once more.
  lines.on("line", (line) => {
    const [word, ...rest] = line.split(" ");
    if (word === "exit") process.exit(Number(rest[0]));
    socket.write(`${rest.join(" ")}\n`);
  });
});
