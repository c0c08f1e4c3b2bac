// Which screen is shown: the fragment of the address names it.

import { signal } from "@preact/signals";

export const ROUTES = [
  { id: "account", title: "Account" },
  { id: "activity", title: "Activity" },
  { id: "leaderboard", title: "Leaderboard" },
  { id: "developer", title: "Developer" },
] as const;

export type RouteId = (typeof ROUTES)[number]["id"];

/** The screen that is shown; null where the address names none. */
export const route = signal<RouteId | null>(null);

/** Follow the address from now on. */
export function startRouting(): void {
  const read = () => {
    const name = location.hash.replace(/^#\/?/, "");
    route.value = ROUTES.find(({ id }) => id === name)?.id ?? null;
  };
  addEventListener("hashchange", read);
  read();
}

export function addressOf(id: RouteId): string {
  return `#/${id}`;
}
