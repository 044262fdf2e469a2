// Serves HTTP on one connection. Node's own server does the talking; instead of listening it is given the connection
// that tinetd has put on descriptor 0, and the process ends when that is closed.
import { createServer } from "node:http";
import { Socket } from "node:net";

const server = createServer((request, response) => {
  const answer = { method: request.method, path: request.url, from: process.env.TCPREMOTEIP };
  response.setHeader("content-type", "application/json");
  response.end(`${JSON.stringify(answer)}\n`);
});

server.emit("connection", new Socket({ fd: 0 }));
