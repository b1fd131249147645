"""The control API as an outsider uses it: HTTP, JSON, and money as strings of exact decimals."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager

from .process import until

MONEY = re.compile(r"-?\d+\.\d{9}")


def units(text):
    """Credits in their smallest unit. Anything but a plain decimal with the asset's nine places is a fault of the API."""
    assert isinstance(text, str) and MONEY.fullmatch(text), f"not an amount of nine decimals: {text!r}"
    return int(text.replace(".", ""))


def amount(number):
    sign, number = ("-" if number < 0 else ""), abs(number)
    return f"{sign}{number // 10**9}.{number % 10**9:09}"


class Refused(Exception):
    """An answer of 400 or above."""

    def __init__(self, status, body, headers):
        super().__init__(f"{status}: {body}")
        self.status, self.body, self.headers = status, body, headers

    @property
    def code(self):
        return (self.body.get("error") or {}).get("code") if isinstance(self.body, dict) else None


def call(url, method="GET", body=None, key=None, headers=None, seconds=30):
    """(status, headers, parsed JSON or text)."""
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), dict(headers or {}), method=method)
    if body is not None:
        request.add_header("content-type", "application/json")
    if key:
        request.add_header("authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return answer.status, dict(answer.headers), parsed(answer.read())
    except urllib.error.HTTPError as error:
        raise Refused(error.code, parsed(error.read()), dict(error.headers)) from None


def parsed(data):
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")


class Control:
    """The API as one member sees it."""

    def __init__(self, api_url, key):
        self.api_url, self.key = api_url, key

    def get(self, path, **query):
        query = f"?{urllib.parse.urlencode(query)}" if query else ""
        return call(f"{self.api_url}{path}{query}", key=self.key)[2]

    def post(self, path, body):
        return call(f"{self.api_url}{path}", "POST", body, self.key)[2]

    def delete(self, path, body=None):
        return call(f"{self.api_url}{path}", "DELETE", body, self.key)[2]

    def all(self, path, **query):
        """Every item of a list, page by page."""
        items, cursor = [], None
        while True:
            page = self.get(path, **query, **({"cursor": cursor} if cursor else {}))
            items += page["items"]
            if not (cursor := page["next"]):
                return items

    def receipt(self, name, seconds=10):
        """A receipt, waited for: it comes to be when the request settles."""
        def probe():
            try:
                return self.get(f"/receipts/{name}")
            except Refused as refused:
                if refused.status != 404:
                    raise
                return None
        return until(probe, seconds, f"receipt {name}")

    def account(self, name):
        found = self.get(f"/accounts/{name}")
        numbers = {field: units(found[field]) for field in ("balance", "held", "available")}
        assert numbers["available"] + numbers["held"] <= numbers["balance"] + limit_of(found), found
        assert numbers["held"] >= 0, found
        return numbers

    def statement(self, name):
        return self.all(f"/accounts/{name}/statement")


def limit_of(account):
    return units(account["limit"]) if account.get("limit") else 0


@contextmanager
def refusal(status, code=None):
    """Expects the block to be refused with this status and code."""
    try:
        yield
    except Refused as refused:
        assert refused.status == status, refused
        assert code is None or refused.code == code, refused
        return
    raise AssertionError(f"not refused; expected {status} {code or ''}")
