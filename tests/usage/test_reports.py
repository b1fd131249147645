"""Reports of a meter that nobody here wrote the client of, and their effect on everybody's money."""

import json
import socket
import subprocess
import threading
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from harness.control import Refused, amount, call, refusal, units
from harness.deployed import Deployed
from harness.process import ROOT, binary, until
from harness.provider import CHAT, ScriptedProvider
from usage.meter import COLUMNS, EVENT, EVENTS, Line, Meter, integer, now

CREDIT = 10**9
METERS = """
[[member]]
name = "Campus cloud"
roles = ["meter"]

[[member]]
name = "Another cloud"
roles = ["meter"]

[[member]]
name = "Other power company"
roles = ["provider"]
accounts = [{ name = "income", asset = "CNY" }]

[[provider]]
name = "Other provider"
member = "Other power company"

[[source]]
name = "nights"
member = "Campus cloud"

[[source]]
name = "in columns"
member = "Campus cloud"

[[source]]
name = "others only"
member = "Campus cloud"
provider = "Other provider"

[[source]]
name = "nights"
member = "Another cloud"
"""
# 200 tokens at 2 a million in, 50 at 8 out.
USAGE, PRICE = {"input_uncached": 150, "cache_read": 50, "output_visible": 30, "output_reasoning": 20}, 800_000


@pytest.fixture(scope="module")
def provider():
    with ScriptedProvider() as running:
        yield running


@pytest.fixture(scope="module")
def sycee(provider):
    with Deployed(provider.url, catalog=METERS) as running:
        yield running
        assert running.verify()["sound"]


def key_of(sycee, member, account=None, name="test"):
    return sycee.operator.post(f"/members/{member}/keys", {"label": name, "account": account, "reason": "test"})


def meter(sycee, name="Campus cloud", source="nights"):
    [member] = [it["id"] for it in sycee.operator.all("/members") if it["name"] == name]
    return Meter(sycee, key_of(sycee, member)["secret"], source)


@pytest.fixture
def nights(sycee):
    return meter(sycee)


def offer_of(sycee):
    [offer] = [it["id"] for it in sycee.operator.all("/offers") if it["model_name"] == CHAT]
    return offer


class Payer:
    """A consumer and the id of its key."""

    def __init__(self, sycee, money):
        self.consumer = sycee.consumer(money)
        self.key = key_of(sycee, self.consumer.member, self.consumer.account)["id"]
        self.offer = offer_of(sycee)

    def line(self, **changes):
        return replace(Line(self.key, self.offer, USAGE), **changes)

    def balance(self):
        return self.consumer.balance()["balance"]


def income(sycee):
    [account] = [it for it in sycee.operator.all("/accounts") if it["member_name"] == "Test power company"]
    return units(account["balance"])


def after(meter):
    return meter.progress()["next"]


def test_events_of_the_official_client_are_paid_and_split(sycee, nights):
    ada, bob = Payer(sycee, CREDIT), Payer(sycee, CREDIT)
    first, before = after(nights), income(sycee)
    told = nights.told(EVENTS, first, [ada.line(), bob.line(consumer=bob.consumer.member), ada.line(duration_ms=0)])
    assert told["position"] > 0
    assert told == {"position": told["position"], "accepted": 3, "duplicates": 0, "unbilled": 0, "refused": [],
                    "paid": {"CNY": amount(3 * PRICE)}, "next": first + 3}
    assert (ada.balance(), bob.balance()) == (CREDIT - 2 * PRICE, CREDIT - PRICE)
    # 15 % to the model, 5 % to the platform.
    assert income(sycee) - before == 3 * PRICE * 80 // 100
    # A statement tells of metering in sums, up to now and before what else moves the account; there is no receipt for a line.
    def shown():
        return [(line["kind"], units(line["amount"]), units(line["balance"])) for line in ada.consumer.control.statement(ada.consumer.account)]
    assert shown() == [("deposit", CREDIT, CREDIT), ("metering", -2 * PRICE, CREDIT - 2 * PRICE)]
    sycee.operator.post(f"/accounts/{ada.consumer.account}/deposits", {"amount": "1", "reason": "test"})
    assert shown() == [("deposit", CREDIT, CREDIT), ("metering", -2 * PRICE, CREDIT - 2 * PRICE), ("deposit", CREDIT, 2 * CREDIT - 2 * PRICE)]
    assert ada.consumer.receipts() == []
    progress = nights.progress()
    assert (progress["next"], progress["last_position"], progress["provider"]) == (first + 3, told["position"], None)
    hours = ada.consumer.control.all("/usage/hours", account=ada.consumer.account)
    assert sum(hour["lines"] for hour in hours) == 2 and sum(hour["tokens"] for hour in hours) == 500
    assert sum(units(hour["money"]) for hour in hours) == 2 * PRICE
    with refusal(403, "membership.not_yours"):
        bob.consumer.control.get("/usage/hours", account=ada.consumer.account)


def test_one_event_by_itself(sycee, nights):
    ada, first = Payer(sycee, CREDIT), after(nights)
    body = nights.events(first, [ada.line()])[1:-1]
    assert nights.send(EVENT, body).body["accepted"] == 1
    assert nights.send(EVENT, body).body["duplicates"] == 1


def test_columns_are_the_same_report_as_events(sycee, nights):
    ada, poor, columns = Payer(sycee, CREDIT), Payer(sycee, 0), meter(sycee, source="in columns")
    lines = [ada.line(), ada.line(start=now() - timedelta(hours=80), joules=0), poor.line(usage={"output_image": 7}), ada.line(key="key_nobody"),
             ada.line(usage={}, duration_ms=2**32 - 1, joules=123456.789012), ada.line(offer="off_" + "0" * 32)]
    of_events, of_columns = after(nights), after(columns)
    told, same = nights.told(EVENTS, of_events, lines), columns.told(COLUMNS, of_columns, lines)
    for one, offset in ((told, of_events), (same, of_columns)):
        one["next"] -= offset
        for refused in one["refused"]:
            refused["sequence"] -= offset
        one.pop("position")
    assert told == same
    assert [refused["code"] for refused in told["refused"]] == [f"metering.line.{why}" for why in ("start_too_early", "unbilled", "key_not_found", "offer_not_found")]
    assert (told["accepted"], told["unbilled"], told["paid"]) == (2, 1, {"CNY": amount(PRICE)})
    assert ada.balance() == CREDIT - 2 * PRICE
    # The platform knows a report again by the hash of all it says, and each is the other's.
    assert nights.told(COLUMNS, of_events, lines)["duplicates"] == len(lines)
    assert columns.told(EVENTS, of_columns, lines)["duplicates"] == len(lines)


@pytest.mark.parametrize("form", [EVENTS, COLUMNS])
def test_a_line_is_counted_once(sycee, nights, form):
    ada, first = Payer(sycee, CREDIT), after(nights)
    lines = [ada.line() for _ in range(5)]
    assert nights.told(form, first, lines)["accepted"] == 5
    again = nights.told(form, first, lines)
    assert again == {"position": None, "accepted": 0, "duplicates": 5, "unbilled": 0, "refused": [], "paid": {}, "next": first + 5}
    gap = nights.report(form, first + 6, lines)
    assert (gap.status, gap.code, gap.body["error"]["expected"]) == (409, "metering.gap", first + 5)
    other = nights.report(form, first, [*lines[:4], ada.line(joules=0.26)])
    assert (other.status, other.code) == (409, "metering.other_content")
    rest = nights.told(form, first + 3, [*lines[3:], ada.line(), ada.line()])
    assert (rest["duplicates"], rest["accepted"], rest["next"]) == (2, 2, first + 7)
    assert ada.balance() == CREDIT - 7 * PRICE


@pytest.mark.parametrize("form", [EVENTS, COLUMNS])
def test_lines_that_bring_nothing_are_told_one_by_one(sycee, nights, form):
    ada, poor, first = Payer(sycee, CREDIT), Payer(sycee, PRICE * 3 // 2), after(nights)
    lines = [
        (ada.line(), None),
        (ada.line(key="key_" + "0" * 32), "key_not_found"),
        (ada.line(offer="off_" + "f" * 32), "offer_not_found"),
        (ada.line(start=now() - timedelta(hours=73)), "start_too_early"),
        (ada.line(start=now() + timedelta(minutes=6)), "start_ahead"),
        (poor.line(), None),
        (poor.line(), "unbilled"),
        (poor.line(usage={"output_visible": 1}), None),
    ]
    told = nights.told(form, first, [line for line, _ in lines])
    assert told["refused"] == [{"sequence": first + index, "index": index, "code": f"metering.line.{why}"} for index, (_, why) in enumerate(lines) if why]
    assert (told["accepted"], told["unbilled"]) == (3, 1)
    assert (ada.balance(), poor.balance()) == (CREDIT - PRICE, PRICE // 2 - 8_000)
    of_others = meter(sycee, source="others only")
    refused = of_others.report(form, after(of_others), [ada.line()])
    assert refused.body["refused"][0]["code"] == "metering.line.offer_not_yours"


def test_a_source_of_another_meter_is_not_there(sycee, nights):
    ada, other = Payer(sycee, CREDIT), meter(sycee, "Another cloud")
    other.source = "in columns"
    refused = other.report(EVENTS, 0, [ada.line()])
    assert (refused.status, refused.code) == (404, "metering.source_not_found")
    columns = nights.columns(after(nights), [ada.line()])
    refused = nights.send(COLUMNS, columns, key=other.key)
    assert (refused.status, refused.code) == (404, "metering.source_not_found")
    assert nights.send(COLUMNS, columns).body["accepted"] == 1


def test_only_meters_report_and_only_operators_open_sources(sycee, nights):
    ada = Payer(sycee, CREDIT)
    body = nights.events(after(nights), [ada.line()])
    for key, status, code in ((ada.consumer.key, 403, "permission.not_permitted"), (sycee.key, 403, "permission.not_permitted"),
                              ("sk-sycee-nobody", 401, "api.unauthenticated")):
        refused = nights.send(EVENTS, body, key=key)
        assert (refused.status, refused.code) == (status, code)
    with refusal(403, "permission.not_permitted"):
        nights.control.post("/usage/sources", {"name": "more", "member": ada.consumer.member, "reason": "test"})
    with refusal(403, "permission.not_permitted"):
        ada.consumer.control.post("/usage/handles", {"keys": [ada.key]})
    assert ada.consumer.control.all("/usage/sources") == []


def test_a_body_that_is_none_counts_nothing(sycee, nights):
    ada, first = Payer(sycee, CREDIT), after(nights)
    events, columns = nights.events(first, [ada.line()]), nights.columns(first, [ada.line()])
    for media_type, body, status in (
            ("application/json", events, 415), ("application/cbor", columns, 415), (f"{COLUMNS}; version=2", columns, 415), ("text/plain", b"", 415),
            (EVENTS, columns, 400), (COLUMNS, events, 400), (EVENTS, events[:-1], 400), (COLUMNS, columns[:-1], 400), (EVENTS, b"[]", 422), (EVENT, events, 422),
            (EVENTS, events.replace(b'"output_visible"', b'"output"'), 422), (EVENTS, events.replace(b"1.0", b"1.1", 1), 422)):
        refused = nights.send(media_type, body)
        assert refused.status == status and refused.code in ("api.bad_body", "metering.out_of_range"), (media_type, refused)
    assert (after(nights), ada.balance()) == (first, CREDIT)


def test_a_body_that_is_too_large_is_refused_and_heard(sycee, nights):
    """Also where its length is not said, and by a client that sends all of it before it listens."""
    first = after(nights)
    for media_type, size in ((EVENT, 256 << 10), (COLUMNS, 65_536 * 66 + 100), (EVENTS, 64 << 20)):
        pieces = [b" " * (1 << 16)] * (size >> 16) + [b" " * (1 + size % (1 << 16))]
        for chunked in (False, True):
            refused = nights.send(media_type, iter(pieces) if chunked else b"".join(pieces), chunked=chunked)
            assert (refused.status, refused.code) == (413, "api.bad_body"), (media_type, chunked)
    assert after(nights) == first


def test_a_body_that_breaks_off_counts_nothing(sycee, nights):
    ada, first, address = Payer(sycee, CREDIT), after(nights), urlsplit(sycee.api_url)
    body = nights.events(first, [ada.line() for _ in range(10)])
    head = f"POST /api/v1/usage HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {nights.key}\r\ncontent-type: {EVENTS}\r\ncontent-length: {len(body)}\r\n\r\n"
    for end in (0, len(body) // 2, len(body) - 1):
        with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
            connection.sendall(head.encode() + body[:end])
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert b"HTTP/1.1 400" in answer or answer == b"", answer[:200]
    assert after(nights) == first
    assert nights.send(EVENTS, body).body["accepted"] == 10


def test_who_sends_too_much_is_asked_to_come_back(sycee):
    """More lines at once than the node keeps waiting; in the end all of them are counted, each once."""
    campus = meter(sycee)
    [member] = {it["member"] for it in campus.control.all("/usage/sources")}
    many = 65_536

    def lines_of_nobody(source):
        """The most that a report can have; they name no key, so there is no money in them."""
        numbers = [many * width for width in (4, 4, 4, 4, 8, 2)]
        content = b"\xff" * numbers[0] + b"\x00" * sum(numbers[1:])
        columns, at = b"", 0
        for size in numbers:
            columns += b"\x5a" + size.to_bytes(4) + content[at:at + size]
            at += size
        return b"\x84" + integer(int(source.removeprefix("src_"), 16)) + b"\x00" + integer(int(now().timestamp()) * 10**9) + b"\x87" + columns + b"\x40"

    def open_source(number):
        draft = {"name": f"flood {number}", "member": member, "reason": "test"}
        return lines_of_nobody(sycee.operator.post("/usage/sources", draft)["id"])

    told_to_wait, failed = [], []

    def send(body):
        def taken():
            answer = campus.send(COLUMNS, body)
            if answer.status == 429:
                assert answer.code == "node.overloaded" and int(answer.headers["retry-after"]) >= 1, answer
                told_to_wait.append(answer)
                return None
            assert answer.status == 200 and len(answer.body["refused"]) == many, (answer.status, str(answer.body)[:300])
            return True
        try:
            until(taken, 90, "all senders were heard")
        except BaseException as problem:
            failed.append(problem)

    sources = [open_source(number) for number in range(48)]
    senders = [threading.Thread(target=send, args=(body,)) for body in sources]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(120)
    assert not failed, failed[0]
    assert told_to_wait, "nobody was asked to come back"
    floods = [it for it in campus.control.all("/usage/sources", limit=200) if it["name"].startswith("flood")]
    assert [it["next"] for it in floods] == [many] * len(sources)


def test_after_a_kill_the_meter_goes_on_from_next(provider):
    """`kill -9` while reports are sent, three times: nothing that was answered is lost, nothing is counted twice."""
    with Deployed(provider.url, catalog=METERS) as sycee:
        ada, nights = Payer(sycee, 100 * CREDIT), meter(sycee)
        lines = [ada.line() for _ in range(3_000)]
        answered = 0
        for stop in (400, 1_000, 2_200):
            killer = threading.Event()

            def kill_at(stop=stop, killer=killer):
                until(lambda: answered >= stop, 60, f"{stop} lines are answered")
                sycee.kill()
                killer.set()

            thread = threading.Thread(target=kill_at)
            thread.start()
            try:
                while answered < len(lines):
                    told = nights.told(COLUMNS if answered % 200 else EVENTS, answered, lines[answered:answered + 100])
                    answered = told["next"]
            except (OSError, Refused):
                pass
            thread.join(90)
            assert killer.is_set(), "it was killed"
            sycee.start()
            nights.sycee, nights.control.api_url = sycee, sycee.api_url
            kept = after(nights)
            assert answered <= kept <= answered + 100, "all that was answered is there, and perhaps what was under way"
            assert ada_balance(sycee, ada) == 100 * CREDIT - kept * PRICE
            # Cut anew after the kill, what was under way is counted for the rest or not at all.
            answered = nights.told(EVENTS, answered, lines[answered:answered + 150])["next"]
        while answered < len(lines):
            answered = nights.told(EVENTS, answered, lines[answered:answered + 500])["next"]
        assert ada_balance(sycee, ada) == 100 * CREDIT - len(lines) * PRICE
        assert sycee.verify()["sound"]


def ada_balance(sycee, payer):
    """By the operator, as the platform has another address after each start."""
    return units(call(f"{sycee.api_url}/accounts/{payer.consumer.account}", key=sycee.key)[2]["balance"])


@pytest.mark.parametrize("form", ["binary", "json"])
def test_the_benchmark_sends_over_http(form):
    command = [binary(), "bench", "settle", "--http", form, "--lines", "3500", "--batch", "500", "--accounts", "20", "--offers", "4", "--json"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, cwd=ROOT).stdout)
    assert (told["http"], told["lines"], told["refused"], told["verified"]) == (form, 3500, 0, True)
