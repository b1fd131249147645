// Made-up answers in the shapes of the control API. Numbers come from a fixed
// seed, so that two pictures of one page differ only where the page changed.

const ASSET = "CNY";
const UNITS = 1_000_000_000n;
const START = Date.now();

function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

const money = (units) => {
  const sign = units < 0n ? "-" : "";
  const digits = (units < 0n ? -units : units).toString().padStart(10, "0");
  return `${sign}${digits.slice(0, -9)}.${digits.slice(-9)}`;
};
const hex = (random, length) => Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join("");

const NORMAL_SITES = [
  ["Lhasa Solar", "Xizang", "西藏拉萨", 91.1, 0.25, "1.15", 0.42, 1.9, "assumed", 3.6],
  ["Gui'an Valley", "Guizhou", "贵州贵安", 106.6, 0.35, "1.12", 0.31, 1.4, "published", 4.2],
  ["Ulanqab Wind", "Inner Mongolia", "内蒙古乌兰察布", 113.1, 0.28, "1.10", 0.36, 1.62, "measured", 3.9],
  ["Lin-gang Coast", "Shanghai", "上海临港", 121.9, 0.68, "1.28", 0.29, 1.31, "published", 8.0],
];
const MODELS = ["sycee-demo-chat", "sycee-demo-embedding"];
const CONSUMERS = ["Hanyang Library", "Demo Consumer", "Northwind Research", "Yangtze Press"];

export function makeWorld(set) {
  const random = randomFrom(20_261_120);
  const id = (prefix) => `${prefix}_0192f0c4${hex(random, 24)}`;
  const size = set === "empty" ? "empty" : set === "overfull" ? "overfull" : "normal";
  const places = size === "empty" ? [] : size === "normal" ? NORMAL_SITES : manySites(random);
  const names = {
    models:
      size === "overfull"
        ? Array.from({ length: 25 }, (_, n) => `open-weights-mixture-of-experts-${n + 1}-instruct-a22b`)
        : MODELS,
    consumers:
      size === "overfull"
        ? Array.from(
            { length: 60 },
            (_, n) => `Federated Institute of Applied Linguistics, Department ${n + 1}`,
          )
        : CONSUMERS,
  };

  const sites = places.map(
    ([name, region, region_zh, longitude, power, pue, input, output, badge, price], n) => ({
      id: id("sit"),
      name,
      provider: "",
      region,
      region_zh,
      longitude,
      simulated: n !== 0 || size === "normal",
      power_price: money(BigInt(Math.round(power * 1e9))),
      pue,
      joules_input: input,
      joules_output: output,
      badge,
      standing: "active",
      price: BigInt(Math.round(price * 1e9)),
    }),
  );
  const providers = sites.map((site) => {
    const provider = {
      id: id("prv"),
      name: `${site.name} Operations`,
      member: { id: id("mem"), name: site.name },
      standing: "active",
    };
    site.provider = { id: provider.id, name: provider.name };
    return provider;
  });
  const models = (size === "empty" ? [] : names.models).map((name, n) => ({
    id: id("mod"),
    name,
    owner: { id: id("org"), name: n % 2 ? "Lantern Lab" : "Open Weights Institute" },
    kind: name.includes("embedding") ? "embedding" : "chat",
    context: 32_768,
    lineage: [],
    shares: [
      { party: "Open Weights Institute", role: "author", share_ppm: 80_000 },
      { party: "Corpus Trust", role: "data_owner", share_ppm: 30_000 },
    ],
  }));
  const offers = sites.flatMap((site) =>
    models.slice(0, 6).map((model) => ({
      id: id("off"),
      model: model.id,
      site: site.id,
      standing: "active",
      open: true,
      model_name: model.name,
      site_name: site.name,
      max_output: 4096,
      max_concurrency: 64,
      tokenizer: "sha256:…",
      chat_template: "sha256:…",
      schedules: [
        {
          id: id("sch"),
          from: "2026-11-01T00:00:00Z",
          asset: ASSET,
          model_fee_ppm: 110_000,
          platform_fee_ppm: 20_000,
          prices:
            model.kind === "embedding"
              ? { input_uncached: money(site.price / 10n) }
              : {
                  input_uncached: money(site.price / 4n),
                  cache_read: money(site.price / 4n),
                  output_visible: money(site.price),
                  output_reasoning: money(site.price),
                },
        },
      ],
    })),
  );
  const consumers = names.consumers.map((name, n) => ({
    id: id("mem"),
    name,
    account: id("acc"),
    balance: (size === "overfull" ? 98_765_432_101n : BigInt(40 + n * 31)) * UNITS + 123_456_789n,
  }));
  const accounts = (size === "empty" ? consumers.slice(0, 1) : consumers).map((consumer, n) => ({
    id: consumer.account,
    member: consumer.id,
    member_name: consumer.name,
    name: n === 0 ? "Main account" : `${consumer.name}, main`,
    asset: ASSET,
    balance: size === "empty" ? money(0n) : money(consumer.balance),
    held: size === "empty" ? money(0n) : money(UNITS * 3n + 500_000_000n * BigInt(n)),
    available: size === "empty" ? money(0n) : money(consumer.balance - UNITS * 3n - 500_000_000n * BigInt(n)),
    limit: n === 1 ? money(500n * UNITS) : null,
    standing: "active",
  }));
  const pick = (list) => list[Math.floor(random() * list.length)];
  const receipts = [];
  const load = new Map(sites.map(({ id: site }, n) => [site, wave(random, n, size)]));
  let position = size === "empty" ? 3 : size === "overfull" ? 9_876_543_210 : 12_345;
  let now = START;

  function settle(at) {
    const site = pick(sites);
    const offer = pick(offers.filter((one) => one.site === site.id));
    const model = models.find((one) => one.id === offer.model);
    const consumer = pick(consumers);
    const [schedule] = offer.schedules;
    const input = 20 + Math.floor(random() * (size === "overfull" ? 9_000_000 : 900));
    const output =
      model.kind === "embedding" ? 0 : 40 + Math.floor(random() * (size === "overfull" ? 900_000 : 700));
    const reasoning = output > 300 ? Math.floor(output / 4) : 0;
    const buckets = {
      input_uncached: input,
      output_visible: output - reasoning,
      ...(reasoning ? { output_reasoning: reasoning } : {}),
    };
    if (input > 600) Object.assign(buckets, { input_uncached: input - 512, cache_read: 512 });
    const price = (bucket) => BigInt((schedule.prices[bucket] ?? "0.000000000").replace(".", ""));
    const exact = Object.entries(buckets).map(([bucket, count]) => [
      bucket,
      count,
      price(bucket) * BigInt(count),
    ]);
    const total = exact.reduce((sum, [, , part]) => sum + part, 0n) / 1_000_000n;
    const fee = (total * 20_000n) / 1_000_000n;
    const author = (total * 80_000n) / 1_000_000n;
    const data = (total * 30_000n) / 1_000_000n;
    const joules = input * site.joules_input + output * site.joules_output;
    const failed = random() < 0.12 && sites.length > 1;
    const duration = 300 + Math.floor(random() * 2_600);
    const power = BigInt(site.power_price.replace(".", ""));
    position += 3;
    const receipt = {
      id: id("req"),
      at: new Date(at).toISOString().replace("Z", "123456Z"),
      model: model.id,
      offer: offer.id,
      site: site.id,
      schedule: schedule.id,
      buckets,
      asset: ASSET,
      total: money(total),
      split: [
        {
          party: `${site.name} Operations`,
          account: id("acc"),
          role: "site",
          amount: money(total - fee - author - data),
        },
        { party: "Open Weights Institute", account: id("acc"), role: "author", amount: money(author) },
        { party: "Corpus Trust", account: id("acc"), role: "data_owner", amount: money(data) },
        { party: "platform", account: "house_fees_CNY", role: "fee", amount: money(fee) },
      ],
      joules,
      position,
      leaf: hex(random, 64),
      model_name: model.name,
      site_name: site.name,
      region: site.region,
      region_zh: site.region_zh,
      simulated: site.simulated,
      capped: false,
      consumer: consumer.name,
      account: consumer.account,
      key_label: "laptop",
      endpoint: model.kind === "embedding" ? "embeddings" : "chat",
      stream: output > 0 && random() < 0.6,
      started_at: new Date(at - duration).toISOString(),
      duration_ms: duration,
      first_token_ms: model.kind === "embedding" ? null : Math.floor(duration * 0.3),
      finish: random() < 0.85 ? "stop" : pick(["length", "cancelled", "recovered"]),
      prices: schedule.prices,
      lines: exact.map(([bucket, count, part]) => ({
        bucket,
        count,
        price: schedule.prices[bucket] ?? "0.000000000",
        amount: money(part / 1_000_000n),
      })),
      hold: money(total * 4n + 1n),
      basis: "own_count",
      reported: { input_uncached: input, output_visible: output * 3 },
      dispute: random() < 0.1,
      joules_badge: site.badge,
      power_price: site.power_price,
      pue: `${site.pue}0000`,
      energy_cost: money(
        (BigInt(Math.round(joules * 1e6)) * power * BigInt(Math.round(Number(site.pue) * 100))) /
          (3_600_000n * 1_000_000n * 100n),
      ),
      attempts: [
        ...(failed
          ? [{ site: pick(sites).name, outcome: "timed_out", ms: Math.floor(duration * 0.22) }]
          : []),
        { site: site.name, outcome: "served", ms: Math.floor(duration * (failed ? 0.78 : 1)) },
      ],
      checkpoint_position: position + 41,
    };
    receipts.unshift(receipt);
    receipts.length = Math.min(receipts.length, 400);
  }

  if (sites.length > 0) for (let n = 120; n > 0; n -= 1) settle(START - n * 700);
  const down = set === "degraded" ? sites[2]?.id : null;
  // Fails, and serves what little comes by all the same.
  const failing = set === "degraded" ? sites[1]?.id : null;
  const stateOf = (site) => (site === down ? "withdrawn" : site === failing ? "degraded" : "healthy");

  const overview = () => {
    const rates = sites.map((site) => (site.id === down ? 0 : load.get(site.id).at(-1)));
    const flows = sites.flatMap((site, at) =>
      site.id === down
        ? []
        : models.slice(0, size === "overfull" ? 12 : 2).flatMap((model, m) =>
            consumers.slice(0, size === "overfull" ? 20 : 4).map((consumer, c) => ({
              site: site.id,
              model: model.id,
              model_name: model.name,
              consumer: consumer.name,
              tokens_per_min: Math.round(
                (rates[at] * 60 * (m === 0 ? 0.8 : 0.2) * (4 - (c % 4))) / (size === "overfull" ? 60 : 10),
              ),
            })),
          ),
    );
    const tokens = rates.reduce((sum, rate) => sum + rate, 0);
    return {
      at: new Date(now).toISOString(),
      position,
      durable_lag_ms: size === "empty" ? 0 : 3.4,
      open_holds: size === "empty" ? 0 : 7 + (position % 5),
      tokens_per_s: tokens,
      money_per_s: money(BigInt(Math.round(tokens * 3_400))),
      asset: ASSET,
      healthy: set !== "degraded",
      sites: sites.map(({ price, ...site }, at) => ({
        ...site,
        tokens_per_s: rates[at],
        joules_per_token: site.joules_input * 0.6 + site.joules_output * 0.4,
        load: load.get(site.id).map((rate) => (site.id === down ? 0 : rate)),
        healthy: stateOf(site.id) === "healthy",
        state: stateOf(site.id),
        failing_since: site.id === failing ? new Date(START).toISOString() : null,
        price_output: money(price),
      })),
      flows,
      receipts: receipts
        .slice(0, 20)
        .map(({ id: receipt, at, model_name, site_name, consumer, buckets, total, asset, finish }) => ({
          id: receipt,
          at,
          model: model_name,
          site: site_name,
          consumer,
          tokens: Object.values(buckets).reduce((a, b) => a + b, 0),
          total,
          asset,
          finish,
        })),
    };
  };

  return {
    accounts,
    catalog: { providers, sites: sites.map(({ price, ...site }) => site), models, offers },
    session: {
      member: {
        id: id("mem"),
        name: size === "overfull" ? "Consortium Operations Office" : "Demo Operator",
        roles: ["operator"],
      },
      accounts: accounts.slice(0, 4).map(({ id: account, name, asset }) => ({ id: account, name, asset })),
    },
    health: () => ({
      status: set === "degraded" ? "degraded" : "ok",
      position,
      durable_position: position,
      started_at: new Date(START).toISOString(),
      version: "0.1.0",
      log_id: "6f1c0e9d4b7a48d2a3e5c8f7b9d01234",
      reasons: set === "degraded" ? ["Ulanqab Wind refused three connections in a row."] : [],
    }),
    log: () => ({
      log_id: "6f1c0e9d4b7a48d2a3e5c8f7b9d01234",
      origin: "sycee.example/demo",
      position,
      durable_position: position,
      root: hex(random, 64),
      checkpoint: "",
      assets: [{ code: ASSET, decimals: 9 }],
    }),
    overview,
    receipt: (wanted) => receipts.find((one) => one.id === wanted),
    receiptPage: (query) => {
      const from = Number(query.get("cursor") ?? 0);
      const of = receipts.filter(({ account }) => !query.get("account") || account === query.get("account"));
      return { items: of.slice(from, from + 50), next: of.length > from + 50 ? String(from + 50) : null };
    },
    statement: (account) => {
      if (size === "empty") return { items: [], next: null, opening: money(0n), closing: money(0n) };
      let balance = 100n * UNITS;
      const items = [
        {
          position: 9,
          at: "2026-11-19T08:00:00Z",
          kind: "deposit",
          reference: null,
          role: null,
          counterparty: "outside",
          counterparty_account: "house_outside_CNY",
          reason: "Bank transfer 2026-1119",
          amount: money(balance),
          balance: money(balance),
        },
      ];
      for (const receipt of receipts.filter((one) => one.account === account).reverse()) {
        const amount = BigInt(receipt.total.replace(".", ""));
        balance -= amount;
        items.push({
          position: receipt.position,
          at: receipt.at,
          kind: "receipt",
          reference: receipt.id,
          role: "consumer",
          counterparty: receipt.site_name,
          counterparty_account: receipt.account,
          amount: money(-amount),
          balance: money(balance),
        });
      }
      return { items, next: null, opening: money(0n), closing: money(balance) };
    },
    step: () => {
      now = Date.now();
      position += 1;
      for (const [site, line] of load)
        load.set(site, [...line.slice(1), Math.max(0, line.at(-1) + (random() - 0.5) * line.at(-1) * 0.2)]);
      if (sites.length > 0) settle(now);
      return receipts[0]?.id;
    },
  };
}

function wave(random, at, size) {
  const level = (size === "overfull" ? 90_000 : 420) / (1 + at * 0.7);
  return Array.from({ length: 60 }, (_, second) =>
    Math.max(0, level * (1 + 0.3 * Math.sin(second / 7 + at) + (random() - 0.5) * 0.3)),
  );
}

function manySites(random) {
  return Array.from({ length: 40 }, (_, n) => [
    `Provincial Compute Hub ${n + 1}${n % 5 === 0 ? ", Second Machine Hall Extension" : ""}`,
    n % 2 ? "Guizhou" : "Xinjiang Uygur Autonomous Region",
    n % 2 ? "贵州" : "新疆维吾尔自治区",
    80 + n,
    Number((0.2 + random() * 0.5).toFixed(3)),
    (1.08 + random() * 0.3).toFixed(2),
    0.2 + random(),
    1 + random() * 2,
    ["measured", "published", "assumed"][n % 3],
    Number((2 + random() * 90).toFixed(2)),
  ]);
}
