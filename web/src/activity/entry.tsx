// One entry of the log: a sentence that opens to all fields of the entry.

import { Component } from "preact";

import type { Entry } from "../service/log.js";
import { word } from "../shared/format.js";
import { ChevronIcon } from "../shared/icons.js";
import { Time } from "../shared/time.js";
import { momentOf, sentenceOf, toneOf } from "./sentence.js";

interface EntryRowProps {
  entry: Entry;
}

interface EntryRowState {
  isOpen: boolean;
}

export class EntryRow extends Component<EntryRowProps, EntryRowState> {
  override state = { isOpen: false };

  /** Skip rendering again: entries never change, and a busy log shows a hundred of them. */
  override shouldComponentUpdate(props: EntryRowProps, state: EntryRowState): boolean {
    return props.entry !== this.props.entry || state.isOpen !== this.state.isOpen;
  }

  override render({ entry }: EntryRowProps, { isOpen }: EntryRowState) {
    return (
      <li>
        <details
          class="entry"
          onToggle={({ currentTarget }) => this.setState({ isOpen: currentTarget.open })}
        >
          <summary>
            <ChevronIcon />
            <Time at={momentOf(entry)} withSeconds />
            <span class={`tag ${toneOf(entry)}`}>{word(entry.type)}</span>
            <span class="entry-text">{sentenceOf(entry)}</span>
            <span class="entry-number" title="Sequence in the log">
              {entry.sequence}
            </span>
          </summary>
          {isOpen && (
            <pre class="snippet" tabIndex={0} aria-label={`Entry ${entry.sequence} as JSON`}>
              <code>{JSON.stringify(entry, null, 2)}</code>
            </pre>
          )}
        </details>
      </li>
    );
  }
}
