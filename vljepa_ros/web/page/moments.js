// SPDX-License-Identifier: Apache-2.0
// A list of moments with thumbnails: what a search found, or what is least certain.
// It tells by the event "open" {recording, time, query} which was chosen.

import { clock, isolated, words } from "./segments.js";

export class Moments extends EventTarget {
  constructor(element, library) {
    super();
    this.element = element;
    this.library = library;
    this.moments = [];
    this.place = -1;
    element.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      this.focus([...element.children].indexOf(event.target) + step);
      event.preventDefault();
      event.stopPropagation();  // else it would choose another lane
    });
  }

  /** Give a row the keys; return whether there is such a row. */
  focus(place) {
    const row = this.moments.length && !this.element.hidden ? this.element.children[place] : null;
    row?.focus();
    return Boolean(row);
  }

  /** Show moments {recording, name, query, start, end, text, value}; `value` says what theirs means. */
  show(moments, value, empty) {
    this.moments = moments;
    this.place = -1;
    const rows = moments.map((moment, place) => this.#row(moment, place, value));
    this.element.replaceChildren(...(rows.length ? rows : [paragraph(empty)]));
  }

  say(text) {
    this.moments = [];
    this.element.replaceChildren(paragraph(text));
  }

  /** Open the moment after the one that was opened last. */
  openNext() { if (this.moments.length) this.#open((this.place + 1) % this.moments.length); }

  /** Return when a moment was. */
  times({ start, end }) { return `${clock(start, 1)} – ${clock(end, 1)}`; }

  #thumbnail({ recording, query, start, end }) {
    const image = new Image();
    image.loading = "lazy";
    image.alt = "";
    image.src = this.library.thumbnailAddress(recording, query, (start + end) / 2);
    return image;
  }

  #open(place) {
    this.place = place;
    const { recording, query, start, end } = this.moments[place];
    const time = (start + Math.min(end, start + 1)) / 2;
    this.dispatchEvent(new CustomEvent("open", { detail: { recording, query, time } }));
  }

  #row(moment, place, value) {
    const row = document.createElement("button");
    row.className = "moment";
    if (this.library.thumbnailAddress) row.appendChild(this.#thumbnail(moment));
    const text = row.appendChild(document.createElement("span"));
    text.appendChild(document.createElement("b")).textContent = words(moment);
    const number = moment.value === null ? "" : ` · ${value} ${moment.value.toFixed(2)}`;
    text.appendChild(document.createElement("small")).textContent =
      `${isolated(moment.query)} · ${this.times(moment)}${number}`;
    text.appendChild(document.createElement("small")).textContent = moment.name;
    row.addEventListener("click", () => this.#open(place));
    return row;
  }
}

function paragraph(text) {
  return Object.assign(document.createElement("p"), { textContent: text });
}
