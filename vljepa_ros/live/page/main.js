// SPDX-License-Identifier: Apache-2.0
// The live view: puts its parts together. Times are ages against the node's clock.

import { ask } from "./ask.js";
import { AskBox } from "./ask_box.js";
import { Complaints } from "./complaints.js";
import { Curves } from "./curves.js";
import { LiveHistory, age, isStrange } from "./history.js";
import { listen } from "./keys.js";
import { Lanes } from "./lanes.js";
import { LivePicture } from "./live_picture.js";
import { Moments } from "./moments.js";
import { SearchBox } from "./search_box.js";
import { segmentAt, sureness, words } from "./segments.js";
import { Standing } from "./standing.js";
import { Tabs } from "./tabs.js";
import { Updates } from "./updates.js";

const $ = (selector) => document.querySelector(selector);
const LISTED = 100;  // of what has ended
const SHOWN = 120;  // seconds of the lanes at first
const OLD = 3;  // seconds after which an embedding is old

/** A list of moments that are told by their ages. */
class LiveMoments extends Moments {
  constructor(element, page) {
    super(element, {});
    this.page = page;
  }

  times({ start, end }) {
    const { now } = this.page.history;
    return `${age(now - start)} – ${age(now - end)} ago`;
  }
}

class LivePage {
  constructor() {
    this.camera = "";  // the first one
    this.history = new LiveHistory();
    this.updates = new Updates();
    this.picture = new LivePicture($("#picture"));
    this.lanes = new Lanes($("#timeline canvas"));
    this.standing = new Standing($("#states"));
    this.curves = new Curves($("#curves"));
    this.complaints = new Complaints($("#complaints"));
    this.tabs = new Tabs($("[role=tablist]"));
    this.ended = new LiveMoments($("#ended"), this);
    this.found = new LiveMoments($("#found"), this);
    this.askBox = new AskBox($("#question"), $("#phrases"), () => this.camera);
    const library = { search: (text) => ask(`api/search?text=${encodeURIComponent(text)}`) };
    this.search = new SearchBox($("#search"), library, this.found, () => this.tabs.show("found"));
    this.pinned = null;  // a time of the node that somebody looks at
    this.lanes.readOnly = true;
    this.lanes.label = (seconds) => seconds < 0 ? `−${age(-seconds)}` : "now";
    this.#connect();
    this.open(this.camera);
  }

  open(camera) {
    this.camera = camera;
    this.#unpin();
    this.picture.open(camera);
    this.updates.open(camera);
  }

  /** Show an update of the server. */
  take(update) {
    this.camera = update.camera;
    this.history.take(update);
    document.body.classList.toggle("cut", update.trouble !== "");
    const content = this.history.content(), { now } = this.history;
    this.lanes.zero = content.duration;
    if (update.whole) {
      this.lanes.show(content, true);
      this.lanes.zoom(Math.min(1, SHOWN / content.duration), content.duration);
    } else this.lanes.grow(content);
    this.#showMoment();
    this.standing.showNow(content, now, this.lanes.lane);
    this.#showCurves(content);
    if (update.whole || update.ended.length) this.#listEnded();
    this.askBox.show(update.queries, update.mayWrite);
    this.#showCameras(update.cameras);
    this.#showFacts(update);
  }

  /** Say that the server has been silent for so many seconds: nothing that is shown holds any more. */
  cut(seconds) {
    document.body.classList.add("cut");
    this.#tellLink(`no answer from the node for ${age(seconds)}: what is shown is old`);
  }

  #tellLink(text) { if ($("#link").textContent !== text) $("#link").textContent = text; }

  #showFacts({ stream, model, nodes, queries, trouble, imageAge }) {
    const ill = this.complaints.show(trouble ? [] : nodes), old = !(stream.age <= OLD);
    const health = ill ? `${ill} of ${nodes.length} nodes not well` : `${nodes.length} nodes well`;
    const seen = !old ? "live" : stream.age === null ? "nothing seen yet" : `nothing new for ${age(stream.age)}`;
    this.#tellLink(trouble || (nodes.length ? `${seen}, ${health}` : `${seen}, no node reports on /diagnostics`));
    document.body.classList.toggle("ill", ill > 0 || old || !nodes.length);
    this.picture.showAge(imageAge);
    const seconds = (value) => value === null ? "–" : value < 10 ? `${value.toFixed(2)} s` : age(value);
    const facts = [
      ["embeddings", `${stream.rate.toFixed(1)} Hz`, queries.length > 0 && stream.rate === 0],
      ["age", seconds(stream.age), stream.age > OLD],
      ["unfamiliarity", stream.unfamiliarity?.toFixed(2) ?? "–", isStrange(stream.unfamiliarity)],
      ["dropped", stream.dropped === null ? "–" : `${stream.dropped} images`, false],
      ["model", model.name ? `${model.name}, ${model.backend}` : "–", false],
    ];
    const key = JSON.stringify(facts);
    if (key === this.facts) return;
    this.facts = key;
    $("#facts").replaceChildren(...facts.map(([name, value, bad]) => {
      const pair = Object.assign(document.createElement("div"), { className: bad ? "bad" : "" });
      pair.append(Object.assign(document.createElement("dt"), { textContent: name }),
        Object.assign(document.createElement("dd"), { textContent: value }));
      return pair;
    }));
  }

  #showCameras(cameras) {
    const key = JSON.stringify([cameras, this.camera]);
    if (key === this.cameras) return;
    this.cameras = key;
    $("#cameras").hidden = cameras.length < 2;
    const focused = document.activeElement?.dataset?.camera;
    $("#cameras").replaceChildren(...cameras.map(({ name, doubt, seen }) => {
      const button = document.createElement("button");
      button.dataset.camera = name;
      button.textContent = name + (!seen ? " – not seen" : doubt ? ` ${doubt}` : "");
      button.setAttribute("aria-pressed", String(name === this.camera));
      button.addEventListener("click", () => this.open(name));
      return button;
    }));
    if (focused !== undefined) $(`#cameras [data-camera="${CSS.escape(focused)}"]`)?.focus();
  }

  #listEnded() {
    const newest = this.history.ended.slice(-LISTED).reverse();
    const moments = newest.map((one) => ({ ...one, recording: this.camera, name: sureness(one), value: null }));
    this.ended.show(moments, "", "Nothing has ended yet.");
  }

  /** Look at a moment of the past, in seconds of the node, until somebody goes back to now. */
  pin(time, lane = this.lanes.lane) {
    this.pinned = time;
    this.lanes.lane = lane;
    this.#showMoment();
  }

  #unpin() { this.pinned = null; }

  #showMoment() {
    const { history, lanes } = this, { duration } = lanes.content;
    if (this.pinned !== null && this.pinned < history.origin) this.#unpin();
    const time = this.pinned === null ? duration : this.pinned - history.origin;
    lanes.time = time;
    lanes.redraw();
    const lane = lanes.content.lanes[lanes.lane];
    const told = this.pinned === null || !lane ? "" : this.#tell(lane, segmentAt(lane, time, duration), history);
    if ($("#moment").textContent !== told) $("#moment").textContent = told;
  }

  #tell(lane, segment, { now, origin }) {
    const ago = (time) => age(now - origin - time);
    const said = segment.gap ? "nothing was said" : [words(segment), sureness(segment)].filter(Boolean).join(", ");
    return `${lane.name}, ${ago(segment.start)} to ${ago(segment.end)} ago: ${said}`;
  }

  chooseLane(lane) {
    if (lane < 0 || lane >= this.lanes.content.lanes.length) return;
    this.lanes.goTo(this.lanes.time, lane);
    this.#refresh();
  }

  #refresh() {
    if (!this.history.queries) return;
    const content = this.lanes.content;
    this.standing.showNow(content, this.history.now, this.lanes.lane);
    this.#showCurves(content);
    this.#showMoment();
  }

  #showCurves(content) {
    const lane = content.lanes[this.lanes.lane];
    if (lane) this.curves.show(this.history, lane.name, lane.state?.doubted ?? false);
  }

  /** Go to the state before or after. */
  step(direction) {
    const lane = this.lanes.content.lanes[this.lanes.lane], { origin } = this.history;
    const time = this.lanes.time, starts = lane?.shown.map(({ start }) => start) ?? [];
    const next = direction > 0 ? starts.find((start) => start > time + 0.01) : starts.findLast((start) => start < time - 0.01);
    if (next !== undefined) this.pin(next + 0.005 + origin);
    else if (direction > 0) this.#now();
  }

  #now() { this.#unpin(); this.#showMoment(); }

  #open({ recording, time, query }) {
    if (recording !== this.camera) this.open(recording);
    const lane = this.lanes.content.lanes.findIndex(({ name }) => name === query);
    this.pin(time, Math.max(0, lane));
    this.lanes.goTo(time - this.history.origin, Math.max(0, lane));
    this.#refresh();
  }

  #connect() {
    this.updates.addEventListener("update", ({ detail }) => this.take(detail));
    this.updates.addEventListener("cut", ({ detail }) => this.cut(detail.seconds));
    this.lanes.addEventListener("seek", ({ detail }) => { this.pin(detail.time + this.history.origin, detail.lane); this.#refresh(); });
    this.lanes.addEventListener("lane", ({ detail }) => this.chooseLane(detail.lane));
    this.standing.addEventListener("lane", ({ detail }) => this.chooseLane(detail.lane));
    for (const list of [this.ended, this.found]) list.addEventListener("open", ({ detail }) => this.#open(detail));
    $("#help").addEventListener("click", () => $("#keys").showModal());
    listen(this.#bindings(), $("#keys"));
  }

  #bindings() {
    const beside = (step) => () => this.chooseLane(this.lanes.lane + step);
    return [
      ["lane above, below", { ArrowUp: beside(-1), ArrowDown: beside(1) }],
      ["state before, after", { ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1) }],
      ["back to now", { Escape: () => this.#now(), n: () => this.#now() }],
      ["zoom in, out", { "+": () => this.lanes.zoom(0.5), "-": () => this.lanes.zoom(2) }],
      ["search", { "/": () => this.search.input.focus() }],
      ["ask a question", { q: () => { this.tabs.show("ask"); $("#question input").focus(); } }],
      ["these keys", { "?": () => $("#keys").showModal() }],
    ];
  }
}

new LivePage();
