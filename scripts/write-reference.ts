/** Writes docs/reference.md from the schema: `npx tsx scripts/write-reference.ts`. A unit test checks that it is current. */
import { mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { referenceMarkdown } from "../src/config/docs.ts";

const target = resolve(import.meta.dirname, "../docs/reference.md");
mkdirSync(resolve(target, ".."), { recursive: true });
writeFileSync(target, referenceMarkdown());
