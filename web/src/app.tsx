// The page as a whole: who sees which screen, and what surrounds it.

import { useComputed } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { AccountScreen } from "./account/account.js";
import { ActivityScreen } from "./activity/activity.js";
import { DeveloperScreen } from "./developer/developer.js";
import { Header } from "./header.js";
import { LeaderboardScreen } from "./leaderboard/leaderboard.js";
import { Notices } from "./notices.js";
import { type RouteId, ROUTES, route } from "./routing.js";
import { type AccountScope, person, scope } from "./service/account-scope.js";
import { SignInScreen } from "./session/sign-in.js";
import { isSignedIn, isStarted, settings } from "./session/session.js";
import { Confirmation } from "./shared/confirm.js";
import { Loading } from "./shared/states.js";
import { Toasts } from "./shared/toast.js";

export function App() {
  return (
    <>
      <a class="skip-link" href="#content" onClick={skipToContent}>
        Skip to content
      </a>
      <Header />
      <Notices />
      <main id="content" tabIndex={-1}>
        <Content />
      </main>
      <Confirmation />
      <Toasts />
    </>
  );
}

function Content() {
  const isPublic = useComputed(() => settings.value?.public_leaderboard ?? false);
  if (!isStarted.value) return <Loading what="the page" />;
  if (isSignedIn.value) return <SignedInContent />;
  if (isPublic.value && route.value === "leaderboard") return <LeaderboardScreen scope={null} />;
  return <SignInScreen />;
}

function SignedInContent() {
  const shown = route.value ?? "account";
  useTitle(shown);
  const accountScope = scope.value;
  if (!accountScope) return <Loading what="your account" error={person.value?.accounts.error} />;
  return <Screen key={`${accountScope.id} ${shown}`} id={shown} scope={accountScope} />;
}

function Screen({ id, scope }: { id: RouteId; scope: AccountScope }) {
  switch (id) {
    case "account":
      return <AccountScreen scope={scope} />;
    case "activity":
      return <ActivityScreen scope={scope} />;
    case "leaderboard":
      return <LeaderboardScreen scope={scope} />;
    case "developer":
      return <DeveloperScreen scope={scope} />;
  }
}

/** Name the tab after the screen, and scroll to the top when the screen changes. */
function useTitle(id: RouteId): void {
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = `${ROUTES.find((known) => known.id === id)!.title} · BotTrading`;
    if (!isFirst.current) {
      scrollTo(0, 0);
      document.getElementById("content")?.focus({ preventScroll: true });
    }
    isFirst.current = false;
  }, [id]);
}

function skipToContent(event: Event): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}
