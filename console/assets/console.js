// All pages work without this file. It sees to the parts that go on by themselves, and
// draws plots that tell their numbers.
"use strict";

// What goes on asks again after the time that its last answer gave. It doesn't while nobody
// looks, and it moves nothing away from somebody who reads, copies or has the focus there.
const asleep = new Set();

function isInUse(part) {
  const selection = document.getSelection();
  return part.contains(document.activeElement) || part.querySelector("details[open]") !== null ||
    (!selection.isCollapsed && part.contains(selection.anchorNode));
}

function wake() {
  if (document.hidden) return;
  for (const part of asleep) {
    if (part.isConnected && isInUse(part)) continue;
    asleep.delete(part);
    if (part.isConnected) htmx.trigger(part, "wake");
  }
}

document.addEventListener("htmx:before:request", (event) => {
  const part = event.detail.ctx.sourceElement;
  if (document.hidden || isInUse(part)) {
    event.preventDefault();
    asleep.add(part);
  }
});
document.addEventListener("visibilitychange", wake);
setInterval(wake, 2000);

// An answer that is none, is an error, or hasn't the part that was asked for, such as a page
// to sign in, leaves the page as it is. It says since when, and the part is asked for again.
let upToDate = new Date();

function tellAge(text) {
  const note = document.getElementById("stale");
  if (note && note.textContent !== text) note.textContent = text;
}

function missed(part) {
  tellAge("Not up to date since " + upToDate.toISOString().slice(11, 19) + " UTC");
  setTimeout(() => asleep.add(part), 8000);
}

document.addEventListener("htmx:after:request", (event) => {
  const { sourceElement: part, response, text } = event.detail.ctx;
  if (response.status === 200 && text.includes('id="' + part.id + '"')) {
    upToDate = new Date();
    tellAge("");
    return;
  }
  event.preventDefault();
  missed(part);
});
document.addEventListener("htmx:error", (event) => {
  const part = event.detail.ctx && event.detail.ctx.sourceElement;
  if (part) missed(part);
});

// Plots. The table beside each has the numbers.

let plots = [];

function draw() {
  for (const p of plots) p.destroy();
  plots = [];
  if (typeof uPlot === "undefined") return;
  for (const figure of document.querySelectorAll("figure.plot")) {
    const canvas = figure.querySelector(".canvas");
    const rows = [...figure.querySelectorAll("tbody tr")];
    if (canvas && rows.length > 1) plots.push(plot(figure, canvas, rows));
  }
}

function plot(figure, canvas, rows) {
  const at = rows.map((r) => Number(r.querySelector("th").dataset.at));
  const n = rows.map((r) => Number(r.querySelector("td").dataset.n));
  const step = at[1] - at[0];
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  let readout = figure.querySelector(".readout");
  if (!readout) {
    readout = document.createElement("p");
    readout.className = "readout";
    readout.setAttribute("role", "status");
    canvas.after(readout);
  }
  canvas.replaceChildren();
  const label = (i) => rows[i].querySelector("th").textContent;
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  const tell = (i) => {
    readout.textContent = i == null ? "" : label(i) + " UTC: " + rows[i].querySelector("td").textContent;
  };
  const made = new uPlot({
    width: canvas.clientWidth, height: 150, legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { setScale: false, x: false, y: false } },
    scales: { x: { range: () => [at[0] - step / 2, at[at.length - 1] + step / 2] }, y: { range: (u, low, high) => [0, Math.max(1, high)] } },
    axes: [{ ...axis, size: 26, splits: () => at.filter((_, i) => i % Math.ceil(at.length / Math.max(3, canvas.clientWidth / 90)) === 0), values: (u, all) => all.map((v) => label(at.indexOf(v))) }, { ...axis, size: 48, values: (u, all) => all.map((v) => (Number.isInteger(v) ? v.toLocaleString("en") : "")) }],
    series: [{}, { fill: colour("--bar"), stroke: colour("--bar"), width: 0, paths: uPlot.paths.bars({ size: [0.8, 60] }), points: { show: false } }],
    hooks: { setCursor: [(u) => tell(u.cursor.idx)] },
  }, [at, n], canvas);
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", canvas.dataset.title + ". The arrow keys go through the numbers; a table follows.");
  let here = null;
  canvas.onkeydown = (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    here = here == null ? (move > 0 ? 0 : at.length - 1) : Math.min(at.length - 1, Math.max(0, here + move));
    made.setCursor({ left: made.valToPos(at[here], "x"), top: 10 });
    tell(here);
  };
  canvas.onblur = () => { here = null; tell(null); };
  return made;
}

let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== width) {
    width = innerWidth;
    draw();
  }
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
document.addEventListener("htmx:after:swap", draw);
draw();
