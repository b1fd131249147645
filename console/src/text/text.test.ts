// Both languages are complete, say the same with the same values, and the
// Chinese one is Chinese: an equal text fails unless it is allowed by name.
import { expect, test } from "vitest";
import document from "../../../crates/api/openapi.json";
import { en } from "./en";
import { zh } from "./zh";

const EQUAL_ALLOWED = ["brand"];
const keys = Object.keys(en) as (keyof typeof en)[];

/** English may name a count once more to choose between singular and plural. */
const values = (text: string) =>
  [...new Set([...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name))].sort();
const withoutValues = (text: string) => text.replace(/\{[^}]*\}/g, "");

test("both dictionaries have the same keys", () => {
  expect(Object.keys(zh).sort()).toEqual([...keys].sort());
});

test("no Chinese text is empty or equal to the English one, unless allowed by name", () => {
  expect(keys.filter((key) => zh[key].trim() === "")).toEqual([]);
  expect(keys.filter((key) => zh[key] === en[key])).toEqual(EQUAL_ALLOWED);
});

/** The API's closed vocabularies, by the group of texts that has their words. */
const VOCABULARIES = {
  badge: "Basis",
  basis: "Measure",
  bucket: "Bucket",
  endpoint: "Endpoint",
  finish: "Finish",
  kind: "MovementKind",
  model_kind: "ModelKind",
  outcome: "AttemptOutcome",
  role: "PartyRole",
  standing: "Standing",
} as const;

test.each(Object.entries(VOCABULARIES))(
  "the words for %s are those of the API, all and no others",
  (group, schema) => {
    const words = keys.map((key) => key.split(".")).filter(([of, , more]) => of === group && !more);
    expect(words.map(([, code]) => code).sort()).toEqual(
      [...document.components.schemas[schema].enum].sort(),
    );
  },
);

test("a text takes the same values in both languages", () => {
  expect(keys.filter((key) => values(zh[key]).join() !== values(en[key]).join())).toEqual([]);
});

test("a token is a 词元 and never a coin, a member never a user", () => {
  expect(keys.filter((key) => /代币|令牌|用户|\btokens?\b/i.test(withoutValues(zh[key])))).toEqual([]);
  expect(keys.filter((key) => /\b(coin|user|wallet|tenant)s?\b/i.test(en[key]))).toEqual([]);
});
