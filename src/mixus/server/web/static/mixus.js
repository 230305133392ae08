// The one script. Every page works without it; it adds the reader's own time zone, copying, dialogs,
// the keyboard, live updates, and the measure of how long somebody worked at a checkpoint.
"use strict";

const page = document.documentElement;
page.classList.add("js");

// Times: the server writes UTC, the reader sees his own zone, and both stand where the pointer rests.
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const SHORT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const UNITS = [[86400, "day"], [3600, "hour"], [60, "minute"]];

function distance(seconds) {
  const far = Math.abs(seconds);
  if (far < 10) return "just now";
  // What was given for 90 days a moment ago ends in 90 days, and not in 89.
  const counted = seconds > 0 ? far : far + 60;
  const [size, word] = UNITS.find(([size]) => counted >= size) || [1, "second"];
  const count = Math.floor(counted / size);
  const words = `${count} ${word}${count === 1 ? "" : "s"}`;
  return seconds > 0 ? `${words} ago` : `in ${words}`;
}

function localise(root) {
  for (const time of root.querySelectorAll("time[data-time]")) {
    const moment = new Date(time.dateTime);
    time.title = `${EXACT.format(moment)} · ${moment.toISOString().slice(0, 19).replace("T", " ")} UTC`;
    if (time.dataset.time === "after") continue;
    const words = time.dataset.time === "ago" ? distance((Date.now() - moment) / 1000) : SHORT.format(moment);
    if (time.textContent !== words) time.textContent = words;
  }
}
localise(document);
setInterval(() => localise(document), 10_000);

// Where a bar is longer than a phone is wide, it shows where one is.
for (const here of document.querySelectorAll(".nav [aria-current], .tabs [aria-current]")) {
  const bar = here.parentElement;
  bar.scrollLeft = here.offsetLeft - bar.offsetLeft - (bar.clientWidth - here.offsetWidth) / 2;
}

// Clicks: copying, and what opens or closes a dialog.
document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) return copied(copy);
  const close = event.target.closest("[data-close]");
  if (close && close.closest("dialog")) {
    event.preventDefault();
    return close.closest("dialog").close();
  }
  const opener = event.target.closest("a[data-dialog]");
  if (opener && !event.metaKey && !event.ctrlKey && !event.shiftKey) {
    event.preventDefault();
    return openDialog(opener);
  }
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

async function copied(button) {
  const source = document.getElementById(button.dataset.copy);
  const words = button.querySelector("span");
  const before = words.textContent;
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    words.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(source);
    words.textContent = "Marked: copy it now";
  }
  setTimeout(() => { words.textContent = before; }, 2500);
}

// A link to a page that asks something shows the same page in a dialog.
async function openDialog(link) {
  const answer = await fetch(link.href, { headers: { Accept: "text/html" } }).catch(() => null);
  const found = answer && answer.ok && !answer.redirected && parsed(await answer.text()).querySelector("main");
  if (!found) { location.href = link.href; return; }
  const dialog = document.createElement("dialog");
  const inside = document.createElement("div");
  inside.className = "stack";
  inside.append(...found.childNodes);
  const title = inside.querySelector("h1");
  if (title) { title.id = "dialog-title"; dialog.setAttribute("aria-labelledby", "dialog-title"); }
  dialog.append(inside);
  localise(dialog);
  document.body.append(dialog);
  dialog.addEventListener("close", () => { dialog.remove(); link.focus(); });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.showModal();
}

function parsed(text) { return new DOMParser().parseFromString(text, "text/html"); }

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) { event.preventDefault(); return; }
  if (form.method !== "post") return;
  form.dataset.sent = "yes";
  setTimeout(() => { delete form.dataset.sent; }, 10_000);
});
window.addEventListener("pageshow", (event) => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  if (event.persisted && !isTyped()) location.reload();
});

// What somebody has written and not sent yet: no page throws it away by itself.
function isTyped() {
  const areas = [...document.querySelectorAll("main textarea, main form[method=post] input:not([type=hidden])")];
  return areas.some((each) => each.value !== each.defaultValue || each.checked !== each.defaultChecked);
}

// The keyboard: an element with data-key is pressed, filled in or opened; j and k go through rows.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.matches("input, textarea")) event.target.blur();
  if (event.metaKey || event.ctrlKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  const wanted = [...document.querySelectorAll("[data-key]")].find((each) => each.dataset.key === event.key && usable(each));
  if (wanted) { event.preventDefault(); activate(wanted); return; }
  if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1, event);
});

function usable(element) { return !element.disabled && !element.closest("fieldset:disabled, [hidden]"); }

// A button is only pointed at: what it does takes a second key. A link is followed, a field is filled in.
function activate(element) {
  if (element.tagName === "A") { element.click(); return; }
  const fold = element.closest("details") || (element.tagName === "SUMMARY" && element.parentElement);
  if (fold) fold.open = true;
  const target = element.dataset.focus ? document.getElementById(element.dataset.focus) : element;
  target.focus();
  target.scrollIntoView({ block: "nearest" });
}

function step(direction, event) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (!rows.length) return;
  event.preventDefault();
  const at = rows.indexOf(document.activeElement);
  rows[Math.min(Math.max(at + direction, 0), rows.length - 1)].focus();
}

// Live: told that something changed, the page fetches itself and takes over the regions marked data-live.
let source = null;
let isFetching = false;
let isStale = false;

function follow() {
  const address = document.body.dataset.stream;
  if (!address || source || document.hidden) return;
  source = new EventSource(address);
  source.addEventListener("changed", refresh);
  source.addEventListener("closed", () => { unfollow(); if (!isTyped()) location.reload(); });
  source.onerror = () => { if (source && source.readyState === EventSource.CLOSED) { unfollow(); setTimeout(follow, 15_000); } };
}

function unfollow() { if (source) source.close(); source = null; }

async function refresh() {
  if (isFetching) { isStale = true; return; }
  isFetching = true;
  do {
    isStale = false;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (answer && answer.ok && !answer.redirected) takeOver(parsed(await answer.text()));
  } while (isStale);
  isFetching = false;
}

function takeOver(fresh) {
  localise(fresh);
  for (const region of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(region.id);
    if (!next || next.isEqualNode(region)) continue;
    for (const fold of region.querySelectorAll("details[open][id]")) {
      const same = next.querySelector(`#${CSS.escape(fold.id)}`);
      if (same) same.open = true;
    }
    const focused = region.contains(document.activeElement) ? document.activeElement.id : "";
    region.replaceWith(next);
    if (focused) document.getElementById(focused)?.focus();
    if (next.hasAttribute("data-closed")) closeForms();
  }
  const stream = fresh.body.dataset.stream;
  if (!stream) unfollow();
  if (stream) document.body.dataset.stream = stream; else delete document.body.dataset.stream;
}

// Another has decided: what this page still offers cannot be sent any more.
function closeForms() {
  for (const fieldset of document.querySelectorAll("fieldset[data-decision]")) fieldset.disabled = true;
}
if (document.querySelector("[data-closed]")) closeForms();

document.addEventListener("visibilitychange", () => {
  if (document.hidden) { unfollow(); return; }
  if (document.body.dataset.stream) { follow(); refresh(); }
});
// A page that is left lets go of its stream, because browsers keep few connections to one server.
window.addEventListener("pagehide", unfollow);
follow();

// How long somebody worked at a checkpoint: the page is in front, and something was done in the last minute.
const measured = document.querySelector("form[data-active]");
if (measured) {
  let active = 0;
  let last = performance.now();
  let touched = last;
  const touch = () => { touched = performance.now(); };
  for (const kind of ["pointermove", "pointerdown", "keydown", "wheel", "scroll", "touchstart"]) {
    document.addEventListener(kind, touch, { passive: true });
  }
  const measure = () => {
    const now = performance.now();
    if (!document.hidden && document.hasFocus() && now - touched < 60_000) active += Math.min(now - last, 2_000);
    last = now;
  };
  const tell = () => {
    measure();
    if (active < 1) return;
    const body = new URLSearchParams({ attempt: measured.elements.attempt.value, milliseconds: Math.round(active) });
    body.set("csrf", measured.querySelector("[name=csrf]")?.value ?? "");
    if (navigator.sendBeacon(measured.dataset.active, body)) active = 0;
  };
  // What was not told yet goes with the decision.
  measured.addEventListener("submit", () => {
    measure();
    measured.elements.milliseconds.value = Math.round(active);
    active = 0;
  });
  setInterval(measure, 1_000);
  setInterval(tell, 10_000);
  setTimeout(tell, 1_500);
  document.addEventListener("visibilitychange", () => { if (document.hidden) tell(); });
  window.addEventListener("pagehide", tell);
}
