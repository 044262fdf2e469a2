/** From a request line to a row of the table: pure. */
import { type PlainRoute, plainRoutes, type Route, routes } from "./routes.ts";

export type Match =
  | { kind: "route"; route: Route; parameters: Record<string, string> }
  | { kind: "plain"; route: PlainRoute }
  /** The path is there, for these methods. */
  | { kind: "method"; allowed: string[] }
  | { kind: "none" };

const all: readonly (Route | PlainRoute)[] = [...Object.values(routes), ...Object.values(plainRoutes)];

/** The parts of a request's target in origin form (RFC 9112, 3.2.1); `null` for every other form. */
export function splitTarget(target: string): { path: string; query: URLSearchParams } | null {
  if (!target.startsWith("/")) return null;
  const mark = target.indexOf("?");
  return mark < 0
    ? { path: target, query: new URLSearchParams() }
    : { path: target.slice(0, mark), query: new URLSearchParams(target.slice(mark + 1)) };
}

/** @param path without the query; parameters in it are percent-encoded */
export function matchRoute(method: string, path: string): Match {
  const there = all.flatMap((route) => {
    const parameters = parametersOf(route.path, path);
    return parameters === null ? [] : [{ route, parameters }];
  });
  const found = there.find(({ route }) => route.method === method);
  if (found !== undefined) {
    const { route, parameters } = found;
    return "run" in route ? { kind: "route", route, parameters } : { kind: "plain", route };
  }
  return there.length === 0
    ? { kind: "none" }
    : { kind: "method", allowed: there.map(({ route }) => route.method) };
}

/** `/v1/services/ssh` by `/v1/services/:service` is `{ service: "ssh" }`; `null` if it does not fit. */
function parametersOf(pattern: string, path: string): Record<string, string> | null {
  const names = pattern.split("/");
  const words = path.split("/");
  if (names.length !== words.length) return null;
  const parameters: Record<string, string> = {};
  for (const [index, name] of names.entries()) {
    const word = words[index] ?? "";
    if (!name.startsWith(":")) {
      if (name !== word) return null;
      continue;
    }
    const decoded = decode(word);
    if (decoded === null || decoded === "") return null;
    parameters[name.slice(1)] = decoded;
  }
  return parameters;
}

/** The path of a route with its parameters in place; what is no parameter is left over. */
export function fillPath(
  pattern: string,
  input: Readonly<Record<string, unknown>>,
): { path: string; rest: Record<string, unknown> } {
  const rest = { ...input };
  const words = pattern.split("/").map((name) => {
    if (!name.startsWith(":")) return name;
    const key = name.slice(1);
    delete rest[key];
    return encodeURIComponent(String(input[key]));
  });
  return { path: words.join("/"), rest };
}

function decode(word: string): string | null {
  try {
    return decodeURIComponent(word);
  } catch {
    return null;
  }
}
