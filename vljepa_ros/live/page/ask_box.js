// SPDX-License-Identifier: Apache-2.0
// The forms that ask a question about what is seen now, and that teach the describer a phrase.

import { ask } from "./ask.js";
import { isStrange } from "./history.js";

export class AskBox {
  /** `camera` returns the name of the camera that is shown. */
  constructor(question, phrases, camera) {
    this.question = question;
    this.phrases = phrases;
    this.select = phrases.querySelector("select");
    question.addEventListener("submit", (event) => submit(event, question, () => this.#ask(camera())));
    phrases.addEventListener("submit", (event) => submit(event, phrases, () => this.#add()));
  }

  /** Offer these queries; phrases can be added only if that is allowed. */
  show(queries, mayWrite) {
    const names = queries.map(({ name }) => name), key = JSON.stringify([names, mayWrite]);
    if (key === this.key) return;
    this.key = key;
    const chosen = this.select.value;
    this.select.replaceChildren(...names.map((name) => new Option(name)));
    if (names.includes(chosen)) this.select.value = chosen;
    this.phrases.querySelector("fieldset").disabled = !mayWrite;
    say(this.phrases, mayWrite ? "" : "Read-only: start the launch file with web_write:=true to add phrases here.");
  }

  async #ask(camera) {
    const question = this.question.querySelector("input").value;
    const answers = this.question.querySelector("textarea").value.split("\n").map((one) => one.trim()).filter(Boolean);
    const told = await send("api/ask", { camera, question, answers });
    const strange = isStrange(told.unfamiliarity) ? `The scene is unfamiliar (${told.unfamiliarity.toFixed(2)}): do not trust this.` : "";
    const doubt = told.fault ? `Do not trust this: ${told.fault}.` : strange;
    const rows = document.createElement("div");
    rows.className = "scores";
    answers.forEach((answer, place) => rows.append(...row(answer, told.scores[place], told.cosines[place], place === told.best)));
    this.question.querySelector(".answer").replaceChildren(doubt, rows);
  }

  async #add() {
    const input = this.phrases.querySelector("input"), text = input.value.trim();
    await send("api/phrases", { query: this.select.value, texts: [text] });
    input.value = "";
    say(this.phrases, `“${text}” may answer “${this.select.value}” from now on.`);
  }
}

function row(answer, score, cosine, best) {
  const text = Object.assign(document.createElement("span"), { textContent: (best ? "▸ " : "") + answer, className: best ? "best" : "" });
  const meter = Object.assign(document.createElement("meter"), { value: score, title: `cosine ${cosine.toFixed(2)}`, ariaLabel: answer });
  return [text, meter, Object.assign(document.createElement("span"), { textContent: score.toFixed(2) })];
}

async function submit(event, form, run) {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  say(form, "…");
  try {
    await run();
  } catch (refusal) {
    say(form, refusal.message);
  }
  button.disabled = false;
}

function say(form, text) { form.querySelector(".answer").textContent = text; }

function send(address, content) {
  return ask(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) });
}
