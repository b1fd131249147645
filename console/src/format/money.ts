// Money arrives as a decimal string and is held as an integer of the asset's
// smallest unit; no amount ever passes through a floating-point number. This
// file is the only one that turns amounts into text.

export interface Money {
  units: bigint;
  decimals: number;
}

const AMOUNT = /^(-)?(\d+)(?:\.(\d+))?$/;

export function parseMoney(text: string): Money {
  const parts = AMOUNT.exec(text);
  if (!parts) throw new Error(`not an amount: ${text}`);
  const [, sign, whole = "", fraction = ""] = parts;
  const units = BigInt(whole + fraction);
  return { units: sign ? -units : units, decimals: fraction.length };
}

/** An amount cut where its last significant digit ends, at `keep` decimals or later. */
export interface MoneyText {
  /** Sign, grouped whole part, and the decimals that carry a value. */
  value: string;
  /** The zeros that complete the asset's decimals. */
  zeros: string;
}

export function moneyText({ units, decimals }: Money, locale: string, keep = 2): MoneyText {
  const negative = units < 0n;
  const digits = (negative ? -units : units).toString().padStart(decimals + 1, "0");
  const whole = BigInt(digits.slice(0, digits.length - decimals));
  const fraction = decimals === 0 ? "" : digits.slice(-decimals);
  const cut = Math.max(fraction.replace(/0+$/, "").length, Math.min(keep, fraction.length));
  const point = fraction.length > 0 ? "." : "";
  const value = `${negative ? "−" : ""}${new Intl.NumberFormat(locale).format(whole)}`;
  return { value: value + (cut > 0 ? point : "") + fraction.slice(0, cut), zeros: fraction.slice(cut) };
}

/** All decimals of the asset: what a receipt or a statement shows. */
export function exactMoney(text: string, locale: string): string {
  return moneyText(parseMoney(text), locale, Number.POSITIVE_INFINITY).value;
}

/** The same amount without the zeros that say nothing: what a price shows. */
export function briefMoney(text: string, locale: string): string {
  return moneyText(parseMoney(text), locale).value;
}

export function addMoney(amounts: readonly string[]): Money {
  let sum: Money = { units: 0n, decimals: 0 };
  for (const amount of amounts) {
    const next = parseMoney(amount);
    const decimals = Math.max(sum.decimals, next.decimals);
    sum = { units: atDecimals(sum, decimals) + atDecimals(next, decimals), decimals };
  }
  return sum;
}

function subtractMoney(from: Money, what: Money): Money {
  const decimals = Math.max(from.decimals, what.decimals);
  return { units: atDecimals(from, decimals) - atDecimals(what, decimals), decimals };
}

export function compareMoney(a: Money, b: Money): number {
  const { units } = subtractMoney(a, b);
  return units < 0n ? -1 : units > 0n ? 1 : 0;
}

/** A part of a whole in parts per million, rounded down, for drawing and for percentages. */
export function sharePpm(part: Money, whole: Money): number {
  if (whole.units === 0n) return 0;
  const decimals = Math.max(part.decimals, whole.decimals);
  return Number((atDecimals(part, decimals) * 1_000_000n) / atDecimals(whole, decimals));
}

/** The amount as a plain decimal string, the form the API speaks. */
export function moneyString(money: Money): string {
  const negative = money.units < 0n;
  const digits = (negative ? -money.units : money.units).toString().padStart(money.decimals + 1, "0");
  const whole = digits.slice(0, digits.length - money.decimals);
  const fraction = money.decimals === 0 ? "" : `.${digits.slice(-money.decimals)}`;
  return `${negative ? "-" : ""}${whole}${fraction}`;
}

function atDecimals({ units, decimals }: Money, wanted: number): bigint {
  return units * 10n ** BigInt(wanted - decimals);
}
