/** What goes through a UDP flow: every datagram whole, in both directions, by the address that was asked. */
import { describe, expect, test } from "vitest";
import { ask } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { eventually } from "../rig/proc.ts";
import type { HandlerReport } from "../rig/report.ts";
import { udpPeer } from "./peers.ts";

/** A service with the fixture that speaks datagrams. */
const service = (listen: string, rest = "", argument = "") =>
  startDaemon(
    ({ fixture }) =>
      `[services.flows]\nlisten = ${listen}\ncommand = ["${fixture("datagrams")}"${argument}]\n${rest}`,
  );

describe("an answer comes from the address that was asked", () => {
  test.each([
    ["udp://127.0.0.1:0", 4, "127.0.0.1"],
    ["udp4://*:0", 4, "127.0.0.1"],
    ["udp4://*:0", 4, "127.0.0.2"],
    ["udp://*:0", 4, "127.0.0.1"],
    ["udp://*:0", 4, "127.0.0.2"],
    ["udp://*:0", 6, "::1"],
    ["udp://[::1]:0", 6, "::1"],
    ["udp6://*:0", 6, "::1"],
  ] as const)("%s, IPv%i, %s", async (listen, family, asked) => {
    await using rig = await service(`"${listen}"`);
    const port = await rig.port("flows");
    await using peer = await udpPeer(family);
    expect(await peer.ask(port, "hello", asked)).toMatchObject({ text: "hello", from: asked, port });
    const names = ["UDPLOCALIP", "UDPLOCALPORT", "UDPREMOTEIP", "UDPREMOTEPORT", "PROTO"];
    const values: string[] = [];
    for (const name of names) values.push((await peer.ask(port, `get ${name}`, asked)).text);
    const own = peer.socket.address();
    expect(values).toEqual([asked, `${port}`, own.address, `${own.port}`, "UDP"]);
    const local = family === 4 ? `udp://${asked}:${port}` : `udp://[${asked}]:${port}`;
    expect(await rig.event("connection.accepted")).toMatchObject({ remote: peer.name, local });
  });

  test("who asks two of them has two handlers, each with its own", async () => {
    await using rig = await service('"udp://*:0"');
    const port = await rig.port("flows");
    await using peer = await udpPeer();
    const first = await peer.ask(port, "pid", "127.0.0.1");
    const second = await peer.ask(port, "pid", "127.0.0.2");
    expect(second.text).not.toBe(first.text);
    expect([first.from, second.from]).toEqual(["127.0.0.1", "127.0.0.2"]);
    expect(await peer.ask(port, "pid", "127.0.0.1")).toMatchObject({ text: first.text, from: "127.0.0.1" });
  });

  test("but for a broadcast, which no answer can come from", async () => {
    await using rig = await service('"udp4://*:0"');
    const port = await rig.port("flows");
    await using peer = await udpPeer();
    peer.socket.setBroadcast(true);
    expect(await peer.ask(port, "hello", "127.255.255.255")).toMatchObject({
      text: "hello",
      from: "127.0.0.1",
    });
    expect((await peer.ask(port, "get UDPLOCALIP", "127.255.255.255")).text).toBe("127.255.255.255");
  });
});

test("datagrams of all sizes arrive whole in both directions, and are counted", async () => {
  await using rig = await service('"udp://127.0.0.1:0"');
  const port = await rig.port("flows");
  await using peer = await udpPeer();
  const sizes = [1, 512, 1472, 9000, 65_507];
  for (const size of sizes) {
    const data = Buffer.alloc(size, `datagram of ${size} `);
    expect((await peer.ask(port, data)).data.equals(data)).toBe(true);
  }
  await peer.send(port, "exit 0");
  const bytes = sizes.reduce((sum, size) => sum + size);
  expect(await rig.event("connection.closed")).toMatchObject({
    code: 0,
    datagrams_in: sizes.length + 1,
    bytes_in: bytes + "exit 0".length,
    datagrams_out: sizes.length,
    bytes_out: bytes,
    datagrams_dropped: 0,
  });
});

test("an empty datagram is one, in both directions; for the handler it is the end", async () => {
  await using rig = await service('"udp://127.0.0.1:0"', "", ', "-"');
  const port = await rig.port("flows");
  await using peer = await udpPeer();
  expect((await peer.ask(port, "")).data.length).toBe(0);
  expect(await rig.event("connection.closed")).toMatchObject({
    code: 0,
    datagrams_in: 1,
    datagrams_out: 1,
    bytes_out: 0,
  });
  // What comes after it goes to the next handler.
  await peer.send(port, "");
  await peer.send(port, "more");
  expect(await peer.texts(2)).toEqual(["", "more"]);
});

test("an answer that no datagram can hold is dropped, and the next goes out", async () => {
  await using rig = await service('"udp://127.0.0.1:0"');
  const port = await rig.port("flows");
  await using peer = await udpPeer();
  for (const size of [65_508, 65_536, 70_000]) await peer.send(port, `long ${size}`);
  expect((await peer.ask(port, "hello")).text).toBe("hello");
  await peer.send(port, "exit 0");
  expect(await rig.event("connection.closed")).toMatchObject({ datagrams_out: 1, datagrams_dropped: 3 });
});

test("more answers at once than the queue holds all arrive, in order", async () => {
  await using rig = await service('"udp://127.0.0.1:0"');
  const port = await rig.port("flows");
  await using peer = await udpPeer();
  await peer.send(port, "many 1000");
  expect(await peer.texts(1000)).toEqual(Array.from({ length: 1000 }, (_, i) => `${i + 1}`));
});

test("descriptors that a handler sends along are not kept", async () => {
  await using rig = await service('"udp://127.0.0.1:0"');
  const port = await rig.port("flows");
  await using peer = await udpPeer();
  expect((await peer.ask(port, "gift")).text).toBe("done");
  const before = rig.descriptors();
  for (let round = 0; round < 10; round++) expect((await peer.ask(port, "gift")).text).toBe("done");
  expect(rig.descriptors()).toBe(before);
});

test("a handler that shuts its end down costs its own flow alone", async () => {
  await using rig = await service('"udp://127.0.0.1:0"', 'kill_mode = "process"\n');
  const port = await rig.port("flows");
  await using mute = await udpPeer();
  await using deaf = await udpPeer();
  await using other = await udpPeer();
  await mute.send(port, "mute");
  expect((await deaf.ask(port, "deaf")).text).toBe("done");
  await deaf.send(port, "lost");
  for (let round = 0; round < 50; round++) expect((await other.ask(port, `${round}`)).text).toBe(`${round}`);
  await mute.send(port, "exit 7");
  expect(await rig.event("connection.closed", { remote: mute.name })).toMatchObject({
    code: 7,
    datagrams_in: 2,
    datagrams_out: 0,
  });
  await rig.stop();
  expect(await rig.event("connection.closed", { remote: deaf.name })).toMatchObject({
    datagrams_in: 1,
    datagrams_dropped: 1,
  });
});

test('stderr = "socket" is the relay\'s end too; nothing else is open', async () => {
  await using rig = await startDaemon(
    ({ fixture }) => `
    [services.flows]
    listen  = "udp://127.0.0.1:0"
    command = "${fixture("handler")}"
    stderr  = "socket"`,
  );
  const port = await rig.port("flows");
  await using peer = await udpPeer();
  await peer.send(port, "stderr hello\n");
  expect(await peer.texts(2)).toEqual(["hello\n", "done\n"]);
  await peer.send(port, "report\n");
  let text = "";
  while (!text.endsWith("\n")) text += (await peer.receive()).text;
  const { descriptors, environment } = JSON.parse(text) as HandlerReport;
  expect(descriptors.map(({ fd }) => fd)).toEqual([0, 1, 2]);
  expect(new Set(descriptors.map(({ target }) => target)).size).toBe(1);
  const nonBlocking = 0o4000;
  expect(descriptors.map(({ flags }) => flags & nonBlocking)).toEqual([0, 0, 0]);
  const { port: own } = peer.socket.address();
  const ours = environment.filter((entry) => /^(PROTO|UDP|TCP|REMOTE|UNIX|LISTEN|TINETD_C)/.test(entry));
  expect(ours.sort()).toEqual([
    "PROTO=UDP",
    "REMOTE_ADDR=127.0.0.1",
    "REMOTE_HOST=127.0.0.1",
    `REMOTE_PORT=${own}`,
    "TINETD_CONNECTION=1",
    "UDPLOCALIP=127.0.0.1",
    `UDPLOCALPORT=${port}`,
    "UDPREMOTEIP=127.0.0.1",
    `UDPREMOTEPORT=${own}`,
  ]);
});

test("one service listens on UDP, TCP and a Unix socket at once", async () => {
  await using rig = await startDaemon(
    ({ directory }) => `
    [services.echo]
    listen  = ["udp://*:0", "127.0.0.1:0", "${directory}/echo.sock"]
    socket  = { mode = "0666" }
    command = "cat"`,
  );
  const before = rig.descriptors();
  const listeners = (await rig.status()).services.flatMap((service) => service.listeners);
  const [udp = 0, tcp = 0] = listeners.map(({ address }) => Number(/:(\d+)$/.exec(address)?.[1]));
  await using peer = await udpPeer();
  for (let round = 0; round < 3; round++) {
    expect((await peer.ask(udp, "over UDP")).text).toBe("over UDP");
    expect(await ask(tcp, "over TCP")).toBe("over TCP");
    expect(await ask(`${rig.directory}/echo.sock`, "over Unix")).toBe("over Unix");
  }
  expect(await rig.status()).toMatchObject({ services: [{ accepted: 7, state: "active" }] });
  await eventually("only the UDP peer has a handler", () => rig.descendants().length === 1);
  for (const pid of rig.descendants()) process.kill(pid, "SIGTERM");
  await rig.event("connection.closed", { remote: peer.name });
  await eventually("no descriptor is left over", () => rig.descriptors() <= before);
});
