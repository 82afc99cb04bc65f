// SPDX-License-Identifier: Apache-2.0
// The top candidates of a query: their shares as curves over the last minutes, and now as a list.
// Each curve has dashes of its own, so that nobody needs to tell colours.

const SECONDS = 120, GAP = 3, LEFT = 26, BOTTOM = 16;
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [4, 4]];
const PALE = "#a4abb8", RULE = "#30353f";

export class Curves {
  constructor(figure) {
    this.caption = figure.querySelector("figcaption");
    this.canvas = figure.querySelector("canvas");
    this.list = figure.querySelector("ol");
    this.pen = this.canvas.getContext("2d");
  }

  /** Show the curves of a query; in a doubt they are not to be trusted. */
  show(history, query, doubted) {
    const points = history.curves(query, history.now - SECONDS);
    const shares = points.at(-1)?.[2] ?? [];
    const trust = doubted ? ", not to be trusted now" : ", last two minutes";
    this.caption.textContent = points.length ? `Candidates of “${query}”${trust}` : `No candidates of “${query}” yet`;
    const texts = shares.map(([text]) => text), best = shares[0];
    this.canvas.setAttribute("aria-label", best ? `Shares of the candidates; now first: ${best[0]}` : "No candidates yet");
    this.#list(shares, history.colours);
    this.#draw(points, texts, history);
  }

  #list(shares, colours) {
    const key = JSON.stringify(shares.map(([text, share]) => [text, share.toFixed(2)]));
    if (this.key === key) return;
    this.key = key;
    this.list.replaceChildren(...shares.map(([text, share], place) => {
      const line = document.createElement("li");
      line.append(sample(colours[text] ?? PALE, DASHES[place]), named("span", text), named("output", share.toFixed(2)));
      line.children[1].title = text;
      return line;
    }));
  }

  #draw(points, texts, { now, colours }) {
    const { canvas, pen } = this, scale = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    const x = (time) => LEFT + (time - now + SECONDS) / SECONDS * (width - LEFT);
    const y = (share) => 5 + (1 - share) * (height - BOTTOM - 5);
    this.#axes(x, y, now, width, height);
    const earlier = new Set(points.flatMap(([, , shares]) => shares.map(([text]) => text)));
    for (const text of [...earlier].filter((one) => !texts.includes(one)).concat(texts)) {
      const place = texts.indexOf(text);
      pen.beginPath();
      pen.setLineDash(DASHES[place] ?? []);
      pen.globalAlpha = place < 0 ? 0.45 : 1;  // what is no candidate any more
      pen.lineWidth = place < 0 ? 1 : 2;
      pen.strokeStyle = colours[text] ?? PALE;
      this.#trace(points, text, x, y);
      pen.stroke();
    }
    pen.globalAlpha = 1;
    pen.setLineDash([]);
  }

  #trace(points, text, x, y) {
    let before = -Infinity;
    for (const [, time, shares] of points) {
      const share = shares.find(([one]) => one === text)?.[1];
      if (share === undefined) { before = -Infinity; continue; }
      if (time - before > GAP) this.pen.moveTo(x(time), y(share)); else this.pen.lineTo(x(time), y(share));
      before = time;
    }
  }

  #axes(x, y, now, width, height) {
    const pen = this.pen;
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = PALE;
    pen.strokeStyle = RULE;
    pen.lineWidth = 1;
    pen.beginPath();
    for (const share of [0, 0.5, 1]) {
      pen.moveTo(LEFT, Math.round(y(share)) + 0.5);
      pen.lineTo(width, Math.round(y(share)) + 0.5);
      pen.fillText(String(share), 2, y(share) + 4);
    }
    pen.stroke();
    for (const [ago, text] of [[120, "−2:00"], [60, "−1:00"]]) pen.fillText(text, x(now - ago), height - 2);
    pen.textAlign = "right";
    pen.fillText("now", width, height - 2);
    pen.textAlign = "left";
  }
}

function named(tag, text) { return Object.assign(document.createElement(tag), { textContent: text }); }

function sample(colour, dashes) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "line"));
  const values = { x1: 0, x2: 34, y1: 4, y2: 4, stroke: colour, "stroke-width": 2, "stroke-dasharray": dashes.join(" ") };
  for (const [name, value] of Object.entries(values)) line.setAttribute(name, value);
  svg.setAttribute("aria-hidden", "true");
  return svg;
}
