/** The one list of all keys: from it come checking, defaults, `show`, the JSON Schema, the options of `serve`, the docs. */
import { accessKeys } from "./access.ts";
import { contextKeys } from "./context.ts";
import { daemonKeys } from "./daemon.ts";
import { lifecycleKeys } from "./lifecycle.ts";
import { limitKeys } from "./limits.ts";
import { listenerFields } from "./listener.ts";
import { whatKeys } from "./what.ts";
import { workerKeys } from "./workers.ts";

export const daemonTable = daemonKeys;
export const listenerTable = listenerFields;

/** The service keys in groups, in the order of the reference. */
export const serviceGroups = {
  "What runs": whatKeys,
  Workers: workerKeys,
  Lifecycle: lifecycleKeys,
  Limits: limitKeys,
  Access: accessKeys,
  "Process context": contextKeys,
};

export const serviceTable = {
  ...whatKeys,
  ...workerKeys,
  ...lifecycleKeys,
  ...limitKeys,
  ...accessKeys,
  ...contextKeys,
};

export type ServiceKey = keyof typeof serviceTable;

/** Keys that name one service and so cannot be defaults of all. */
export const notInDefaults: readonly ServiceKey[] = [
  "listen",
  "command",
  "argv0",
  "handoff",
  "builtin",
  "upstream",
];
