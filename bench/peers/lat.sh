#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One latency run: lat.sh OUT_TOPIC READY_S -- ENGINE COMMAND (reading lat-in from the latest offset)
# 15 s of warm-up and 20 s of measurement at 10,000 events/s.
out=$1 ready=$2; shift 3
"$@" >/dev/null 2>&1 & pid=$!
sleep "$ready"
latency -i lat-in -o "$out" -r "${RATE:-10000}" -w 15 -d 20 -p $pid | sed "s|{|{\"label\":\"$*\",|"
kill $pid; wait $pid
