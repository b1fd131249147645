# Two commands matter: `make demo` and `make test`. The rest is what they are made of.
TARGET := $(or $(CARGO_TARGET_DIR),target)
.PHONY: demo test soak build console prepare

# Builds Sycee and runs it on this machine; ARGS are passed on, as in make demo ARGS="--port 8080".
demo: build
	@exec $(TARGET)/debug/sycee demo $(ARGS)

# Everything but the long runs, in some 20 minutes on 2 cores.
test:
	@exec python3 tests/run.py test

# The long runs.
soak:
	@exec python3 tests/run.py soak

# What the tests need of this machine; installed when root, else named.
prepare:
	@exec python3 tests/prepare.py

build: console
	cargo build --locked --package sycee --features console

# The web pages that the binary embeds, built anew only when a source is newer.
console: console/dist/index.html

CONSOLE_SOURCES := $(shell find console -path '*/node_modules' -prune -o -path console/dist -prune -o -path console/e2e -prune -o -type f -print)
console/dist/index.html: console/node_modules/.package-lock.json $(CONSOLE_SOURCES)
	npm --prefix console run build --silent
	@touch $@

console/node_modules/.package-lock.json: console/package-lock.json
	npm --prefix console ci --no-fund --no-audit --loglevel=error
	@touch $@
