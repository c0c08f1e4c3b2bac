// Limits that the owner sets on the account: they hold for every order of every bot.

import type { AccountScope } from "../service/account-scope.js";
import { Field, useForm } from "../shared/form.js";
import { Section } from "../shared/section.js";
import { Loading } from "../shared/states.js";
import { say } from "../shared/toast.js";

const FIELDS = [
  {
    name: "order_notional_max",
    label: "Largest order",
    unit: "US dollars",
    hint: "A larger order is rejected.",
  },
  {
    name: "position_share_max",
    label: "Largest position",
    unit: "% of equity",
    hint: "An order that makes a position larger is rejected.",
  },
  {
    name: "daily_loss_max",
    label: "Largest daily loss",
    unit: "US dollars",
    hint: "After this loss only orders that reduce a position are accepted, until 00:00 UTC.",
  },
] as const;

export function GuardRailsForm({ scope }: { scope: AccountScope }) {
  const rails = scope.limits.value.value?.guard_rails;
  const form = useForm(async (values) => {
    const request = FIELDS.map(({ name }) => [name, String(values.get(name)).trim() || null]);
    await scope.person.management.setGuardRails(scope.id, Object.fromEntries(request));
    scope.limits.refresh();
    say("The guard rails are set.");
  });
  return (
    <Section title="Guard rails">
      {!rails ? (
        <Loading what="guard rails" error={scope.limits.error} />
      ) : (
        <form class="rails" onSubmit={form.submit}>
          {FIELDS.map(({ name, label, unit, hint }) => (
            <Field key={name} form={form} name={name} label={`${label}, ${unit}`} hint={hint}>
              <input
                class="input"
                inputMode="decimal"
                autocomplete="off"
                placeholder="No limit"
                defaultValue={rails[name] ?? ""}
              />
            </Field>
          ))}
          <button class="button" type="submit" aria-disabled={form.isBusy || undefined}>
            Save guard rails
          </button>
        </form>
      )}
    </Section>
  );
}
