/** `tinetd schema`: the JSON Schema of inetd.toml. */
import { configJsonSchema } from "../config/json-schema.ts";
import { type Command, exitCode } from "./command.ts";

export const schema: Command = {
  name: "schema",
  summary: "print the JSON Schema of inetd.toml, for editors",
  async run(context) {
    context.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
    return exitCode.done;
  },
};
