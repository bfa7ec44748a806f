/* Charts: data from the address in data-chart, drawn by uPlot, asked for again while the page is live. */
"use strict";

/* light-dark() is only resolved for real properties, so colours are read back through a probe element. */
const probe = document.body.appendChild(document.createElement("i"));
probe.hidden = true;
const color = (name) => { probe.style.color = `var(--${name})`; return getComputedStyle(probe).color; };
const fade = (c, a) => `rgba(${c.match(/[\d.]+/g).slice(0, 3).join(",")},${a})`;
const utc = document.querySelector('[name="times"][value="utc"]')?.getAttribute("aria-pressed") === "true";
const tzDate = utc ? (ts) => uPlot.tzDate(new Date(ts * 1e3), "Etc/UTC") : (ts) => new Date(ts * 1e3);
const FONT = "11px Inter, system-ui, sans-serif";
const TIMES = [[86400, "{D} {MMM}", null, null, null, null, null, null, 1], [3600, "{HH}:00", null, null, null, null, null, null, 1], [60, "{HH}:{mm}", null, null, null, null, null, null, 1], [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1]];

const axis = (extra) => ({ stroke: color("ink-2"), font: FONT, grid: { stroke: color("line"), width: 1 }, ticks: { show: false }, gap: 6, ...extra });

function lineOf(series) {
  const stroke = color(series.color);
  return {
    label: series.label, scale: series.unit, stroke, width: series.width || 1.75, dash: series.dash ? [5, 4] : undefined, points: { show: series.points || false, size: 4 },
    fill: series.fill ? fade(stroke, .1) : undefined, paths: series.steps ? uPlot.paths.stepped({ align: 1 }) : undefined, spanGaps: Boolean(series.spans),
  };
}

function legend(element, data) {
  const box = element.closest(".card")?.querySelector("[data-legend]");
  if (!box) return;
  box.replaceChildren(...data.series.map((series) => {
    const item = document.createElement("span"), ns = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(ns, "svg"), path = document.createElementNS(ns, "path");
    svg.setAttribute("viewBox", "0 0 20 10"); svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", "M0 5h20"); path.setAttribute("stroke", color(series.color)); path.setAttribute("stroke-width", "2");
    if (series.dash) path.setAttribute("stroke-dasharray", "4 3");
    svg.append(path); item.append(svg, series.label);
    return item;
  }));
}

function draw(element, data) {
  const units = [...new Set(data.series.map((series) => series.unit))];
  const scales = Object.fromEntries(units.map((unit) => [unit, { range: (u, min, max) => (unit === "%" ? [0, 100] : [Math.min(0, min ?? 0), (max || 1) * 1.12]) }]));
  const axes = units.slice(0, 2).map((unit, at) => axis({ scale: unit, side: at ? 1 : 3, size: 58, grid: at ? { show: false } : { stroke: color("line"), width: 1 }, values: (u, ticks) => ticks.map((tick) => `${+tick.toFixed(2)} ${unit}`) }));
  const options = {
    width: element.clientWidth, height: element.clientHeight, tzDate, padding: [10, units.length > 1 ? 0 : 12, 0, 0], legend: { show: false },
    cursor: { points: { size: 6 }, y: false }, scales: { x: { time: true }, ...scales }, series: [{}, ...data.series.map(lineOf)],
    axes: [axis({ values: TIMES, size: 26, space: 60 }), ...axes],
    bands: data.band ? [{ series: data.band, fill: fade(color("st-suspended"), .18), dir: -1 }] : [],
  };
  const plot = new uPlot(options, [data.x, ...data.series.map((series) => series.values)], element);
  new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: element.clientHeight })).observe(element);
  element.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !plot.data[0].length) return;
    event.preventDefault();
    const at = Math.max(0, Math.min(plot.data[0].length - 1, (plot.cursor.idx ?? plot.data[0].length) + step));
    plot.setCursor({ left: plot.valToPos(plot.data[0][at], "x"), top: 10 });
  });
  return plot;
}

async function show(element) {
  const answer = await fetch(element.dataset.chart, { headers: { accept: "application/json" } });
  if (!answer.ok) return;
  const data = await answer.json();
  const key = data.series.map((series) => series.label).join();
  if (element.plot && element.key === key) { element.plot.setData([data.x, ...data.series.map((series) => series.values)]); return; }
  element.plot?.destroy(); element.replaceChildren();
  if (!data.x.length) { element.textContent = data.empty || "No values yet."; element.key = ""; element.plot = null; return; }
  element.plot = draw(element, data); element.key = key;
  legend(element, data);
}

const charts = () => [...document.querySelectorAll("[data-chart]")];
charts().forEach(show);
let last = 0;
document.addEventListener("htmx:sse:after:message", (event) => {
  if (event.detail.message.event || document.hidden || Date.now() - last < 5000) return;
  last = Date.now(); charts().forEach(show);
});
/* Other colours: draw anew. */
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts().forEach((element) => { element.key = ""; show(element); }));
document.addEventListener("htmx:after:swap", () => charts().filter((element) => !element.plot && element.dataset.seen !== element.dataset.chart).forEach((element) => { element.dataset.seen = element.dataset.chart; show(element); }));
