#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the command lines of the file $1 (bench.sh, limit, latency runs ...) one after the other and appends
# their JSON lines, with the load average and the time, to $RESULTS. Hold the measuring lock around it:
#   flock LOCK ./batch.sh LIST
RESULTS=${RESULTS:-results.jsonl} PATH=$(cd "$(dirname "$0")" && pwd):$BIN:$PATH
while read -r line; do
  [ -z "$line" ] && continue
  out=$(timeout ${LIMIT:-150} bash -c "$line" 2>&1 | grep '^{')
  echo "# $(date +%T) load $(cut -d' ' -f1 /proc/loadavg) :: $line" >> "$RESULTS"
  echo "${out:-FAILED}" >> "$RESULTS"
done < "$1"
