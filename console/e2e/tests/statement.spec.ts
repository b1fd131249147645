// The file that is exported and the page say the same, to the last unit.
import { expect, test } from "@playwright/test";
import { origin, ready, settledRequest, signIn, sum, units } from "./demo";

test("the exported statement equals the page, line by line and in total", async ({ page }) => {
  const { account } = await settledRequest();
  await settledRequest();
  const { api_url, keys } = ready();
  const answer = await fetch(`${api_url}/accounts/${account}/statement?format=csv`, {
    headers: { authorization: `Bearer ${keys.consumer}` },
  });
  expect(answer.headers.get("content-type")).toContain("text/csv");
  const [head = "", ...rows] = (await answer.text()).trim().split(/\r?\n/);
  const names = head.split(",");
  // Amount, balance and asset are the last three columns and hold no commas.
  expect(names.slice(-3)).toEqual(["amount", "balance", "asset"]);
  const exported = rows.map((row) => row.split(",").slice(-3, -1).map(units));

  await signIn(page);
  await page.goto(`${origin()}/accounts/${account}?lang=en`);
  const lines = page.getByRole("table", { name: "Statement" }).locator("tbody tr");
  await expect(lines.first().locator("time")).toBeVisible();
  const more = page.getByRole("button", { name: "Show more" });
  // The button is gone once everything is shown, so the next look waits for what the last click brings.
  for (let count = await lines.count(); count < exported.length; count = await lines.count()) {
    await more.click();
    await expect.poll(() => lines.count()).toBeGreaterThan(count);
  }

  const shown = await Promise.all(
    (await lines.all()).map(async (line) => (await line.locator("td").allInnerTexts()).slice(-2).map(units)),
  );
  expect(shown).toEqual(exported);
  const balance = await page.locator(".account-figures dd").first().innerText();
  expect(units(balance)).toBe(sum(exported.map(([amount = 0n]) => amount)));
});
