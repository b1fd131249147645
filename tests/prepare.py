"""Brings a machine to where the tests can run, and says what it did.

What is missing of the system is installed with apt-get when we are root on a Debian-like machine; otherwise the one
line to run is named and the program fails. What is missing of Python and Node goes below `target/` and
`node_modules/`, pinned. A second call finds everything in place and takes well under a second.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / "target/venv"
NODE_PROJECTS = ("tests/clients/node", "console/e2e")  # the console itself is built by `make console`


def on_path(*names):
    return any(shutil.which(name) for name in names)


def has_chinese_font():
    listed = subprocess.run(["fc-list", ":lang=zh", "family"], capture_output=True, text=True) if on_path("fc-list") else None
    return bool(listed and listed.stdout.strip())


def has_venv():
    return subprocess.run([sys.executable, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0


# (what, is it there?, the Debian packages that bring it)
NEEDS = [
    ("a C linker", lambda: on_path("cc"), ["gcc", "libc6-dev"]),
    ("python3-venv", has_venv, ["python3-venv"]),
    ("Node and npm", lambda: on_path("node") and on_path("npm"), ["nodejs", "npm"]),
    ("Chromium", lambda: on_path("chromium", "chromium-browser", "google-chrome"), ["chromium"]),
    ("a font for Chinese", has_chinese_font, ["fontconfig", "fonts-wqy-zenhei"]),
    ("unshare", lambda: on_path("unshare"), ["util-linux"]),
    ("curl", lambda: on_path("curl"), ["curl"]),
    ("git", lambda: on_path("git"), ["git"]),
]


def run(command, seconds, **options):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=seconds, **options)


def system():
    if not on_path("cargo"):
        sys.exit("Rust is missing. Install it from https://rustup.rs, then run this again.")
    missing = [need for need in NEEDS if not need[1]()]
    if not missing:
        return
    names = ", ".join(what for what, _, _ in missing)
    packages = [package for _, _, each in missing for package in each]
    if os.geteuid() != 0 or not on_path("apt-get"):
        sys.exit(f"missing: {names}. Run this, then try again:\n\n    sudo apt-get install -y --no-install-recommends {' '.join(packages)}\n")
    print(f"installing {names}", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], 180, env=quiet)
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], 420, env=quiet)
    still = [what for what, present, _ in missing if not present()]
    if still:
        sys.exit(f"installed {' '.join(packages)}, but still missing: {', '.join(still)}")


def fresh(stamp, *sources):
    """Whether `stamp` was written for exactly these sources; and the text to write when it is not."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources) + sys.version.encode()).hexdigest()
    return stamp.exists() and stamp.read_text() == digest, digest


def python_packages():
    stamp, wanted = VENV / "prepared", ROOT / "tests/requirements.txt"
    done, digest = fresh(stamp, wanted)
    if done:
        return
    print("installing the Python packages of the tests", flush=True)
    run([sys.executable, "-m", "venv", "--clear", VENV], 120)
    run([VENV / "bin/pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "-r", wanted], 600)
    stamp.write_text(digest)


def node_packages():
    for name in NODE_PROJECTS:
        project = ROOT / name
        if not (project / "package-lock.json").exists():
            continue
        stamp = project / "node_modules/.prepared"
        done, digest = fresh(stamp, project / "package.json", project / "package-lock.json")
        if done:
            continue
        print(f"installing the Node packages of {name}", flush=True)
        run(["npm", "ci", "--no-fund", "--no-audit", "--loglevel=error"], 300, cwd=project)
        stamp.write_text(digest)


if __name__ == "__main__":
    system()
    python_packages()
    node_packages()
