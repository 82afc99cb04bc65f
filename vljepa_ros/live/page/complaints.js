// SPDX-License-Identifier: Apache-2.0
// What the nodes complain of on /diagnostics, and what to do about it.

import { age } from "./history.js";

export class Complaints {
  constructor(section) { this.section = section; }

  /** Show the nodes that are not well. Returns how many there are. */
  show(nodes) {
    const ill = nodes.filter(({ level }) => level !== "ok");
    const key = JSON.stringify(ill);
    if (key !== this.key) {
      this.key = key;
      this.section.hidden = !ill.length;
      this.section.replaceChildren(...ill.flatMap(lines));
    }
    return ill.length;
  }
}

function lines({ node, level, told, silent }) {
  if (level === "silent") return [line(node, "error", { seen: `says nothing any more for ${age(silent)}`, why: "", remedy: "look at its log, start it again" })];
  return told.map((one) => line(node, level, one));
}

function line(node, level, { seen, why, remedy }) {
  const paragraph = document.createElement("p");
  paragraph.className = level;
  const reason = why ? `: ${why}.` : "";
  paragraph.append(part("b", `${node}: ${seen}`), part("span", `${reason} `), remedy ? part("span", remedy, "remedy") : "");
  return paragraph;
}

/** Return an element with a text in which `what is written like this` is code. */
function part(tag, text, name = "") {
  const element = Object.assign(document.createElement(tag), { className: name });
  text.split("`").forEach((piece, place) =>
    element.append(place % 2 ? Object.assign(document.createElement("code"), { textContent: piece }) : piece));
  return element;
}
