/** The rows of the schema against each other: whatever is made of them can rely on this. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { notAvailable } from "../../../src/config/availability.ts";
import { keyRules, listenerRules } from "../../../src/config/combination.ts";
import { optionKinds } from "../../../src/config/listeners.ts";
import { daemonTable, listenerTable, serviceGroups, serviceTable } from "../../../src/config/schema/index.ts";
import { type Key, type KeyTable, rowsOf } from "../../../src/config/schema/key.ts";

/** Every row with its path. */
function allRows(rows: KeyTable, prefix: string): [path: string, row: Key<unknown>][] {
  return [...rowsOf(rows).values()].flatMap(({ key, row }): [string, Key<unknown>][] => [
    [prefix + key, row],
    ...allRows(row.fields ?? {}, `${prefix}${key}.`),
  ]);
}

const service = allRows(serviceTable, "");
const daemon = allRows(daemonTable, "");
const listener = allRows(listenerTable, "");
const everything = [...service, ...daemon.map(([path, row]) => [`daemon.${path}`, row] as const)];

describe("every key", () => {
  test.each(everything.filter(([, row]) => row.fields === null))("%s takes its own example", (_, row) => {
    expect(row.type.safeParse(row.example).error).toBeUndefined();
  });

  test.each(everything.filter(([path, row]) => row.fields === null && path !== "listen"))(
    "%s: the example, read and written and read again, is the same value",
    (_, row) => {
      const value = row.type.parse(row.example);
      expect(row.type.parse(z.encode(row.type, value))).toEqual(value);
    },
  );

  test.each(everything.filter(([, row]) => row.fields === null && row.default !== undefined))(
    "%s: so do its defaults",
    (_, row) => {
      for (const written of [row.default, ...Object.values(row.defaultFor)]) {
        const value = row.type.parse(written);
        expect(row.type.parse(z.encode(row.type, value))).toEqual(value);
      }
    },
  );

  test.each(everything.filter(([, row]) => row.fields === null))("%s says what it expects", (_, row) => {
    // No value is of this kind: the message is that of the type as a whole.
    const [issue] = row.type.safeParse(Symbol("none")).error?.issues ?? [];
    expect(issue?.message).toMatch(/^expected \S/);
  });

  test.each(everything)("%s is described", (_, row) => {
    expect(row.description).toMatch(/^\S.*\.$/s);
  });
});

describe("names", () => {
  const groups = Object.values(serviceGroups).flatMap((rows) => Object.keys(rows));

  test("no key is in two groups", () => {
    expect(groups.toSorted()).toEqual(Object.keys(serviceTable).toSorted());
    expect(new Set(groups).size).toBe(groups.length);
  });

  test("no name of another program leads to two keys, or is a key itself", () => {
    for (const table of [serviceTable, listenerTable, daemonTable]) {
      const names = Object.values<Key<unknown>>(table).flatMap((row) => row.alsoCalled ?? []);
      expect(new Set(names).size).toBe(names.length);
      expect(names.filter((name) => Object.hasOwn(table, name))).toEqual([]);
    }
  });

  test("the tables about keys name keys that there are", () => {
    const known = new Set(service.map(([path]) => path));
    const named = [...keyRules.flatMap(({ keys }) => keys), ...Object.values(notAvailable.service).flat()];
    expect(named.filter((path) => !known.has(path))).toEqual([]);
    const options = new Set(listener.map(([path]) => path));
    const namedOptions = [...Object.keys(optionKinds), ...Object.values(notAvailable.listener).flat()];
    expect(namedOptions.filter((path) => !options.has(path))).toEqual([]);
    const daemonKeys = new Set(daemon.map(([path]) => path));
    expect(
      Object.values(notAvailable.daemon)
        .flat()
        .filter((path) => !daemonKeys.has(path)),
    ).toEqual([]);
  });

  test("every key that does not go with every handoff has a rule", () => {
    const free = [
      "listen",
      "socket",
      "handoff",
      "builtin",
      "enabled",
      "description",
      "on_limit",
      "log",
      "workers",
    ];
    const ruled = new Set(keyRules.flatMap(({ keys }) => keys));
    expect(
      Object.keys(serviceTable)
        .filter((key) => !ruled.has(key))
        .toSorted(),
    ).toEqual(free.toSorted());
  });

  test("every kind of listener that can be told from its address has a rule", () => {
    const kinds = listenerRules.flatMap((rule) => rule.kinds);
    expect(kinds.toSorted()).toEqual(["fifo", "tcp", "udp", "unix", "unix-dgram", "unix-seqpacket"]);
  });
});
