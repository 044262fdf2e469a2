// A worker that does what its clients tell it, with nothing but Node: it never says that it is done.
import { createInterface } from "node:readline";

process.on("message", (info, socket) => {
  socket.on("error", () => {}); // A client may reset its connection.
  socket.write(`${JSON.stringify({ pid: process.pid, info })}\n`);
  const lines = createInterface({ input: socket });
  lines.on("error", () => {}); // Of the socket, told once more.
  lines.on("line", (line) => {
    const [word, ...rest] = line.split(" ");
    if (word === "exit") process.exit(Number(rest[0]));
    socket.write(`${rest.join(" ")}\n`);
  });
});
