"""Every party's statement, recomputed from the clients' own logs: difference 0.

The demo runs with its own clients, who write down what they count themselves. Beside them four more ask for chat, streams and
embeddings in many sizes while sites fail, lie and come back, so that several offers and schedules serve. Nobody writes down
anything but what a client sees; `docs/recompute.py` does the rest. RECOMPUTE_MINUTES sets how long business goes on.
"""

import concurrent.futures
import json
import os
import random
import subprocess
import sys
import time
from collections import defaultdict

from conftest import CREDIT, HONEST
from harness.control import Control, units
from harness.process import ROOT, until
from harness.sycee import Sycee

CLIENTS, ROUND, THEIR_REQUESTS = 4, 40, 60
# Ten rounds as fast as they go, or one every 20 seconds: two requests a second, beside two and a half of the demo's own.
MINUTES, ROUND_SECONDS = float(os.environ.get("RECOMPUTE_MINUTES") or 0), 20
ROUNDS = max(1, int(MINUTES * 60 / ROUND_SECONDS)) if MINUTES else 10
WORDS = "词元 token price 电力 split site 🙂 author receipt 账 余额 hold".split()
KINDS = ("chat", "stream", "embeddings")
# What goes wrong at one site for a round. No cached tokens and no hidden reasoning here: a client that was told no usage cannot
# know of them. Nor is a site silent: patience for that lasts longer than a round.
BREAKS_STREAMS = ({"cut_after_tokens": 20}, {"error_after_tokens": 5})
HEALTHY = {**HONEST, "first_token_ms": None, "tokens_per_second": None}  # and as fast as the demo has them
TROUBLE = ({"fail": {"status": 503, "next": 2}}, {"fail": {"status": 500, "fraction": 1}}, {"fail": {"fraction": 1}}, {"split_bytes": 7},
           {"usage": {"lie": {"multiply": 3}}}, {"usage": {"lie": "strip"}}, {"usage": {"place": "every_chunk"}}, *BREAKS_STREAMS)


def one_request(client, models, kinds, draw):
    """Asks for something, and gives the log line of it."""
    kind, text = draw.choice(kinds), " ".join(draw.choices(WORDS, k=draw.randint(1, 60)))
    if kind == "embeddings":
        raw = client.embeddings.with_raw_response.create(model=models["embedding"], input=[text] * draw.randint(1, 3))
        usage = raw.parse().usage
    else:
        options = {"stream": True, "stream_options": {"include_usage": True}} if kind == "stream" else {}
        raw = client.chat.completions.with_raw_response.create(
            model=models["chat"], messages=[{"role": "user", "content": text}], max_tokens=draw.randint(1, 50), **options)
        usage = list(raw.parse())[-1].usage if options else raw.parse().usage
    return {"receipt": raw.headers["x-sycee-receipt"], "schedule": raw.headers["x-sycee-schedule"], "usage": usage.model_dump(exclude_none=True)}


def business(sycee):
    """The four clients' logs after all rounds; what is wrong at a site in one round is over in the next."""
    logs, begun = [], time.monotonic()
    clients = [sycee.consumer(1000 * CREDIT).openai() for _ in range(CLIENTS)]
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        for number in range(ROUNDS):
            draw, due = random.Random(number), begun + number * ROUND_SECONDS * bool(MINUTES)
            until(lambda: time.monotonic() >= due, 2 * ROUND_SECONDS, "the next round")
            sycee.behave(**HEALTHY)
            site, trouble = draw.choice(sycee.sites), draw.choice(TROUBLE)
            site.behave(**trouble)
            # A stream that breaks off tells no usage: only the demo's own clients, who count, have some of those.
            kinds = [kind for kind in KINDS if kind != "stream" or trouble not in BREAKS_STREAMS]
            work = [pool.submit(one_request, clients[at % CLIENTS], sycee.models, kinds, random.Random(number * ROUND + at)) for at in range(ROUND)]
            logs += [each.result(60) for each in work]
    until(lambda: time.monotonic() >= begun + MINUTES * 60, 2 * ROUND_SECONDS, "closing time")
    return logs


def statements(sycee):
    """What each party's own statement says it received from receipts, by role."""
    earned = defaultdict(lambda: defaultdict(int))
    for account in sycee.operator.all("/accounts"):
        for line in Control(sycee.api_url, sycee.keys["auditor"]).all(f"/accounts/{account['id']}/statement", limit=200):
            if line["kind"] == "receipt" and units(line["amount"]) > 0:
                earned[account["member_name"]][line["role"]] += units(line["amount"])
    return earned


def recomputed(tmp_path, catalog, logs):
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in logs))
    done = subprocess.run([sys.executable, ROOT / "docs/recompute.py", tmp_path / "catalog.json", tmp_path / "log.jsonl"],
                          capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def journals(folder):
    """What the demo's own clients wrote, one line an answer; a line that is being written has no end yet."""
    lines = [line for path in (folder / "clients").glob("*.jsonl") for line in path.read_bytes().split(b"\n")[:-1]]
    return [json.loads(line) for line in lines]


def left_with(sycee, record):
    """How many tokens had left for a client that went away in a stream: it cannot know what was still on its way; its receipt does."""
    keys = json.loads((sycee.data / "demo-keys.json").read_text())["members"]
    receipt = Control(sycee.api_url, keys[record["client"].replace("-", " ").title()]).receipt(record["receipt"])
    assert receipt["schedule"] in (None, record["schedule"]), (record, receipt)
    return receipt["buckets"]["output_visible"] if receipt["schedule"] else None


def log_line(sycee, record):
    """The accountant's line for an answer of one of the demo's clients, by their own counts; none for one that owes nothing."""
    completion = record["counted_completion_tokens"]
    if record["cancelled"]:
        left = left_with(sycee, record)
        if left is None:
            return None
        assert abs(left - completion) <= 256, record
        completion = left
    elif record["error"] and not completion:  # the site broke off before it had said anything
        return None
    return {"receipt": record["receipt"], "schedule": record["schedule"],
            "usage": {"prompt_tokens": record["counted_prompt_tokens"], "completion_tokens": completion}}


def flat(earned):
    return {(party, role): amount for party, roles in earned.items() for role, amount in roles.items() if amount}


def test_every_partys_statement_is_what_the_clients_logs_say(tmp_path, capsys):
    data = tmp_path / "data"
    with Sycee(data=data, clients=True) as sycee:
        logs = business(sycee)
        until(lambda: len(journals(data)) >= THEIR_REQUESTS, 120, "the demo's own clients to have asked often enough")
    with Sycee(data=data) as sycee:  # again, without clients, so that nothing moves any more
        records = [record for record in journals(data) if record["status"] == 200]
        logs += [line for record in records if (line := log_line(sycee, record))]
        assert len(logs) == len({line["receipt"] for line in logs}) >= ROUNDS * ROUND + len(records) * 3 // 4
        assert len({line["schedule"] for line in logs}) >= 4, "several offers served"
        ours, stated = flat(recomputed(tmp_path, sycee.catalog(), logs)), flat(statements(sycee))
    differences = {key: stated.get(key, 0) - ours.get(key, 0) for key in ours | stated if ours.get(key) != stated.get(key)}
    kinds = {what: sum(bool(record[what]) for record in records) for what in ("cancelled", "error")}
    with capsys.disabled():
        print(f"\n{len(logs)} bills recomputed ({len(records)} answers to the demo's clients, {kinds}), "
              f"{len(stated)} parties by role, {sum(stated.values())} units, {len(differences)} differences")
    assert len(stated) >= 6 and not differences
