// SPDX-License-Identifier: Apache-2.0
// The form that corrects the segment under the playhead. It tells by the event "label" {text} what was
// written, and by "do" {name} which button was pressed.

import { describe } from "./segments.js";

export class Editor extends EventTarget {
  constructor(form) {
    super();
    this.about = form.querySelector(".about");
    this.input = form.querySelector("input");
    this.list = form.querySelector("datalist");
    this.buttons = form.querySelectorAll("[data-do]");
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

  /** Enable the buttons of what can be done here; `can` tells it of a name. */
  enable(can) { for (const button of this.buttons) button.disabled = !can(button.dataset.do); }

  /** Show a segment of a lane, unless somebody is just writing. */
  show(lane, segment) {
    const { start, end, text, corrected } = segment;
    const key = `${lane.name} ${start} ${end} ${text} ${corrected} ${lane.corrections.length}`;
    if (key === this.key || document.activeElement === this.input) return;
    this.key = key;
    this.about.textContent = this.about.title = describe(lane, segment);
    this.input.value = segment.text;
    const known = new Set([...lane.phrases, ...lane.corrections.map((one) => one.label)]);
    this.list.replaceChildren(...[...known].filter(Boolean).map((text) => new Option(text, text)));
  }

  focus() { this.input.focus(); this.input.select(); }
}
