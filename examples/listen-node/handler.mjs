// Serves HTTP on the socket that tinetd listens on: descriptor 3, by sd_listen_fds(3). The first request starts it, and
// tinetd ends it when nobody has been connected for `idle_timeout`.
import { createServer } from "node:http";

if (process.env.LISTEN_PID !== `${process.pid}`)
  throw new Error("start me through tinetd or a systemd socket");

let requests = 0;
const server = createServer((request, response) => {
  requests += 1;
  response.setHeader("content-type", "application/json");
  response.end(`${JSON.stringify({ path: request.url, requests, pid: process.pid })}\n`);
});

server.listen({ fd: 3 });
// Told to stop while somebody is served, as by `tinetd stop`: finish with them, and take nobody new.
process.once("SIGTERM", () => server.close());
