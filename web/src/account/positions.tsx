// What the account holds; each position can be closed, or all of them.

import type { Order, Portfolio, Position } from "bottrading-client";

import type { AccountScope } from "../service/account-scope.js";
import { useFigures } from "../service/figure.js";
import { ActionButton } from "../shared/action.js";
import { Change, Price } from "../shared/change.js";
import { confirmed } from "../shared/confirm.js";
import {
  count,
  counted,
  money,
  NOTHING,
  percent,
  quantity,
  roundedPrice,
  signedMoney,
  signedPercent,
  word,
} from "../shared/format.js";
import { Section } from "../shared/section.js";
import { Empty, Loading } from "../shared/states.js";
import { type Column, Table } from "../shared/table.js";

export function Positions({ scope }: { scope: AccountScope }) {
  useFigures(scope.portfolio);
  const portfolio = scope.portfolio.value.value;
  const positions = portfolio?.positions;
  return (
    <Section
      title="Positions"
      number={positions?.length}
      actions={
        positions &&
        positions.length > 0 && (
          <ActionButton action={() => closeAll(scope, positions.length)}>Close all</ActionButton>
        )
      }
    >
      {!portfolio ? (
        <Loading what="positions" error={scope.portfolio.error} />
      ) : portfolio.positions.length === 0 ? (
        <Empty title="No positions">What your bots buy appears here, with its price now.</Empty>
      ) : (
        <Table
          caption="Positions"
          columns={columnsOf(scope, portfolio)}
          rows={portfolio.positions}
          keyOf={({ symbol }) => symbol}
        />
      )}
    </Section>
  );
}

function columnsOf(scope: AccountScope, portfolio: Portfolio): Column<Position>[] {
  const equity = Number(portfolio.total_equity);
  return [
    { title: "Symbol", cell: (position) => <Name position={position} /> },
    { title: "Quantity", kind: "figure", from: "small", cell: (held) => quantity(held.quantity) },
    {
      title: "Average cost",
      kind: "figure",
      from: "medium",
      cell: (held) => <Price of={held.avg_cost} />,
    },
    {
      title: "Price",
      kind: "figure",
      from: "small",
      cell: ({ current_price }) =>
        current_price === null ? NOTHING : <Price of={current_price} />,
    },
    {
      title: "Market value",
      kind: "figure",
      from: "medium",
      cell: ({ market_value }) => money(market_value),
    },
    {
      title: "Share",
      kind: "figure",
      from: "large",
      cell: ({ market_value }) => percent((Number(market_value) / equity) * 100, 1),
    },
    {
      title: "Unrealised P&L",
      kind: "figure",
      cell: ({ unrealized_pnl, unrealized_pnl_pct }) => (
        <Change of={unrealized_pnl} withArrow>
          {signedMoney(unrealized_pnl)}
          <span class="sub">{signedPercent(unrealized_pnl_pct)}</span>
        </Change>
      ),
    },
    {
      title: "",
      label: "Close",
      kind: "action",
      cell: (position) => (
        <ActionButton label={`Close ${position.symbol}`} action={() => close(scope, position)}>
          Close
        </ActionButton>
      ),
    },
  ];
}

function Name({ position }: { position: Position }) {
  const { symbol, asset_type, avg_cost } = position;
  return (
    <>
      {symbol}
      <span class="sub">
        <span class="sub-wide">
          {word(asset_type)}
          {isShort(position) && ", short"}
        </span>
        <span class="sub-narrow">
          {quantity(position.quantity)} at <Price of={avg_cost} />
        </span>
      </span>
    </>
  );
}

function isShort({ quantity: held }: Position): boolean {
  return Number(held) < 0;
}

async function close(scope: AccountScope, position: Position): Promise<string | void> {
  const { symbol, reserved_quantity, open_buy_quantity } = position;
  const isReserved = Number(isShort(position) ? open_buy_quantity : reserved_quantity) > 0;
  const held = quantity(position.quantity).replace(/^\D/, "");
  const isWanted = await confirmed({
    title: `Close ${symbol}?`,
    text:
      `A MARKET order ${isShort(position) ? "buys back" : "sells"} ${held} ${symbol}.` +
      (isReserved ? " Live orders that would close it are cancelled." : ""),
    action: `Close ${symbol}`,
  });
  if (!isWanted) return;
  const order = await scope.client.closePosition(symbol);
  scope.portfolio.refresh();
  return said(order);
}

async function closeAll(scope: AccountScope, number: number): Promise<string | void> {
  const isWanted = await confirmed({
    title: "Close all positions?",
    text:
      `MARKET orders close everything that the account holds: ${counted(number, "position")}. ` +
      "Live orders that would close them are cancelled.",
    action: "Close all",
  });
  if (!isWanted) return;
  const orders = await scope.client.closeAllPositions();
  scope.portfolio.refresh();
  const filled = orders.filter(({ status }) => status === "FILLED").length;
  const others = orders.skipped > 0 ? ` ${count(orders.skipped)} cannot be closed now.` : "";
  return `${count(filled)} of ${count(orders.length)} closing orders filled.${others}`;
}

function said(order: Order): string {
  const { symbol, side, status, filled_quantity, filled_price } = order;
  if (status === "REJECTED") return `${symbol}: ${order.rejection_message}`;
  if (filled_price === null) return `The order to ${side.toLowerCase()} ${symbol} waits.`;
  return `${side === "BUY" ? "Bought" : "Sold"} ${quantity(filled_quantity)} ${symbol} at ${roundedPrice(filled_price)}.`;
}
