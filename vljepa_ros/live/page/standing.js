// SPDX-License-Identifier: Apache-2.0
// The state of every query now: since when, how sure, and whether it is still seen.

import { age } from "./history.js";
import { sureness } from "./segments.js";
import { States } from "./states.js";

export class Standing extends States {
  /** Show the lanes as they are at a time of the node, in seconds. */
  showNow(content, now, chosen) {
    this.now = now;
    this.show(content, 0, chosen);
  }

  at({ state }) {
    if (!state) return { start: 0, end: 0, text: "", gap: true, score: null, over: true };
    const over = state.unseen !== null;
    return { ...state, start: state.since, end: 0, score: over || state.doubted ? null : state.score, over };
  }

  note(segment) {
    if (segment.gap) return "no state yet";
    if (segment.over) return `not seen for ${age(segment.unseen)}`;
    const sure = sureness({ ...segment, score: null });
    return [`since ${age(this.now - segment.start)}`, sure].filter(Boolean).join(" · ");
  }
}
