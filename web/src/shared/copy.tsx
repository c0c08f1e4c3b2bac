// A button that copies a text and says that it did.

import { useState } from "preact/hooks";

import { CheckIcon, CopyIcon } from "./icons.js";

const SAID_MS = 2_000;

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    await copyText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), SAID_MS);
  };
  return (
    <button
      class="button button-small"
      type="button"
      onClick={() => void copy()}
      aria-label={label}
    >
      {isCopied ? <CheckIcon /> : <CopyIcon />}
      <span aria-live="polite">{isCopied ? "Copied" : "Copy"}</span>
    </button>
  );
}

async function copyText(text: string): Promise<void> {
  // Over plain HTTP from another machine there is no clipboard interface.
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
