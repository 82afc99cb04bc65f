// SPDX-License-Identifier: Apache-2.0
// The review page: puts its parts together. What is edited is the segment of the chosen lane under the playhead.

import { Editor } from "./editor.js";
import { joined, labelled, moved, reverted, split, undone } from "./edits.js";
import { listen } from "./keys.js";
import { Lanes } from "./lanes.js";
import { openLibrary } from "./library.js";
import { Moments } from "./moments.js";
import { Picture } from "./picture.js";
import { SearchBox } from "./search_box.js";
import { States } from "./states.js";
import { Tabs } from "./tabs.js";
import { clock, describe, segmentAt } from "./segments.js";

const $ = (selector) => document.querySelector(selector);
const TOUCHING = 0.002;

class Page {
  constructor(library) {
    this.library = library;
    this.done = [];
    this.taken = [];
    this.queue = Promise.resolve();
    this.others = new BroadcastChannel("vljepa review");
    this.picture = new Picture($("#picture"), library);
    this.lanes = new Lanes($("#timeline canvas"));
    this.states = new States($("#states"));
    this.editor = new Editor($("#editor"));
    this.found = new Moments($("#found"), library);
    this.doubtful = new Moments($("#doubtful"), library);
    this.search = new SearchBox($("#search"), library, this.found, () => this.showTab("found"));
    this.tabs = new Tabs($("[role=tablist]"));
    this.lanes.readOnly = library.readOnly;
    document.body.classList.toggle("read-only", library.readOnly);
    this.#connect();
  }

  async start() {
    const recordings = this.recordings = await this.library.recordings();
    $("#recording").replaceChildren(...recordings.map(({ id, name }) => new Option(name, id)));
    if (!recordings.length) { this.notice("This store holds no recording yet: `vljepa index` fills it."); return; }
    await this.follow(recordings[0].id);
    if (!this.recording) await this.#showFirst(recordings[0].id);
    $("main").inert = false;
    listen(this.#bindings(), $("#keys"));
  }

  /** Show a recording, but leave standing why it is not the one that was asked for. */
  async #showFirst(id) {
    const why = $("#notice span").textContent;
    await this.open(id, 0);
    this.notice(why);
  }

  /** Go to what the address names: #recording=…&t=…&query=… The recording is an id, or a path as in the report of `vljepa teach`. */
  async follow(fallback = this.recording?.id) {
    const named = new URLSearchParams(location.hash.slice(1));
    const time = Number.parseFloat(named.get("t")) || 0;
    const wanted = named.get("recording") ?? fallback;
    const ofPath = this.recordings.find(({ path }) => path === wanted);
    await this.open(ofPath?.id ?? wanted, time, named.get("query"));
  }

  async open(id, time, query = null) {
    try {
      if (id !== this.recording?.id) {
        const recording = await this.library.described(id);
        this.done = [];
        this.taken = [];
        this.#take(recording, true);
        this.#offer(id);
        this.picture.open(recording, time);
      } else this.picture.seek(time);
    } catch (refusal) {
      this.notice(refusal.message);
      return;
    }
    const lane = this.recording.lanes.findIndex((one) => one.name === query);
    this.goTo(this.picture.time, lane < 0 ? this.lanes.lane : lane);
  }

  /** Read the recording again, because somebody else has changed it. */
  async reload() {
    this.#take(await this.library.described(this.recording.id), false);
    this.refresh();
  }

  get lane() { return this.recording.lanes[this.lanes.lane]; }

  get segment() { return this.#at(this.lanes.lane, this.picture.time).segment; }

  /** Return what there is in a lane at a time. */
  #at(number, time) {
    const lane = this.recording.lanes[number];
    return { lane, time, segment: segmentAt(lane, time, this.recording.duration) };
  }

  goTo(time, lane = this.lanes.lane) {
    this.lanes.goTo(time, lane);
    this.picture.seek(time);
  }

  chooseLane(lane) {
    if (lane < 0 || lane >= this.recording.lanes.length) return;
    this.lanes.goTo(this.picture.time, lane);
    this.refresh();
    this.announce();
  }

  goToChange(direction) {
    const { shown } = this.lane, time = this.picture.time;
    const starts = shown.map((one) => one.start);
    const next = direction > 0 ? starts.find((start) => start > time + TOUCHING)
      : starts.findLast((start) => start < time - TOUCHING);
    if (next === undefined) return;
    this.picture.pause();
    this.goTo(next);
    this.announce();
  }

  /** Show what belongs to the time of the picture. */
  refresh() {
    const time = this.picture.time;
    this.lanes.goTo(time);
    this.states.show(this.recording, time, this.lanes.lane);
    $("#clock").textContent = `${clock(time)} / ${clock(this.recording.duration)}`;
    if (this.lane) this.editor.show(this.lane, this.segment);
    $("#undo").disabled = !this.done.length;
    $("#redo").disabled = !this.taken.length;
    if (this.picture.playing) return;
    if (this.lane) this.editor.enable((name) => this.#do(name, this.#at(this.lanes.lane, time)) !== null);
    this.#remember();
  }

  announce() { if (this.lane) $("#said").textContent = describe(this.lane, this.segment); }

  notice(text, again = null) {
    $("#notice").hidden = !text;
    $("#notice span").textContent = text;
    $("#notice .again").hidden = !again;
    $("#notice .again").onclick = again;
  }

  showTab(name) { this.tabs.show(name); }

  // Corrections. Each is made of what is there when its turn comes, and is on the disk before the next.

  /** Make an edit of {lane, segment, time}: what is at the playhead now, in its newest state. */
  edit(make) {
    const number = this.lanes.lane, time = this.picture.time;
    return this.#inTurn(() => make(this.#at(number, time)), (edit) => { this.done.push(edit); this.taken = []; });
  }

  undo() {
    const make = () => this.done.length ? undone(this.done.at(-1)) : null;
    return this.#inTurn(make, () => this.taken.push(this.done.pop()), () => this.done.pop());
  }

  redo() {
    const make = () => this.taken.at(-1) ?? null;
    return this.#inTurn(make, () => this.done.push(this.taken.pop()), () => this.taken.pop());
  }

  /** Write the edit that `make` gives; call `after` if it is written, `outdated` if somebody else was faster. */
  #inTurn(make, after, outdated = () => {}) {
    if (this.library.readOnly) return this.queue;
    this.queue = this.queue.then(async () => {
      const edit = make();
      if (edit) await this.#write(edit, after, outdated);
    });
    return this.queue;
  }

  async #write(edit, after, outdated) {
    const { id } = this.recording;
    try {
      const { lane, colours, revision } = await this.library.edit(id, edit);
      const lanes = this.recording.lanes.map((one) => one.name === lane.name ? lane : one);
      after(edit);
      this.notice("");
      this.#take({ ...this.recording, lanes, colours, revision }, false);
      this.others.postMessage({ id, revision });
      this.refresh();
      this.announce();
    } catch (refusal) {
      await this.#refused(refusal, () => this.#write(edit, after, outdated), outdated);
    }
  }

  async #refused(refusal, write, outdated) {
    if (refusal.conflict) {
      outdated();
      await this.reload();
      this.notice("Another window has changed this part. It is shown as it is now, and your change was not made.");
    } else {
      const again = () => { this.queue = this.queue.then(write); };
      this.notice(`Not saved: ${refusal.message}. Nothing was lost; the file is as before.`, again);
    }
  }

  #do(name, { lane, segment, time }) {
    const previous = lane.shown[segment.number - 1], next = lane.shown[segment.number + 1];
    const edits = {
      confirm: () => segment.gap ? null : labelled(lane, segment, segment.text),
      nothing: () => labelled(lane, segment, ""),
      split: () => split(lane, segment, time),
      joinPrevious: () => joined(lane, segment, previous),
      joinNext: () => joined(lane, segment, next),
      beginHere: () => segment.gap ? null : moved(lane, segment.number, "start", time),
      endHere: () => segment.gap ? null : moved(lane, segment.number, "end", time),
      revert: () => reverted(lane, segment),
    };
    return edits[name]();
  }

  #take(recording, isOther) {
    this.recording = recording;
    this.picture.recording = recording;
    if (isOther) this.states.rows = [];
    this.lanes.show(recording, isOther);
    if (recording.problems) this.notice(`This recording could not be read whole: ${recording.problems}`);
  }

  #offer(id) {
    $("#recording").value = id;
    document.title = `${this.recording.name} – vljepa review`;
    for (const link of document.querySelectorAll("#exports a")) {
      link.href = this.library.readOnly ? "" : this.library.exportAddress(id, link.dataset.ending);
      link.download = "";
    }
  }

  /** Put the moment into the address, so that it can be sent to somebody. */
  #remember() {
    clearTimeout(this.remembering);
    this.remembering = setTimeout(() => {
      const t = this.picture.time.toFixed(2), query = this.lane?.name ?? "";
      const named = new URLSearchParams({ recording: this.recording.id, t, query });
      history.replaceState(null, "", `#${named}`);
    }, 200);
  }

  async #listDoubtful() {
    this.doubtful.say("Looking …");
    try {
      this.doubtful.show(await this.library.doubtful(), "doubt", "There is nothing left to look at.");
    } catch (refusal) {
      this.doubtful.say(refusal.message);
    }
  }

  async nextDoubtful() {
    const { moments, place } = this.doubtful;
    if (place >= moments.length - 1) await this.#listDoubtful();
    this.doubtful.openNext();
  }

  async #catchUp() {
    if (document.hidden || this.library.readOnly || !this.recording) return;
    const revision = await this.library.revision(this.recording.id).catch(() => this.recording.revision);
    if (revision !== this.recording.revision) await this.reload();
  }

  #connect() {
    const { picture, lanes, states, editor } = this;
    picture.addEventListener("time", () => this.refresh());
    picture.addEventListener("state", () => {
      const button = $("[data-do=play]");
      button.textContent = picture.playing ? "Pause" : "Play";
      if (!picture.playing) { this.refresh(); this.announce(); }
    });
    lanes.addEventListener("seek", ({ detail }) => {
      picture.pause();
      this.goTo(detail.time, detail.lane);
      this.announce();
    });
    lanes.addEventListener("lane", ({ detail }) => this.chooseLane(detail.lane));
    lanes.addEventListener("move", ({ detail }) =>
      this.edit(() => moved(this.recording.lanes[detail.lane], detail.number, detail.edge, detail.time)));
    states.addEventListener("lane", ({ detail }) => this.chooseLane(detail.lane));
    editor.addEventListener("label", ({ detail }) =>
      this.edit(({ lane, segment }) => labelled(lane, segment, detail.text)));
    editor.addEventListener("do", ({ detail }) => this.edit((place) => this.#do(detail.name, place)));
    editor.addEventListener("leave", () => this.refresh());
    editor.input.addEventListener("focus", () => picture.pause());
    for (const list of [this.found, this.doubtful]) {
      list.addEventListener("open", ({ detail }) => {
        picture.pause();
        this.open(detail.recording, detail.time, detail.query);
      });
    }
    this.others.addEventListener("message", ({ data }) => {
      if (data.id === this.recording?.id && data.revision !== this.recording.revision) this.reload();
    });
    document.addEventListener("visibilitychange", () => this.#catchUp());
    addEventListener("hashchange", () => this.follow());
    $("#recording").addEventListener("change", (event) => this.open(event.target.value, 0));
    $("#notice .close").addEventListener("click", () => this.notice(""));
    this.tabs.addEventListener("tab", ({ detail }) => { if (detail.name === "doubtful") this.#listDoubtful(); });
    $("#picture .controls").addEventListener("click", (event) => this.#control(event.target.dataset.do));
    $("#help").addEventListener("click", () => $("#keys").showModal());
    $("#undo").addEventListener("click", () => this.undo());
    $("#redo").addEventListener("click", () => this.redo());
  }

  #control(name) {
    const controls = {
      play: () => this.picture.toggle(), back: () => this.picture.step(-1), forward: () => this.picture.step(1),
      previous: () => this.goToChange(-1), next: () => this.goToChange(1),
      in: () => this.lanes.zoom(0.5), out: () => this.lanes.zoom(2),
    };
    controls[name]?.();
  }

  #bindings() {
    const jump = (seconds) => () => { this.picture.pause(); this.goTo(this.picture.time + seconds); };
    const beside = (step) => () => this.chooseLane(this.lanes.lane + step);
    const undo = () => this.undo(), redo = () => this.redo();
    const write = () => { this.showTab("now"); this.editor.focus(); };
    const edit = (name) => () => this.edit((place) => this.#do(name, place));
    const looking = [
      ["play or pause", { " ": () => this.picture.toggle() }],
      ["one image back, one on", { ",": () => this.picture.step(-1), ".": () => this.picture.step(1) }],
      ["one second back, one on", { ArrowLeft: jump(-1), ArrowRight: jump(1) }],
      ["previous, next change", { p: () => this.goToChange(-1), n: () => this.goToChange(1) }],
      ["lane above, below", { ArrowUp: beside(-1), ArrowDown: beside(1) }],
      ["zoom in, out", { "+": () => this.lanes.zoom(0.5), "-": () => this.lanes.zoom(2) }],
      ["to the beginning, the end", { Home: () => this.goTo(0), End: () => this.goTo(this.recording.duration) }],
      ["search; ↓ goes to what was found", { "/": () => this.search.input.focus() }],
      ["next of the least certain", { u: () => this.nextDoubtful() }],
      ["these keys", { "?": () => $("#keys").showModal() }],
    ];
    const editing = [
      ["write another text", { e: write, Enter: write }],
      ["the text is right", { c: edit("confirm") }],
      ["nothing to say here", { x: edit("nothing") }],
      ["split at the playhead", { s: edit("split") }],
      ["join with the next, the previous", { j: edit("joinNext"), "Shift j": edit("joinPrevious") }],
      ["begins, ends at the playhead", { "[": edit("beginHere"), "]": edit("endHere") }],
      ["back to the model's answer", { m: edit("revert") }],
      ["undo", { z: undo, "Control z": undo }],
      ["redo", { "Shift z": redo, "Control y": redo, "Control Shift z": redo }],
    ];
    return this.library.readOnly ? looking : [...looking, ...editing];
  }
}

const page = new Page(openLibrary());
page.start().catch((error) => page.notice(error.message));
