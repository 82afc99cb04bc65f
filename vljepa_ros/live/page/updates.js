// SPDX-License-Identifier: Apache-2.0
// What the server tells, as it comes. It tells by the event "update" {…} what is new, and by "cut" {seconds}
// that nothing has come for so long. While nobody can see the page it asks for nothing.

const SILENT_MS = 3000, AGAIN_MS = 1000;

export class Updates extends EventTarget {
  constructor() {
    super();
    this.camera = "";
    this.heard = Date.now();
    document.addEventListener("visibilitychange", () => document.hidden ? this.#close() : this.#goOn());
    setInterval(() => this.#look(), AGAIN_MS);
  }

  /** Follow a camera. */
  open(camera) {
    this.#close();
    this.camera = camera;
    this.source = new EventSource(`api/updates?camera=${encodeURIComponent(camera)}`);
    this.source.addEventListener("message", ({ data }) => {
      this.heard = Date.now();
      this.dispatchEvent(new CustomEvent("update", { detail: JSON.parse(data) }));
    });
  }

  #goOn() {
    this.heard = Date.now();
    this.open(this.camera);
  }

  #close() { this.source?.close(); this.source = null; }

  #look() {
    const silent = Date.now() - this.heard;
    if (!this.source || silent < SILENT_MS) return;
    this.dispatchEvent(new CustomEvent("cut", { detail: { seconds: silent / 1000 } }));
    if (this.source.readyState === EventSource.CLOSED) this.open(this.camera);
  }
}
