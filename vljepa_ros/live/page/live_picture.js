// SPDX-License-Identifier: Apache-2.0
// The newest image of a camera, asked for again and again while somebody can see the page.

const PERIOD_MS = 200, OLD = 2;  // seconds without an image, after which it is shown as old

export class LivePicture {
  constructor(section) {
    this.stage = section.querySelector(".stage");
    this.canvas = section.querySelector("canvas");
    this.message = section.querySelector(".message");
    this.camera = "";
    this.number = 0;
    this.#follow();
  }

  /** Follow another camera. */
  open(camera) {
    this.camera = camera;
    this.number = 0;
    this.#tell("no image yet");
    this.canvas.width = this.canvas.width;  // empty
  }

  /** Say how old the image is: seconds, or null if none came. */
  showAge(seconds) {
    const old = seconds !== null && seconds > OLD;
    this.#tell(seconds === null ? "no image yet" : old ? `no new image for ${Math.round(seconds)} s` : "");
    this.stage.classList.toggle("old", old);
  }

  #tell(text) { if (this.message.textContent !== text) this.message.textContent = text; }

  async #follow() {
    for (;;) {
      if (!document.hidden) await this.#next().catch(() => {});  // that nothing comes is told by its age
      await new Promise((done) => setTimeout(done, PERIOD_MS));
    }
  }

  async #next() {
    const { camera } = this;
    const answer = await fetch(`api/picture?camera=${encodeURIComponent(camera)}&after=${this.number}`);
    if (answer.status !== 200) return;
    const image = await createImageBitmap(await answer.blob());
    if (camera !== this.camera) return;
    this.number = answer.headers.get("X-Number");
    this.canvas.width = image.width;
    this.canvas.height = image.height;
    this.canvas.getContext("2d").drawImage(image, 0, 0);
    image.close();
  }
}
