// The overview is alive: a request shows up on an open page, without a reload.
import { expect, test } from "@playwright/test";
import { origin, settledRequest, signIn } from "./demo";

test("a request's receipt appears on the open page and opens from there", async ({ page }) => {
  await signIn(page);
  await page.goto(`${origin()}/?lang=en`);
  await expect(page.getByRole("heading", { name: "Receipts as they settle" })).toBeVisible();
  const receipt = await settledRequest();
  const link = page.locator(`a[href*="${receipt.id}"]`);
  await expect(link).toBeVisible();
  await link.click();
  await expect(page.getByRole("heading", { level: 1, name: "Receipt" })).toBeVisible();
});

test("a paused list stands still while receipts go on settling", async ({ page }) => {
  await settledRequest();
  await signIn(page);
  await page.goto(`${origin()}/?lang=en`);
  const rows = page.getByRole("table", { name: "Receipts as they settle" }).locator("tbody tr");
  await expect(rows.first()).toBeVisible();
  await page.getByRole("button", { name: "Pause" }).click();
  const first = await rows.first().innerText();
  const receipt = await settledRequest();
  await expect(page.getByText(/Paused at .*; [1-9]\d* receipts? since/)).toBeVisible();
  expect(await rows.first().innerText()).toBe(first);
  await page.getByRole("button", { name: "Resume" }).click();
  await expect(page.locator(`a[href*="${receipt.id}"]`)).toBeVisible();
});

test("each site shows its power price and energy with a badge, and is called simulated", async ({ page }) => {
  await signIn(page);
  await page.goto(`${origin()}/?lang=en`);
  const sites = page.getByRole("table", { name: "Sites from west to east" }).locator("tbody tr");
  await expect(sites.first()).toBeVisible();
  for (const site of await sites.all()) {
    await expect(site).toContainText("simulated");
    expect(await site.getByText(/^(measured|published|assumed)$/).count()).toBe(2);
  }
});

test("a figure says what it is made of, since when, and where its proof is; the address keeps it open", async ({
  page,
}) => {
  await signIn(page);
  await page.goto(`${origin()}/?lang=en`);
  await page.getByRole("button", { name: /tokens per second/ }).click();
  const explained = ["What it is made of", "Since when", "Where the proof is"];
  for (const question of explained) await expect(page.getByText(question, { exact: true })).toBeVisible();
  await page.reload();
  for (const question of explained) await expect(page.getByText(question, { exact: true })).toBeVisible();
});

test("the flow as a table holds the tokens of the picture", async ({ page }) => {
  await settledRequest();
  await signIn(page);
  await page.goto(`${origin()}/?lang=en&flow=table`);
  const table = page.getByRole("table", { name: "Flow, from west to east" });
  await expect(table.locator("tbody tr").first()).toBeVisible();
  await expect(page.getByRole("img", { name: /^Flow of tokens/ })).toHaveCount(0);
  await page.getByRole("button", { name: "Show as picture" }).click();
  await expect(page.getByRole("img", { name: /^Flow of tokens/ })).toBeVisible();
});
