/**
 * Writes docs/reference.md from the schema, docs/events.md from the catalogue of events, docs/metrics.md from the table
 * of metrics, docs/commands.md from that of commands, and docs/api.md from that of routes:
 * `npx tsx scripts/write-reference.ts`. Unit tests check that they are current.
 */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { loadCommands } from "../src/cli/commands.ts";
import { commandsMarkdown } from "../src/cli/docs.ts";
import { referenceMarkdown } from "../src/config/docs.ts";
import { apiMarkdown } from "../src/control/api-docs.ts";
import { metricsMarkdown } from "../src/control/metrics-docs.ts";
import { eventsMarkdown } from "../src/log/docs.ts";

const docs = resolve(import.meta.dirname, "../docs");
writeFileSync(resolve(docs, "reference.md"), referenceMarkdown());
writeFileSync(resolve(docs, "events.md"), eventsMarkdown());
writeFileSync(resolve(docs, "api.md"), apiMarkdown());
writeFileSync(resolve(docs, "metrics.md"), metricsMarkdown());
writeFileSync(resolve(docs, "commands.md"), commandsMarkdown(await loadCommands()));
