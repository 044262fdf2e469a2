/** The JSON Schema of `inetd.toml`, for editors: what may be written, with descriptions and defaults. */
import { z } from "zod";
import { daemonTable, listenerTable, notInDefaults, serviceTable } from "./schema/index.ts";
import { type Key, type KeyTable, rowsOf } from "./schema/key.ts";

type Schema = Record<string, unknown>;

export function configJsonSchema(): Schema {
  const { listen: _listen, ...rest } = serviceTable;
  const listen = {
    description: serviceTable.listen.description,
    examples: [serviceTable.listen.example],
    ...listenSchema(),
  };
  const service = objectSchema(rest, { listen });
  const shared = Object.entries(rest).filter(([key]) => !(notInDefaults as readonly string[]).includes(key));
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "inetd.toml",
    description: "Configuration of tinetd.",
    type: "object",
    properties: {
      include: {
        description: "Further files, as paths or patterns relative to this file.",
        examples: [["inetd.d/*.toml"]],
        anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }],
      },
      daemon: { description: "The daemon itself.", ...objectSchema(daemonTable) },
      defaults: { description: "Defaults of all services.", ...objectSchema(Object.fromEntries(shared)) },
      services: {
        description: "The services, by name.",
        type: "object",
        additionalProperties: { $ref: "#/$defs/service" },
      },
    },
    additionalProperties: false,
    $defs: {
      service: { ...service, required: ["listen"] },
      address: { anyOf: [{ type: "string" }, { type: "integer", minimum: 0, maximum: 65535 }] },
      listener: {
        ...objectSchema(listenerTable, { address: { $ref: "#/$defs/address" } }),
        required: ["address"],
      },
    },
  };
}

function listenSchema(): Schema {
  const one = [{ $ref: "#/$defs/address" }, { $ref: "#/$defs/listener" }];
  return { anyOf: [...one, { type: "array", items: { anyOf: one } }] };
}

function objectSchema(rows: KeyTable, first: Record<string, Schema> = {}): Schema {
  const properties = [...rowsOf(rows).values()].map(({ key, row }) => [key, rowSchema(row)]);
  return {
    type: "object",
    properties: { ...first, ...Object.fromEntries(properties) },
    additionalProperties: false,
  };
}

function rowSchema(row: Key<unknown>): Schema {
  const text = {
    description:
      row.defaultText === undefined ? row.description : `${row.description} Default: ${row.defaultText}.`,
    ...(row.default === undefined || row.fields !== null ? {} : { default: row.default }),
    examples: [row.example],
  };
  return { ...text, ...(row.fields === null ? typeSchema(row.type) : objectSchema(row.fields)) };
}

/** What may be written, without the bounds that mean nothing but "an integer that JavaScript can hold". */
function typeSchema(type: z.ZodType): Schema {
  const { $schema: _schema, ...schema } = z.toJSONSchema(type, {
    io: "input",
    override: ({ jsonSchema }) => {
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER || jsonSchema.maximum === Number.MAX_VALUE)
        delete jsonSchema.maximum;
    },
  });
  return schema;
}
