// The overview is alive: a request shows up on an open page, without a reload.
import { expect, type Page, test } from "@playwright/test";
import { seriousFindings } from "./axe";
import { behave, origin, ready, settledRequest, signIn } from "./demo";

/** From now on the page is shown what the API answers at this moment: a second later the figures would be others. */
async function holdOverview(page: Page): Promise<{ tokens_per_min: number }[]> {
  const answer = await page.request.get(`${ready().api_url}/overview`);
  const overview = (await answer.json()) as { flows: { tokens_per_min: number }[] };
  await page.route("**/api/v1/overview", (route) => route.fulfill({ json: overview }));
  await page.route("**/api/v1/overview/events", (route) => route.abort());
  return overview.flows;
}

/** In the page: what the stream says does not arrive while the session says so, as on a connection that died unnoticed. */
function holdEvents(): void {
  const listen = EventSource.prototype.addEventListener;
  EventSource.prototype.addEventListener = function (this: EventSource, type: string, hear: unknown) {
    const heard = (event: Event) => {
      if (sessionStorage.getItem("hold") === null) (hear as (event: Event) => void)(event);
    };
    listen.call(this, type, heard);
  };
}

const whole = (text: string) => Number(text.replaceAll(",", ""));

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

test("a stream that has gone silent is called stale, and live again once it speaks", async ({ page }) => {
  await page.addInitScript(holdEvents);
  await signIn(page);
  await page.goto(`${origin()}/?lang=en`);
  await expect(page.getByRole("heading", { name: "Receipts as they settle" })).toBeVisible();
  const stale = page.getByRole("status").filter({ hasText: "The live stream was lost at" });
  await expect(stale).toHaveCount(0);
  await page.evaluate(() => sessionStorage.setItem("hold", "yes"));
  await expect(stale).toBeVisible({ timeout: 10_000 });
  await page.evaluate(() => sessionStorage.removeItem("hold"));
  await expect(stale).toHaveCount(0);
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
  const flows = await holdOverview(page);
  const tokens = flows.reduce((sum, flow) => sum + flow.tokens_per_min, 0);
  expect(tokens).toBeGreaterThan(0);

  await page.goto(`${origin()}/?lang=en&flow=table`);
  const table = page.getByRole("table", { name: "Flow, from west to east" });
  await expect(table.locator("tbody tr")).toHaveCount(flows.length);
  const inTable = await table.locator("tbody td:nth-child(4)").allInnerTexts();
  expect(inTable.map(whole).sort()).toEqual(flows.map((flow) => flow.tokens_per_min).sort());
  await expect(page.getByRole("img", { name: /^Flow of tokens/ })).toHaveCount(0);

  await page.getByRole("button", { name: "Show as picture" }).click();
  const picture = page.getByRole("img", { name: /^Flow of tokens/ });
  for (const column of ["model", "consumer"]) {
    const figures = picture.locator(`.bar-${column} .bar-figure`);
    await expect(figures.first()).toBeVisible();
    const shown = (await figures.allTextContents()).map(whole);
    expect(shown.reduce((sum, figure) => sum + figure, 0)).toBe(tokens);
  }
});

test("a site that fails is shown as degraded since then, and as healthy once it serves again", async ({
  page,
}) => {
  test.setTimeout(60_000);
  await signIn(page);
  await page.goto(`${origin()}/?lang=en`);
  const [cheapest = ""] = ready().sites;
  const row = page.getByRole("table", { name: "Sites from west to east" }).locator("tbody tr").first();
  const lead = page.getByRole("region", { name: "At a glance" });
  await expect(lead).toContainText("Healthy");
  await expect(row).not.toContainText("degraded");
  try {
    await behave(cheapest, { fail: { status: 503, fraction: 1 } });
    // Others answer, but not before it was asked.
    for (let failed = 0; failed < 3; failed += 1) await settledRequest();
    await expect(row).toContainText(/degraded since \d\d:\d\d:\d\d/);
    await expect(lead).toContainText(/Degraded.*Degraded: /s);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      expect(await seriousFindings(page)).toEqual([]);
    }
    await row.getByRole("button").click();
    await expect(page.getByText("the first answer makes it healthy again")).toBeVisible();
    await page.goto(`${origin()}/?lang=zh`);
    await expect(page.getByText(/\d\d:\d\d:\d\d 起异常/)).toBeVisible();
  } finally {
    await behave(cheapest, { fail: null });
  }
  await page.goto(`${origin()}/?lang=en`);
  // Nobody looks in on a site: a request that comes to it after its rest finds it well again.
  await expect(async () => {
    await settledRequest();
    await expect(row).not.toContainText("degraded", { timeout: 1_500 });
  }).toPass();
  await expect(lead).not.toContainText("Degraded");
});
