import { expect, test } from "vitest";
import {
  addMoney,
  briefMoney,
  compareMoney,
  exactMoney,
  moneyString,
  moneyText,
  parseMoney,
  sharePpm,
} from "./money";

test.each([
  ["0.001234500", "0.001234500", "0.0012345"],
  ["0.000000000", "0.000000000", "0.00"],
  [
    "12345678901234567890.000000001",
    "12,345,678,901,234,567,890.000000001",
    "12,345,678,901,234,567,890.000000001",
  ],
  ["-4.500000000", "−4.500000000", "−4.50"],
  ["7", "7", "7"],
])("%s is shown exactly as %s and briefly as %s", (text, exact, brief) => {
  expect(exactMoney(text, "en")).toBe(exact);
  expect(briefMoney(text, "en")).toBe(brief);
});

test("the value and its completing zeros make the exact amount", () => {
  expect(moneyText(parseMoney("0.001234500"), "en")).toEqual({ value: "0.0012345", zeros: "00" });
  expect(moneyText(parseMoney("3.000000000"), "en")).toEqual({ value: "3.00", zeros: "0000000" });
});

test("a sum keeps every unit and a text that is no amount is refused", () => {
  expect(moneyString(addMoney(["0.000000001", "9007199254740993.000000000", "-0.5"]))).toBe(
    "9007199254740992.500000001",
  );
  expect(compareMoney(addMoney(["0.1", "0.2"]), parseMoney("0.300000000"))).toBe(0);
  for (const text of ["", "1e3", ".5", "1,000", "0x10"]) expect(() => parseMoney(text)).toThrow();
});

test("a share is rounded down and a share of nothing is nothing", () => {
  expect(sharePpm(parseMoney("1"), parseMoney("3"))).toBe(333_333);
  expect(sharePpm(parseMoney("0"), parseMoney("0.000000000"))).toBe(0);
});
