// SPDX-License-Identifier: Apache-2.0
// What the page has been told of one camera. The server bounds it, and so does the page.

import { clock } from "./segments.js";

const MOST = 5000;  // stretches of a query, and points
const SHOWN = 120, FARTHEST = 86400;  // seconds before now: at least, and at most

export class LiveHistory {
  constructor() { this.#clear(); }

  #clear() {
    this.ended = [];
    this.byQuery = new Map();
    this.points = [];
    this.colours = {};
    this.origin = null;
  }

  /** Take an update; it begins anew if it is whole. */
  take(update) {
    if (update.whole) this.#clear();
    this.now = update.now;
    const starts = update.ended.map(({ start }) => start).filter((start) => start > this.now - FARTHEST);
    this.origin ??= Math.min(this.now - SHOWN, ...starts);
    if (this.now - this.origin > FARTHEST) this.origin = this.now - FARTHEST / 2;
    Object.assign(this.colours, update.colours);
    for (const one of update.ended) this.#insert(one);
    this.ended = [...this.ended, ...update.ended].slice(-MOST);
    this.points = [...this.points, ...update.curves].slice(-MOST);
    this.queries = update.queries;
  }

  #insert(stretch) {
    const lane = this.byQuery.get(stretch.query) ?? [];
    const place = lane.findLastIndex(({ start }) => start <= stretch.start) + 1;
    lane.splice(place, 0, stretch);
    if (lane.length > MOST) lane.shift();
    this.byQuery.set(stretch.query, lane);
  }

  /** Return what the lanes show, with times in seconds from the origin. */
  content() {
    const { origin, now, colours } = this;
    const shift = (one) => ({ ...one, start: one.start - origin, end: one.end - origin });
    const lanes = this.queries.map(({ name, question, state }) => {
      const shown = (this.byQuery.get(name) ?? []).filter(({ end }) => end > origin).map(shift);
      const standing = state && stretchOf(state, now);
      if (standing && standing.start < now && !this.#isOver(name, standing)) shown.push(shift(standing));
      return { name, question, state, shown, model: [] };
    });
    return { duration: now - origin, lanes, colours, unfamiliar: [] };
  }

  /** Whether a state that stands no more has been told as a stretch already. */
  #isOver(name, { start, text }) {
    const last = this.byQuery.get(name)?.at(-1);
    return last !== undefined && last.end > start + 0.001 && (last.text === text || last.start >= start - 0.001);
  }

  /** Return the points of a query after a time. */
  curves(query, after) { return this.points.filter(([name, time]) => name === query && time > after); }
}

function stretchOf({ text, since, seen, score, unfamiliarity, doubted, unseen }, now) {
  return { start: since, end: unseen === null ? now : seen, text, score, unfamiliarity, doubted };
}

/** Return an age as people say it: 0:12. */
export function age(seconds) { return clock(seconds, 0); }

/** Whether a scene is too unfamiliar to trust what is said of it; the limit is the describer's default. */
export function isStrange(unfamiliarity) { return unfamiliarity > 0.99; }
