"""Every party's statement of an hour of business, recomputed from the clients' own logs: difference 0.

The demo runs with its own clients, who write down what they count themselves. Beside them four more ask for chat, streams and
embeddings in many sizes while sites fail, lie and come back, so that several offers and schedules serve. Nobody writes down
anything but what a client sees; `docs/recompute.py` does the rest.
"""

import concurrent.futures
import json
import random
import subprocess
import sys
from collections import defaultdict

from conftest import CREDIT, HONEST
from harness.control import Control, units
from harness.process import ROOT, until
from harness.sycee import Sycee

REQUESTS, CLIENTS, THEIR_REQUESTS = 400, 4, 60
WORDS = "词元 token price 电力 split site 🙂 author receipt 账 余额 hold".split()


def schedule_of(raw, consumer):
    """The schedule the request was quoted at: its receipt, which every client gets, names it."""
    return consumer.control.receipt(raw.headers["x-sycee-receipt"])["schedule"]


def one_request(consumer, draw):
    """Asks for something, and gives the log line of it."""
    client, text = consumer.openai(), " ".join(draw.choices(WORDS, k=draw.randint(1, 60)))
    kind = draw.choice(("chat", "stream", "embeddings"))
    if kind == "embeddings":
        raw = client.embeddings.with_raw_response.create(model=consumer.sycee.models["embedding"], input=[text] * draw.randint(1, 3))
        usage = raw.parse().usage
    else:
        options = {"stream": True, "stream_options": {"include_usage": True}} if kind == "stream" else {}
        raw = client.chat.completions.with_raw_response.create(
            model=consumer.sycee.models["chat"], messages=[{"role": "user", "content": text}], max_tokens=draw.randint(1, 50), **options)
        usage = list(raw.parse())[-1].usage if options else raw.parse().usage
    return {"receipt": raw.headers["x-sycee-receipt"], "schedule": schedule_of(raw, consumer), "usage": usage.model_dump(exclude_none=True)}


def trouble(sycee, draw):
    """Something goes wrong at one site, so that others serve, and reports differ from what was counted.

    No cached tokens and no hidden reasoning here: a client that was told no usage cannot know of them.
    """
    site = draw.choice(sycee.sites)
    site.behave(**HONEST)
    site.behave(**draw.choice(({"fail": {"status": 503, "next": 2}}, {"usage": {"lie": {"multiply": 3}}}, {"usage": {"place": "every_chunk"}}, {"split_bytes": 7})))


def business(sycee):
    """The clients' logs after all requests."""
    logs = []
    for begin in range(0, REQUESTS, 40):
        trouble(sycee, random.Random(begin))
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            consumers = [sycee.consumer(1000 * CREDIT) for _ in range(CLIENTS)]
            work = [pool.submit(one_request, consumers[at % CLIENTS], random.Random(begin + at)) for at in range(40)]
            logs += [each.result(60) for each in work]
    return logs


def statements(sycee):
    """What each party's own statement says it received from receipts, by role."""
    earned = defaultdict(lambda: defaultdict(int))
    for account in sycee.operator.all("/accounts"):
        for line in Control(sycee.api_url, sycee.keys["auditor"]).statement(account["id"]):
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
    """What the demo's own clients wrote, one line an answer."""
    return [json.loads(line) for path in (folder / "clients").glob("*.jsonl") for line in path.read_text().splitlines()]


def log_line(sycee, record):
    """The accountant's line for an answer of one of the demo's clients: their own counts, and the schedule their receipt names.

    Who left a stream cannot know what was still on its way to them; there the receipt says how many tokens left the gateway.
    """
    keys = json.loads((sycee.data / "demo-keys.json").read_text())["members"]
    receipt = Control(sycee.api_url, keys[record["client"].replace("-", " ").title()]).receipt(record["receipt"])
    completion = receipt["buckets"]["output_visible"] if record["cancelled"] else record["counted_completion_tokens"]
    assert abs(completion - record["counted_completion_tokens"]) <= 256
    return receipt["schedule"] and {"receipt": record["receipt"], "schedule": receipt["schedule"],
                                    "usage": {"prompt_tokens": record["counted_prompt_tokens"], "completion_tokens": completion}}


def test_every_partys_statement_is_what_the_clients_logs_say(tmp_path):
    data = tmp_path / "data"
    with Sycee(data=data, clients=True) as sycee:
        sycee.behave(**HONEST)
        logs = business(sycee)
        until(lambda: len(journals(data)) >= THEIR_REQUESTS, 120, "the demo's own clients to have asked often enough")
    with Sycee(data=data) as sycee:  # again, without clients, so that nothing moves any more
        theirs = [log_line(sycee, record) for record in journals(data) if record["status"] == 200]
        logs += [line for line in theirs if line]
        assert len(logs) == len({line["receipt"] for line in logs}) >= REQUESTS + THEIR_REQUESTS * 3 // 4
        assert len({line["schedule"] for line in logs}) >= 4, "several offers served"
        ours, stated = recomputed(tmp_path, sycee.catalog(), logs), statements(sycee)
    flat = {(party, role): amount for party, roles in ours.items() for role, amount in roles.items() if amount}
    assert len(flat) >= 6 and flat == {(party, role): amount for party, roles in stated.items() for role, amount in roles.items()}
