// Simple strategies, whose bots make the curves of the pictures.

const EQUITY = 100_000;

/** Bots by the name of their owner; `start` returns a function that looks at the market once. */
export const STRATEGIES = {
  Ada: { label: "dips", start: (bot) => following(bot, ["AAPL", "SPY", "BTC-USD"], 12, -1) },
  "Grace H.": { label: "trend", start: (bot) => following(bot, ["AAPL", "BTC-USD"], 14, 1) },
  Linus: { label: "hold", start: (bot) => holding(bot, ["SPY", "AAPL"]) },
  "Team Blue": { label: "crypto", start: (bot) => following(bot, ["BTC-USD"], 40, 1) },
  Margaret: { label: "currencies", start: (bot) => following(bot, ["EUR-USD", "SPY"], 25, -1) },
};

/** Buy above the mean of the last `looks` prices, or below it (`sign` -1); sell on the other side. */
function following(bot, symbols, looks, sign) {
  const seen = new Map(symbols.map((symbol) => [symbol, []]));
  const trader = new Trader(bot);
  return async () => {
    const held = new Map((await bot.positions()).map((one) => [one.symbol, one.quantity]));
    for (const { symbol, bid, ask } of await bot.quotes(symbols)) {
      const price = (Number(bid) + Number(ask)) / 2;
      const prices = seen.get(symbol);
      prices.push(price);
      if (prices.length <= looks || (await trader.isWaiting(symbol))) continue;
      prices.shift();
      const mean = prices.reduce((sum, one) => sum + one, 0) / looks;
      const distance = sign * (price / mean - 1);
      const quantity = quantityFor(symbol, (0.9 * EQUITY) / symbols.length / price);
      if (distance > 0.004 && !held.has(symbol)) await trader.place(symbol, "BUY", quantity);
      if (distance < -0.004 && held.has(symbol)) {
        await trader.place(symbol, "SELL", held.get(symbol));
      }
    }
  };
}

function holding(bot, symbols) {
  const trader = new Trader(bot);
  const wanted = new Set(symbols);
  return async () => {
    if (wanted.size === 0) return;
    for (const { symbol, ask } of await bot.quotes([...wanted])) {
      await trader.place(symbol, "BUY", quantityFor(symbol, (0.45 * EQUITY) / Number(ask)));
      wanted.delete(symbol);
    }
  };
}

/** Places one order of a symbol at a time: outside of opening hours a market order waits. */
class Trader {
  #bot;
  #orders = new Map();

  constructor(bot) {
    this.#bot = bot;
  }

  async place(symbol, side, quantity) {
    const { id } = await this.#bot.placeOrder({ symbol, side, quantity });
    this.#orders.set(symbol, id);
  }

  async isWaiting(symbol) {
    const id = this.#orders.get(symbol);
    if (!id) return false;
    const { status } = await this.#bot.order(id);
    const isWaiting = status === "OPEN" || status === "PARTIALLY_FILLED";
    if (!isWaiting) this.#orders.delete(symbol);
    return isWaiting;
  }
}

/** Return a quantity in the usual steps. */
function quantityFor(symbol, quantity) {
  return quantity.toFixed(symbol === "BTC-USD" ? 2 : 0);
}
