// A request's money, followed on its receipt to the last unit.
import { expect, type Locator, test } from "@playwright/test";
import { LANGS, origin, settledRequest, signIn, sum, units } from "./demo";

const WORDS = {
  en: {
    title: "Receipt",
    counted: "What was counted",
    split: "Who was paid",
    adds: "equals the total, to the last unit",
  },
  zh: { title: "收据", counted: "计量明细", split: "分给了谁", adds: "与总额分毫不差" },
};

const LAST_COLUMN = -1;
const MILLION = 1_000_000n;

for (const lang of LANGS) {
  test(`the parts of a fresh receipt add up (${lang})`, async ({ page }) => {
    const receipt = await settledRequest();
    await signIn(page);
    await page.goto(`${origin()}/receipts/${receipt.id}?lang=${lang}`);
    const words = WORDS[lang];
    await expect(page.getByRole("heading", { level: 1, name: words.title })).toBeVisible();
    await expect(page.getByText(receipt.id)).toBeVisible();

    const total = units(receipt.total);
    const counted = page.getByRole("table", { name: words.counted });
    const lines = await rowsOf(counted);
    expect(lines.length).toBeGreaterThanOrEqual(2);
    for (const [, count] of lines) expect(count).toMatch(/^[\d,]+$/);
    let exact = 0n;
    for (const [, count = "", price = "", amount = ""] of lines) {
      const product = BigInt(count.replaceAll(",", "")) * units(price.replace("×", ""));
      // What is left after rounding each row down goes to the rows with the largest remainders.
      const difference = units(amount.replace("=", "")) - product / MILLION;
      expect([0n, 1n]).toContain(difference);
      exact += product;
    }
    expect(exact / MILLION).toBe(total);
    expect(sum(lines.map((cells) => units((cells.at(LAST_COLUMN) ?? "").replace("=", ""))))).toBe(total);
    expect(await footOf(counted)).toBe(total);
    const tokens = lines.reduce((all, [, count = ""]) => all + Number(count.replaceAll(",", "")), 0);
    expect(tokens).toBe(Object.values(receipt.buckets).reduce((all, count) => all + count, 0));

    const split = page.getByRole("table", { name: words.split });
    const parts = await rowsOf(split);
    const members = receipt.split.filter(({ account }) => !account.startsWith("house_"));
    expect(parts.map(([party]) => party)).toEqual(expect.arrayContaining(members.map(({ party }) => party)));
    expect(parts.length).toBe(receipt.split.length);
    expect(parts.map((cells) => units(cells.at(LAST_COLUMN) ?? ""))).toEqual(
      receipt.split.map(({ amount }) => units(amount)),
    );
    expect(sum(parts.map((cells) => units(cells.at(LAST_COLUMN) ?? "")))).toBe(total);
    expect(await footOf(split)).toBe(total);
    await expect(split.getByText(words.adds)).toBeVisible();

    await expect(page.getByText(receipt.leaf)).toBeVisible();
    await expect(page.locator(".chain-this")).toContainText(
      new Intl.NumberFormat("en").format(receipt.position),
    );
  });
}

test("an id that is nobody's receipt says what it means for the money and names the request", async ({
  page,
}) => {
  await signIn(page);
  await page.goto(`${origin()}/receipts/req_${"0".repeat(32)}?lang=en`);
  const problem = page.getByRole("alert");
  await expect(problem).toContainText("There is nothing under this address");
  await expect(problem).toContainText("Effect on money");
  await expect(problem.locator("code").last()).toHaveText(/^[0-9a-f]{32}$/);
});

async function rowsOf(table: Locator): Promise<string[][]> {
  const rows = await table.locator("tbody tr").all();
  return Promise.all(rows.map((row) => row.locator("th, td").allInnerTexts()));
}

async function footOf(table: Locator): Promise<bigint> {
  return units(await table.locator("tfoot td").last().innerText());
}
