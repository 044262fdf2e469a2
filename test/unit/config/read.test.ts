import { describe, expect, test } from "vitest";
import { loadValid, problemLines } from "./memory.ts";

const one = (name: string, port: number) => `[services.${name}]\nlisten = ${port}\ncommand = "cat"\n`;

describe("includes", () => {
  test("patterns are relative, sorted, leave out hidden and backup files, and may match nothing", () => {
    const config = loadValid({
      "/t.toml": `include = ["inetd.d/*.toml", "none.d/*.toml", "more/[ab]/*"]\n${one("main", 1)}`,
      "/inetd.d/20-b.toml": one("b", 2),
      "/inetd.d/10-a.toml": one("a", 3),
      "/inetd.d/30-c.toml~": "broken",
      "/inetd.d/.hidden.toml": "broken",
      "/inetd.d/README": "broken",
      "/more/a/x": one("x", 4),
      "/more/c/y": "broken",
    });
    expect(config.files).toEqual(["/t.toml", "/inetd.d/10-a.toml", "/inetd.d/20-b.toml", "/more/a/x"]);
    expect([...config.services.keys()]).toEqual(["a", "b", "x", "main"]);
  });

  test("an included file includes relative to itself; what is included twice is read once", () => {
    const config = loadValid({
      "/t.toml": 'include = ["d/a.toml", "d/*.toml"]',
      "/d/a.toml": `include = "e/b.toml"\n${one("a", 1)}`,
      "/d/e/b.toml": one("b", 2),
    });
    expect(config.files).toEqual(["/t.toml", "/d/a.toml", "/d/e/b.toml"]);
  });

  test("a position names the file", () => {
    const config = loadValid({ "/t.toml": 'include = "a.toml"', "/a.toml": one("a", 1) });
    expect(config.services.get("a")?.position).toEqual({ file: "/a.toml", line: 1, column: 1 });
  });

  test.each<[string, Record<string, string>, string[]]>([
    [
      "a circle",
      { "/t.toml": 'include = "d/a.toml"', "/d/a.toml": '\ninclude = ["../t.toml"]' },
      ["/d/a.toml:2:12: files include each other: /t.toml -> /d/a.toml -> /t.toml"],
    ],
    [
      "a file that includes itself by a pattern",
      { "/t.toml": `include = "*.toml"\n${one("a", 1)}` },
      ["/t.toml:1:11: files include each other: /t.toml -> /t.toml"],
    ],
    [
      "a file that is not there",
      { "/t.toml": `include = ["no.toml"]\n${one("a", 1)}` },
      ["/t.toml:1:12: cannot read /no.toml: no such file or directory"],
    ],
    [
      "a wrong include",
      { "/t.toml": `include = [1, "a.toml"]\n${one("a", 1)}`, "/a.toml": "" },
      ['/t.toml:1:12: include: expected a path or a pattern such as "inetd.d/*.toml", not 1'],
    ],
    [
      "[daemon] and [defaults] of an included file",
      { "/t.toml": 'include = "a.toml"', "/a.toml": `[daemon]\n[defaults]\n${one("a", 1)}` },
      [
        "/a.toml:1:1: [daemon] belongs in the main file /t.toml: an included file holds services and further includes",
        "/a.toml:2:1: [defaults] belongs in the main file /t.toml: an included file holds services and further includes",
      ],
    ],
    [
      "one service in two files",
      { "/t.toml": `include = "a.toml"\n${one("a", 1)}`, "/a.toml": `\n${one("a", 2)}` },
      ['/t.toml:2:1: service "a" is already declared in /a.toml:2:1'],
    ],
    [
      "one address in two files",
      { "/t.toml": `include = "a.toml"\n${one("b", 1)}`, "/a.toml": one("a", 1) },
      ['/t.toml:3:10: listen: tcp://*:1 is already taken by service "a" (/a.toml:2:10)'],
    ],
    [
      "errors in several files, in the order of reading",
      {
        "/t.toml": `include = ["a.toml", "b.toml"]\n${one("m", 1)}x = 1`,
        "/a.toml": "x",
        "/b.toml": `${one("b", 2)}x = 1`,
      },
      [
        '/t.toml:5:1: unknown key "x" in [services.m]',
        "/a.toml:1:2: syntax error: the file ends too early; a line is KEY = VALUE or [TABLE]",
        '/b.toml:4:1: unknown key "x" in [services.b]',
      ],
    ],
  ])("%s", (_, files, lines) => {
    expect(problemLines(files)).toEqual(lines);
  });

  test("the main file is not there", () => {
    expect(problemLines({})).toEqual(["/t.toml: cannot read /t.toml: no such file or directory"]);
  });
});

describe("the top of a file", () => {
  test.each(["", "[services]", "include = []"])("%j declares no service, which is no error", (text) => {
    expect(loadValid(text).services.size).toBe(0);
  });

  test.each([
    ["servics = 1", '/t.toml:1:1: unknown key "servics" at the top of the file; did you mean `services`?'],
    [
      "listen = 7",
      '/t.toml:1:1: unknown key "listen" at the top of the file; keys of a service stand under [services.NAME]',
    ],
    ["services = 5", "/t.toml:1:12: services: expected a table, not 5"],
    ["[services]\nssh = 22", "/t.toml:2:7: expected a table [services.ssh], not 22"],
    ["daemon = []", "/t.toml:1:10: daemon: expected a table, not an empty list"],
    ["[[services]]\nlisten = 5", "/t.toml:1:1: services: expected a table, not a list"],
  ])("%j", (text, line) => {
    expect(problemLines(text)).toEqual([line]);
  });
});

describe("as root, files that others could have written are refused", () => {
  const text = `${one("a", 1)}user = "nobody"`;

  test.each([
    [
      { text, uid: 1000 },
      ["/t.toml: the daemon is root, and this file belongs to uid 1000; chown it to root"],
    ],
    [
      { text, mode: 0o100664 },
      ["/t.toml: the daemon is root, and others may write this file; chmod go-w it"],
    ],
    [
      { text, mode: 0o100646 },
      ["/t.toml: the daemon is root, and others may write this file; chmod go-w it"],
    ],
    [{ text, mode: 0o100644 }, []],
  ])("%j", (file, lines) => {
    expect(problemLines({ "/t.toml": file }, { uid: 0 })).toEqual(lines);
  });

  test("also an included one", () => {
    const files = { "/t.toml": 'include = "a.toml"', "/a.toml": { text, uid: 33 } };
    expect(problemLines(files, { uid: 0 })).toEqual([
      "/a.toml: the daemon is root, and this file belongs to uid 33; chown it to root",
    ]);
  });

  test("an ordinary user reads what he can", () => {
    expect(problemLines({ "/t.toml": { text, uid: 1000, mode: 0o100666 } })).toEqual([]);
  });
});
