// SPDX-License-Identifier: Apache-2.0
// The state of every query at a time, one row each. It tells by the event "lane" {lane} which was chosen.

import { clock, segmentAt, words } from "./segments.js";

export class States extends EventTarget {
  constructor(element) {
    super();
    this.element = element;
    this.rows = [];
    this.chosen = -1;
  }

  /** Show the state of each lane at a time; one lane is chosen. */
  show({ lanes, colours, duration, unfamiliar }, time, chosen) {
    if (this.rows.length !== lanes.length) this.#build(lanes.length);
    const nothing = unfamiliar.some(([start, end]) => start <= time && time < end) ? "? unfamiliar scene" : "–";
    lanes.forEach((lane, number) => {
      this.#fill(this.rows[number], lane, this.at(lane, time, duration), colours, number === chosen, nothing);
    });
    if (chosen !== this.chosen) this.rows[chosen]?.scrollIntoView({ block: "nearest" });
    this.chosen = chosen;
  }

  /** Return what is shown of a lane. */
  at(lane, time, duration) { return segmentAt(lane, time, duration); }

  /** Return what else is said of it. */
  note() { return ""; }

  #build(count) {
    this.rows = Array.from({ length: count }, (_, lane) => {
      const row = document.createElement("button");
      row.className = "state";
      for (const name of ["name", "text", "score", "bar", "note"]) {
        row[name + "Part"] = row.appendChild(Object.assign(document.createElement("span"), { className: name }));
      }
      row.fillPart = row.barPart.appendChild(document.createElement("i"));
      row.addEventListener("click", () => this.dispatchEvent(new CustomEvent("lane", { detail: { lane } })));
      return row;
    });
    this.element.replaceChildren(...this.rows);
  }

  #fill(row, lane, segment, colours, chosen, nothing) {
    const score = segment.score ?? null;
    const note = this.note(segment, lane);
    const key =
      `${segment.start} ${segment.end} ${segment.text} ${segment.corrected} ${chosen} ${note} ${nothing}`;
    if (row.key === key) return;  // sixty times a second
    row.key = key;
    row.setAttribute("aria-pressed", String(chosen));
    row.title = `${lane.question} Since ${clock(segment.start)}, until ${clock(segment.end)}`;
    row.namePart.textContent = lane.name;
    row.textPart.textContent = (segment.corrected ? "✎ " : "") + (segment.gap ? nothing : words(segment));
    row.scorePart.textContent = score === null ? "" : score.toFixed(2);
    row.notePart.textContent = note;
    row.classList.toggle("over", segment.over ?? false);
    row.classList.toggle("doubted", segment.doubted ?? false);
    row.fillPart.style.width = `${100 * (segment.corrected ? 1 : score ?? 0)}%`;
    row.fillPart.style.background = colours[segment.text] ?? "none";
  }
}
