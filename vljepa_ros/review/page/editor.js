// SPDX-License-Identifier: Apache-2.0
// The form that corrects the segment under the playhead. It tells by the event "label" {text} what was
// written, and by "do" {name} which button was pressed.

import { clock, firstAfter, words } from "./times.js";

export class Editor extends EventTarget {
  constructor(form) {
    super();
    this.about = form.querySelector(".about");
    this.input = form.querySelector("input");
    this.list = form.querySelector("datalist");
    this.key = "";
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.dispatchEvent(new CustomEvent("label", { detail: { text: this.input.value.trim() } }));
      this.input.blur();
    });
    form.addEventListener("click", (event) => {
      const name = event.target.dataset?.do;
      if (name) this.dispatchEvent(new CustomEvent("do", { detail: { name } }));
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { this.key = ""; this.input.blur(); this.dispatchEvent(new Event("leave")); }
    });
  }

  /** Show a segment of a lane, unless somebody is just writing. */
  show(lane, segment) {
    const key = `${lane.name} ${segment.start} ${segment.end} ${segment.text} ${segment.corrected} ${lane.corrections.length}`;
    if (key === this.key || document.activeElement === this.input) return;
    this.key = key;
    this.about.textContent = describe(lane, segment);
    this.input.value = segment.text;
    const known = new Set([...lane.phrases, ...lane.corrections.map((one) => one.label)]);
    this.list.replaceChildren(...[...known].filter(Boolean).map((text) => new Option(text, text)));
  }

  focus() { this.input.focus(); this.input.select(); }
}

/** Return a segment in words: lane, times, who said it, and what the model said instead. */
export function describe(lane, segment) {
  const times = `${lane.name}, ${clock(segment.start)} to ${clock(segment.end)}`;
  if (segment.gap) return `${times}: the model says nothing`;
  if (!segment.corrected) return `${times}: the model says ${words(segment)}${sureness(segment)}`;
  const middle = (segment.start + segment.end) / 2;
  const said = lane.model[firstAfter(lane.model, middle)];
  const before = said && said.start <= middle ? words(said) + sureness(said) : "nothing";
  return `${times}: a person said ${words(segment)}; the model says ${before}`;
}

function sureness(segment) {
  return (segment.score === null ? "" : `, score ${segment.score.toFixed(2)}`)
    + (segment.unfamiliarity === null ? "" : `, unfamiliarity ${segment.unfamiliarity.toFixed(2)}`);
}
