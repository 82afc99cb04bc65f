// SPDX-License-Identifier: Apache-2.0
// Tabs: one panel of several is shown. It tells by the event "tab" {name} which was chosen.

export class Tabs extends EventTarget {
  constructor(list) {
    super();
    this.tabs = [...list.querySelectorAll("[role=tab]")];
    list.addEventListener("click", (event) => {
      const name = event.target.getAttribute("aria-controls");
      if (name) this.show(name);
    });
    list.addEventListener("keydown", (event) => this.#turn(event));
  }

  show(name) {
    for (const tab of this.tabs) {
      const panel = tab.getAttribute("aria-controls"), chosen = panel === name;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      document.getElementById(panel).hidden = !chosen;
    }
    this.dispatchEvent(new CustomEvent("tab", { detail: { name } }));
  }

  #turn(event) {
    if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    event.stopPropagation();
    const step = event.key === "ArrowRight" ? 1 : this.tabs.length - 1;
    const tab = this.tabs[(this.tabs.indexOf(event.target) + step) % this.tabs.length];
    this.show(tab.getAttribute("aria-controls"));
    tab.focus();
  }
}
