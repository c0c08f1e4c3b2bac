// Live orders; each can be cancelled, or all of them.

import { useSignal } from "@preact/signals";
import type { Order } from "bottrading-client";

import type { AccountScope } from "../service/account-scope.js";
import { ActionButton } from "../shared/action.js";
import { SideWord } from "../shared/change.js";
import { confirmed } from "../shared/confirm.js";
import { counted, price, quantity, word } from "../shared/format.js";
import { Section } from "../shared/section.js";
import { Empty, Failure, Loading } from "../shared/states.js";
import { type Column, Table } from "../shared/table.js";
import { Time } from "../shared/time.js";
import { type NameOf, useKeyNames } from "./keys.js";

const SHOWN_AT_FIRST = 20;

export function LiveOrders({ scope }: { scope: AccountScope }) {
  const shown = useSignal(SHOWN_AT_FIRST);
  const nameOf = useKeyNames(scope);
  const orders = scope.log.liveOrders.value;
  const number = orders?.length ?? 0;
  return (
    <Section
      title="Live orders"
      number={orders?.length}
      actions={
        number > 0 && (
          <ActionButton action={() => cancelAll(scope, number)}>Cancel all</ActionButton>
        )
      }
    >
      {scope.log.error.value && <Failure text={scope.log.error.value} />}
      {!orders ? (
        <Loading what="live orders" />
      ) : number === 0 ? (
        <Empty title="No live orders">Orders that wait for their price appear here.</Empty>
      ) : (
        <Table
          caption="Live orders"
          columns={columnsOf(scope, nameOf)}
          rows={orders.slice(0, shown.value)}
          keyOf={({ id }) => id}
        />
      )}
      {number > shown.value && (
        <p class="more">
          <button class="button button-small" type="button" onClick={() => (shown.value += 50)}>
            Show more
          </button>
        </p>
      )}
    </Section>
  );
}

function columnsOf(scope: AccountScope, nameOf: NameOf): Column<Order>[] {
  return [
    {
      title: "Order",
      cell: (order) => (
        <>
          <SideWord side={order.side} /> {order.symbol}
          <span class="sub">
            {word(order.order_type)}
            {roleOf(order)}
            <span class="sub-narrow"> {priceOf(order)}</span>
          </span>
        </>
      ),
    },
    { title: "Price", kind: "figure", from: "small", cell: priceOf },
    {
      title: "Filled",
      kind: "figure",
      cell: ({ filled_quantity, quantity: total }) => (
        <>
          <span class="muted">{quantity(filled_quantity)} of</span> {quantity(total)}
        </>
      ),
    },
    { title: "Time in force", from: "large", cell: ({ time_in_force }) => time_in_force },
    {
      title: "Placed",
      kind: "figure",
      from: "small",
      cell: ({ created_at }) => <Time at={created_at} withSeconds />,
    },
    { title: "By", from: "medium", cell: ({ bot_key_id, placed_by }) => nameOf(bot_key_id, placed_by) },
    {
      title: "",
      label: "Cancel",
      kind: "action",
      cell: (order) => order.placed_by !== "VENUE" && (
        <ActionButton label={`Cancel ${titleOf(order)}`} action={() => cancel(scope, order)}>
          Cancel
        </ActionButton>
      ),
    },
  ];
}

/** Return what an order does in its group; nothing for an order that stands alone. */
function roleOf({ leg, order_class, held }: Order): string {
  if (!leg || !order_class) return "";
  const waits = held ? ", held until the entry fills" : "";
  return `, ${word(leg).toLowerCase()} of ${order_class}${waits}`;
}

function priceOf({ limit_price, stop_price, trail_amount, trail_percent }: Order): string {
  const stop = stop_price && `stop ${price(stop_price)}`;
  const distance = trail_amount ? price(trail_amount) : trail_percent && `${quantity(trail_percent)} %`;
  const trail = distance && `trails by ${distance}`;
  if (trail) return [stop, trail].filter(Boolean).join(", ");
  const limit = limit_price && price(limit_price);
  return [stop, limit].filter(Boolean).join(", limit ") || "Market";
}

function titleOf({ side, quantity: total, symbol }: Order): string {
  return `${side} ${quantity(total)} ${symbol}`;
}

async function cancel(scope: AccountScope, order: Order): Promise<string> {
  const cancelled = await scope.client.cancelOrder(order.id);
  return `${titleOf(cancelled)} is ${word(cancelled.status).toLowerCase()}.`;
}

async function cancelAll(scope: AccountScope, number: number): Promise<string | void> {
  const isWanted = await confirmed({
    title: "Cancel all live orders?",
    text: `The account has ${counted(number, "live order")}. Positions stay as they are.`,
    action: "Cancel all",
  });
  if (!isWanted) return;
  const cancelled = await scope.client.cancelAllOrders();
  return `${counted(cancelled.length, "order")} cancelled.`;
}
