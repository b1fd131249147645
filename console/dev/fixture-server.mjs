// Serves the built console with made-up answers of the control API, to look at
// every state of a page without running Sycee. For development only.
//
//   node dev/fixture-server.mjs [--port 7800] [--set empty|normal|overfull|degraded|stale|broken|slow] [--ready-file F]

import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { makeWorld } from "./fixture-world.mjs";

const { values: options } = parseArgs({
  options: {
    port: { type: "string", default: "7800" },
    set: { type: "string", default: "normal" },
    "ready-file": { type: "string" },
  },
});
const DIST = fileURLToPath(new URL("../dist", import.meta.url));
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};
const KEY = "sk-sycee-fixture";
const world = makeWorld(options.set);

createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost");
  if (url.pathname.startsWith("/api/v1/")) return answer(request, response, url);
  if (url.pathname === "/v1/chat/completions") return complete(request, response);
  if (url.pathname.startsWith("/signin/")) {
    response.writeHead(303, {
      location: "/",
      "set-cookie": "sycee_session=1; HttpOnly; Path=/; SameSite=Strict",
    });
    return response.end();
  }
  await file(response, url.pathname);
}).listen(Number(options.port), "127.0.0.1", () =>
  console.log(`fixture (${options.set}) on http://127.0.0.1:${options.port}`),
);

if (options["ready-file"]) {
  const base = `http://127.0.0.1:${options.port}`;
  await writeFile(
    options["ready-file"],
    JSON.stringify({
      base_url: `${base}/v1`,
      console_url: `${base}/signin/fixture`,
      api_url: `${base}/api/v1`,
      models: { chat: "sycee-demo-chat", embedding: "sycee-demo-embedding" },
      keys: { consumer: KEY, operator: KEY, provider: KEY, auditor: KEY },
    }),
  );
}

/** Settles one made-up request and names its receipt, as the gateway does. */
function complete(request, response) {
  request.resume();
  request.on("end", () => {
    response.writeHead(200, { "content-type": "application/json", "x-sycee-receipt": world.step() });
    response.end(JSON.stringify({ choices: [{ message: { role: "assistant", content: "…" } }] }));
  });
}

async function file(response, path) {
  const name = extname(path) === "" ? "index.html" : normalize(path);
  try {
    const body = await readFile(join(DIST, name));
    response.writeHead(200, { "content-type": TYPES[extname(name)] ?? "application/octet-stream" });
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
}

function answer(request, response, url) {
  const send = (status, body, headers = {}) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  };
  const problem = (status, code, message, hint = null) =>
    send(status, {
      error: { code, message, detail: null, hint, request_id: "0192f0c4a6b17f0e8d3c2b1a09876543" },
    });
  const path = url.pathname.slice("/api/v1".length);
  const signedIn =
    /sycee_session=1/.test(request.headers.cookie ?? "") || request.headers.authorization === `Bearer ${KEY}`;

  if (path === "/health") return send(200, world.health());
  if (path === "/session" && request.method === "POST") {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () =>
      JSON.parse(body).key === KEY
        ? send(200, world.session, { "set-cookie": "sycee_session=1; HttpOnly; Path=/; SameSite=Strict" })
        : problem(401, "membership.unknown_key", "this key is not known"),
    );
    return;
  }
  if (path === "/session" && request.method === "DELETE") {
    return send(204, undefined, { "set-cookie": "sycee_session=; Max-Age=0; Path=/" });
  }
  if (!signedIn) return problem(401, "membership.no_key", "no key and no session", "sign in at /sign-in");
  if (path === "/session") return send(200, world.session);
  if (options.set === "broken") {
    return problem(
      503,
      "node.stopped",
      "the log cannot be written: no space left on device",
      "free space under the data directory, then start again",
    );
  }
  if (options.set === "slow") return;
  if (path === "/log") return send(200, world.log());
  if (path === "/catalog") return send(200, world.catalog);
  if (path === "/overview") return send(200, world.overview());
  if (path === "/overview/events") return stream(request, response);
  if (path === "/accounts") return send(200, { items: world.accounts, next: null });
  if (path === "/receipts") return send(200, world.receiptPage(url.searchParams));
  const [, list, id, part] = path.split("/");
  if (list === "receipts") return found(world.receipt(id));
  if (list === "accounts" && part === "statement") return send(200, world.statement(id));
  if (list === "accounts") return found(world.accounts.find((account) => account.id === id));
  return found(undefined);

  function found(body) {
    return body ? send(200, body) : problem(404, "api.not_found", "there is no such thing");
  }
}

function stream(request, response) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  const tick = () => {
    world.step();
    const overview = world.overview();
    response.write(`id: ${overview.position}\nevent: overview\ndata: ${JSON.stringify(overview)}\n\n`);
  };
  tick();
  if (options.set === "stale") {
    setTimeout(() => response.destroy(), 1_000);
    return;
  }
  const timer = setInterval(tick, options.set === "empty" ? 5_000 : 500);
  request.on("close", () => clearInterval(timer));
}
