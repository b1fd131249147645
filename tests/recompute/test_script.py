"""The accountant's script by itself, on answers that can be worked out on paper."""

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "docs/recompute.py"


def load():
    spec = importlib.util.spec_from_file_location("recompute", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def model(name, *bases, shares=()):
    return {"id": name, "owner": {"name": f"author of {name}"}, "lineage": [{"model": base, "share_ppm": ppm} for base, ppm in bases], "shares": list(shares)}


def catalog(models, model_fee_ppm=1_000_000, platform_fee_ppm=0):
    schedule = {"id": "sch", "model_fee_ppm": model_fee_ppm, "platform_fee_ppm": platform_fee_ppm,
                "prices": {"input_uncached": "1.000000000", "cache_read": "0.100000000", "output_visible": "4.000000000"}}
    return {"models": models, "offers": [{"model": models[0]["id"], "site": "sit", "schedules": [schedule]}],
            "sites": [{"id": "sit", "provider": {"id": "prv"}}], "providers": [{"id": "prv", "member": {"name": "the site's member"}}]}


def usage(prompt, completion=0, cached=0):
    return {"prompt_tokens": prompt, "completion_tokens": completion, "prompt_tokens_details": {"cached_tokens": cached}}


def earned(books, *usages):
    found = load().recompute(books, [{"schedule": "sch", "usage": each} for each in usages])
    return {(party, role): amount for party, roles in found.items() for role, amount in roles.items() if amount}


def test_it_is_short_enough_to_be_read():
    assert len(SCRIPT.read_text().splitlines()) <= 60


def test_a_diamond_pays_the_shared_ancestor_once_for_each_path():
    tenth = 100_000
    models = [model("D", ("B", tenth), ("C", tenth)), model("B", ("A", tenth)), model("C", ("A", tenth)), model("A")]
    assert earned(catalog(models), usage(1000)) == {
        ("author of D", "author"): 800_000, ("author of B", "author"): 90_000, ("author of C", "author"): 90_000, ("author of A", "author"): 20_000}


def test_cached_tokens_have_their_own_price_and_each_bill_is_rounded_down_once():
    books = catalog([model("M")], model_fee_ppm=0)
    assert earned(books, usage(10, 3, cached=4)) == {("the site's member", "site"): 6 * 1000 + 4 * 100 + 3 * 4000}


def test_site_model_and_platform_share_a_bill_without_losing_a_unit():
    data = {"party": "library", "account": "acc_1", "role": "data_owner", "share_ppm": 333_333}
    books = catalog([model("M", shares=[data])], model_fee_ppm=150_000, platform_fee_ppm=50_001)
    found = earned(books, usage(1), usage(2), usage(4))
    assert sum(found.values()) == 7000 and found["platform", "fee"] == 350 and found["library", "data_owner"] == 350
    assert found["author of M", "author"] == 700 and found["the site's member", "site"] == 5600
