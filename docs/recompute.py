"""Recomputes what every party earned from the clients' own logs, the schedules and the shares; it knows nothing else.
usage: recompute.py CATALOG.json LOG.jsonl…     CATALOG.json is GET /api/v1/catalog; prints {party: {role: units}}
A log line is what a client wrote down of one answer: {"schedule": "sch_…", "usage": {…}}, the header x-sycee-schedule and the usage
it was told or its own count; who left a stream early takes its receipt's count. Amounts are whole units.
"""
import json, sys
from collections import defaultdict

WHOLE = 10**18

def cost(usage, prices):  # tokens × price per million, summed and rounded down once
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    thought = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    counts = {"input_uncached": usage["prompt_tokens"] - cached, "cache_read": cached,
              "output_visible": usage.get("completion_tokens", 0) - thought, "output_reasoning": thought}
    return sum(count * int(prices.get(bucket, "0").replace(".", "")) for bucket, count in counts.items()) // 10**6

def apportion(amount, shares):  # largest remainder; the first in order wins a tie
    parts = {holder: amount * share // WHOLE for holder, share in shares.items()}
    for holder in sorted(shares, key=lambda it: -(amount * shares[it] % WHOLE))[:amount - sum(parts.values())]:
        parts[holder] += 1
    return parts

def holders(models, root):  # {(party, role): share}: each model passes on what it agreed to, and keeps the rest
    def edges(node):
        model = {"lineage": [], "shares": []} if node[0] else models[node[1]]
        return [((0, it["model"]), it["share_ppm"]) for it in model["lineage"]] + [
            ((1, it["account"], it["role"], it["party"]), it["share_ppm"]) for it in model["shares"]]
    order, level = {}, {(0, root)}
    while level:
        order.update(dict.fromkeys(level, len(order)))
        level = {parent for node in level for parent, _ in edges(node)}
    got, kept = defaultdict(int, {(0, root): WHOLE}), defaultdict(int)
    for node in sorted(order, key=lambda it: (order[it], it)):
        passed = {parent: got[node] * ppm // 10**6 for parent, ppm in edges(node)}
        for parent, part in passed.items():
            got[parent] += part
        kept[(node[3], node[2]) if node[0] else (models[node[1]]["owner"]["name"], "author")] += got[node] - sum(passed.values())
    return kept

def recompute(catalog, log):
    sold = {it["id"]: (offer, it) for offer in catalog["offers"] for it in offer["schedules"]}
    models, site_of, member_of = [{it["id"]: it for it in catalog[kind]} for kind in ("models", "sites", "providers")]
    paid, pots, earned = defaultdict(int), defaultdict(int), defaultdict(lambda: defaultdict(int))
    for line in log:
        paid[line["schedule"]] += cost(line["usage"], sold[line["schedule"]][1]["prices"])
    for (offer, schedule), total in ((sold[name], total) for name, total in paid.items()):
        model, fee = schedule["model_fee_ppm"] * 10**12, schedule["platform_fee_ppm"] * 10**12
        parts = apportion(total, {"site": WHOLE - model - fee, "model": model, "fee": fee})
        earned[member_of[site_of[offer["site"]]["provider"]["id"]]["member"]["name"]]["site"] += parts["site"]
        earned["platform"]["fee"] += parts["fee"]
        pots[offer["model"]] += parts["model"]
    for name, total in pots.items():
        for (party, role), part in apportion(total, holders(models, name)).items():
            earned[party][role] += part
    return earned

if __name__ == "__main__":
    lines = [json.loads(line) for path in sys.argv[2:] for line in open(path, encoding="utf-8")]
    print(json.dumps(recompute(json.load(open(sys.argv[1], encoding="utf-8")), lines), indent=1))
