/** `tinetd show [SERVICE]`: the configuration as it takes effect, includes and defaults in place. */
import { encodeConfig } from "../config/encode.ts";
import { writeToml } from "../config/toml-writer.ts";
import { nearest } from "../util/nearest.ts";
import { type Command, CommandFailure, exitCode } from "./command.ts";
import { configOption, loadOrFail } from "./configuration.ts";

export const show: Command = {
  name: "show",
  summary: "print the configuration with its includes and defaults",
  details: "What it prints can be read again as a configuration.",
  arguments: [{ name: "[service]", description: "only this service", completes: "service" }],
  options: [configOption, { flags: "--json", description: "as JSON" }],
  async run(context, [wanted], options) {
    const config = loadOrFail(context, options);
    const whole = encodeConfig(config);
    let document = whole;
    if (wanted !== undefined) {
      const service = config.services.get(wanted);
      if (service === undefined) {
        const near = nearest(wanted, config.services.keys());
        throw new CommandFailure(
          `there is no service "${wanted}"${near === null ? "" : `; did you mean "${near}"?`}`,
        );
      }
      document = encodeConfig({ ...config, services: new Map([[wanted, service]]) });
      delete document.daemon;
    }
    const text = options.json === true ? `${JSON.stringify(document, null, 2)}\n` : writeToml(document);
    context.stdout.write(text);
    return exitCode.done;
  },
};
