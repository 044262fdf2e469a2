/** The pages that people read: what they lead to, and the files that they name, are there. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const folders = ["docs", "examples", "bench", "conf"];
const pages = [
  "README.md",
  "CHANGELOG.md",
  ...folders.flatMap((folder) =>
    readdirSync(resolve(root, folder), { recursive: true, encoding: "utf8" }).map(
      (name) => `${folder}/${name}`,
    ),
  ),
].filter((name) => name.endsWith(".md"));

/** As GitHub makes anchors of headings. */
function anchorsOf(page: string): string[] {
  const headings = readFileSync(page, "utf8").matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** Code may look like a link. */
function withoutCode(text: string): string {
  return text.replaceAll(/```.*?```/gs, "").replaceAll(/`[^`]*`/g, "`");
}

test.each(pages)("the links of %s lead somewhere", (name) => {
  const page = resolve(root, name);
  const links = withoutCode(readFileSync(page, "utf8")).matchAll(/\]\(([^)\s]+)\)/g);
  const broken = [...links]
    .map(([, link = ""]) => link)
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? page : resolve(dirname(page), path);
      if (!existsSync(target)) return true;
      return anchor !== undefined && !anchorsOf(target).includes(anchor);
    });
  expect(broken).toEqual([]);
});

test("the files of the source that docs/design.md names are there", () => {
  const named = [
    ...readFileSync(resolve(root, "docs/design.md"), "utf8").matchAll(/`([a-z-]+\/[a-z-]+\.ts)`/g),
  ];
  expect(named.length).toBeGreaterThan(0);
  expect(
    named.map(([, file = ""]) => file).filter((file) => !existsSync(resolve(root, "src", file))),
  ).toEqual([]);
});
