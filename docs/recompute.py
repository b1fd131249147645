"""Recomputes what every party earned, from the clients' own logs, the price schedules and the shares; nothing else.

usage: recompute.py CATALOG.json LOG.jsonl…      prints {party: {role: amount}} as JSON

A log line is what one client wrote down: {"model", "schedule", "usage"}. CATALOG.json is GET /api/v1/catalog. Whole units, no floats.
"""
import json
import sys
from collections import defaultdict

WHOLE = 10**18


def units(text):
    return int(text.replace(".", ""))  # "0.001234500": always nine decimals


def cost(usage, prices):  # tokens times price per million, summed, rounded down once
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    thought = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    said = usage.get("completion_tokens", 0) - thought
    counts = {"input_uncached": usage["prompt_tokens"] - cached, "cache_read": cached, "output_visible": said, "output_reasoning": thought}
    return sum(count * units(prices.get(bucket, "0")) for bucket, count in counts.items()) // 10**6


def apportion(amount, shares):  # largest remainder; the first listed wins a tie
    parts = [amount * share // WHOLE for share in shares]
    order = sorted(range(len(shares)), key=lambda at: -(amount * shares[at] % WHOLE))
    for at in order[:amount - sum(parts)]:
        parts[at] += 1
    return parts


def parties(models, root):  # (party, role) → share of what `root` earns: each model passes on what it agreed, and keeps the rest
    depth, level = {("0", root): 0}, [("0", root)]
    edges = lambda node: [] if node[0] != "0" else [(("0", e["model"]), e["share_ppm"]) for e in models[node[1]]["lineage"]] + [
        ((s["role"], s["party"]), s["share_ppm"]) for s in models[node[1]]["shares"]]
    while level := sorted({parent for node in level for parent, _ in edges(node)}):
        depth.update({parent: max(depth.values()) + 1 for parent in level})
    received, kept = defaultdict(int, {("0", root): WHOLE}), defaultdict(int)
    for node in sorted(depth, key=lambda it: (depth[it], it)):
        passed = [(parent, received[node] * ppm // 10**6) for parent, ppm in edges(node)]
        for parent, part in passed:
            received[parent] += part
        holder = (models[node[1]]["owner"]["id"], "author") if node[0] == "0" else (node[1], node[0])
        kept[holder] += received[node] - sum(part for _, part in passed)
    return kept


def recompute(catalog, log):
    models, sites = ({item["id"]: item for item in catalog[kind]} for kind in ("models", "sites"))
    providers = {provider["id"]: provider["member"] for provider in catalog["providers"]}
    sold = {schedule["id"]: (offer, schedule) for offer in catalog["offers"] for schedule in offer["schedules"]}
    taken, pots, earned = defaultdict(int), defaultdict(int), defaultdict(lambda: defaultdict(int))
    for line in log:
        taken[line["schedule"]] += cost(line["usage"], sold[line["schedule"]][1]["prices"])
    for name, amount in taken.items():
        offer, schedule = sold[name]
        model, platform = schedule["model_fee_ppm"] * 10**12, schedule["platform_fee_ppm"] * 10**12
        site, pot, fee = apportion(amount, [WHOLE - model - platform, model, platform])
        earned[providers[sites[offer["site"]]["provider"]]]["site"] += site
        pots[offer["model"]] += pot
        earned["fees"]["fee"] += fee
    for name, amount in pots.items():
        shares = parties(models, name)
        for (party, role), part in zip(shares, apportion(amount, list(shares.values()))):
            earned[party][role] += part
    return earned


if __name__ == "__main__":
    lines = [json.loads(line) for path in sys.argv[2:] for line in open(path, encoding="utf-8")]
    print(json.dumps(recompute(json.load(open(sys.argv[1], encoding="utf-8")), lines), indent=1))
