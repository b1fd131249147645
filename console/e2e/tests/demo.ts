// What the tests share: the demo's addresses and keys, one request through the
// gateway, and money as integers, added up here without the console's code.
import { readFileSync } from "node:fs";
import { expect, type Page } from "@playwright/test";

interface Ready {
  base_url: string;
  console_url: string;
  api_url: string;
  models: { chat: string; embedding: string };
  keys: { consumer: string; operator: string; provider: string; auditor: string };
  /** The simulated sites' addresses, in the order of the overview. */
  sites: string[];
}

export interface Receipt {
  id: string;
  account: string;
  total: string;
  asset: string;
  leaf: string;
  position: number;
  buckets: Record<string, number>;
  split: { party: string; account: string; role: string; amount: string }[];
}

export const LANGS = ["en", "zh"] as const;
export type Lang = (typeof LANGS)[number];

export function ready(): Ready {
  const file = process.env.SYCEE_READY;
  if (!file) throw new Error("SYCEE_READY is not set");
  return JSON.parse(readFileSync(file, "utf8")) as Ready;
}

export const origin = () => new URL(ready().base_url).origin;

/** Sends one chat request as the consumer and returns its settled receipt. */
export async function settledRequest(): Promise<Receipt> {
  const { base_url, api_url, models, keys } = ready();
  const answer = await fetch(`${base_url}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${keys.consumer}`, "content-type": "application/json" },
    body: JSON.stringify({ model: models.chat, messages: [{ role: "user", content: "What was a sycee?" }] }),
  });
  expect(answer.status).toBe(200);
  const id = answer.headers.get("x-sycee-receipt") ?? "";
  expect(id).toMatch(/^req_[0-9a-f]{32}$/);

  let receipt: Receipt | undefined;
  await expect
    .poll(async () => {
      const found = await fetch(`${api_url}/receipts/${id}`, {
        headers: { authorization: `Bearer ${keys.consumer}` },
      });
      if (found.ok) receipt = (await found.json()) as Receipt;
      return found.status;
    })
    .toBe(200);
  if (!receipt) throw new Error("the receipt was answered without a body");
  return receipt;
}

/** Changes how a simulated site behaves; `null` takes a change back. */
export async function behave(site: string, changes: Record<string, unknown>): Promise<void> {
  const answer = await fetch(new URL("/sim/behaviour", site), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(changes),
  });
  expect(answer.ok).toBe(true);
}

/** Opens the address that signs in by itself, as the demo prints it. */
export async function signIn(page: Page): Promise<void> {
  await page.goto(ready().console_url);
  await expect(page.locator("nav")).toBeVisible();
}

const DECIMALS = 9;

/** An amount as shown or as sent, in units of the ninth decimal. */
export function units(text: string): bigint {
  const parts = /^([−-])?([\d,]+)(?:\.(\d{1,9}))?$/.exec(text.trim());
  if (!parts) throw new Error(`not an amount: ${JSON.stringify(text)}`);
  const [, sign, whole = "", fraction = ""] = parts;
  const value = BigInt(whole.replaceAll(",", "") + fraction.padEnd(DECIMALS, "0"));
  return sign ? -value : value;
}

export const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n);
