// Light or dark: as the system says, unless the reader chose one.

import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const STORED = "bottrading.theme";
const darkSystem = matchMedia("(prefers-color-scheme: dark)");
const isSystemDark = signal(darkSystem.matches);

export const theme = signal<Theme>(storedTheme());

/** Return whether the page is dark now; a chart that calls it is drawn again on a change. */
export function isDark(): boolean {
  return theme.value === "dark" || (theme.value === "system" && isSystemDark.value);
}

/** Show the theme, and follow what the system and the reader choose. */
export function applyTheme(): void {
  darkSystem.addEventListener("change", ({ matches }) => (isSystemDark.value = matches));
  effect(() => {
    document.documentElement.dataset["theme"] = theme.value;
    localStorage.setItem(STORED, theme.value);
  });
}

/** Return a colour of the style sheet, as it is within an element, in the form of a canvas. */
export function colorOf(name: string, within: HTMLElement = document.body): string {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  within.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function storedTheme(): Theme {
  const stored = localStorage.getItem(STORED);
  return stored === "light" || stored === "dark" ? stored : "system";
}
