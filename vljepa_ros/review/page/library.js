// SPDX-License-Identifier: Apache-2.0
// What the page reads from: a server, or the content of an exported page.

import { ask } from "./ask.js";

export class ServerLibrary {
  readOnly = false;

  recordings() { return ask("api/recordings"); }

  described(id) { return ask(`api/recordings/${encodeURIComponent(id)}`); }

  async revision(id) { return (await ask(`api/revision/${encodeURIComponent(id)}`)).revision; }

  search(text) { return ask(`api/search?text=${encodeURIComponent(text)}`); }

  doubtful() { return ask("api/doubtful"); }

  edit(id, edit) {
    const headers = { "Content-Type": "application/json" };
    return ask(`api/corrections/${encodeURIComponent(id)}`, { method: "POST", headers, body: JSON.stringify(edit) });
  }

  async video(id) {
    const state = await ask(`api/video/${encodeURIComponent(id)}`);
    return { ...state, url: state.ready ? `video/${encodeURIComponent(id)}` : "" };
  }

  frameAddress(id, time, width) {
    return `api/frame/${encodeURIComponent(id)}?t=${time.toFixed(3)}&width=${width}`;
  }

  thumbnailAddress(id, query, time) {
    return `api/thumbnail/${encodeURIComponent(id)}?query=${encodeURIComponent(query)}&t=${time.toFixed(3)}`;
  }

  exportAddress(id, ending) { return `api/export/${encodeURIComponent(id)}.${ending}`; }
}

/** The content of a page that `vljepa review --export` wrote; search goes by words. */
export class EmbeddedLibrary {
  readOnly = true;

  constructor(content) { this.content = content; }

  async recordings() { return this.content.recordings; }

  async described(id) { return this.content.described[id]; }

  async revision(id) { return this.content.described[id].revision; }

  async doubtful() { return this.content.doubtful; }

  async search(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (segment) => words.every((word) => segment.text.toLowerCase().includes(word));
    return this.content.recordings.flatMap(({ id, name }) =>
      this.content.described[id].lanes.flatMap((lane) =>
        lane.shown.filter(fits).map((segment) => ({ recording: id, name, query: lane.name, value: null, ...segment }))))
      .slice(0, 24);
  }

  async video(id) {
    const url = this.content.videos[id] ?? "";
    return { ready: url !== "", progress: 0, url, problem: url ? "" : "pictures only" };
  }

  thumbnailAddress(id, query, time) { return this.frameAddress(id, time); }

  frameAddress(id, time) {
    const posters = this.content.posters[id] ?? [];
    const earlier = posters.filter(([stamp]) => stamp <= time + 0.001);
    return (earlier.at(-1) ?? posters[0] ?? [0, ""])[1];
  }
}

/** Return the library of this page. */
export function openLibrary() {
  const embedded = document.getElementById("embedded");
  return embedded ? new EmbeddedLibrary(JSON.parse(embedded.textContent)) : new ServerLibrary();
}
