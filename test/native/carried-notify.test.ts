/** What a worker says while the daemon executes itself anew is heard afterwards: notifications, readiness. */
import { expect, test } from "vitest";
import { NotifySocket } from "../../src/process/notify.ts";
import { type ReadinessWorld, resumeReadiness, watchReadiness } from "../../src/process/readiness.ts";
import { asRead, claim, newImage } from "./image.ts";
import { expectNoLeaks } from "./leaks.ts";
import { listenStream, sys } from "./support.ts";

expectNoLeaks();

function worldOf({ sys, clock }: ReturnType<typeof newImage>): ReadinessWorld {
  return { sys, clock, target: null, upstream: null };
}

test("a notification that came meanwhile is read, at the same address", async () => {
  const before = newImage();
  const first = new NotifySocket(before.sys, () => expect.unreachable());
  const saved = asRead(first.save(before.carry));
  expect(saved.address).toBe(first.address);
  before.replace();
  say("READY=1");

  const after = newImage();
  const heard: string[] = [];
  const second = await new Promise<NotifySocket>((resolve) => {
    const socket = new NotifySocket(
      after.sys,
      (pid, { ready, status }) => {
        heard.push(`${pid === process.pid} ${ready} ${status}`);
        if (status !== null) resolve(socket);
      },
      { state: saved, claim },
    );
    say("STATUS=later");
  });
  expect(heard).toEqual(["true true null", "true false later"]);
  expect(second.address).toBe(first.address);
  second.close();

  function say(text: string): void {
    const socket = sys.socket("unix", "dgram");
    sys.sendMessage(socket, Buffer.from(text), { family: "unix", path: first.address });
    sys.close(socket);
  }
});

test("fd: a newline that was written meanwhile is read, and then there is nothing left to carry", async () => {
  const before = newImage();
  const first = watchReadiness("fd", worldOf(before), 3);
  const writer = sys.dup(first.descriptor ?? -1);
  first.started(() => expect.unreachable());
  const trial = first.save(before.carry);
  sys.close(trial.reader ?? -1);
  const saved = asRead(first.save(before.carry));
  before.replace();
  sys.write(writer, Buffer.from("\n"));

  const second = resumeReadiness("fd", worldOf(newImage()), saved, claim);
  expect([second.variables, second.descriptor]).toEqual([[], null]);
  await new Promise<void>((resolve) => second.started(resolve));
  const later = second.save(() => expect.unreachable());
  expect(later).toEqual({ reader: null });
  // Of a worker that is ready: nothing is claimed, and nothing is open.
  const third = resumeReadiness("fd", worldOf(newImage()), later, () => expect.unreachable());
  third.close();
  second.close();
  sys.close(writer);
});

test.each(["notify", { log: "^up" }] as const)("%j: what it says afterwards is heard", (ready) => {
  const before = newImage();
  const first = watchReadiness(ready, worldOf(before), 3);
  first.started(() => expect.unreachable());
  const second = resumeReadiness(ready, worldOf(newImage()), asRead(first.save(before.carry)), claim);
  let times = 0;
  second.started(() => {
    times += 1;
  });
  second.line("not up");
  expect(times).toBe(0);
  for (let said = 0; said < 2; said++) {
    if (ready === "notify") second.notified();
    else second.line("up and running");
  }
  expect(times).toBe(1);
});

test("connect: it is asked anew", async () => {
  const before = newImage();
  const upstream = { kind: "unix", path: `@tinetd-test-upstream-${process.pid}` } as const;
  const first = watchReadiness("connect", { ...worldOf(before), upstream }, 3);
  first.started(() => expect.unreachable());
  const saved = asRead(first.save(before.carry));
  before.replace();
  first.close();

  const second = resumeReadiness("connect", { ...worldOf(newImage()), upstream }, saved, claim);
  const ready = new Promise<void>((resolve) => second.started(resolve));
  const listener = listenStream({ family: "unix", path: upstream.path });
  await ready;
  sys.close(listener.fd);
});

test("http: it is no failure that there is nobody to ask any more", () => {
  const http = resumeReadiness({ http: "/" }, worldOf(newImage()), { reader: null }, claim);
  http.started(() => expect.unreachable());
  http.close();
});
