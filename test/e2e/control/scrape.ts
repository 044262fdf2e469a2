/** /metrics as a test asks for it: a series by its name and labels. */
import { once } from "node:events";
import { request } from "node:http";
import { text } from "node:stream/consumers";
import type { Rig } from "../rig/rig.ts";

export interface Scrape {
  text: string;
  /** The value of a series as the text has it: `name`, `name{label="value"}`; `undefined` if it is not there. */
  value(series: string): number | undefined;
  /** Of a metric of the service, without the prefix; `more` are further labels as the text has them. */
  of(service: string, metric: string, more?: string): number | undefined;
}

export async function scrape(rig: Rig): Promise<Scrape> {
  const sent = request({ socketPath: rig.controlSocket, path: "/metrics", agent: false }).end();
  const [response] = await once(sent, "response");
  return parse(await text(response));
}

export function parse(answer: string): Scrape {
  const samples = new Map(
    answer
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => {
        const end = line.lastIndexOf(" ");
        return [line.slice(0, end), Number(line.slice(end + 1))];
      }),
  );
  const value = (series: string) => samples.get(series);
  return {
    text: answer,
    value,
    of: (service, metric, more) =>
      value(`tinetd_service_${metric}{service="${service}"${more === undefined ? "" : `,${more}`}}`),
  };
}
