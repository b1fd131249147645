"""The checker that is written from the standards alone, against those standards."""

import ast
import hashlib
import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "docs/verify_proof.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("verify_proof", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_short_enough_to_be_read_and_needs_nothing_but_python():
    text = SCRIPT.read_text()
    assert len(text.splitlines()) <= 150
    imported = [name.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom) for name in node.names]
    assert imported and set(imported) <= sys.stdlib_module_names


# RFC 8032, section 7.1: public key, message, signature of the tests 1, 2 and 3.
SIGNATURES = [
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
]


@pytest.mark.parametrize("case", SIGNATURES)
def test_signatures_are_those_of_rfc_8032(script, case):
    key, message, signature = map(bytes.fromhex, case)
    assert script.is_signature(key, message, signature)
    assert not script.is_signature(key, message + b"x", signature)
    for index in (0, 31, 32, 63):
        other = bytearray(signature)
        other[index] ^= 1
        try:
            assert not script.is_signature(key, message, bytes(other))
        except ValueError as error:
            assert "no point of the curve" in str(error)
    # The same point reached by a number that is too large: a second signature for one message.
    too_large = (int.from_bytes(signature[32:], "little") + script.ORDER).to_bytes(32, "little")
    assert not script.is_signature(key, message, signature[:32] + too_large)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def halves(leaves):
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return leaves[:half], leaves[half:]


def root(leaves):
    """MTH of RFC 9162, section 2.1.1."""
    return sha256() if not leaves else leaves[0] if len(leaves) == 1 else sha256(b"\1", *map(root, halves(leaves)))


def path(index, leaves):
    """PATH of section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    left, right = halves(leaves)
    return path(index, left) + [root(right)] if index < len(left) else path(index - len(left), right) + [root(left)]


def between(old, leaves, known=True):
    """SUBPROOF of section 2.1.4.1."""
    if old == len(leaves):
        return [] if known else [root(leaves)]
    left, right = halves(leaves)
    return between(old, left, known) + [root(right)] if old <= len(left) else between(old - len(left), right, False) + [root(left)]


def refused(call, *arguments):
    try:
        return call(*arguments)
    except (ValueError, IndexError):
        return None


def test_paths_are_those_of_rfc_9162(script):
    every = [sha256(b"\0", bytes([index])) for index in range(40)]
    for size in range(1, len(every) + 1):
        leaves, whole = every[:size], root(every[:size])
        for index, leaf in enumerate(leaves):
            good = path(index, leaves)
            assert script.inclusion(index, size, leaf, good) == whole
            assert size == 1 or refused(script.inclusion, index, size, leaf, good[1:]) != whole
            assert refused(script.inclusion, index, size, leaf, good + [leaf]) != whole
        for old in range(1, size + 1):
            good, before = between(old, leaves), root(leaves[:old])
            assert script.consistency(old, size, before, good) == (before, whole)
            assert refused(script.consistency, old, size, before, good + [whole]) != (before, whole)
            assert old == size or refused(script.consistency, old, size, before, good[1:]) != (before, whole)
            other = sha256(b"\0", before)
            assert refused(script.consistency, old, size, other, good) != (other, whole)
