/** The table of what the control socket answers: server, client and docs know no other list. */
import type { Status } from "./messages.ts";

/** What the daemon does for the control socket. */
export interface Backend {
  status(): Status;
}

export interface Route {
  method: "GET" | "POST" | "DELETE";
  path: string;
  summary: string;
  answer(backend: Backend): unknown;
}

export const routes: readonly Route[] = [
  {
    method: "GET",
    path: "/v1/status",
    summary: "the daemon and all services",
    answer: (backend) => backend.status(),
  },
];
