#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the streams: little-endian int32 columns (sym, card, amount, ts_ms), 16 bytes an event. Usage: gen.py OUTDIR
abc:    sym 0=A (10 %), 1=B (10 %), 2=C (rare: one in 50,000), 3=other; 1 event per ms
kle:    sym 0=A (1 %), 1=B (variable), 2=C (one in 50,000), 3=other; B 10 %
fraud:  10,000 cards, amount: 30 % small (<10), 1 % large (>500), else middle; ts every 1.2 ms
multi:  sym uniform over 3,000 constants
stock:  type BUY/SELL x 50 names (zipf) with the schema of CORE's stock queries"""
import sys, os
import numpy as np
out = sys.argv[1]; os.makedirs(out, exist_ok=True)
rng = np.random.default_rng(42)
def put(name, sym, card, amount, ts):
    a = np.empty((len(sym), 4), dtype='<i4'); a[:,0]=sym; a[:,1]=card; a[:,2]=amount; a[:,3]=ts
    a.tofile(os.path.join(out, name + '.bin'))
n = 1_000_000
u = rng.random(n); sym = np.where(u < .1, 0, np.where(u < .2, 1, 3)); sym[49_999::50_000] = 2
put('abc', sym, rng.integers(0, 10_000, n), rng.integers(0, 1000, n), np.arange(n))
u = rng.random(n); sym = np.where(u < .01, 0, np.where(u < .11, 1, 3)); sym[49_999::50_000] = 2
put('kle', sym, rng.integers(0, 10_000, n), rng.integers(0, 1000, n), np.arange(n))
u = rng.random(n); amt = np.where(u < .3, rng.integers(1, 10, n), np.where(u < .31, rng.integers(501, 5000, n), rng.integers(10, 501, n)))
put('fraud', np.zeros(n), rng.integers(0, 10_000, n), amt, (np.arange(n) * 1.2).astype(np.int64))
put('multi', rng.integers(0, 3000, n), rng.integers(0, 10_000, n), rng.integers(0, 1000, n), np.arange(n))
# stock: sym = name index 0..49 (zipf-like), card = 0 BUY / 1 SELL, amount = price, ts: 20 events a ms-second tick
w = 1 / np.arange(1, 51); w /= w.sum()
put('stock', rng.choice(50, n, p=w), rng.integers(0, 2, n), rng.integers(1, 200, n), np.cumsum(rng.integers(0, 3, n)) * 10)
