import { expect, test } from "vitest";
import type { SocketAddress, SystemError } from "../../../src/native/sys.ts";
import { systemFailed } from "../../../src/net/failure.ts";

const v4: SocketAddress = { family: "inet", address: "10.0.0.1", port: 80 };
const linkLocal: SocketAddress = { family: "inet6", address: "fe80::1", port: 80, scope: 0 };

test.each([
  ["EADDRINUSE", v4, "address in use"],
  ["EADDRNOTAVAIL", v4, "this machine does not have that address (free_bind = true binds it all the same)"],
  ["EAFNOSUPPORT", linkLocal, "IPv6 is off on this machine"],
  ["EACCES", v4, "ports this low need root or CAP_NET_BIND_SERVICE"],
  ["EACCES", { family: "unix", path: "@x" } as const, "bind: EACCES"],
  ["EINVAL", linkLocal, "a link-local address needs its interface, as in [fe80::1%eth0]"],
  ["EINVAL", { ...linkLocal, scope: 4 }, "bind: EINVAL"],
  ["EMFILE", v4, "no descriptors are left"],
  ["ENOBUFS", v4, "bind: ENOBUFS"],
])("%s", (code, address, reason) => {
  const error: SystemError = Object.assign(new Error(), { code, errno: -1, syscall: "bind" });
  expect(systemFailed(error, address)).toEqual({
    ok: false,
    error: { code, reason, pid: null, busy: false },
  });
});
