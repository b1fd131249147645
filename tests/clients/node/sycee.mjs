// The real binary for the Node tests: a demo on a free port, its control API, and consumers with money of their own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import OpenAI from "openai";

const root = path.resolve(import.meta.dirname, "../../..");
const binary = process.env.SYCEE_BIN ?? path.resolve(root, process.env.CARGO_TARGET_DIR ?? "target", "debug/sycee");
const reason = "made by a test";

export const units = (text) => {
  assert.match(text, /^-?\d+\.\d{9}$/);
  return BigInt(text.replace(".", ""));
};

export async function until(probe, what, seconds = 10) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    const found = await probe();
    if (found) return found;
    await new Promise((again) => setTimeout(again, 20));
  }
  throw new Error(`not within ${seconds} s: ${what}`);
}

export async function startDemo() {
  const folder = await mkdtemp(path.join(tmpdir(), "sycee-node-"));
  const readyFile = path.join(folder, "ready.json");
  const child = spawn(binary, ["demo", "--ready-file", readyFile, "--data", path.join(folder, "data"), "--port", "0", "--quiet"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  process.on("exit", () => child.kill("SIGKILL"));
  child.stdout.resume();
  const ready = await until(async () => {
    assert.equal(child.exitCode, null, "the demo ended before it was ready");
    return readFile(readyFile, "utf8").then(JSON.parse, () => null);
  }, "the ready file", 60);
  return new Demo(ready, child, folder);
}

class Demo {
  constructor(ready, child, folder) {
    Object.assign(this, { ready, child, folder });
  }

  async stop() {
    const ended = once(this.child, "exit");
    this.child.kill("SIGTERM");
    const [status] = await ended;
    await rm(this.folder, { recursive: true });
    assert.equal(status, 0, "SIGTERM ends the demo cleanly");
  }

  async api(method, where, body, key = this.ready.keys.operator) {
    const answer = await fetch(this.ready.api_url + where, {
      method,
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    if (answer.status === 404) return null;
    assert.ok(answer.ok, `${method} ${where}: ${answer.status} ${answer.ok ? "" : await answer.clone().text()}`);
    return answer.status === 204 ? null : answer.json();
  }

  async behave(changes) {
    for (const site of this.ready.sites) {
      const url = new URL("/sim/behaviour", site);
      const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(changes) });
      assert.ok(answer.ok, await answer.text());
    }
  }

  async consumer(amount) {
    const accounts = await this.api("GET", "/accounts", undefined, this.ready.keys.consumer);
    const { asset } = accounts.items[0];
    const member = await this.api("POST", "/members", { name: `Node consumer ${amount}`, roles: ["consumer"], reason });
    const account = await this.api("POST", "/accounts", { member: member.id, name: "main", asset, reason });
    if (units(amount) > 0n) await this.api("POST", `/accounts/${account.id}/deposits`, { amount, reason });
    const key = await this.api("POST", `/members/${member.id}/keys`, { label: "test", account: account.id, reason });
    return new Consumer(this, account.id, key.secret);
  }
}

class Consumer {
  constructor(demo, account, key) {
    Object.assign(this, { demo, account, key });
  }

  client(options = {}) {
    return new OpenAI({ apiKey: this.key, baseURL: this.demo.ready.base_url, maxRetries: 0, timeout: 30_000, ...options });
  }

  get(where) {
    return this.demo.api("GET", where, undefined, this.key);
  }

  async balance() {
    const found = await this.get(`/accounts/${this.account}`);
    return { balance: units(found.balance), held: units(found.held) };
  }

  /** One request's whole effect on the ledger; gives its receipt. */
  async settled(before, id) {
    assert.match(id, /^req_[0-9a-f]{32}$/);
    const receipt = await until(() => this.get(`/receipts/${id}`), `receipt ${id}`);
    const total = units(receipt.total);
    assert.equal(receipt.split.reduce((sum, part) => sum + units(part.amount), 0n), total, "the split sums to the total");
    const after = await until(async () => {
      const now = await this.balance();
      return now.held === 0n && now;
    }, "no hold left");
    assert.equal(after.balance, before.balance - total, "the account paid the receipt, nothing else");
    const { items } = await this.get(`/accounts/${this.account}/statement`);
    const lines = items.filter((line) => line.reference === id);
    assert.equal(lines.reduce((sum, line) => sum + units(line.amount), 0n), -total, "the statement shows it");
    return receipt;
  }

  /** A refused request leaves the account as it was. */
  async untouched(before) {
    assert.deepEqual(await this.balance(), before);
    assert.deepEqual((await this.get(`/receipts?account=${this.account}`)).items, []);
  }
}
