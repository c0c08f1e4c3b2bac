// Whether the account may borrow money and sell short.

import type { MarginMode, MarginTerms } from "bottrading-client";

import { account, type AccountScope } from "../service/account-scope.js";
import { ActionButton } from "../shared/action.js";
import { confirmed } from "../shared/confirm.js";
import { percent } from "../shared/format.js";
import { Section } from "../shared/section.js";
import { Loading } from "../shared/states.js";

export function MarginModeChoice({ scope }: { scope: AccountScope }) {
  const mode = account.value?.margin_mode;
  const terms = scope.limits.value.value?.margin_terms;
  if (!mode) return <Loading what="the margin mode" />;
  const [other, action]: [MarginMode, string] =
    mode === "CASH" ? ["MARGIN", "Allow margin"] : ["CASH", "Pay in full"];
  return (
    <Section title="Margin">
      <div class="setting">
        <p>
          <strong>{mode === "CASH" ? "Cash." : "Margin."}</strong>{" "}
          <span class="muted">{mode === "CASH" ? IN_CASH : onMargin(terms)}</span>
        </p>
        <div class="choices">
          <ActionButton class="button" action={() => change(scope, other, terms)}>
            {action}
          </ActionButton>
        </div>
      </div>
    </Section>
  );
}

const IN_CASH = "Everything is paid in full, and nothing is sold that is not held.";

function onMargin(terms: MarginTerms | undefined): string {
  const rates = terms
    ? ` Initial margin ${percent(terms.initial_percent, 0)}, maintenance margin ` +
      `${percent(terms.maintenance_percent, 0)}; a loan costs ` +
      `${percent(terms.loan_rate_percent, 1)} a year, borrowed shares ` +
      `${percent(terms.borrow_rate_percent, 1)}.`
    : "";
  return `Stocks and funds can be bought on margin and sold short.${rates}`;
}

async function change(
  scope: AccountScope,
  to: MarginMode,
  terms: MarginTerms | undefined,
): Promise<string | void> {
  if (to === "MARGIN" && !(await isMarginWanted(terms))) return;
  await scope.person.management.setMarginMode(scope.id, to);
  scope.person.accounts.refresh();
  scope.portfolio.refresh();
  return to === "MARGIN" ? "The account is a margin account." : "The account is a cash account.";
}

function isMarginWanted(terms: MarginTerms | undefined): Promise<boolean> {
  return confirmed({
    title: "Allow margin?",
    text:
      `${onMargin(terms)} Losses can exceed the money of the account. ` +
      "In a margin call the venue closes positions.",
    action: "Allow margin",
  });
}
