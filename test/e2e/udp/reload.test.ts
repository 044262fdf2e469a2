/** UDP peers and a reload that gives the service other handlers: nobody's exchange is broken off, and nothing is lost. */
import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { startDaemon } from "../rig/daemon.ts";
import { eventually } from "../rig/proc.ts";
import { type Peer, udpPeer } from "./peers.ts";

/** The variable tells the handlers of the one configuration from those of the other. */
const text = (program: string, which: string, rest: string) => `
[services.flows]
listen       = "udp://127.0.0.1:0"
command      = "${program}"
idle_timeout = "1h"
environment  = { WHICH = "${which}" }
${rest}
`;

async function setUp(rest: string) {
  let program = "";
  const rig = await startDaemon(({ fixture }) => {
    program = fixture("datagrams");
    return text(program, "old", rest);
  });
  const port = await rig.port("flows");
  return {
    rig,
    port,
    which: async (peer: Peer) => (await peer.ask(port, "get WHICH")).text,
    async reload(keys = rest, written = text(program, "new", keys)) {
      writeFileSync(rig.configPath, `${written}[defaults]\nuser = "nobody"\n`);
      rig.signal("SIGHUP");
      expect(await rig.event("daemon.reload")).toMatchObject({ changed: ["flows"] });
    },
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

test("who is served stays with his handler; who comes later gets one of the new", async () => {
  await using it = await setUp("");
  const { rig, port, which } = it;
  const before = rig.descriptors();
  await using early = await udpPeer();
  await using late = await udpPeer();
  expect(await which(early)).toBe("old");
  await it.reload();
  expect([await which(early), await which(late)]).toEqual(["old", "new"]);
  await early.send(port, "exit 0");
  expect(await rig.event("connection.closed", { remote: early.name })).toMatchObject({ datagrams_in: 3 });
  expect(await which(early)).toBe("new");
  for (const peer of [early, late]) await peer.send(port, "exit 0");
  await eventually("no descriptor is left over", () => rig.descriptors() <= before);
});

test("at a limit as well, and who waits gets one of the new with all that he has sent", async () => {
  await using it = await setUp("max_instances = 1");
  const { rig, port, which } = it;
  await using served = await udpPeer();
  await using waits = await udpPeer();
  expect(await which(served)).toBe("old");
  await waits.send(port, "get WHICH");
  expect(await which(served)).toBe("old");
  await it.reload();
  await waits.send(port, "and another");
  expect(await which(served)).toBe("old");
  await served.send(port, "exit 0");
  expect(await waits.texts(2)).toEqual(["new", "and another"]);
  expect((await rig.status()).services[0]).toMatchObject({ accepted: 2, refused: {} });
});

test("what an old handler leaves unread goes to a new one", async () => {
  await using it = await setUp("");
  const { rig, port, which } = it;
  await using peer = await udpPeer();
  expect(await which(peer)).toBe("old");
  const { pid } = await rig.event("handler.started");
  expect((await peer.ask(port, "hang")).text).toBe("done");
  await peer.send(port, "get WHICH");
  await using other = await udpPeer();
  // The socket is read in order.
  expect(await which(other)).toBe("old");
  await it.reload();
  process.kill(pid, "SIGKILL");
  expect((await peer.receive()).text).toBe("new");
});

test("where nobody could be given to a new handler, who waits is turned away", async () => {
  await using it = await setUp("max_instances = 1");
  const { rig, port, which } = it;
  await using served = await udpPeer();
  await using waits = await udpPeer();
  expect(await which(served)).toBe("old");
  await waits.send(port, "hello?");
  expect(await which(served)).toBe("old");
  await it.reload(
    "",
    `[services.flows]\nlisten = "udp://127.0.0.1:0"\nhandoff = "wait"\ncommand = ["sleep", "1h"]\n`,
  );
  expect(await rig.event("connection.refused")).toMatchObject({ reason: "limit", remote: waits.name });
});
