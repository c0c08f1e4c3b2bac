// The bar above every screen: the account that is shown, its status, sign-out and navigation.

import { useComputed } from "@preact/signals";

import { addressOf, ROUTES, route } from "./routing.js";
import { account, accountId, chooseAccount, person } from "./service/account-scope.js";
import { isConnectionLost } from "./service/connection.js";
import { isSignedIn, settings, signOut } from "./session/session.js";
import { accountName } from "./shared/accounts.js";
import { MarkIcon, MoonIcon, SignOutIcon, SunIcon, SystemIcon } from "./shared/icons.js";
import { type Theme, theme } from "./shared/theme.js";

const NEXT_THEME: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const THEME_ICONS = { system: SystemIcon, light: SunIcon, dark: MoonIcon };

export function Header() {
  return (
    <header class="header">
      <div class="header-row">
        <a class="brand" href={isSignedIn.value ? addressOf("account") : "#/"}>
          <MarkIcon />
          <span class="brand-name">BotTrading</span>
        </a>
        {isSignedIn.value && <AccountChoice />}
        <span class="spacer" />
        {isSignedIn.value && account.value?.margin_mode === "MARGIN" && (
          <span class="tag tag-warning" title="The account may borrow money and sell short">
            Margin
          </span>
        )}
        {isSignedIn.value && <Status />}
        <ThemeButton />
        {isSignedIn.value && (
          <button class="icon-button" type="button" onClick={signOut} title="Sign out">
            <SignOutIcon />
            <span class="visually-hidden">Sign out</span>
          </button>
        )}
      </div>
      <Navigation />
    </header>
  );
}

function Navigation() {
  const isPublic = useComputed(() => settings.value?.public_leaderboard ?? false);
  if (!isSignedIn.value && !isPublic.value) return null;
  const current = route.value ?? (isSignedIn.value ? "account" : null);
  const shown = ROUTES.filter(({ id }) => isSignedIn.value || id === "leaderboard");
  return (
    <nav class="tabs" aria-label="Screens">
      {!isSignedIn.value && (
        <a href="#/" aria-current={current === "leaderboard" ? undefined : "page"}>
          Sign in
        </a>
      )}
      {shown.map(({ id, title }) => (
        <a key={id} href={addressOf(id)} aria-current={id === current ? "page" : undefined}>
          {title}
        </a>
      ))}
    </nav>
  );
}

function AccountChoice() {
  const accounts = person.value?.accounts.value.value ?? [];
  if (accounts.length < 2) return <span class="owner">{accounts[0]?.display_name}</span>;
  return (
    <select
      class="quiet-select"
      aria-label="Account"
      value={accountId.value ?? ""}
      onChange={({ currentTarget }) => chooseAccount(currentTarget.value)}
    >
      {accounts.map((each, index) => (
        <option key={each.bot_user_id} value={each.bot_user_id}>
          {accountName(accounts, index)}
        </option>
      ))}
    </select>
  );
}

function Status() {
  const state = account.value?.trading_state;
  if (isConnectionLost.value) return <span class="status status-lost">No connection</span>;
  if (state === "HALTED") return <span class="status status-halted">Halted</span>;
  if (state === "REDUCING") return <span class="status status-reducing">Reducing</span>;
  return <span class="status status-live">Live</span>;
}

function ThemeButton() {
  const ThemeIcon = THEME_ICONS[theme.value];
  const next = NEXT_THEME[theme.value];
  return (
    <button
      class="icon-button"
      type="button"
      onClick={() => (theme.value = next)}
      title={`Theme: ${theme.value}. Change to ${next}.`}
    >
      <ThemeIcon />
      <span class="visually-hidden">{`Theme: ${theme.value}. Change to ${next}.`}</span>
    </button>
  );
}
