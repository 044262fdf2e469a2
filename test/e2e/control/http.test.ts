/** The TCP listener: what it tells, to whom, and what becomes of those who mean no good. */
import { once } from "node:events";
import { connect as dial, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { status } from "../../../src/control/messages.ts";
import { loadSys } from "../../../src/native/sys.ts";
import { descriptorsAreBack } from "../core/tools.ts";
import { connect } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { eventually } from "../rig/proc.ts";
import type { Rig } from "../rig/rig.ts";
import { parse } from "./scrape.ts";

const service = '[services.cat]\nlisten = "127.0.0.1:0"\ncommand = "cat"\n';

const startWeb = (address = "127.0.0.1:0") => startDaemon(`[daemon]\nhttp = "${address}"\n${service}`);

test("metrics, health, status and the page", async () => {
  await using rig = await startWeb();
  const port = await webPort(rig);
  const metrics = await get(port, "/metrics");
  expect(metrics.head).toContain("content-type: text/plain; version=0.0.4; charset=utf-8");
  expect(parse(metrics.body).of("cat", "accepted_total")).toBe(0);
  expect(await get(port, "/healthz")).toMatchObject({ code: 200, body: "ok\n" });
  const seen = status.parse(JSON.parse((await get(port, "/v1/status?x=1")).body));
  expect(seen).toMatchObject({ daemon: { pid: rig.pid }, services: [{ name: "cat" }] });
  const page = await get(port, "/");
  expect(page.head).toContain("content-security-policy: default-src 'none'");
  expect(page.head).toContain("content-type: text/html; charset=utf-8");
  expect(page.body).toContain("<td>cat</td>");
});

test("off unless it is asked for", async () => {
  await using rig = await startDaemon(service);
  await rig.event("daemon.ready");
  expect(rig.events.map(({ event }) => event)).not.toContain("http.listening");
});

test("localhost is all addresses that it has, under one port", async () => {
  await using rig = await startWeb("localhost:0");
  expect(await get(await webPort(rig), "/healthz", "localhost")).toMatchObject({ code: 200 });
});

test.each(["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80"])(
  "a request for %s is refused",
  async (host) => {
    await using rig = await startWeb();
    const port = await webPort(rig);
    for (const path of ["/metrics", "/healthz", "/v1/status", "/"]) {
      const { code, body } = await get(port, path, host);
      expect({ code, body }).toEqual({
        code: 421,
        body: '{"error":"the Host must be an IP address or localhost"}\n',
      });
    }
  },
);

test.each([
  ["without a Host", "GET /v1/status HTTP/1.0\r\n\r\n", 421],
  ["with two", "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 421],
  ["for another server", "GET http://evil.example/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n", 400],
  ["for no path", "GET // HTTP/1.1\r\nHost: localhost\r\n\r\n", 404],
  ["for all", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400],
  ["by POST", "POST /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", 405],
  ["to end the daemon", "POST /v1/shutdown HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 403],
  ["to stop", "POST /v1/services/cat/stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 403],
  ["to kill", "DELETE /v1/handlers/1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 403],
  ["for the configuration", "GET /v1/config HTTP/1.1\r\nHost: localhost\r\n\r\n", 403],
  ["for who is connected", "GET /v1/connections HTTP/1.1\r\nHost: localhost\r\n\r\n", 403],
  ["for the log", "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n", 403],
])("a request %s is refused, and changes nothing", async (_what, request, expected) => {
  await using rig = await startWeb();
  const port = await webPort(rig);
  expect((await send(port, request)).code).toBe(expected);
  expect((await rig.status()).services).toMatchObject([{ state: "listening" }]);
});

test("of requests that are lined up only the first is carried out", async () => {
  await using rig = await startWeb();
  const first = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const second = "POST /v1/services/cat/pause HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
  // At the control socket, where the second would change something.
  const { raw } = await send(rig.controlSocket, `${first}${second}`);
  expect(raw.split("HTTP/1.1 200 OK")).toHaveLength(2);
  expect((await rig.status()).services).toMatchObject([{ state: "listening" }]);
});

test("callers that say nothing, or too much, hold up neither services nor the control socket, nor each other for long", async () => {
  await using rig = await startWeb();
  const port = await webPort(rig);
  const before = rig.descriptors();
  const silent: Socket[] = [];
  // Twice as many as there may be at once.
  for (let count = 0; count < 32; count++) {
    const socket = dial(port, "127.0.0.1");
    await once(socket, "connect");
    if (count % 2 === 0) socket.write("GET /metrics HTTP/1.1\r\nHost: loc");
    silent.push(socket);
  }
  const answer = get(port, "/healthz");
  expect((await rig.status()).daemon.pid).toBe(rig.pid);
  await using client = await connect(await rig.port("cat"));
  client.write("served\n");
  expect(await client.line()).toBe("served");
  client.end();
  await client.rest();
  await Promise.all(silent.map(closed));
  expect((await answer).code).toBe(200);
  const big = dial(port, "127.0.0.1");
  big.write(`GET / HTTP/1.1\r\nx: ${"y".repeat(100_000)}\r\n\r\n`);
  await closed(big);
  await descriptorsAreBack(rig, before);
});

test("a caller that does not take the answer is hung up on", async () => {
  // So many, with names so long, that their metrics do not fit into the kernel's buffers.
  const services = Array.from(
    { length: 4_000 },
    (_, n) =>
      `[services.${`s${n}-`.padEnd(60, "x")}]\nenabled = false\nlisten = "127.0.0.1:0"\ncommand = "cat"\n`,
  );
  await using rig = await startDaemon(`[daemon]\nhttp = "127.0.0.1:0"\n${services.join("")}`);
  const port = await webPort(rig);
  const before = rig.descriptors();
  const sys = loadSys();
  const fd = sys.socket("inet", "stream");
  const { SOL_SOCKET = 1, SO_RCVBUF = 8 } = sys.constants;
  sys.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, 1);
  sys.connect(fd, { family: "inet", address: "127.0.0.1", port });
  sys.sendMessage(fd, Buffer.from("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  await eventually("the caller is in", () => rig.descriptors() === before + 1);
  await descriptorsAreBack(rig, before);
  sys.close(fd);
});

test("an address that is taken: the services work, and it is bound when it is free", async () => {
  const other = await startWeb();
  const port = await webPort(other);
  await using rig = await startWeb(`127.0.0.1:${port}`);
  const failed = await rig.event("http.failed");
  expect(failed).toMatchObject({ address: `tcp://127.0.0.1:${port}`, level: "error" });
  expect(failed.reason).toContain(`${other.pid}`);
  await using client = await connect(await rig.port("cat"));
  client.write("served\n");
  expect(await client.line()).toBe("served");
  await other[Symbol.asyncDispose]();
  await rig.event("http.listening");
  expect((await get(port, "/healthz")).code).toBe(200);
});

test("with --strict an address that is taken is fatal", async () => {
  await using other = await startWeb();
  const text = `[daemon]\nhttp = "127.0.0.1:${await webPort(other)}"\n${service}`;
  await expect(startDaemon(text, { args: ["--strict"] })).rejects.toThrow(
    "not every listener could be bound",
  );
});

async function webPort(rig: Rig): Promise<number> {
  const { address } = await rig.event("http.listening");
  return Number(/:(\d+)$/.exec(address)?.[1]);
}

interface Answer {
  code: number;
  head: string;
  body: string;
  raw: string;
}

function get(port: number, path: string, host = `127.0.0.1:${port}`): Promise<Answer> {
  return send(port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
}

/** Whatever is written, as no client library would. */
async function send(target: number | string, request: string): Promise<Answer> {
  const socket = typeof target === "number" ? dial(target, "127.0.0.1") : dial(target);
  socket.write(request);
  const raw = await text(socket);
  const end = raw.indexOf("\r\n\r\n");
  const head = raw.slice(0, end).toLowerCase();
  return { code: Number(head.split(" ")[1]), head, body: raw.slice(end + 4), raw };
}

/** By the other side, whether with an end or a reset. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket
      .on("error", () => {})
      .on("close", () => resolve())
      .resume();
  });
}
