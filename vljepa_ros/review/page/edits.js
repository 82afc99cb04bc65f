// SPDX-License-Identifier: Apache-2.0
// What a person does to a lane, as edits: corrections in a stretch are replaced by others.
// `seen` tells the server which ones the person saw, so that two windows do not lose each other's work.

const SHORTEST = 0.001;
const ADJACENT = 0.051;  // seconds between segments that touch

const milli = (time) => Math.round(time * 1000) / 1000;

/** Return the edit that puts spans into a stretch; what sticks out of corrections there is kept. */
export function replaced(lane, start, end, spans) {
  const seen = lane.corrections.filter((one) => one.start < end && one.end > start);
  const kept = seen.flatMap((one) => [
    { ...one, end: Math.min(one.end, start) },
    { ...one, start: Math.max(one.start, end) },
  ]);
  const all = [...kept, ...spans].filter((one) => one.end - one.start >= SHORTEST);
  return {
    query: lane.name,
    start: Math.min(start, ...seen.map((one) => one.start)),
    end: Math.max(end, ...seen.map((one) => one.end)),
    seen,
    spans: all.sort((a, b) => a.start - b.start),
  };
}

/** Return the edit that takes another one back. */
export function undone(edit) {
  return { ...edit, seen: edit.spans, spans: edit.seen };
}

/** Give a segment a text; "" means nothing to say. */
export function labelled(lane, segment, label) {
  return replaced(lane, segment.start, segment.end, [span(segment.start, segment.end, label)]);
}

/** Take what a person said of a segment back, so that the model's answer shows. */
export function reverted(lane, segment) {
  const edit = replaced(lane, segment.start, segment.end, []);
  return edit.seen.length ? edit : null;
}

export function split(lane, segment, time) {
  const middle = milli(time);
  const parts = [span(segment.start, middle, segment.text), span(middle, segment.end, segment.text)];
  return parts.every(isLong) ? replaced(lane, segment.start, segment.end, parts) : null;
}

/** Make one segment of two neighbours; `segment` gives the text. */
export function joined(lane, segment, other) {
  if (!other || segment.number < 0) return null;
  const start = Math.min(segment.start, other.start), end = Math.max(segment.end, other.end);
  return replaced(lane, start, end, [span(start, end, segment.text)]);
}

/**
 * Move an end of a segment. A neighbour that touches it moves along; what gets free otherwise has
 * nothing to say, because the model's answer there was wrong.
 */
export function moved(lane, number, edge, time) {
  const segment = lane.shown[number];
  return edge === "end" ? movedEnd(lane, segment, lane.shown[number + 1], milli(time))
    : movedStart(lane, segment, lane.shown[number - 1], milli(time));
}

function movedEnd(lane, segment, next, time) {
  const touches = next && next.start - segment.end < ADJACENT;
  const latest = touches ? next.end : next?.start ?? Infinity;
  const end = Math.min(time, touches ? latest - SHORTEST : latest);
  if (end - segment.start < SHORTEST) return null;
  const spans = [span(segment.start, end, segment.text)];
  if (touches) spans.push(span(end, next.end, next.text));
  else spans.push(span(end, segment.end, ""));
  return replaced(lane, segment.start, touches ? next.end : Math.max(end, segment.end), spans);
}

function movedStart(lane, segment, previous, time) {
  const touches = previous && segment.start - previous.end < ADJACENT;
  const earliest = touches ? previous.start + SHORTEST : previous?.end ?? 0;
  const start = Math.max(time, earliest);
  if (segment.end - start < SHORTEST) return null;
  const spans = [span(start, segment.end, segment.text)];
  if (touches) spans.unshift(span(previous.start, start, previous.text));
  else spans.unshift(span(segment.start, start, ""));
  return replaced(lane, touches ? previous.start : Math.min(start, segment.start), segment.end, spans);
}

const span = (start, end, label) => ({ start, end, label });
const isLong = (one) => one.end - one.start >= SHORTEST;
