// SPDX-License-Identifier: Apache-2.0
// The search box: free text in, moments out into a list.

export class SearchBox {
  constructor(form, library, moments, shown) {
    this.input = form.querySelector("input");
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" && moments.focus(0)) event.preventDefault();
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = this.input.value.trim();
      if (!text) return;
      shown();
      moments.say("Looking …");
      try {
        moments.show(await library.search(text), "cosine", "Nothing found.");
      } catch (refusal) {
        moments.say(refusal.message);
      }
    });
  }
}
