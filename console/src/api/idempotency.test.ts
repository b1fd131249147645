import { expect, test } from "vitest";
import { idempotencyKey } from "./idempotency";

test("a key is a UUIDv7 of this moment, and no two are the same", () => {
  const before = Date.now();
  const keys = Array.from({ length: 1_000 }, idempotencyKey);
  const after = Date.now();
  expect(new Set(keys).size).toBe(keys.length);
  for (const key of keys) {
    expect(key).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const drawn = Number.parseInt(key.slice(0, 13).replace("-", ""), 16);
    expect(drawn).toBeGreaterThanOrEqual(before);
    expect(drawn).toBeLessThanOrEqual(after);
  }
});
