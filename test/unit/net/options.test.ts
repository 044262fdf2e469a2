/** What the kernel may do other than it was told: a privileged test cannot see it, so here the kernel is a few lines. */
import { describe, expect, test } from "vitest";
import type { SocketShape } from "../../../src/net/kind.ts";
import { optionTable } from "../../../src/net/option-table.ts";
import { applyOptions, type OptionSys, repairOptions } from "../../../src/net/options.ts";

const shape: SocketShape = { domain: "inet", type: "stream", dual: false };
const declared = { name: "x", backlog: 1 };

/** Every constant is its own number; `set` is called with the option's name and may throw an errno's name. */
function kernel(values: Record<string, number>, set: (option: string, value: unknown) => void): OptionSys {
  const names = [...new Set(optionTable.flatMap((row) => [row.level, row.option, row.force ?? row.option]))];
  return {
    constants: Object.fromEntries(names.map((name, index) => [name, index])),
    getsockopt: (_, __, option) => values[names[option] ?? ""] ?? 0,
    getsockoptBytes: () => new Uint8Array(16),
    setsockopt: (_, __, option, value) => set(names[option] ?? "", value),
  };
}

function refuse(code: string): never {
  throw Object.assign(new Error(code), { code, errno: -1, syscall: "setsockopt" });
}

describe("a buffer larger than the system allows", () => {
  test("is forced by those who may", () => {
    const values: Record<string, number> = { SO_RCVBUF: 2000 };
    const sys = kernel(values, (option, value) => {
      if (option === "SO_RCVBUFFORCE") values.SO_RCVBUF = Number(value) * 2;
    });
    expect(applyOptions(sys, 3, shape, { ...declared, receiveBuffer: 5000 }, "unbound").ok).toBe(true);
    expect(values.SO_RCVBUF).toBe(10_000);
  });

  test.each([
    ["receiveBuffer", "receive_buffer", "SO_RCVBUF", "net.core.rmem_max"],
    ["sendBuffer", "send_buffer", "SO_SNDBUF", "net.core.wmem_max"],
  ])("is a failure that names the limit for all others: %s", (key, option, name, limit) => {
    const sys = kernel({ [name]: 2000 }, (set) => (set === `${name}FORCE` ? refuse("EPERM") : undefined));
    expect(applyOptions(sys, 3, shape, { ...declared, [key]: 5000 }, "unbound")).toEqual({
      ok: false,
      error: { option, code: null, reason: `the kernel grants 1000 of 5000 bytes (${limit})` },
    });
  });
});

test("a refusal names the option and the errno", () => {
  const sys = kernel({}, (option) => (option === "SO_MARK" ? refuse("EPERM") : undefined));
  expect(applyOptions(sys, 3, shape, { ...declared, mark: 7 }, "unbound")).toEqual({
    ok: false,
    error: { option: "mark", code: "EPERM", reason: "EPERM" },
  });
});

test("an option that the kernel accepts and ignores is a failure", () => {
  const sys = kernel({ IP_TTL: 64 }, () => undefined);
  expect(applyOptions(sys, 3, shape, { ...declared, ttl: 9 }, "unbound")).toEqual({
    ok: false,
    error: { option: "ttl", code: null, reason: "the kernel made 64 of 9" },
  });
});

test("nothing declared, nothing set", () => {
  const sys = kernel({}, (option) => refuse(`unexpected ${option}`));
  expect(applyOptions(sys, 3, shape, { ...declared, noDelay: false, keepAlive: null }, "unbound").ok).toBe(
    true,
  );
});

test("repair goes on after an option that cannot be put right", () => {
  const set: string[] = [];
  const values = { SO_MARK: 9, IP_TTL: 1 };
  const sys = kernel(values, (option) => {
    if (option === "SO_MARK") refuse("EPERM");
    set.push(option);
    values.IP_TTL = 64;
  });
  expect(repairOptions(sys, 3, shape, { SO_MARK: 7, IP_TTL: 64, of_another_version: 1 })).toEqual({
    repaired: ["IP_TTL"],
    failures: [{ option: "mark", code: "EPERM", reason: "EPERM" }],
  });
  expect(set).toEqual(["IP_TTL"]);
});
