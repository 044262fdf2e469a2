/** A request to the daemon's control socket, as any HTTP client makes it. */
import { type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";

/** @throws if the answer is not 200; the message has its body */
export async function getJson(socketPath: string, path: string): Promise<unknown> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ socketPath, path, headers: { host: "tinetd" }, agent: false }, resolve)
      .on("error", reject)
      .end();
  });
  const body = await text(response);
  if (response.statusCode !== 200) throw new Error(`GET ${path}: ${response.statusCode} ${body}`);
  return JSON.parse(body);
}
