"""Serves a GGUF with llama.cpp's own HTTP server. usage: serve_engine.py MODEL.gguf [--embedding]

Prints one line, `ready http://127.0.0.1:PORT`, and serves until SIGTERM or SIGINT, or until its parent is gone.
"""

import ctypes
import signal
import sys

import xllamacpp

PR_SET_PDEATHSIG = 1
SLOTS, SLOT_CONTEXT = 4, 4096

# Blocked before the first C++ thread exists, so that none of them takes the signal.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.model_alias = {"sycee-test"}
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_parallel = SLOTS
params.n_ctx = SLOTS * SLOT_CONTEXT
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.cache_ram_mib = 0
params.fit_params = False
params.ui = False
params.sampling.seed = 1
if "--embedding" in sys.argv:
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN

server = xllamacpp.Server(params)  # returns once it listens
print(f"ready {server.listening_address}", flush=True)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
