// What holds on every page: both languages are complete, axe finds nothing
// serious, the keys work, and one signs in with a key and leaves again.
import { expect, type Page, test } from "@playwright/test";
import { seriousFindings } from "./axe";
import { LANGS, type Lang, origin, ready, settledRequest, signIn } from "./demo";

const THEMES = ["light", "dark"] as const;

/** Words of the page itself: heads, labels, buttons, notes; never names or figures that data brings. */
const OWN_WORDS =
  "thead th, dt, h2, nav a, label span, label[for], .button, .quiet-button, .section-text, .section-note, .lead-why";
/** Names that are the same in any language: the product, and units of the demo's own asset. */
const SAME_IN_BOTH = /^(Sycee|CNY|API)$/;

async function pages(): Promise<Record<string, string>> {
  const receipt = await settledRequest();
  const answer = await fetch(`${ready().api_url}/receipts/${receipt.id}`, {
    headers: { authorization: `Bearer ${ready().keys.consumer}` },
  });
  const { account } = (await answer.json()) as { account: string };
  return {
    overview: "/",
    receipts: "/receipts",
    receipt: `/receipts/${receipt.id}`,
    accounts: "/accounts",
    account: `/accounts/${account}`,
    catalog: "/catalog",
    missing: "/nothing-here",
  };
}

async function open(page: Page, path: string, lang: Lang): Promise<void> {
  await page.goto(`${origin()}${path}?lang=${lang}`);
  await expect(page.locator("h1, .problem h2").first()).toBeAttached();
  await expect(page.locator("[aria-busy=true]")).toHaveCount(0);
}

test("axe finds nothing serious on any page, in either language and theme", async ({ page }) => {
  test.setTimeout(120_000);
  const all = await pages();
  await signIn(page);
  for (const lang of LANGS) {
    for (const colorScheme of THEMES) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      for (const [name, path] of Object.entries(all)) {
        await open(page, path, lang);
        expect(await seriousFindings(page), `${name}, ${lang}, ${colorScheme}`).toEqual([]);
      }
    }
  }
});

test("axe finds nothing serious on the sign-in page", async ({ page }) => {
  for (const lang of LANGS) {
    await open(page, "/sign-in", lang);
    expect(await seriousFindings(page)).toEqual([]);
  }
});

test("no word of a page is the same in Chinese as in English", async ({ page }) => {
  test.setTimeout(60_000);
  const all = await pages();
  await signIn(page);
  const words = async (path: string, lang: Lang) => {
    await open(page, path, lang);
    const texts = await page.locator(OWN_WORDS).allInnerTexts();
    const lines = texts.flatMap((text) => text.split("\n")).map((text) => text.trim());
    return new Set(lines.filter((text) => /\p{L}/u.test(text)));
  };
  for (const [name, path] of Object.entries(all)) {
    const english = await words(path, "en");
    const chinese = await words(path, "zh");
    expect(english.size, name).toBeGreaterThan(5);
    expect(
      [...chinese].filter((text) => english.has(text) && !SAME_IN_BOTH.test(text)),
      name,
    ).toEqual([]);
    await expect(page.locator("html")).toHaveAttribute("lang", "zh-CN");
  }
});

test("the chosen language stays in the address from page to page", async ({ page }) => {
  await signIn(page);
  await page.goto(`${origin()}/?lang=zh`);
  await page.getByRole("link", { name: "目录" }).click();
  await expect(page).toHaveURL(/\/catalog\?lang=zh$/);
  await page.getByRole("button", { name: "English" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Catalog" })).toBeVisible();
  await expect(page).toHaveURL(/lang=en/);
});

test("keys: pages, search and help", async ({ page }) => {
  const receipt = await settledRequest();
  await signIn(page);
  await page.goto(`${origin()}/?lang=en`);
  await expect(page.getByRole("heading", { name: "Receipts as they settle" })).toBeVisible();

  await page.keyboard.press("g");
  await page.keyboard.press("a");
  await expect(page).toHaveURL(/\/accounts/);
  await page.keyboard.press("g");
  await page.keyboard.press("r");
  await expect(page).toHaveURL(/\/receipts/);
  await page.keyboard.press("g");
  await page.keyboard.press("o");
  await expect(page.getByRole("heading", { name: "Receipts as they settle" })).toBeVisible();

  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys and marks" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);

  await page.keyboard.press("/");
  await expect(page.getByRole("searchbox", { name: "An id or a name" })).toBeFocused();
  await page.keyboard.type(receipt.id);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "Receipt" })).toBeVisible();
});

test("arrows move from row to row of a table", async ({ page }) => {
  await settledRequest();
  await settledRequest();
  await signIn(page);
  await page.goto(`${origin()}/receipts?lang=en`);
  const links = page.locator("[data-row-link]");
  await links.first().focus();
  await page.keyboard.press("ArrowDown");
  await expect(links.nth(1)).toBeFocused();
  await page.keyboard.press("Home");
  await expect(links.first()).toBeFocused();
});

test("a key signs in, a wrong one does not, and leaving ends the session", async ({ page }) => {
  await page.goto(`${origin()}/accounts?lang=en`);
  await expect(page).toHaveURL(/\/sign-in\?next=%2Faccounts/);
  await page.getByLabel("API key").fill("sk-sycee-wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toContainText("This key is not known");

  await page.getByLabel("API key").fill(ready().keys.consumer);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Accounts" })).toBeVisible();
  expect(
    (await page.context().cookies()).every(({ httpOnly, sameSite }) => httpOnly && sameSite === "Strict"),
  ).toBe(true);

  // Moving the focus to a new page must not push its head out of sight.
  expect(await page.evaluate(() => window.scrollY)).toBe(0);

  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Sign in" })).toBeVisible();
  await page.goto(`${origin()}/accounts?lang=en`);
  await expect(page).toHaveURL(/\/sign-in/);
});

test("no page is wider than its screen, in either language", async ({ page }) => {
  test.setTimeout(60_000);
  const all = await pages();
  await signIn(page);
  for (const width of [1440, 1024, 390]) {
    await page.setViewportSize({ width, height: 900 });
    for (const lang of LANGS) {
      for (const [name, path] of Object.entries(all)) {
        await open(page, path, lang);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        expect(over, `${name}, ${lang}, ${width} px`).toBeLessThanOrEqual(0);
      }
    }
  }
});
