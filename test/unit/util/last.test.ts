import { expect, test } from "vitest";
import { rememberLast } from "../../../src/util/last.ts";

test("the same again is not asked again, each subject by itself", () => {
  const asked: string[] = [];
  const [one, other] = [{ name: "one" }, { name: "other" }];
  const ask = rememberLast((subject: { name: string }, value: number) => {
    asked.push(`${subject.name} ${value}`);
    return `${value} of ${subject.name}`;
  });
  expect([ask(one, 1), ask(other, 1), ask(one, 1), ask(other, 1)]).toEqual([
    "1 of one",
    "1 of other",
    "1 of one",
    "1 of other",
  ]);
  expect(ask(one, 2)).toBe("2 of one");
  expect(ask(one, 1)).toBe("1 of one");
  expect(asked).toEqual(["one 1", "other 1", "one 2", "one 1"]);
});

test("an answer that is nothing is an answer", () => {
  let asked = 0;
  const ask = rememberLast((_: object, _value: null) => {
    asked += 1;
  });
  const subject = {};
  ask(subject, null);
  ask(subject, null);
  expect(asked).toBe(1);
});
