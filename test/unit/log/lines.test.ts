import { expect, test } from "vitest";
import { type Entry, mostBufferedBytes } from "../../../src/log/destination.ts";
import { type Files, Lines } from "../../../src/log/destinations/lines.ts";
import { manualClock } from "./clock.ts";

const entry = (msg: string): Entry => ({ level: "info", fields: {}, msg });

/** What a write comes to: all of it, so many bytes, an error; `null` leaves it waiting until `go`. */
type Answer = "all" | number | string | null;

function setUp(path: string | null = "/log") {
  const clock = manualClock();
  const answers: Answer[] = [];
  let written = "";
  let pending: (() => void) | null = null;
  const opened: string[] = [];
  const closed: number[] = [];
  let openError: NodeJS.ErrnoException | null = null;
  const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });
  const files: Files = {
    open(name, _flags, _mode, done) {
      opened.push(name);
      done(openError, 100 + opened.length);
    },
    write(_fd, data, offset, length, _position, done) {
      const finish = (answer: Exclude<Answer, null>) => {
        if (typeof answer === "string" && answer !== "all") {
          done(failure(answer), 0);
          return;
        }
        const count = answer === "all" ? length : Number(answer);
        written += Buffer.from(data).toString("utf8", offset, offset + count);
        done(null, count);
      };
      const answer = answers.length > 0 ? answers.shift() : "all";
      if (answer === null || answer === undefined) pending = () => finish("all");
      else finish(answer);
    },
    close: (fd, done) => {
      closed.push(fd);
      done();
    },
  };
  const lines = new Lines({ fd: 9, path }, ({ msg }) => `${msg}\n`, clock, files);
  return {
    lines,
    clock,
    closed,
    opened,
    /** What the next writes come to; then everything succeeds. */
    answer: (...next: Answer[]) => answers.push(...next),
    failToOpen: (code: string) => {
      openError = failure(code);
    },
    text: () => written,
    /** Whoever writes often is made to wait so long. */
    gather: () => clock.advance(10),
    go() {
      const resume = pending;
      pending = null;
      resume?.();
    },
  };
}

const notice = (count: number) =>
  `${count} log ${count === 1 ? "line" : "lines"} dropped: the destination does not keep up, or takes nothing\n`;

test("what waits while a write is under way is written in one after it", () => {
  const { lines, answer, text, go, gather } = setUp();
  answer(null);
  for (const msg of ["a", "b", "c"]) lines.write(entry(msg));
  expect(text()).toBe("");
  gather();
  answer(null);
  go();
  expect(text()).toBe("a\n");
  go();
  expect(text()).toBe("a\nb\nc\n");
});

test("a line by itself is written at once, and of a flow what has come within a moment", () => {
  const { lines, text, gather, clock } = setUp();
  lines.write(entry("a"));
  expect(text()).toBe("a\n");
  expect(clock.timers).toBe(0);
  lines.write(entry("b"));
  lines.write(entry("c"));
  expect(text()).toBe("a\n");
  gather();
  expect(text()).toBe("a\nb\nc\n");
  gather();
  lines.write(entry("d"));
  expect(text()).toBe("a\nb\nc\nd\n");
  expect(clock.timers).toBe(0);
});

test("a flow that is too much for one write is not made to wait", () => {
  const { lines, text, clock } = setUp();
  lines.write(entry("a"));
  const line = "x".repeat(1023);
  for (let n = 0; n < 64; n++) lines.write(entry(line));
  expect(text()).toHaveLength(2 + 64 * 1024);
  expect(clock.timers).toBe(0);
});

test("who waits for all to be written has what was gathered written now", async () => {
  const { lines, text } = setUp();
  lines.write(entry("a"));
  lines.write(entry("b"));
  expect(await lines.close()).toBe(true);
  expect(text()).toBe("a\nb\n");
});

test("a short write goes on where it ended", () => {
  const { lines, answer, text } = setUp();
  answer(2);
  lines.write(entry("hello"));
  expect(text()).toBe("hello\n");
});

test("a full disk: lines are lost, counted, and told of when there is room", () => {
  const { lines, answer, text, gather } = setUp();
  answer("ENOSPC", "ENOSPC");
  lines.write(entry("lost"));
  gather();
  lines.write(entry("lost"));
  lines.write(entry("kept"));
  gather();
  gather();
  expect(text()).toBe(`kept\n${notice(2)}`);
  expect(lines.lost).toBe(2);
});

test("a line that was cut off by the end of the disk does not run into the next", () => {
  const { lines, answer, text, gather } = setUp();
  answer(3, "ENOSPC");
  lines.write(entry("broken off"));
  lines.write(entry("next"));
  gather();
  gather();
  expect(text()).toBe(`bro\nnext\n${notice(1)}`);
});

test("a notice that is lost itself still counts what it stood for", () => {
  const { lines, answer, text, gather } = setUp();
  answer("EIO", "EIO", "all", "EIO");
  for (const msg of ["lost", "lost", "kept"]) {
    lines.write(entry(msg));
    gather();
  }
  gather();
  expect(text()).toBe("kept\n");
  lines.write(entry("after"));
  gather();
  gather();
  expect(text()).toBe(`kept\nafter\n${notice(2)}`);
  expect(lines.lost).toBe(2);
});

test("a reader that has stalled: what waits has a limit, the rest is counted", async () => {
  const { lines, answer, text, go, clock } = setUp();
  answer(null);
  const line = "x".repeat(1023);
  const count = 2 * (mostBufferedBytes / 1024);
  for (let n = 0; n < count; n++) lines.write(entry(line));
  const flushed = lines.flush();
  clock.advance(1_000);
  expect(await flushed).toBe(false);
  go();
  const kept = text()
    .split("\n")
    .filter((each) => each === line).length;
  expect(kept).toBe(mostBufferedBytes / 1024 + 1);
  expect(text()).toContain(notice(count - kept));
  expect(lines.lost).toBe(count - kept);
  expect(await lines.flush()).toBe(true);
});

test("a descriptor that somebody made non-blocking is tried again", () => {
  const { lines, answer, text, clock } = setUp(null);
  answer("EAGAIN", "EAGAIN");
  lines.write(entry("a"));
  lines.write(entry("b"));
  expect(text()).toBe("");
  clock.advance(100);
  expect(text()).toBe("");
  clock.advance(100);
  expect(text()).toBe("a\nb\n");
  expect(clock.timers).toBe(0);
});

test("nobody reads stderr any more: that was the last write", async () => {
  const { lines, answer, text } = setUp(null);
  answer("EPIPE");
  lines.write(entry("a"));
  lines.write(entry("b"));
  expect(text()).toBe("");
  expect(await lines.close()).toBe(true);
});

test("a FIFO whose reader has gone may get another", () => {
  const { lines, answer, text, gather } = setUp("/fifo");
  answer("EPIPE");
  lines.write(entry("a"));
  lines.write(entry("b"));
  gather();
  gather();
  expect(text()).toBe(`b\n${notice(1)}`);
});

test("opened again: after the write that is under way, before the next", () => {
  const { lines, answer, text, go, gather, opened, closed } = setUp();
  answer(null);
  lines.write(entry("old"));
  lines.reopen();
  lines.write(entry("new"));
  expect(opened).toEqual([]);
  go();
  gather();
  expect({ opened, closed, text: text() }).toEqual({ opened: ["/log"], closed: [9], text: "old\nnew\n" });
});

test("what cannot be opened again goes on as it was, and says so", () => {
  const { lines, failToOpen, closed, text, gather } = setUp();
  failToOpen("ENOENT");
  lines.reopen();
  lines.write(entry("still here"));
  gather();
  expect(closed).toEqual([]);
  expect(text()).toBe(
    "cannot open /log again: ENOENT; the log goes on in the file that was open\nstill here\n",
  );
});

test("stderr is not opened again", () => {
  const { lines, opened } = setUp(null);
  lines.reopen();
  expect(opened).toEqual([]);
});
