// Executions, newest first: those since the page was opened, and older ones page by page.

import { useComputed, useSignal } from "@preact/signals";
import type { Fill } from "bottrading-client";
import { useEffect, useMemo } from "preact/hooks";

import type { AccountScope } from "../service/account-scope.js";
import { ActionButton } from "../shared/action.js";
import { Change, Price, SideWord } from "../shared/change.js";
import { money, NOTHING, quantity, signedMoney } from "../shared/format.js";
import { Section } from "../shared/section.js";
import { Empty, Loading } from "../shared/states.js";
import { type Column, Table } from "../shared/table.js";
import { Time } from "../shared/time.js";
import { OlderFills } from "./older-fills.js";
import { type NameOf, useKeyNames } from "./keys.js";

const SHOWN_AT_FIRST = 15;
const MORE = 50;

export function Fills({ scope }: { scope: AccountScope }) {
  const older = useMemo(() => new OlderFills(scope.client), [scope]);
  const shown = useSignal(SHOWN_AT_FIRST);
  const nameOf = useKeyNames(scope);
  const isFollowed = scope.log.openedAt.value !== null;
  useEffect(() => {
    // Older fills are read only once the log is open, so that no fill between the two is missed.
    if (isFollowed) void older.read(SHOWN_AT_FIRST);
  }, [older, isFollowed]);
  const fills = useComputed(() => merged(scope.log.fills.value, older.fills.value ?? []));

  const more = async () => {
    shown.value += MORE;
    const missing = shown.value - fills.value.length;
    if (missing > 0) await older.read(missing);
  };
  const hasMore = fills.value.length > shown.value || older.hasMore.value;
  return (
    <Section title="Fills">
      {older.fills.value === null ? (
        <Loading what="fills" error={older.error} />
      ) : fills.value.length === 0 ? (
        <Empty title="No fills yet">
          Give a bot key to a bot: its executions appear here as they happen.
        </Empty>
      ) : (
        <Table
          caption="Fills"
          columns={columnsOf(nameOf)}
          rows={fills.value.slice(0, shown.value)}
          keyOf={({ id }) => id}
        />
      )}
      {hasMore && fills.value.length > 0 && (
        <p class="more">
          <ActionButton action={more}>Show more</ActionButton>
        </p>
      )}
    </Section>
  );
}

/** Return the fills of both lists, each fill once; the newer list comes first. */
export function merged(newer: readonly Fill[], older: readonly Fill[]): Fill[] {
  const known = new Set(newer.map(({ id }) => id));
  return [...newer, ...older.filter(({ id }) => !known.has(id))];
}

function columnsOf(nameOf: NameOf): Column<Fill>[] {
  return [
    { title: "Time", cell: ({ created_at }) => <Time at={created_at} withSeconds /> },
    {
      title: "Fill",
      cell: (fill) => (
        <>
          <SideWord side={fill.side} /> {quantity(fill.quantity)} {fill.symbol}
          <span class="sub sub-narrow">
            at <Price of={fill.price} />
          </span>
        </>
      ),
    },
    { title: "Price", kind: "figure", from: "small", cell: (fill) => <Price of={fill.price} /> },
    { title: "Amount", kind: "figure", from: "medium", cell: ({ amount }) => money(amount) },
    { title: "Fee", kind: "figure", from: "medium", cell: ({ fee }) => money(fee) },
    {
      title: "Realised P&L",
      kind: "figure",
      cell: ({ realized_pnl }) =>
        realized_pnl === null ? (
          <span class="muted">{NOTHING}</span>
        ) : (
          <Change of={realized_pnl} withArrow>
            {signedMoney(realized_pnl)}
          </Change>
        ),
    },
    { title: "By", from: "large", cell: ({ bot_key_id, placed_by }) => nameOf(bot_key_id, placed_by) },
  ];
}
