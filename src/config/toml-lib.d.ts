/** The inner modules of the `toml` package (5.0.1, pinned): syntax nodes with offsets, and what makes values of them. */

declare module "toml/lib/parser.js" {
  /** A value in the text; `offset` is where it begins, in UTF-16 code units. */
  export type ValueNode =
    | { type: "String" | "LocalDateTime" | "LocalDate" | "LocalTime"; value: string; offset: number }
    | { type: "Integer"; value: bigint; offset: number }
    | { type: "Float"; value: number; offset: number }
    | { type: "Boolean"; value: boolean; offset: number }
    | { type: "Date"; value: Date; offset: number }
    | { type: "Array"; value: ValueNode[]; offset: number }
    | { type: "InlineTable"; value: InlineTableEntry[]; offset: number };

  export interface InlineTableEntry {
    type: "InlineTableValue";
    key: string[];
    value: ValueNode;
    offset: number;
  }

  /** A line of the text: `key = value`, `[table]` or `[[array of tables]]`. */
  export type Statement =
    | { type: "Assign"; key: string[]; value: ValueNode; offset: number }
    | { type: "ObjectPath" | "ArrayPath"; value: string[]; offset: number };

  const parser: { parse(text: string): Statement[] };
  export default parser;
}

declare module "toml/lib/compiler.js" {
  import type { Statement } from "toml/lib/parser.js";

  /** Tables have no prototype. Throws an Error with `line` and `column` for what is defined twice. */
  const compiler: { compile(statements: Statement[], text: string): Record<string, unknown> };
  export default compiler;
}
