// SPDX-License-Identifier: Apache-2.0
// Segments in words and by time. Those of a lane are in the order of time and do not overlap.

/** Return seconds as 1:02.50, with so many decimals. */
export function clock(seconds, decimals = 2) {
  const unit = 10 ** decimals;
  const whole = Math.round(Math.max(0, seconds) * unit) / unit;
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = (whole % 60).toFixed(decimals).padStart(decimals ? 3 + decimals : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** Return the number of the first segment that ends after a time; the length if there is none. */
export function firstAfter(segments, time) {
  let low = 0, high = segments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (segments[middle].end > time) high = middle; else low = middle + 1;
  }
  return low;
}

/** Return the segment of a lane at a time; if there is none, the gap, an empty text. */
export function segmentAt(lane, time, duration) {
  const number = firstAfter(lane.shown, time);
  const next = lane.shown[number], previous = lane.shown[number - 1];
  if (next && next.start <= time + 1e-6) return { ...next, number };
  if (!next && previous && time >= duration) return { ...previous, number: number - 1 };
  return { start: previous?.end ?? 0, end: next?.start ?? duration, text: "", gap: true, number: -1 };
}

/** Return the text of a segment for people. */
export function words(segment) {
  return segment.text || (segment.corrected ? "nothing to say" : "no words");
}

/** Return a text as it stands in a sentence, whichever way it reads: without this, Arabic turns numbers beside it. */
export function isolated(text) { return `\u2068${text}\u2069`; }

/** Return a segment in words: lane, times, who said it, and what the model said instead. */
export function describe(lane, segment) {
  const times = `${isolated(lane.name)}, ${clock(segment.start)} to ${clock(segment.end)}`;
  if (segment.gap) return `${times}: the model says nothing`;
  if (!segment.corrected) return `${times}: the model says ${answer(segment)}`;
  const middle = (segment.start + segment.end) / 2;
  const said = lane.model[firstAfter(lane.model, middle)];
  const before = said && said.start <= middle ? answer(said) : "nothing";
  return `${times}: a person said ${isolated(words(segment))}; the model says ${before}`;
}

function answer(segment) { return [isolated(words(segment)), sureness(segment)].filter(Boolean).join(", "); }

/** Return score and unfamiliarity in words; a doubted segment has no score to tell. */
export function sureness({ score, unfamiliarity, doubted }) {
  const said = doubted || score === null ? "" : `score ${score.toFixed(2)}`;
  const strange = unfamiliarity === null ? "" : `unfamiliarity ${unfamiliarity.toFixed(2)}`;
  return [said, strange].filter(Boolean).join(", ");
}
