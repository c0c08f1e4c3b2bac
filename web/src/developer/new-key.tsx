// A key that was just made: its secret, shown once, and how a bot begins with it.

import { useSignal } from "@preact/signals";
import type { NewBotKey } from "bottrading-client";

import { CopyButton } from "../shared/copy.js";
import { Dialog } from "../shared/dialog.js";
import { Prose } from "../shared/prose.js";
import { Segments } from "../shared/segments.js";
import { SNIPPETS, type SnippetId, snippetOf } from "./snippets.js";

export function NewKey({ made, onClose }: { made: NewBotKey; onClose: () => void }) {
  const shown = useSignal<SnippetId>("curl");
  const snippet = snippetOf(shown.value, made.key);
  return (
    <Dialog title={`“${made.label}” is made`} onClose={onClose} isFirm>
      <p>
        Copy the key now: <strong>it is shown only once.</strong>
      </p>
      <div class="command secret">
        <code aria-label="Bot key">{made.key}</code>
        <CopyButton text={made.key} label="Copy the key" />
      </div>
      <div class="snippet-head">
        <Segments
          label="Begin with"
          options={SNIPPETS}
          value={shown.value}
          onChange={(value) => (shown.value = value)}
        />
        <CopyButton text={snippet.code} label={`Copy the snippet for ${shown.value}`} />
      </div>
      <pre class="snippet" tabIndex={0} aria-label={`Snippet for ${shown.value}`}>
        <code>{snippet.code}</code>
      </pre>
      <p class="muted small">
        <Prose text={snippet.remark} />
      </p>
      <div class="dialog-actions">
        <button class="button button-primary" type="button" onClick={onClose}>
          I have copied it
        </button>
      </div>
    </Dialog>
  );
}
