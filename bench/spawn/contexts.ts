/** What a service may declare of its handlers' surroundings, and costs each of their starts. */
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Context {
  name: string;
  /** As it stands in `inetd.toml`; whatever is not said is the default. */
  keys: string;
  /** The program is looked up below the root directory. */
  inside: boolean;
}

/** A service of this name is `plain`: what all others are compared with. */
export const plain = "plain";

const user = 'user = "nobody"';
const limits = `limits = { nofile = "512:1024", nproc = 4000, core = 0, cpu = "1h", as = "1G", data = "512M", stack = "8M", \
fsize = "1G", memlock = "64K" }`;
const groups = 'groups = ["daemon", "bin", "sys", "adm", "mail"]';
const capabilities = 'capabilities = ["CAP_NET_BIND_SERVICE", "CAP_CHOWN"]';
const tree = 'kill_mode = "tree"';

/** All but `plain` need root. @param root an empty directory, or one with the program alone */
export function contextsIn(root: string): readonly Context[] {
  const chroot = `root_directory = "${root}"`;
  const outside = (name: string, keys: string): Context => ({ name, keys, inside: false });
  return [
    outside(plain, 'user = "root"'),
    outside("another user", user),
    outside("all limits", `user = "root"\n${limits}`),
    { name: "chroot", keys: `user = "root"\n${chroot}`, inside: true },
    outside("user, groups, capabilities", [user, groups, capabilities].join("\n")),
    outside('kill_mode = "tree"', `user = "root"\n${tree}`),
    {
      name: "all of these",
      keys: [user, limits, chroot, groups, capabilities, tree].join("\n"),
      inside: true,
    },
  ];
}

/** Writes an `inetd.toml` with a service for each context, which nobody listens for. @returns its path */
export function writeConfiguration(contexts: readonly Context[], program: string, root: string): string {
  const directory = join(root, "..");
  mkdirSync(root);
  const copies = [join(root, "program"), join(directory, "program")];
  for (const copy of copies) {
    copyFileSync(program, copy);
    chmodSync(copy, 0o755);
  }
  for (const each of [directory, root]) chmodSync(each, 0o755);
  const path = join(directory, "inetd.toml");
  const services = contexts.map(
    ({ keys, inside }, n) => `
[services.s${n}]
listen = "unix:@tinetd-bench-${n}"
command = "${inside ? "/program" : join(directory, "program")}"
${keys}
`,
  );
  writeFileSync(path, services.join(""), { mode: 0o644 });
  return path;
}
