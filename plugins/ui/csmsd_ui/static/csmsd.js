/* The pages' own script: live state, relative times, keys, the palette, confirmations, and charts on demand. */
"use strict";

const once = (name, value) => { document.cookie = `${name}=${encodeURIComponent(value)}; path=/ui; max-age=31536000; samesite=lax`; };
const cookie = (name) => new Map(document.cookie.split("; ").map((pair) => pair.split("="))).get(name);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/* Times: the server shows them in the zone that this cookie names; the first page of all is corrected in place. */
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const isFirst = decodeURIComponent(cookie("csmsd_zone") || "") !== zone;
if (isFirst) { once("csmsd_zone", zone); if (zone !== "UTC" && cookie("csmsd_zone") && document.querySelector("time")) location.reload(); }
for (const button of all("[data-zone]")) if (button.textContent === "Local" && zone !== "UTC") button.textContent = zone.split("/").pop().replaceAll("_", " ");

let skew = Date.parse(document.body.dataset.now) - Date.now();
function age(seconds) {
  const s = Math.max(0, Math.floor(seconds)), m = Math.floor(s / 60), h = Math.floor(s / 3600), d = Math.floor(s / 86400);
  if (s < 60) return `${s} s`;
  if (m < 60) return `${m} min`;
  if (d < 1) return `${h} h ${String(m % 60).padStart(2, "0")} min`;
  return `${d} d ${h % 24} h`;
}
function tick() {
  if (document.hidden) return;
  const now = Date.now() + skew;
  for (const time of all("time[data-ago]")) {
    const text = age((now - Date.parse(time.dateTime)) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
}
setInterval(tick, 1000);

/* The stream: its state is a word, and old data look old. */
const live = document.querySelector("[data-live]");
function say(word, isLive) {
  if (!live) return;
  live.querySelector("[data-live-word]").textContent = word;
  live.classList.toggle("lost", !isLive);
  document.body.classList.toggle("stale-page", !isLive);
}
document.addEventListener("htmx:sse:after:connection", () => say("Live", true));
document.addEventListener("htmx:sse:error", () => say("Reconnecting", false));
document.addEventListener("htmx:sse:before:connection", (event) => { if (event.detail.connection.attempt > 0) say("Reconnecting", false); });
document.addEventListener("htmx:sse:after:message", () => say("Live", true));
document.addEventListener("clock", (event) => { const at = Date.parse(event.detail.data); if (at) skew = at - Date.now(); });

/* Forms that ask first. Without this script they do not ask; the server checks rights either way. */
const ask = document.querySelector("dialog.ask");
let asked = null;
document.addEventListener("submit", (event) => {
  const form = event.target, button = event.submitter;
  const question = button?.dataset.ask || form.dataset.ask;
  if (!question || asked === form) { asked = null; return; }
  event.preventDefault(); event.stopImmediatePropagation();
  ask.querySelector("#ask-what").textContent = question;
  ask.returnValue = "";
  ask.onclose = () => { if (ask.returnValue === "yes") { asked = form; form.requestSubmit(button); } };
  ask.showModal();
}, true);

/* Colours: "auto" follows the system, the switch turns to the other one of what is seen. */
for (const button of all("[data-theme-switch]")) if (button.value === "other") button.value = matchMedia("(prefers-color-scheme: dark)").matches ? "light" : "dark";

/* Palette. */
const palette = document.querySelector("dialog.palette");
const openPalette = () => { palette.showModal(); const input = palette.querySelector("input"); input.select(); };
for (const button of all("[data-palette]")) button.addEventListener("click", openPalette);
palette?.addEventListener("click", (event) => { if (event.target === palette) palette.close(); });
palette?.addEventListener("keydown", (event) => {
  const links = all(".found a", palette), here = links.indexOf(document.activeElement);
  if (event.key === "ArrowDown" && links.length) { event.preventDefault(); links[Math.min(here + 1, links.length - 1)].focus(); }
  if (event.key === "ArrowUp" && links.length) { event.preventDefault(); (here <= 0 ? palette.querySelector("input") : links[here - 1]).focus(); }
  if (event.key === "Enter" && document.activeElement.tagName === "INPUT" && links.length) { event.preventDefault(); links[0].click(); }
});

/* Keys: outside of fields only. */
const PLACES = { o: "/ui/", s: "/ui/stations", t: "/ui/transactions", m: "/ui/messages", c: "/ui/connections", p: "/ui/plugins" };
let went = 0;
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); openPalette(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  if (Date.now() - went < 1200 && PLACES[event.key]) { location.href = PLACES[event.key]; return; }
  went = event.key === "g" ? Date.now() : 0;
  if (event.key === "/") { const filter = document.querySelector("[data-filter]"); if (filter) { event.preventDefault(); filter.focus(); } }
  if (event.key === "j" || event.key === "k") {
    const rows = all("tbody tr").filter((row) => row.querySelector("a")), here = rows.indexOf(document.activeElement.closest("tr"));
    rows[Math.max(0, Math.min(rows.length - 1, here + (event.key === "j" ? 1 : -1)))]?.querySelector("a").focus();
  }
  if (event.key === "[" || event.key === "]") {
    const tabs = all(".tabs a"), here = tabs.findIndex((tab) => tab.hasAttribute("aria-current"));
    tabs[here + (event.key === "]" ? 1 : -1)]?.click();
  }
});

/* Copy buttons. */
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  const before = button.textContent; button.textContent = "Copied"; setTimeout(() => { button.textContent = before; }, 1500);
});

/* The choice of a command leads to its form at once; without this script there is a button. */
document.addEventListener("change", (event) => {
  const select = event.target.closest("[data-base]");
  if (select) htmx.ajax("GET", select.dataset.base + encodeURIComponent(select.value), { target: "#command", swap: "outerMorph" });
});
document.documentElement.classList.add("js");

/* The inspector: pause keeps what is being read, and the page never holds more rows than it says. */
const pause = document.querySelector("[data-pause]");
let waiting = 0;
pause?.addEventListener("click", () => {
  if (pause.getAttribute("aria-pressed") === "true" && waiting) { location.reload(); return; }
  const paused = pause.getAttribute("aria-pressed") !== "true";
  pause.setAttribute("aria-pressed", String(paused));
  pause.querySelector("[data-pause-word]").textContent = paused ? "Go on" : "Pause";
});
document.addEventListener("htmx:sse:before:message", (event) => {
  if (pause?.getAttribute("aria-pressed") !== "true" || event.detail.message.event) return;
  event.detail.cancelled = true; waiting += 1;
  pause.querySelector("[data-pause-word]").textContent = "Go on, there is news";
});
document.addEventListener("htmx:after:swap", () => {
  for (const body of all("[data-most]")) while (body.rows.length > Number(body.dataset.most)) body.deleteRow(-1);
});

// A stream that has not begun after six seconds is lost on the way: loading the page again, once, gets another one.
if (document.querySelector("[data-live-word]")) setTimeout(() => {
  const isLost = document.querySelector("[data-live-word]")?.textContent === "Connecting";
  const isSecondTry = sessionStorage.getItem("lost-stream") === location.href;
  sessionStorage.removeItem("lost-stream");
  if (!isLost || isSecondTry) return;
  sessionStorage.setItem("lost-stream", location.href);
  location.reload();
}, 6000);
