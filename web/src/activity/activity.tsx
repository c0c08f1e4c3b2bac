// The screen "Activity": the log of the account, newest first.

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";

import type { AccountScope } from "../service/account-scope.js";
import type { Entry } from "../service/log.js";
import { ActionButton } from "../shared/action.js";
import { Segments } from "../shared/segments.js";
import { Empty, Failure, Loading } from "../shared/states.js";
import { EntryRow } from "./entry.js";
import { FILTERS, type Filter, matches } from "./filter.js";
import { OlderEntries } from "./older-entries.js";
import { momentOf } from "./sentence.js";

const SHOWN_AT_FIRST = 100;

export function ActivityScreen({ scope }: { scope: AccountScope }) {
  const filter = useSignal<Filter>("all");
  const words = useSignal("");
  const shown = useSignal(SHOWN_AT_FIRST);
  const openedAt = scope.log.openedAt.value;
  const older = useMemo(() => new OlderEntries(scope.client), [scope]);
  useEffect(() => {
    if (openedAt !== null) void older.begin(openedAt);
  }, [older, openedAt]);
  const entries = useComputed(() =>
    [...scope.log.entries.value, ...(older.entries.value ?? [])].filter((entry) =>
      matches(entry, filter.value, words.value),
    ),
  ).value;
  const more = async () => {
    shown.value += SHOWN_AT_FIRST;
    if (entries.length < shown.value) await older.read();
  };

  return (
    <>
      <div class="page-head">
        <h1>Activity</h1>
        <div class="choices">
          <input
            class="input input-small"
            type="search"
            aria-label="Symbol, status or id"
            placeholder="Symbol, status or id"
            onInput={({ currentTarget }) => (words.value = currentTarget.value)}
          />
          <Segments
            label="Kind of entry"
            options={FILTERS}
            value={filter.value}
            onChange={(value) => (filter.value = value)}
          />
        </div>
      </div>
      {older.error.value && <Failure text={older.error.value} />}
      {older.entries.value === null ? (
        <Loading what="the log" error={scope.log.error} />
      ) : entries.length === 0 ? (
        <Empty title="Nothing here">
          {words.value || filter.value !== "all"
            ? "No entry that was read fits the filter."
            : "Every change of an order or of the account appears here as it happens."}
        </Empty>
      ) : (
        <ol
          class={isOfToday(entries[Math.min(shown.value, entries.length) - 1]!) ? "log" : "log log-dated"}
          aria-label="Log, newest first"
        >
          {entries.slice(0, shown.value).map((entry) => (
            <EntryRow key={entry.sequence} entry={entry} />
          ))}
        </ol>
      )}
      {(entries.length > shown.value || older.hasMore.value) && (
        <p class="more">
          <ActionButton action={more}>Show older entries</ActionButton>
        </p>
      )}
    </>
  );
}

/** Tell whether the time alone says when it was; times with dates are wider, and of one width. */
function isOfToday(entry: Entry): boolean {
  return new Date(momentOf(entry)).toDateString() === new Date().toDateString();
}
