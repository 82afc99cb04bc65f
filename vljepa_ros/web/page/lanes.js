// SPDX-License-Identifier: Apache-2.0
// The timeline: a lane for each query, drawn on a canvas, so that tens of thousands of segments stay fast.
//
// It tells what a person does by events: "seek" {time, lane}, "lane" {lane}, "move" {lane, number, edge, time}.

import { clock, describe, firstAfter, segmentAt } from "./segments.js";

const TEXT = "13px system-ui, sans-serif";
const GUTTER = 118, AXIS = 22, LANE = 38, OVERVIEW = 18, MODEL = 7, GRIP = 5;
const SHORTEST_VIEW = 0.5;  // seconds
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400];
const INK = "#e4e7ec", PALE = "#a4abb8", GROUND = "#14161a", RULE = "#30353f", MARK = "#f2c14e", NO_TEXT = "#4a505c";

export class Lanes extends EventTarget {
  constructor(canvas) {
    super();
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.content = { duration: 1, lanes: [], colours: {}, unfamiliar: [] };
    this.view = { start: 0, end: 1 };
    this.time = 0;
    this.lane = 0;
    this.readOnly = false;
    this.zero = 0;  // from which the axis counts
    this.label = clock;
    this.drag = null;
    this.hatch = hatching(this.pen);
    new ResizeObserver(() => this.redraw()).observe(canvas);
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#press(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#release(event));
    canvas.addEventListener("pointercancel", () => { this.drag = null; this.redraw(); });
  }

  /** Show a recording: {duration, lanes, colours, unfamiliar}. `whole` also shows all of its time. */
  show(content, whole) {
    this.content = content;
    if (whole) this.view = { start: 0, end: Math.max(content.duration, SHORTEST_VIEW) };
    this.lane = Math.min(this.lane, Math.max(0, content.lanes.length - 1));
    this.canvas.style.height = `${AXIS + LANE * content.lanes.length + OVERVIEW}px`;
    this.redraw();
  }

  /** Show content that has grown. A view that shows its end moves along. */
  grow(content) {
    const { start, end } = this.view, added = content.duration - this.content.duration;
    const follows = end >= this.content.duration - 1e-6;
    this.show(content, false);
    if (follows) this.#look(start + added, end - start);
  }

  /** Move the playhead, and the view if it would leave it. */
  goTo(time, lane = this.lane) {
    this.time = time;
    if (lane !== this.lane) this.#scrollTo(lane);
    this.lane = lane;
    const width = this.view.end - this.view.start;
    if (time < this.view.start || time > this.view.end) this.#look(time - 0.1 * width, width);
    this.redraw();
  }

  /** Zoom by a factor around a time. */
  zoom(factor, around = this.time) {
    const width = Math.min(Math.max((this.view.end - this.view.start) * factor, SHORTEST_VIEW), this.#whole());
    const share = (around - this.view.start) / (this.view.end - this.view.start);
    this.#look(around - share * width, width);
    this.redraw();
  }

  /** Draw with the next picture of the screen, once, however often it is called. */
  redraw() {
    this.waiting ??= requestAnimationFrame(() => { this.waiting = null; this.#draw(); });
  }

  /** Show a lane, if there are more than have room. */
  #scrollTo(lane) {
    const room = this.canvas.parentElement, top = AXIS + LANE * lane, bottom = top + LANE;
    if (top < room.scrollTop + AXIS) room.scrollTop = top - AXIS;
    else if (bottom > room.scrollTop + room.clientHeight) room.scrollTop = bottom + OVERVIEW - room.clientHeight;
  }

  #whole() { return Math.max(this.content.duration, SHORTEST_VIEW); }

  #look(start, width) {
    const begin = Math.min(Math.max(0, start), this.#whole() - width);
    this.view = { start: begin, end: begin + width };
  }

  #x(time) { return GUTTER + (time - this.view.start) / (this.view.end - this.view.start) * (this.width - GUTTER); }

  #timeAt(x) {
    const time = this.view.start + (x - GUTTER) / (this.width - GUTTER) * (this.view.end - this.view.start);
    return Math.min(Math.max(0, time), this.content.duration);
  }

  #laneAt(y) { return Math.min(Math.max(0, Math.floor((y - AXIS) / LANE)), this.content.lanes.length - 1); }

  // What a person does.

  #wheel(event) {
    if (event.offsetX < GUTTER) return;  // scrolls the list of lanes
    event.preventDefault();
    const sideways = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
    if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      const width = this.view.end - this.view.start;
      this.#look(this.view.start + sideways / 800 * width, width);
      this.redraw();
    } else this.zoom(Math.exp(event.deltaY * 0.0015), this.#timeAt(event.offsetX));
  }

  #press(event) {
    if (event.button !== 0 || !this.content.lanes.length) return;
    this.canvas.setPointerCapture(event.pointerId);
    const { offsetX: x, offsetY: y } = event;
    if (y >= this.#height() - OVERVIEW) this.drag = { kind: "view" };
    else this.drag = this.#edgeAt(x, y) ?? { kind: "seek", lane: y < AXIS ? this.lane : this.#laneAt(y) };
    if (this.drag.kind === "edge" || x >= GUTTER) this.#move(event);
    else { this.#tell("lane", { lane: this.drag.lane ?? this.lane }); this.drag = null; }
  }

  #move(event) {
    const x = event.offsetX;
    if (!this.drag) {
      this.canvas.style.cursor = this.#edgeAt(x, event.offsetY) ? "ew-resize" : "default";
      this.canvas.title = this.#hint(x, event.offsetY);
    } else if (this.drag.kind === "view") {
      const share = (x - GUTTER) / (this.width - GUTTER), width = this.view.end - this.view.start;
      this.#look(share * this.#whole() - width / 2, width);
      this.redraw();
    } else if (this.drag.kind === "edge") {
      this.drag.time = this.#timeAt(x);
      this.redraw();
    } else this.#tell("seek", { time: this.#timeAt(x), lane: this.drag.lane });
  }

  #release(event) {
    const drag = this.drag;
    this.drag = null;
    if (drag?.kind === "edge" && Math.abs(event.offsetX - drag.x) > 1) this.#tell("move", drag);
    else if (drag?.kind === "edge") this.#tell("seek", { time: this.#timeAt(event.offsetX), lane: drag.lane });
    this.redraw();
  }

  #tell(kind, detail) { this.dispatchEvent(new CustomEvent(kind, { detail })); }

  /** Return what lies under the mouse in words. */
  #hint(x, y) {
    const lane = this.content.lanes[this.#laneAt(y)];
    if (!lane || y < AXIS || y >= this.#height() - OVERVIEW) return "";
    if (x < GUTTER) return lane.question;
    const segment = segmentAt(lane, this.#timeAt(x), this.content.duration);
    return segment.gap ? "" : describe(lane, segment);
  }

  /** Return the end of a segment that can be gripped here, or null. */
  #edgeAt(x, y) {
    if (this.readOnly || x < GUTTER || y < AXIS || y >= this.#height() - OVERVIEW) return null;
    const lane = this.#laneAt(y), segments = this.content.lanes[lane]?.shown ?? [];
    const first = Math.max(0, firstAfter(segments, this.#timeAt(x - GRIP)) - 1);
    for (const number of [first, first + 1]) {
      const segment = segments[number];
      if (!segment || this.#x(segment.end) - this.#x(segment.start) < 3 * GRIP) continue;
      for (const edge of ["end", "start"]) {
        const time = segment[edge];
        if (Math.abs(this.#x(time) - x) <= GRIP) return { kind: "edge", lane, number, edge, x, time };
      }
    }
    return null;
  }

  // Drawing.

  #height() { return AXIS + LANE * this.content.lanes.length + OVERVIEW; }

  #draw() {
    const { canvas, pen } = this, scale = devicePixelRatio || 1;
    this.width = canvas.clientWidth;
    canvas.width = Math.round(this.width * scale);
    canvas.height = Math.round(this.#height() * scale);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.fillStyle = GROUND;
    pen.fillRect(0, 0, this.width, this.#height());
    pen.textBaseline = "middle";
    this.content.lanes.forEach((lane, number) => this.#drawLane(lane, number));
    this.#drawUnfamiliar();
    this.content.lanes.forEach((lane, number) => this.#drawTexts(lane, number));
    this.#drawAxis();
    this.#drawOverview();
    this.#drawPlayhead();
  }

  #drawLane(lane, number) {
    const pen = this.pen, y = AXIS + LANE * number, chosen = number === this.lane;
    pen.font = `${chosen ? "600 " : ""}13px system-ui, sans-serif`;
    pen.fillStyle = chosen ? INK : PALE;
    pen.fillText((chosen ? "▸ " : "  ") + ending(pen, lane.name, GUTTER - 26), 6, y + LANE / 2);
    this.#clip(y);
    if (chosen) { pen.fillStyle = "#1e2127"; pen.fillRect(GUTTER, y, this.width, LANE); }
    const strip = stripOf(lane);
    this.#each(lane.shown, (segment, left, right) => this.#drawSegment(segment, left, right, y + 2, LANE - 4 - strip));
    if (strip) this.#each(lane.model, (segment, left, right) => {
      pen.fillStyle = this.#colour(segment);
      pen.fillRect(left, y + LANE - MODEL, Math.max(1, right - left - 1), MODEL - 2);
    });
    pen.restore();
  }

  /** Write over the hatching, so that it can be read. */
  #drawTexts(lane, number) {
    const y = AXIS + LANE * number;
    this.#clip(y);
    this.#each(lane.shown, (segment, left, right) =>
      this.#drawText(segment, left, right, y + (LANE - stripOf(lane)) / 2));
    this.pen.restore();
  }

  /** Draw in one lane only, until the pen is restored. */
  #clip(top) {
    this.pen.save();
    this.pen.beginPath();
    this.pen.rect(GUTTER, top, this.width - GUTTER, LANE);
    this.pen.clip();
  }

  /** Call for each visible segment; of those that share one pixel, for the first. */
  #each(segments, draw) {
    let drawn = -1;
    for (let i = firstAfter(segments, this.view.start); i < segments.length && segments[i].start < this.view.end; i++) {
      const left = this.#x(segments[i].start), right = this.#x(segments[i].end);
      if (right - drawn < 1) continue;
      draw(segments[i], left, right);
      drawn = right;
    }
  }

  #colour(segment) { return segment.text && !segment.doubted ? this.content.colours[segment.text] ?? PALE : NO_TEXT; }

  #drawSegment(segment, left, right, top, height) {
    const pen = this.pen, width = Math.max(1, right - left - 1);
    const sure = segment.corrected ? 1 : segment.score ?? 1;
    pen.fillStyle = this.#colour(segment);
    pen.globalAlpha = segment.text ? 0.3 : 0.15;
    pen.fillRect(left, top, width, height);
    pen.globalAlpha = segment.text ? 0.85 : 0.15;
    pen.fillRect(left, top + height * (1 - sure), width, height * sure);
    pen.globalAlpha = 1;
    if (segment.doubted) {
      pen.fillStyle = this.hatch;
      pen.fillRect(left, top, width, height);
    }
    if (segment.corrected && width > 4) {
      pen.strokeStyle = INK;
      pen.lineWidth = 2;
      pen.strokeRect(left + 1, top + 1, width - 2, height - 2);
    }
  }

  #drawText(segment, left, right, middle) {
    const pen = this.pen, from = Math.max(left, GUTTER) + 5, room = right - from - 4;
    const mark = segment.corrected ? "✎ " : "";
    pen.font = TEXT;
    if (room <= 24) return;
    const text = ending(pen, segment.text || "nothing", room - pen.measureText(mark).width);
    this.#write(mark + text, from, middle);
  }

  #write(text, x, y) {
    const pen = this.pen;
    pen.font = TEXT;
    pen.lineJoin = "round";
    pen.lineWidth = 3.5;
    pen.strokeStyle = GROUND;
    pen.strokeText(text, x, y);
    pen.fillStyle = "#fff";
    pen.fillText(text, x, y);
  }

  #drawUnfamiliar() {
    const pen = this.pen, height = LANE * this.content.lanes.length;
    pen.fillStyle = this.hatch;
    for (const [start, end] of this.content.unfamiliar) {
      const left = Math.max(GUTTER, this.#x(start)), right = Math.min(this.width, this.#x(end));
      if (right > left) pen.fillRect(left, AXIS, right - left, height);
    }
  }

  #drawAxis() {
    const pen = this.pen, perPixel = (this.view.end - this.view.start) / (this.width - GUTTER);
    const step = STEPS.find((one) => one / perPixel >= 80) ?? STEPS.at(-1);
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = PALE;
    pen.strokeStyle = RULE;
    pen.lineWidth = 1;
    pen.beginPath();
    const { zero } = this;
    for (let n = Math.ceil((this.view.start - zero) / step); n * step + zero <= this.view.end; n++) {
      const x = Math.round(this.#x(n * step + zero)) + 0.5;
      pen.moveTo(x, 4);
      pen.lineTo(x, AXIS);
      pen.fillText(this.label(n * step, step < 1 ? 1 : 0), x + 4, AXIS / 2);
    }
    pen.moveTo(0, AXIS - 0.5);
    pen.lineTo(this.width, AXIS - 0.5);
    pen.stroke();
  }

  #drawOverview() {
    const pen = this.pen, top = this.#height() - OVERVIEW, room = this.width - GUTTER, whole = this.#whole();
    const place = (time) => GUTTER + time / whole * room;
    pen.fillStyle = PALE;
    pen.font = "12px system-ui, sans-serif";
    pen.fillText("  all", 6, top + OVERVIEW / 2);
    let drawn = -1;
    for (const segment of this.content.lanes[this.lane]?.shown ?? []) {
      const left = place(segment.start), right = place(segment.end);
      if (right - drawn < 1) continue;
      pen.fillStyle = this.#colour(segment);
      pen.fillRect(left, top + 4, Math.max(1, right - left), OVERVIEW - 8);
      drawn = right;
    }
    pen.strokeStyle = MARK;
    pen.lineWidth = 1.5;
    const left = place(this.view.start), right = place(this.view.end);
    pen.strokeRect(left + 1, top + 2, Math.max(4, right - left - 2), OVERVIEW - 4);
    pen.fillStyle = INK;
    pen.fillRect(place(this.time) - 1, top, 2, OVERVIEW);
  }

  #drawPlayhead() {
    const x = this.#x(this.time), bottom = this.#height() - OVERVIEW;
    if (x >= GUTTER - 1) this.#line(x, INK, 0, bottom);
    if (this.drag?.kind !== "edge") return;
    const top = AXIS + LANE * this.drag.lane, at = this.#x(this.drag.time);
    this.#line(at, MARK, top, top + LANE);
    this.#write(clock(this.drag.time), at + 5, top + LANE / 2);
  }

  #line(x, colour, top, bottom) {
    this.pen.fillStyle = colour;
    this.pen.fillRect(x - 1, top, 2, bottom - top);
    this.pen.beginPath();
    this.pen.moveTo(x - 6, top);
    this.pen.lineTo(x + 6, top);
    this.pen.lineTo(x, top + 8);
    this.pen.fill();
  }
}

/**
 * Return as many of the last words of a text as fit into so many pixels, because states differ there ("… is open").
 * Of scripts without spaces, as many letters.
 */
function ending(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  const pieces = text.includes(" ") ? text.split(" ") : [...text], between = text.includes(" ") ? " " : "";
  const last = (count) => "…" + between + pieces.slice(-count).join(between);
  let low = 0, high = pieces.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (pen.measureText(last(middle)).width <= room) low = middle; else high = middle - 1;
  }
  return low ? last(low) : "";
}

/** Return the height of the strip with the model's own answers. */
function stripOf(lane) { return lane.model.length ? MODEL : 0; }

function hatching(pen) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const stroke = tile.getContext("2d");
  stroke.strokeStyle = "#fffb";
  stroke.lineWidth = 1.6;
  for (const shift of [-8, 0, 8]) {
    stroke.moveTo(shift - 1, 9);
    stroke.lineTo(shift + 9, -1);
  }
  stroke.stroke();
  return pen.createPattern(tile, "repeat");
}
