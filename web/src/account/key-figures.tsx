// The key figures of the account: money first, then how it was earned.

import type { Portfolio, TradingKpi } from "bottrading-client";

import type { AccountScope } from "../service/account-scope.js";
import { useFigures } from "../service/figure.js";
import { Change } from "../shared/change.js";
import { Figures, KeyFigure } from "../shared/figures.js";
import {
  count,
  money,
  NOTHING,
  percent,
  ratio,
  signedMoney,
  signedPercent,
} from "../shared/format.js";
import { Loading } from "../shared/states.js";

export function KeyFigures({ scope }: { scope: AccountScope }) {
  useFigures(scope.portfolio, scope.kpi);
  const portfolio = scope.portfolio.value.value;
  const kpi = scope.kpi.value.value;
  if (!portfolio || !kpi) {
    return <Loading class="figures" what="the key figures" error={scope.kpi.error} />;
  }
  return (
    <section aria-label="Key figures">
      <Figures label="Key figures">
        <Money portfolio={portfolio} />
        <Results kpi={kpi} />
      </Figures>
      {portfolio.margin_mode === "MARGIN" && <Margin portfolio={portfolio} />}
    </section>
  );
}

function Money({ portfolio }: { portfolio: Portfolio }) {
  const { balance, buying_power, reserved, total_unrealized_pnl, realized_pnl } = portfolio;
  const isReserved = Number(reserved) > 0;
  return (
    <>
      <KeyFigure title="Cash">{money(balance)}</KeyFigure>
      <KeyFigure title="Buying power" remark={isReserved && `${money(reserved)} reserved`}>
        {money(buying_power)}
      </KeyFigure>
      <KeyFigure title="Unrealised P&L">
        <Change of={total_unrealized_pnl}>{signedMoney(total_unrealized_pnl)}</Change>
      </KeyFigure>
      <KeyFigure title="Realised P&L" hint="After fees, since the account was opened or last reset">
        <Change of={realized_pnl}>{signedMoney(realized_pnl)}</Change>
      </KeyFigure>
      <KeyFigure title="Fees paid">{money(portfolio.fees_paid)}</KeyFigure>
    </>
  );
}

/** Show what the positions and live orders of a MARGIN account bind, and what it owes. */
function Margin({ portfolio }: { portfolio: Portfolio }) {
  const { margin, maintenance_margin, free_margin, loan, interest_paid, total_equity } = portfolio;
  const isCalled = Number(total_equity) < Number(maintenance_margin);
  return (
    <Figures label="Margin">
      <KeyFigure title="Margin" hint="Bound by positions and live orders">
        {money(margin ?? 0)}
      </KeyFigure>
      <KeyFigure
        title="Maintenance margin"
        hint="Equity below it leads to a margin call"
        remark={isCalled && "margin call"}
      >
        {money(maintenance_margin ?? 0)}
      </KeyFigure>
      <KeyFigure title="Free margin" hint="Equity less margin">
        <Change of={free_margin ?? 0}>{money(free_margin ?? 0)}</Change>
      </KeyFigure>
      <KeyFigure title="Loan" hint="Borrowed money; it costs interest every night">
        {money(loan)}
      </KeyFigure>
      <KeyFigure title="Interest paid" hint="For the loan and for borrowed shares">
        {money(interest_paid)}
      </KeyFigure>
    </Figures>
  );
}

function Results({ kpi }: { kpi: TradingKpi }) {
  const { total_return_pct, expectancy, rank, rank_total } = kpi;
  return (
    <>
      <KeyFigure title="Return" hint="Time-weighted: a deposit is no gain">
        <Change of={total_return_pct ?? 0}>{signedPercent(total_return_pct)}</Change>
      </KeyFigure>
      <KeyFigure title="Max drawdown">{percent(kpi.max_drawdown)}</KeyFigure>
      <KeyFigure title="Sharpe ratio" hint="Annualised; defined after two days with returns">
        {ratio(kpi.sharpe_ratio)}
      </KeyFigure>
      <KeyFigure title="Sortino ratio" hint="Annualised; defined after a day with a loss">
        {ratio(kpi.sortino_ratio)}
      </KeyFigure>
      <KeyFigure
        title="Rank"
        remark={rank !== null && rank_total !== null && `of ${count(rank_total)}`}
      >
        {rank === null ? NOTHING : `#${count(rank)}`}
      </KeyFigure>
      <KeyFigure title="Closed trades">{count(kpi.total_trades)}</KeyFigure>
      <KeyFigure title="Win rate">{percent(kpi.win_rate, 1)}</KeyFigure>
      <KeyFigure title="Profit factor" hint="Gross profit divided by gross loss">
        {ratio(kpi.profit_factor)}
      </KeyFigure>
      <KeyFigure title="Expectancy" hint="Mean profit or loss of a closed trade">
        {expectancy === null ? NOTHING : signedMoney(expectancy)}
      </KeyFigure>
      <KeyFigure title="Longest streaks" hint="Closed trades in a row with a profit, with a loss">
        {count(kpi.consecutive_wins)} won, {count(kpi.consecutive_losses)} lost
      </KeyFigure>
    </>
  );
}
