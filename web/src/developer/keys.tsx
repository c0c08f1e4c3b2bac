// Bot keys: what each may do and when it was used; they are made and revoked here.

import { useSignal } from "@preact/signals";
import type { BotKey, NewBotKey } from "bottrading-client";

import type { AccountScope } from "../service/account-scope.js";
import { ActionButton } from "../shared/action.js";
import { confirmed } from "../shared/confirm.js";
import { money, word } from "../shared/format.js";
import { Section } from "../shared/section.js";
import { Empty, Loading } from "../shared/states.js";
import { type Column, Table } from "../shared/table.js";
import { Ago, Time } from "../shared/time.js";
import { KeyForm } from "./key-form.js";
import { NewKey } from "./new-key.js";

export function Keys({ scope }: { scope: AccountScope }) {
  const isMaking = useSignal(false);
  const made = useSignal<NewBotKey | null>(null);
  const withRevoked = useSignal(false);
  const { keys } = scope.person;
  const all = keys.value.value;
  const ofAccount = all?.filter(({ account_id }) => account_id === scope.id) ?? [];
  const live = ofAccount.filter(({ revoked_at }) => revoked_at === null);
  const shown = withRevoked.value ? ofAccount : live;

  return (
    <Section
      title="Bot keys"
      number={all ? live.length : undefined}
      actions={
        <button class="button button-primary" type="button" onClick={() => (isMaking.value = true)}>
          Make a key
        </button>
      }
    >
      {!all ? (
        <Loading what="bot keys" error={keys.error} />
      ) : shown.length === 0 ? (
        <Empty title="No keys yet">
          Make one, then give it to a bot: a key trades on this account within the limits that you
          set.
        </Empty>
      ) : (
        <Table
          caption="Bot keys"
          columns={columnsOf(scope)}
          rows={shown}
          keyOf={({ id }) => id}
          classOf={({ revoked_at }) => (revoked_at === null ? undefined : "is-past")}
        />
      )}
      {ofAccount.length > live.length && (
        <p class="more">
          <button
            class="button button-small button-quiet"
            type="button"
            aria-pressed={withRevoked.value}
            onClick={() => (withRevoked.value = !withRevoked.value)}
          >
            {withRevoked.value ? "Hide revoked keys" : "Show revoked keys"}
          </button>
        </p>
      )}
      {isMaking.value && (
        <KeyForm
          scope={scope}
          onMade={(key) => {
            isMaking.value = false;
            made.value = key;
            keys.refresh();
          }}
          onClose={() => (isMaking.value = false)}
        />
      )}
      {made.value && <NewKey made={made.value} onClose={() => (made.value = null)} />}
    </Section>
  );
}

function columnsOf(scope: AccountScope): Column<BotKey>[] {
  return [
    {
      title: "Name",
      cell: (key) => (
        <>
          <span class="name">{key.label}</span>
          <span class="sub">
            <code>{key.prefix}…</code>
          </span>
          <span class="sub-narrow small muted">
            <Powers botKey={key} />
          </span>
        </>
      ),
    },
    { title: "May do", from: "small", cell: (key) => <Powers botKey={key} /> },
    {
      title: "Last used",
      kind: "figure",
      cell: ({ last_used_at }) =>
        last_used_at === null ? <span class="muted">Never</span> : <Ago at={last_used_at} />,
    },
    {
      title: "Created",
      kind: "figure",
      from: "medium",
      cell: ({ created_at }) => <Time at={created_at} />,
    },
    {
      title: "",
      label: "Revoke",
      kind: "action",
      cell: (key) =>
        key.revoked_at !== null ? (
          <span class="muted">
            Revoked <Ago at={key.revoked_at} />
          </span>
        ) : (
          <ActionButton label={`Revoke ${key.label}`} action={() => revoke(scope, key)}>
            Revoke
          </ActionButton>
        ),
    },
  ];
}

/** What a key may do, and within which limits. */
function Powers({ botKey }: { botKey: BotKey }) {
  const { scopes, allowed_symbols, allowed_asset_types, order_notional_max } = botKey;
  const limits = [
    allowed_symbols.length > 0 && `only ${allowed_symbols.join(", ")}`,
    allowed_asset_types.length > 0 && `only ${allowed_asset_types.map(word).join(", ")}`,
    order_notional_max !== null && `orders up to ${money(order_notional_max)}`,
  ].filter(Boolean);
  return (
    <>
      {scopes.includes("TRADE") ? "Trade and read" : "Read only"}
      <span class="sub">{limits.join(" · ") || "everything on the account"}</span>
    </>
  );
}

async function revoke(scope: AccountScope, { id, label }: BotKey): Promise<string | void> {
  const isWanted = await confirmed({
    title: `Revoke “${label}”?`,
    text: "Every further call with the key is refused, for good. Its live orders stay live.",
    action: "Revoke key",
  });
  if (!isWanted) return;
  await scope.person.management.revokeKey(id);
  scope.person.keys.refresh();
  scope.limits.refresh();
  return `“${label}” is revoked.`;
}
