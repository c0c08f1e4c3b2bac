// Which orders the account accepts, and the button that stops everything.

import type { TradingState } from "bottrading-client";

import { account, type AccountScope } from "../service/account-scope.js";
import { ActionButton } from "../shared/action.js";
import { confirmed } from "../shared/confirm.js";
import { Section } from "../shared/section.js";
import { Loading } from "../shared/states.js";

const MEANING: Record<TradingState, { title: string; text: string }> = {
  ACTIVE: { title: "Active", text: "The account accepts all orders." },
  REDUCING: { title: "Reducing", text: "The account accepts only orders that reduce a position." },
  HALTED: { title: "Halted", text: "The account rejects every new order. Nothing is live." },
};

export function TradingStateChoice({ scope }: { scope: AccountScope }) {
  const state = account.value?.trading_state;
  if (!state) return <Loading what="the trading state" />;
  const set = (to: TradingState) => () => change(scope, to);
  return (
    <Section title="Trading state">
      <div class="setting">
        <p>
          <strong class={state === "HALTED" ? "loss" : undefined}>{MEANING[state].title}.</strong>{" "}
          <span class="muted">{MEANING[state].text}</span>
        </p>
        <div class="choices">
          {state !== "ACTIVE" && (
            <ActionButton class="button" action={set("ACTIVE")}>
              Resume trading
            </ActionButton>
          )}
          {state !== "REDUCING" && (
            <ActionButton class="button" action={set("REDUCING")}>
              Only reduce
            </ActionButton>
          )}
          {state !== "HALTED" && (
            <ActionButton
              class="button button-danger button-halt"
              action={set("HALTED")}
              label="Halt trading"
            >
              HALT
            </ActionButton>
          )}
        </div>
      </div>
    </Section>
  );
}

async function change(scope: AccountScope, to: TradingState): Promise<string | void> {
  if (to === "HALTED" && !(await isHaltWanted())) return;
  await scope.person.management.setTradingState(scope.id, to);
  scope.person.accounts.refresh();
  return `${MEANING[to].title}. ${MEANING[to].text}`;
}

function isHaltWanted(): Promise<boolean> {
  return confirmed({
    title: "Halt trading?",
    text: "All live orders of the account are cancelled, and every new one is rejected until you resume. Positions stay.",
    action: "Halt trading",
  });
}
