#!/bin/sh
# A bot in curl over REST: it buys, follows its order, cancels another, and reads its portfolio.
#
#   export BOTTRADING_BOT_KEY=tvt_…    # and BOTTRADING_REST_URL, unless it is http://127.0.0.1:8080
#   sh examples/direct/bot.sh

set -eu
URL="${BOTTRADING_REST_URL:-http://127.0.0.1:8080}/api/trade/v1/bot"

bot() { # method, path, body: prints the answer, whatever its status
  curl -sS -X "$1" "$URL$2" -H "X-Bot-Key: $BOTTRADING_BOT_KEY" ${3:+-d "$3"}
}
field() { # name: the text of that field in the JSON on standard input
  sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

# The id makes it one order, however often the call is repeated.
BUY='{"symbol": "AAPL", "side": "BUY", "quantity": 2, "client_order_id": "sh-'$(date +%s)-$$'"}'
ORDER=$(bot POST /orders "$BUY" | field id)
bot POST /orders "$BUY" # "replayed":true
[ -n "$ORDER" ] || exit 1 # The answer above says why.

# All that has happened on the account, and then each new event, here until the order is done. curl
# notices only at its next write that nobody reads on, so the heartbeats come often.
curl -sN "$URL/order-updates?after_sequence=0&heartbeat_interval=1s" -H "X-Bot-Key: $BOTTRADING_BOT_KEY" |
  sed -nE "/$ORDER.*\"status\":\"(FILLED|CANCELLED|REJECTED)\"/{s/^data: //p;q;}"

# A limit far below the market waits until it is cancelled.
WAITING=$(bot POST /orders \
  '{"symbol": "AAPL", "side": "BUY", "quantity": 1, "order_type": "LIMIT", "limit_price": 1}' | field id)
bot DELETE "/orders/$WAITING"

# An invalid request is an error that says what to change.
bot POST /orders '{"symbol": "AAPL", "side": "BUY", "quantity": 1, "order_type": "LIMIT"}'

bot GET /portfolio
