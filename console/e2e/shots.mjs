// Takes pictures of pages at the widths, themes and languages we check.
//
//   node shots.mjs --base http://127.0.0.1:7800 --out /tmp/shots [--sign-in PATH] [--pages overview,receipt] [--widths 1440] [--height 900] [--themes light] [--langs en]
import { mkdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { chromium } from "@playwright/test";
import { BROWSER } from "./browser.mjs";

const { values: options } = parseArgs({
  options: {
    base: { type: "string" },
    out: { type: "string" },
    name: { type: "string", default: "" },
    "sign-in": { type: "string", default: "/signin/fixture" },
    pages: { type: "string", default: "overview,receipt" },
    widths: { type: "string", default: "1440,1024,390" },
    themes: { type: "string", default: "light,dark" },
    langs: { type: "string", default: "en,zh" },
    height: { type: "string" },
    whole: { type: "boolean", default: false },
    wait: { type: "string", default: "1200" },
  },
});
const HEIGHTS = { 1440: 1000, 1024: 1000, 390: 844 };
mkdirSync(options.out, { recursive: true });

const browser = await chromium.launch(BROWSER);
for (const width of options.widths.split(",").map(Number)) {
  for (const colorScheme of options.themes.split(",")) {
    const context = await browser.newContext({
      viewport: { width, height: Number(options.height ?? HEIGHTS[width] ?? 900) },
      colorScheme,
      timezoneId: "Asia/Shanghai",
    });
    const page = await context.newPage();
    page.on("pageerror", (error) => console.error("page error:", error.message));
    page.on("console", (message) => message.type() === "error" && console.error("console:", message.text()));
    if (options["sign-in"]) await page.goto(options.base + options["sign-in"]);
    for (const lang of options.langs.split(",")) {
      for (const name of options.pages.split(",")) {
        const path = await pathOf(page, name);
        if (!path) continue;
        const url = new URL(path, options.base);
        url.searchParams.set("lang", lang);
        await page.goto(url.href);
        await page.waitForTimeout(Number(options.wait));
        const file = `${options.out}/${[options.name, name.replaceAll(/[^a-z-]/g, "-"), width, colorScheme, lang].filter(Boolean).join("-")}.png`;
        await page.screenshot({ path: file, fullPage: options.whole });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        if (wide > 0) console.error(`${file}: ${wide} px wider than the screen`);
      }
    }
    await context.close();
  }
}
await browser.close();

/** A page's path by its short name; ids come from the newest receipt. */
async function pathOf(page, name) {
  if (name.startsWith("/")) return name;
  const get = (path) =>
    page.evaluate((from) => fetch(from).then((answer) => answer.json()), `/api/v1${path}`);
  const fixed = { overview: "/", receipts: "/receipts", accounts: "/accounts", catalog: "/catalog" }[name];
  if (fixed) return fixed;
  if (name === "receipt") {
    const { items } = await get("/receipts?limit=1");
    return items?.[0] ? `/receipts/${items[0].id}` : null;
  }
  const { items } = await get("/accounts?limit=1");
  return items?.[0] ? `/accounts/${items[0].id}` : null;
}
