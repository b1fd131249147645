"""Checks a proof of Sycee with nothing but Python and the log's key. Written from the standards, not from Sycee's code.
usage: verify_proof.py KEY FILE.tlog-proof          that a receipt or a metered line is in the log, at the published price
       verify_proof.py KEY GROWTH KEPT-CHECKPOINT   that the log begins as it was when the checkpoint was kept
KEY is a line `name+id+key`, or a file with it; have it from elsewhere than the proof. Says what was proved, or fails with why not.

RFC 9162 (trees), RFC 8032 (Ed25519, in plain Python so that there is nothing to install: it checks and keeps no secret), RFC 8949
(CBOR), c2sp.org: signed-note, tlog-checkpoint, tlog-proof, tlog-witness. What a leaf and a line say: docs/reference/proofs.md.
"""
import base64, hashlib, os, sys

def need(holds, why):
    if not holds:
        raise ValueError(why)
def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()
def plain(text):
    return base64.b64decode(text, validate=True)
def little(data, start, end):
    return int.from_bytes(data[start:end], "little")

# Ed25519, RFC 8032, section 5.1.
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
def add(a, b):
    (x, y), (u, v) = a, b
    t = D * x * y * u * v % P
    return (x * v + u * y) * pow(1 + t, -1, P) % P, (y * v + x * u) * pow(1 - t, -1, P) % P
def times(number, point):
    half = times(number // 2, add(point, point)) if number else (0, 1)
    return add(half, point) if number & 1 else half
def point(encoded):
    y, odd = little(encoded, 0, 32) & (1 << 255) - 1, encoded[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    need(y < P and x * x % P == square and (x or not odd), "the key or the signature is no point of the curve")
    return (x if x & 1 == odd else P - x), y
def is_signature(public, message, signature):
    r, s, base = signature[:32], little(signature, 32, 64), point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    k = little(hashlib.sha512(r + public + message).digest(), 0, 64) % ORDER
    return len(signature) == 64 and s < ORDER and times(s, base) == add(point(r), times(k, point(public)))

def checkpoint(key, note):  # size and root that this key has signed
    name, _, encoded = key.split("+", 2)
    public = plain(encoded).removeprefix(b"\1")
    need(len(public) == 32, "the key is not one of Ed25519")
    text, _, signatures = note.rpartition("\n\n")
    signed = [plain(signature) for _, who, signature in map(str.split, signatures.splitlines()) if who == name]
    ours = [it[4:] for it in signed if it[:4] == sha256(name.encode(), b"\n\1", public)[:4]]
    need(ours and all(is_signature(public, (text + "\n").encode(), it) for it in ours), "the checkpoint is not signed with this key")
    origin, size, root = text.split("\n")[:3]
    need(origin == name, "the checkpoint is that of another log")
    return int(size), plain(root)

def inclusion(index, size, leaf, path):  # the root; RFC 9162, section 2.1.3.1, from its end
    if size == 1 and index == 0 and not path:
        return leaf
    need(path and 0 <= index < size, "the path is not as long as it is in a tree of this size")
    half = 1 << (size - 1).bit_length() - 1
    return (sha256(b"\1", inclusion(index, half, leaf, path[:-1]), path[-1]) if index < half else
            sha256(b"\1", path[-1], inclusion(index - half, size - half, leaf, path[:-1])))
def consistency(old, size, known, path):  # both roots; section 2.1.4.1, from its end; `known` is the old one where it is complete
    if old == size and len(path) == (known is None):
        return (known or path[0],) * 2
    need(path and 0 < old < size, "the path is not as long as it is between trees of these sizes")
    half = 1 << (size - 1).bit_length() - 1
    if old <= half:
        before, now = consistency(old, half, known, path[:-1])
        return before, sha256(b"\1", now, path[-1])
    return tuple(sha256(b"\1", path[-1], it) for it in consistency(old - half, size - half, None, path[:-1]))
Array = type("Array", (list,), {})  # a list that also has itself as it was written
def cbor(data, at=0):  # one value and where it ends: what entries are made of, and nothing else
    major, info = data[at] >> 5, data[at] & 31
    need(info < 28 and (major < 5 or major == 6 or data[at] in (0xF4, 0xF5, 0xF6)), "this is no entry")
    after = at + 1 + (1 << info - 24 if info >= 24 else 0)
    number = int.from_bytes(data[at + 1:after], "big") if info >= 24 else info
    if major in (0, 1, 7):
        return (number, -1 - number)[major & 1] if major < 7 else None, after
    if major < 4:
        return data[after:after + number], after + number
    items = Array()
    for _ in range(number if major == 4 else 1):
        item, after = cbor(data, after)
        items.append(item)
    items.raw = data[at:after]
    return (items if major == 4 else (-1 if number == 3 else 0) ^ int.from_bytes(items[0], "big")), after  # else beyond 64 bits

def hashes(lines):
    return [plain(lines.pop(0)) for _ in range(next((i for i, line in enumerate(lines) if len(line) != 44), len(lines)))]
def shown(lines, size, root, path=None):  # what a leaf commits to, if the leaf is in the tree
    leaf, salt = (plain(lines.pop(0).removeprefix(name)) for name in ("leaf ", "salt "))
    what, content = lines.pop(0).split(" ")
    content, position = plain(content), little(leaf, 2, 10)
    need(leaf[0] == 1 and len(leaf) == 50 and len(salt) == 16, "this is no leaf, or one of a later version")
    need(what == ("line" if leaf[1] == 8 else "entry"), "a line is passed off as an entry, or an entry as a line")
    commitment = sha256(salt, content)
    if what == "line":
        index, many = map(int, lines.pop(0).removeprefix("inner ").split(" "))
        commitment = inclusion(index, many, sha256(b"\0", salt, content), hashes(lines))
    need(commitment == leaf[18:], "the leaf does not commit to what is shown")
    path = hashes(lines) if path is None and lines.pop(0) == "path" else path
    need(inclusion(position, size, sha256(b"\0", leaf), path) == root, "it is not in the log that was signed")
    entry = content if what == "line" else cbor(content)[0]
    need(what == "line" or entry[:2] == [position, little(leaf, 10, 18)], "the entry is that of another place or time")
    return what, entry, position

def receipt(text, key):
    def events(entry, institution, kind):
        return [event[1][0][1] for event in entry[7] if event[0] == institution and event[1][0][0] == kind]
    head, note = text.split("\n\n", 1)
    (size, root), (first, extra, index, *rest) = checkpoint(key, note), head.split("\n")
    lines = plain(extra.removeprefix("extra ")).decode().split("\n")
    need((first, lines.pop(0), lines.pop()) == ("c2sp.org/tlog-proof@v1", "sycee-proof 1", ""), "this is no proof of Sycee")
    what, entry, position = shown(lines, size, root, hashes(rest))
    need(index == f"index {position}" and not rest, "the index is not that of the leaf")
    published = []
    while lines:
        need(lines.pop(0) == "beside", "there is more than a proof")
        published += events(shown(lines, size, root)[1], 5, 6) or need(False, "an entry beside it publishes no price")
    print(f"{what} at position {position} of {size}, in the log of {key.split('+')[0]}")
    if what == "line":  # (name, tokens, paid, at most, its price)
        tokens = iter(little(entry, i, i + 4) for i in range(111, len(entry), 4))
        usage = [next(tokens) if little(entry, 109, 111) >> bit & 1 else 0 for bit in range(10)]
        name, most = f"line {little(entry, 64, 72)} of account {entry[:16].hex()}", 0 if entry[108] else 1 << 127
        claims = [(name, usage, little(entry, 92, 108), most, entry[32:64])]
    else:
        claims = [(f"receipt {request:032x} of account {it[0]:032x}", it[6][1], it[7], it[8], [it[6][0], it[5]])
                  for request, it in events(entry, 7, 3)]
    for name, usage, paid, most, wanted in claims:
        price = next((it for it in published if wanted in (sha256(it.raw), it[:2])), None)
        need(price or not published, "no entry beside it publishes its price")
        cost = min(sum(map(int.__mul__, usage, price[2][2])) // 10**6, most) if price else paid
        need(cost == paid, f"{paid} units were paid, and that price says {cost}")
        print(f"{name}: {usage} tokens, {paid} units, " + ("as that price says" if price else "its price is not in the file"))

def growth(text, key, kept):
    head, note = text.split("\n\n", 1)
    (size, root), (old, before), (first, *path) = checkpoint(key, note), checkpoint(key, kept), head.split("\n")
    need(first == f"old {old}", "it is about another checkpoint than the one that was kept")
    roots = consistency(old, size, before, hashes(path)) if old else (sha256(), root)
    need(roots == (before, root) and not path, "the log was changed since")
    print(f"the {old} entries that were there then are the first of the {size} that there are now")

if __name__ == "__main__":
    key, *texts = (open(it, encoding="utf-8", newline="").read() if os.path.exists(it) else it for it in sys.argv[1:] or sys.exit(__doc__))
    try:
        (receipt if len(texts) == 1 else growth)(texts[0], key.strip(), *texts[1:])
    except (ValueError, IndexError, StopIteration, RuntimeError, TypeError) as error:
        sys.exit(f"NOT PROVED: {error or type(error).__name__}")
    print("PROVED")
