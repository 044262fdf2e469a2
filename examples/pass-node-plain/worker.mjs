// An HTTP server whose connections come from tinetd, one message each: { id, remote: { address, port }, ... } and the
// socket. Everything else is Node's own server, with keep-alive, and what it remembers it remembers for all clients.
import { createServer } from "node:http";

const open = new Set();
/** Of those, the ones that wait for an answer. */
const busy = new Set();
let requests = 0;
let leaving = false;

const server = createServer((request, response) => {
  const { socket } = request;
  busy.add(socket);
  response.on("close", () => {
    busy.delete(socket);
    if (leaving) socket.end();
  });
  requests += 1;
  response.setHeader("content-type", "application/json");
  response.end(`${JSON.stringify({ path: request.url, from: socket.remoteAddress, requests })}\n`);
});

process.on("message", (_info, socket) => {
  if (socket === undefined) return; // The client was gone before it could be opened.
  open.add(socket);
  socket.on("close", () => open.delete(socket));
  server.emit("connection", socket);
});

// When tinetd wants this worker gone, it closes the channel and sends the stop signal. Who waits for an answer gets it;
// with the last connection the process ends, since nothing else keeps it.
process.on("disconnect", leave);
process.on("SIGTERM", leave);

function leave() {
  leaving = true;
  for (const socket of open) {
    if (!busy.has(socket)) socket.end();
  }
}
