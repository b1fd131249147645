// Fails the build when the JavaScript a browser must load grows past its
// budget: the first view has to appear within a second on the same machine.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGET_BYTES = 250_000;
const assets = new URL("../dist/assets/", import.meta.url);
const bytes = readdirSync(assets)
  .filter((name) => name.endsWith(".js"))
  .reduce((sum, name) => sum + gzipSync(readFileSync(new URL(name, assets))).length, 0);
console.log(`JavaScript, compressed: ${bytes} of ${BUDGET_BYTES} bytes`);
if (bytes > BUDGET_BYTES) process.exit(1);
