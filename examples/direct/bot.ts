// A bot in TypeScript over REST: it buys, follows its order, cancels another, reads its portfolio.
//
//   npm ci --prefix clients/typescript && npm run build --prefix clients/typescript
//   npm ci --prefix examples
//   export BOTTRADING_BOT_KEY=tvt_…    # and BOTTRADING_REST_URL, unless it is http://127.0.0.1:8080
//   npx --prefix examples tsx examples/direct/bot.ts

import { randomUUID } from "node:crypto";

import { BotTradingClient, BotTradingError } from "bottrading-client";

const client = new BotTradingClient();

// The stream is open before the order is placed, so that nothing of it is missed.
const updates = client.orderUpdates();
await updates.open();

// The id makes it one order, however often the call is repeated.
let order = await client.placeOrder({
  symbol: "AAPL",
  side: "BUY",
  quantity: "2",
  client_order_id: randomUUID(),
});
for await (const update of updates) {
  if (update.kind !== "order_update" || update.order.id !== order.id) continue;
  console.log(update.sequence, update.type, update.order.filled_quantity);
  order = update.order;
  if (["FILLED", "CANCELLED", "REJECTED"].includes(order.status)) break;
}
// An order that the rules of trading forbid is no error: it is REJECTED, and says why.
console.log(order.status, order.filled_price, order.rejection_reason);

// A limit far below the market waits until it is cancelled.
const { bid } = await client.quote("AAPL");
const waiting = await client.placeOrder({
  symbol: "AAPL",
  side: "BUY",
  quantity: "1",
  order_type: "LIMIT",
  limit_price: (Number(bid) / 2).toFixed(2),
});
const cancelled = await client.cancelOrder(waiting.id);
console.log(waiting.status, waiting.limit_price, cancelled.status);

// An invalid request is an error that says what to change.
try {
  await client.placeOrder({ symbol: "AAPL", side: "BUY", quantity: "1", order_type: "LIMIT" });
} catch (error) {
  if (!(error instanceof BotTradingError)) throw error;
  console.log(error.reason, error.message);
}

const portfolio = await client.portfolio();
console.log("equity", portfolio.total_equity);
for (const position of portfolio.positions) {
  console.log(position.symbol, position.quantity, position.unrealized_pnl);
}
