import { expect, test } from "vitest";
import { type Flow, foldOthers, layFlow, OTHERS } from "./flow-layout";

const flow = (site: string, model: string, consumer: string, tokens_per_min: number): Flow => ({
  site,
  model,
  consumer,
  tokens_per_min,
});

const FLOWS = [
  flow("west", "chat", "ada", 600),
  flow("west", "embed", "bo", 200),
  flow("east", "chat", "bo", 400),
  flow("gone", "chat", "bo", 999),
];
const FRAME = { width: 700, height: 300, top: 0, left: 0, right: 120, rows: null };

test("bars of every column add up to the tokens of known sites, and thickness follows tokens", () => {
  const { bars, ribbons } = layFlow(FLOWS, ["west", "east"], FRAME);
  for (const column of ["site", "model", "consumer"]) {
    const of = bars.filter((bar) => bar.column === column);
    expect(of.reduce((sum, bar) => sum + bar.tokens, 0)).toBe(1_200);
    for (const bar of of) expect(bar.height / bar.tokens).toBeCloseTo((300 * 0.6) / 1_200, 9);
  }
  expect(ribbons).toHaveLength(6);
});

test("sites keep their given order and models come largest first", () => {
  const { bars } = layFlow(FLOWS, ["east", "west"], FRAME);
  expect(bars.map(({ id }) => id)).toEqual(["east", "west", "chat", "embed", "ada", "bo"]);
});

test("a bar stays inside the row it continues", () => {
  const rows = [
    { top: 40, height: 64 },
    { top: 104, height: 64 },
  ];
  const { bars } = layFlow(FLOWS, ["west", "east"], { ...FRAME, rows });
  bars
    .filter(({ column }) => column === "site")
    .forEach((bar, at) => {
      const row = rows[at] ?? { top: 0, height: 0 };
      expect(bar.y).toBeGreaterThanOrEqual(row.top);
      expect(bar.y + bar.height).toBeLessThanOrEqual(row.top + row.height);
    });
});

test("too many consumers are folded without losing a token", () => {
  const many = Array.from({ length: 40 }, (_, at) => flow("west", "chat", `consumer ${at}`, at + 1));
  const folded = foldOthers(many);
  expect(folded).toHaveLength(9);
  expect(folded.reduce((sum, { tokens_per_min }) => sum + tokens_per_min, 0)).toBe(820);
  const { bars } = layFlow(many, ["west"], FRAME);
  expect(bars.at(-1)?.id).toBe(OTHERS);
});

test("no flow at all is an empty picture, not a broken one", () => {
  const { bars, ribbons, height } = layFlow([], ["west"], { ...FRAME, rows: [{ top: 0, height: 64 }] });
  expect(bars).toMatchObject([{ id: "west", height: 0 }]);
  expect(ribbons).toEqual([]);
  expect(height).toBe(300);
});
