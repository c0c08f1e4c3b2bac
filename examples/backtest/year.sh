#!/bin/sh
# Two strategies over an invented year: a lock-step replay plays it and waits for both.
#
#   sh examples/backtest/year.sh AAPL   # or SPY, BTC-USD, EUR-USD
#
# The replay is a service like any other, with a port and a directory of its own.

set -eu
cd "$(dirname "$0")/../.."
TARGET="127.0.0.1:${BACKTEST_PORT:-50057}"
DATA=$(mktemp -d)

.venv/bin/bottrading serve --no-rest --grpc "$TARGET" --data-dir "$DATA" \
  --market replay --replay-file examples/replay/a-year-of-days.csv \
  --replay-clock step --step-participants 2 --step-timeout 20 2> "$DATA/log" &
SERVICE=$!
trap 'kill $SERVICE 2> /dev/null || true; wait $SERVICE || true; rm -rf "$DATA"' EXIT

BOTTRADING_TOKEN=$(.venv/bin/bottrading token me --data-dir "$DATA")
export BOTTRADING_TOKEN
BOTTRADING_TARGET="$TARGET" .venv/bin/python examples/backtest/compare.py "$@" ||
  { tail -n 5 "$DATA/log" >&2; exit 1; }
