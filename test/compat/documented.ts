/** The tables of docs/programs.md, as they stand there but for what cannot be the same in a test. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "../e2e/rig/fixtures.ts";

const page = join(repository, "docs", "programs.md");

/**
 * The table `[services.NAME]`, without its user where we are not root and may not change it.
 * @param changes what to replace (ports, paths), each of which must be there
 * @throws if the page has no such table, or the table none of what is to be changed
 */
export function documented(name: string, changes: Readonly<Record<string, string>>): string {
  const table = tables().get(name);
  if (table === undefined) throw new Error(`docs/programs.md has no table [services.${name}]`);
  let text = table;
  for (const [old, replacement] of Object.entries(changes)) {
    if (!text.includes(old)) throw new Error(`docs/programs.md: [services.${name}] has no ${old}`);
    text = text.replaceAll(old, () => replacement);
  }
  return process.getuid?.() === 0 ? text : text.replace(/^user .*\n/m, "");
}

/** All tables of the page by the names of their services. */
export function tables(): Map<string, string> {
  const blocks = readFileSync(page, "utf8").matchAll(/^```toml\n(\[services\.(\S+)\]\n.*?)^```$/gms);
  return new Map([...blocks].flatMap(([, text, name]) => (text && name ? [[name, text]] : [])));
}
