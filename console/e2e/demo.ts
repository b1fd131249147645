// Finds or starts the demo and puts its ready file's path where tests read it.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const READY_MS = 60_000;
const POLL_MS = 100;

export default async function demo(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.SYCEE_READY) return undefined;

  const binary = process.env.SYCEE_BIN ?? resolve(import.meta.dirname, "../../target/debug/sycee");
  if (!existsSync(binary)) {
    throw new Error(
      `no demo to test: ${binary} is missing; run \`make demo\` once, or set SYCEE_READY or SYCEE_BIN`,
    );
  }
  const folder = mkdtempSync(join(tmpdir(), "sycee-e2e-"));
  const ready = join(folder, "ready.json");
  const child = spawn(
    binary,
    ["demo", "--ready-file", ready, "--data", join(folder, "data"), "--port", "0"],
    {
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  const deadline = Date.now() + READY_MS;
  while (!existsSync(ready)) {
    if (child.exitCode !== null)
      throw new Error(`the demo ended with status ${child.exitCode} before it was ready`);
    if (Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`the demo was not ready within ${READY_MS / 1_000} s`);
    }
    await new Promise((wake) => setTimeout(wake, POLL_MS));
  }
  process.env.SYCEE_READY = ready;
  return async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
}
