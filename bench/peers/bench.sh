#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One measured run: bench.sh ks|flink etl|window|cep [-Dname=value ...]
# -Dn=4000000 reads the whole input topic (n=0: until SIGTERM), -Dthreads=1, -Deos=true|false,
# -Dcommit=MS, -Dstore=mem|rocksdb, -Djson=tree|stream, -Dtuned=true, -Dprefilter=true
# BROKERS, STATE (scratch directory), HEAP from the environment. One JSON line per run.
set -e
here=$(cd "$(dirname "$0")" && pwd)
engine=$1 work=$2; shift 2
BROKERS=${BROKERS:-127.0.0.1:39092} STATE=${STATE:-$here/state} HEAP=${HEAP:-1g}
mkdir -p "$STATE"
in=pay; [ "$work" = window ] && in=ads
case $engine in ks) mod=kstreams main=peers.KStreamsBench;; flink) mod=flink main=peers.FlinkBench;; *) exit 2;; esac
opens=
for p in lang util util.concurrent nio net text time io lang.reflect util.concurrent.atomic; do opens="$opens --add-opens java.base/java.$p=ALL-UNNAMED"; done
exec java -Xmx$HEAP $opens -Dorg.slf4j.simpleLogger.defaultLogLevel=${LOG:-error} -Dbrokers=$BROKERS -Dstate="$STATE" \
  -Din=$in -Dout=out-$engine-$work -Dn=4000000 "$@" -cp "$here/common/target/classes:$here/$mod/target/classes:$here/$mod/target/dependency/*" $main $work
