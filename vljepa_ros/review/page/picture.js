// SPDX-License-Identifier: Apache-2.0
// The image of a recording at a time: its video, or single pictures until there is one.
//
// It tells by the event "time" that the time has changed, by "state" that playing began or ended.

const LATE = 0.001;  // seconds that a video is shown after a time, so that rounding shows no earlier image
const ASK_AGAIN_MS = 700;
const PICTURE_WIDTH = 960;
const PICTURE_STEP_MS = 200;

export class Picture extends EventTarget {
  constructor(section, library) {
    super();
    this.video = section.querySelector("video");
    this.image = section.querySelector("img");
    this.message = section.querySelector(".message");
    this.library = library;
    this.time = 0;
    this.playing = false;
    this.video.addEventListener("seeked", () => this.#seekOn());
    this.video.addEventListener("ended", () => this.#end());
    this.video.addEventListener("error", () =>
      this.#showPictures("This browser does not play the video; single pictures are shown."));
    this.image.addEventListener("load", () => this.#loadOn());
    this.image.addEventListener("error", () => this.#loadOn());
  }

  /** Show a recording from a time on. */
  async open(recording, time) {
    this.pause();
    this.recording = recording;
    this.#showPictures("");
    this.seek(time);
    await this.#findVideo(recording);
  }

  seek(time) {
    this.time = Math.min(Math.max(0, time), this.recording.duration);
    if (this.#hasVideo()) this.#seekVideo(); else this.#loadPicture();
    this.dispatchEvent(new Event("time"));
  }

  /** Go so many images on or back. */
  step(images) {
    this.pause();
    const frame = this.recording.frame_s || 0.1;
    this.seek((Math.round(this.time / frame) + images) * frame);
  }

  toggle() { if (this.playing) this.pause(); else this.play(); }

  play() {
    if (this.time >= this.recording.duration - LATE) this.seek(0);
    this.playing = true;
    if (this.#hasVideo()) {
      this.video.play().catch(() => this.pause());
      this.#follow();
    } else this.timer = setInterval(() => this.#nextPicture(), PICTURE_STEP_MS);
    this.dispatchEvent(new Event("state"));
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    clearInterval(this.timer);
    this.video.pause();
    this.dispatchEvent(new Event("state"));
  }

  /** Stand at the end; the last picture may have been followed a little before it. */
  #end() {
    if (this.playing) this.time = this.recording.duration;
    this.pause();
  }

  #hasVideo() { return !this.video.hidden; }

  async #findVideo(recording) {
    const state = await this.library.video(recording.id).catch(({ message }) => ({ ready: false, problem: message }));
    if (recording !== this.recording) return;
    if (state.ready) this.#showVideo(state.url);
    else if (state.problem) this.message.textContent = this.library.readOnly ? "" : state.problem;
    else {
      const percent = Math.round(100 * state.progress);
      this.message.textContent = `The video is being prepared: ${percent} %. Pictures are shown until then.`;
      setTimeout(() => recording === this.recording && this.#findVideo(recording), ASK_AGAIN_MS);
    }
  }

  #showVideo(address) {
    this.message.textContent = "";
    this.video.src = address;
    this.video.addEventListener("loadeddata", () => {
      this.pause();
      this.image.hidden = true;
      this.video.hidden = false;
      this.#seekVideo();
    }, { once: true });
  }

  #showPictures(message) {
    this.pause();
    this.message.textContent = message;
    this.video.hidden = true;
    if (this.video.hasAttribute("src")) { this.video.removeAttribute("src"); this.video.load(); }
    this.image.hidden = false;
    if (message) this.#loadPicture();
  }

  #follow() {
    if (!this.playing) return;
    this.time = Math.min(this.video.currentTime, this.recording.duration);
    this.dispatchEvent(new Event("time"));
    requestAnimationFrame(() => this.#follow());
  }

  #seekVideo() { if (!this.video.seeking) this.video.currentTime = this.sought = this.time + LATE; }

  #seekOn() { if (!this.playing && Math.abs(this.sought - this.time - LATE) > 1e-6) this.#seekVideo(); }

  #nextPicture() {
    this.seek(this.time + PICTURE_STEP_MS / 1000);
    if (this.time >= this.recording.duration) this.pause();
  }

  #loadPicture() {
    const address = this.library.frameAddress(this.recording.id, this.time, PICTURE_WIDTH);
    if (this.loading) { this.next = address; return; }
    if (!address || address === this.shown) return;
    this.loading = true;
    this.image.src = this.shown = address;
  }

  #loadOn() {
    this.loading = false;
    if (this.next && this.next !== this.shown && !this.#hasVideo()) this.#loadPicture();
    this.next = "";
  }
}
