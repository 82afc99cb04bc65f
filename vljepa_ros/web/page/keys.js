// SPDX-License-Identifier: Apache-2.0
// What each key does, and the table that says so.

const NAMES = { " ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };

/**
 * Listen to keys. `bindings` are [what they do, {key: function}]; a key is what the browser calls it, with
 * "Shift " before a letter that is meant with Shift. Keys are left alone while somebody writes.
 */
export function listen(bindings, dialog) {
  const known = new Map(bindings.flatMap(([, keys]) => Object.entries(keys)));
  document.addEventListener("keydown", (event) => {
    const run = known.get(nameOf(event));
    if (!run || event.altKey || dialog.open || isTaken(event)) return;
    event.preventDefault();
    run();
  });
  document.addEventListener("click", (event) => {  // a button that the mouse pressed gives the keys back
    if (event.detail && !dialog.open) event.target.closest("button, a")?.blur();
  });
  dialog.querySelector("tbody").replaceChildren(...bindings.map(row));
}

function nameOf(event) {
  const letter = event.key.length === 1 && /\p{L}/u.test(event.key) ? event.key.toLowerCase() : event.key;
  const command = event.ctrlKey || event.metaKey ? "Control " : "";
  return command + (event.shiftKey && /^\p{L}|Arrow/u.test(letter) ? "Shift " : "") + letter;
}

/** Whether the element that has the focus needs the key itself. */
function isTaken(event) {
  const at = event.target;
  if (at.matches("input, select, textarea")) return true;
  return at.matches("button, a") && [" ", "Enter"].includes(event.key);
}

function row([does, keys]) {
  const line = document.createElement("tr");
  const cell = line.appendChild(document.createElement("td"));
  Object.keys(keys).forEach((key) => {
    const words = key.split(/ (?=.)/).map((word) => NAMES[word] ?? word);
    cell.appendChild(document.createElement("kbd")).textContent = words.join(" ");
    cell.append(" ");
  });
  line.appendChild(document.createElement("td")).textContent = does;
  return line;
}
