/**
 * HTTP servers that take their socket by LISTEN_FDS: gunicorn, which reads the variables, and Node, which is told the
 * number. Clients come at once, hold their connections open, and come again when the server has been taken away.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { Agent, type ClientRequest, get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect } from "vitest";
import { startDaemon } from "../e2e/rig/daemon.ts";
import { asRoot, type Need, needs, program } from "../e2e/rig/needs.ts";
import { documented } from "./documented.ts";
import { expectGone, expectIdle } from "./served.ts";

/** Each answers with the pid of the process that was started for the service. */
interface Server {
  need: Need;
  /** The table, with the server's files below the directory, and changes. */
  table(directory: string, changes?: Readonly<Record<string, string>>): string;
}

const gunicorn: Server = {
  need: program("/usr/bin/gunicorn"),
  table(directory, changes = {}) {
    const folder = join(directory, "app");
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, "app.py"),
      `import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % os.getppid()]
`,
    );
    return documented("app", {
      "*:8000": "127.0.0.1:0",
      "/srv/app": folder,
      '"--threads=4"': '"--threads=4", "--keep-alive=60"',
      ...changes,
    });
  },
};

const node: Server = {
  need: () => null,
  table(directory, changes = {}) {
    const script = join(directory, "server.mjs");
    writeFileSync(
      script,
      `import { createServer } from "node:http";

const server = createServer((request, response) => response.end(String(process.pid)));
server.keepAliveTimeout = 60_000;
server.listen({ fd: 3 });
process.on("SIGTERM", () => server.close());
`,
    );
    return documented("node", {
      "*:8080": "127.0.0.1:0",
      "/usr/bin/node": process.execPath,
      "/srv/server.mjs": script,
      ...changes,
    });
  },
};

const soon = { '"5m"': '"200ms"' };

describe.each([
  { name: "app", ...gunicorn },
  { name: "node", ...node },
])("$name", ({ name, need, table }) => {
  const possible = needs(need);

  possible("the next client wakes it again after it was idle", async () => {
    await using rig = await startDaemon(({ directory }) => table(directory, soon));
    expectIdle(rig);
    const port = await rig.port(name);

    const first = await ask(port);
    const gone = await expectGone(rig, name);
    const { pid } = gone.exited;
    expect([`${pid}`, gone.exited.code]).toEqual([first.body, 0]);
    expect(await rig.event("handler.stopping", { pid })).toMatchObject({ reason: "idle_timeout" });

    const second = await ask(port);
    expect(second.body).not.toBe(first.body);
    expect(`${(await expectGone(rig, name, gone)).exited.pid}`).toBe(second.body);
  });

  possible("serves clients that come at the same time, with one process", async () => {
    await using rig = await startDaemon(({ directory }) => table(directory));
    const port = await rig.port(name);
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(port)));
    const { pid } = await rig.event("handler.started");
    expect(answers).toEqual(answers.map(() => ({ status: 200, body: `${pid}`, reused: false })));
    expect((await rig.status()).services).toMatchObject([{ spawned: 1 }]);
  });

  possible("is not idle while a connection is kept alive", async () => {
    // The other service is used later and has more time: when it is taken away, this one would have been too.
    await using rig = await startDaemon(({ directory }) => {
      const other = table(directory, { '"5m"': '"1500ms"', [`services.${name}`]: "services.other" });
      return `${table(directory, soon)}\n${other}`;
    });
    const port = await rig.port(name);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const first = await ask(port, agent);
    await ask(await rig.port("other"));
    await rig.event("handler.exited", { service: "other" });
    expect(await ask(port, agent)).toEqual({ ...first, reused: true });

    agent.destroy();
    const pid = Number(first.body);
    expect(await rig.event("handler.exited", { service: name })).toMatchObject({ pid, code: 0 });
  });

  // Closing the door at a TCP listener needs CAP_NET_ADMIN.
  needs(asRoot, need)("loses no client that comes when it is about to go", async () => {
    await using rig = await startDaemon(({ directory }) => table(directory, soon));
    const port = await rig.port(name);
    const pids = new Set<string>();
    while (pids.size < 5) {
      const { status, body } = await ask(port);
      expect(status).toBe(200);
      pids.add(body);
      // Around the edge: the timeout, and what is added until it is noticed. No time is claimed here.
      await delay(150 + Math.random() * 250);
    }
    const { services } = await rig.status();
    expect(services).toMatchObject([{ start_failures: 0, failure: null }]);
  });
});

interface Answer {
  status: number | undefined;
  body: string;
  /** Over a connection that was there before. */
  reused: boolean;
}

/** @throws if the connection is refused or reset, or nobody answers within 20 seconds */
async function ask(port: number, agent: Agent | false = false): Promise<Answer> {
  const [request, response] = await new Promise<[ClientRequest, IncomingMessage]>((resolve, reject) => {
    const request = get({ host: "127.0.0.1", port, agent, signal: AbortSignal.timeout(20_000) }, (response) =>
      resolve([request, response]),
    );
    request.on("error", reject);
  });
  return { status: response.statusCode, body: await text(response), reused: request.reusedSocket };
}
