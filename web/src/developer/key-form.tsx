// Makes a bot key: its name, and what it may do.

import { useSignal } from "@preact/signals";
import type { AssetType, KeyRequest, NewBotKey } from "bottrading-client";

import type { AccountScope } from "../service/account-scope.js";
import { Dialog } from "../shared/dialog.js";
import { Field, useForm } from "../shared/form.js";
import { word } from "../shared/format.js";

const ASSET_TYPES: readonly AssetType[] = [
  "STOCK",
  "ETF",
  "CRYPTO",
  "FOREX",
  "COMMODITY",
  "OPTION",
];

interface KeyFormProps {
  scope: AccountScope;
  onMade: (key: NewBotKey) => void;
  onClose: () => void;
}

export function KeyForm({ scope, onMade, onClose }: KeyFormProps) {
  const mayTrade = useSignal(true);
  const form = useForm(async (values) => {
    const request: KeyRequest = {
      label: text(values, "label"),
      account_id: scope.id,
      scopes: mayTrade.value ? ["READ", "TRADE"] : ["READ"],
      allowed_symbols: symbolsOf(text(values, "allowed_symbols")),
      allowed_asset_types: values.getAll("allowed_asset_types") as AssetType[],
      order_notional_max: text(values, "order_notional_max") || null,
    };
    onMade(await scope.person.management.createKey(request));
  });
  return (
    <Dialog title="Make a bot key" onClose={onClose}>
      <p class="muted">A key trades on this account. Give each bot a key of its own.</p>
      <form onSubmit={form.submit}>
        <Field form={form} name="label" label="Name" hint="For you, such as what the bot does.">
          <input class="input" maxLength={64} required autofocus autocomplete="off" />
        </Field>
        <fieldset class="checks">
          <legend class="field-label">May do</legend>
          <label>
            <input type="checkbox" checked disabled /> Read
          </label>
          <label>
            <input
              type="checkbox"
              checked={mayTrade.value}
              onChange={() => (mayTrade.value = !mayTrade.value)}
            />{" "}
            Trade
          </label>
        </fieldset>
        {mayTrade.value && (
          <>
            <Field
              form={form}
              name="allowed_symbols"
              label="Only these symbols"
              hint="Separated by commas; left empty: all."
            >
              <input class="input" placeholder="AAPL, SPY" autocomplete="off" />
            </Field>
            <fieldset class="checks">
              <legend class="field-label">Only these kinds; none chosen: all</legend>
              {ASSET_TYPES.map((type) => (
                <label key={type}>
                  <input type="checkbox" name="allowed_asset_types" value={type} /> {word(type)}
                </label>
              ))}
            </fieldset>
            <Field
              form={form}
              name="order_notional_max"
              label="Largest order, in US dollars"
              hint="Left empty: no limit."
            >
              <input class="input" inputMode="decimal" placeholder="2000" autocomplete="off" />
            </Field>
          </>
        )}
        <div class="dialog-actions">
          <button class="button" type="button" onClick={onClose}>
            Cancel
          </button>
          <button
            class="button button-primary"
            type="submit"
            aria-disabled={form.isBusy || undefined}
          >
            Make the key
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function text(values: FormData, name: string): string {
  return String(values.get(name) ?? "").trim();
}

function symbolsOf(list: string): string[] {
  return list
    .toUpperCase()
    .split(/[\s,;]+/)
    .filter(Boolean);
}
