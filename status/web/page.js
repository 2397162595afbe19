// The page asks its own server for a stream of events and for answers, and shows
// them as text: nothing of what it is told becomes HTML.
import { chart, draw } from "./chart.js";

const SHOWN = 200; // rows at first; more on demand
const STATES = ["failed", "degraded", "pending", "syncing", "ready"]; // problems first
const HELD = ["failed", "conflict", "over_quota", "unresolved", "stale"];
const $ = (id) => document.getElementById(id);
const rows = new Map(); // by VRF: { data, written, told, shown }
let every = 5, samples = 60, limit = SHOWN;
const only = new Set();

function el(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") e.className = value;
    else e.setAttribute(key, value);
  }
  e.append(...children);
  return e;
}
function say(node, text) { if (node.textContent !== text) node.textContent = text; }
function mark(node, key, value) { if (node.dataset[key] !== value) node.dataset[key] = value; }
const number = (n) => (n < 1e7 ? n.toLocaleString("en-US") : n.toLocaleString("en-US", { notation: "compact", maximumFractionDigits: 1 }));
const sum = (data, key) => data.counts[0][key] + data.counts[1][key];
const held = (data) => HELD.reduce((n, key) => n + sum(data, key), 0);
const rate = (n) => (n === 0 ? "0/s" : n < 10 ? n.toFixed(1) + "/s" : number(Math.round(n)) + "/s");
const word = (key) => key.replace("_", "-");
const plural = (n, thing) => `${number(n)} ${thing}${n === 1 ? "" : "s"}`;
function ago(unix) {
  const s = Math.max(0, Math.round(Date.now() / 1000 - unix));
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min";
  if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min";
  return plural(Math.floor(s / 86400), "day");
}

// --- one VRF ---------------------------------------------------------------

function number_cell(label) {
  const value = el("span", { class: "value" });
  return { value, cell: el("span", { class: "num" }, el("span", { class: "label" }, label), value) };
}

function build(name) {
  const state = el("span", { class: "state" });
  const title = el("b"), where = el("span");
  const cells = ["Sessions", "Installed", "Held back", "Announced"].map(number_cell);
  const spark = chart("spark");
  const id = "vrf-" + Math.random().toString(36).slice(2);
  const detail = el("div", { class: "detail", id, hidden: "" });
  const button = el("button", { type: "button", class: "sum", "aria-expanded": "false", "aria-controls": id },
    state, el("span", { class: "name" }, title, where), ...cells.map((c) => c.cell), spark);
  const item = el("li", {}, button, detail);
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
    detail.hidden = !open;
    fill(rows.get(name));
  });
  return { item, button, state, title, where, cells, spark, detail };
}

function put(cell, value, zero, tone) {
  say(cell.value, value);
  cell.value.classList.toggle("zero", zero);
  mark(cell.cell, "tone", tone);
}

function show(row) {
  const d = row.data;
  row.shown ??= build(d.name);
  const s = row.shown;
  say(s.state, d.state);
  mark(s.state, "state", d.state);
  say(s.title, d.name);
  say(s.where, !d.reason ? d.binding : d.reason.includes(d.binding) ? d.reason : `${d.binding}: ${d.reason}`);
  const [sessions, installed, back, announced] = s.cells;
  put(sessions, d.neighbors ? `${d.up}/${d.neighbors}` : "none", !d.neighbors, d.up < d.neighbors ? "warn" : "");
  put(installed, d.exports ? number(sum(d, "installed")) : "off", !sum(d, "installed"), "");
  put(back, number(held(d)), !held(d), sum(d, "failed") ? "bad" : held(d) ? "warn" : "");
  put(announced, d.imports ? number(sum(d, "imported")) : "off", !sum(d, "imported"), "");
  sketch(row);
  fill(row);
  return s.item;
}

function sketch(row) {
  if (!row.shown) return;
  const most = Math.max(...row.written) / every;
  draw(row.shown.spark, row.written, `routes written, at most ${rate(most)} in the last 5 minutes`);
}

function facts(pairs) {
  const list = el("dl", { class: "facts" });
  for (const [key, value] of pairs) if (value) list.append(el("dt", {}, key), el("dd", {}, value));
  return list;
}

// fill writes the details of a VRF that is open.
function fill(row) {
  const s = row?.shown;
  if (!s || s.detail.hidden) return;
  const d = row.data;
  const text = JSON.stringify(d);
  if (s.filled === text) return;
  s.filled = text;
  const about = el("div", {}, el("h3", {}, "Configuration"), facts([
    ["State", `${d.state} for ${ago(d.since)}`],
    ["Table", d.table ? `${d.table} (${d.binding})` : `none now (${d.binding})`],
    ["RD", d.rd], ["Encap", d.encap], ["Imports RT", (d.import_rts ?? []).join(", ")], ["Exports RT", (d.export_rts ?? []).join(", ")],
    ["Routes of", d.of], ["Restarts", d.restarts ? String(d.restarts) : ""],
    ["Tried again", d.retry ? "in " + Math.max(0, Math.round(d.retry - Date.now() / 1000)) + " s" : ""],
    ["Mailbox", d.waiting ? plural(d.waiting, "prefix") + " wait" : ""],
  ]));
  const body = el("tbody");
  for (const [key, name] of [["installed", "Installed"], ["filtered", "Filtered"], ["unresolved", "Unresolved"], ["conflict", "Conflict"],
    ["over_quota", "Over quota"], ["failed", "Refused"], ["stale", "Stale"], ["imported", "Announced to BGP"], ["foreign", "Of other programs"]]) {
    body.append(el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, number(d.counts[0][key])), el("td", {}, number(d.counts[1][key]))));
  }
  const table = el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Routes"), el("th", { scope: "col" }, "IPv4"), el("th", { scope: "col" }, "IPv6"))), body);
  const peers = el("ul", { class: "plain peers" });
  for (const p of d.sessions ?? []) {
    const badge = el("span", { class: "state", "data-state": p.state }, p.state + (p.since ? ` for ${ago(p.since)}` : ""));
    const item = el("li", {}, el("span", { class: "mono" }, `${p.peer} AS ${p.as}`), badge);
    if (p.reason) item.append(el("span", { class: "quiet" }, p.reason));
    peers.append(item);
  }
  const more = d.neighbors - (d.sessions ?? []).length;
  if (more > 0) peers.append(el("li", { class: "quiet" }, `and ${number(more)} more`));
  about.append(el("h3", {}, "Sessions"), d.neighbors ? peers : el("p", { class: "quiet" }, "No neighbour is in this VRF."));
  s.detail.replaceChildren(about, el("div", {}, table));
}

// --- the list --------------------------------------------------------------

function wanted(d, text) {
  if (only.size && !only.has(d.state)) return false;
  return !text || [d.name, d.binding, d.rd, d.encap, d.reason, d.of].some((v) => v && v.toLowerCase().includes(text));
}

// place makes want the children of list. Moving an element takes the focus from
// it: only those out of place move.
function place(list, want) {
  const keep = new Set(want);
  for (const old of [...list.children]) if (!keep.has(old)) old.remove();
  let at = list.firstElementChild;
  for (const item of want) {
    if (item === at) at = at.nextElementSibling;
    else list.insertBefore(item, at);
  }
}

function arrange() {
  const text = $("filter").value.trim().toLowerCase();
  const all = [...rows.values()].filter((r) => wanted(r.data, text));
  all.sort((a, b) => STATES.indexOf(a.data.state) - STATES.indexOf(b.data.state) || a.data.name.localeCompare(b.data.name, "en", { numeric: true }));
  const list = $("list");
  const want = all.slice(0, limit).map(show);
  place(list, want);
  say($("shown"), all.length === rows.size ? number(rows.size) : `${number(all.length)} of ${number(rows.size)}`);
  $("none").hidden = all.length > 0 || rows.size === 0;
  $("more").hidden = all.length <= limit;
  say($("more"), `Show ${number(Math.min(SHOWN, all.length - limit))} more of ${number(all.length - limit)}`);
}

function tile(name, value, tone, of) {
  const box = el("div", { "data-tone": tone ?? "" }, el("dt", {}, name), el("dd", {}, value));
  if (of !== undefined) box.lastChild.append(el("small", {}, " / " + of));
  return box;
}

function overview() {
  const total = (f) => [...rows.values()].reduce((n, r) => n + f(r.data), 0);
  const ready = total((d) => d.state === "ready"), up = total((d) => d.up), neighbors = total((d) => d.neighbors);
  const bad = (key) => { const n = total((d) => sum(d, key)); return [number(n), n ? (key === "failed" ? "bad" : "warn") : ""]; };
  $("tiles").replaceChildren(
    tile("VRFs ready", number(ready), ready < rows.size ? "warn" : "", number(rows.size)),
    tile("Sessions up", number(up), up < neighbors ? "warn" : "", number(neighbors)),
    tile("Installed", number(total((d) => sum(d, "installed")))),
    tile("Announced", number(total((d) => sum(d, "imported")))),
    tile("Unresolved", ...bad("unresolved")), tile("Conflicts", ...bad("conflict")),
    tile("Over quota", ...bad("over_quota")), tile("Refused", ...bad("failed")));
  const chips = $("states");
  for (const state of STATES) {
    const n = total((d) => d.state === state);
    let box = chips.querySelector(`[value=${state}]`);
    if (!box) {
      if (!n) continue;
      box = el("input", { type: "checkbox", value: state });
      box.addEventListener("change", () => { if (box.checked) only.add(state); else only.delete(state); limit = SHOWN; arrange(); });
      chips.append(el("label", {}, box, el("span", { class: "chip state", "data-state": state })));
    }
    say(box.nextElementSibling, `${state} ${number(n)}`);
    box.parentElement.hidden = !n && !box.checked;
  }
  const names = $("names");
  if (names.children.length !== rows.size || [...names.children].some((o) => !rows.has(o.value)))
    names.replaceChildren(...[...rows.keys()].map((name) => el("option", { value: name })));
}

const whole = ["written", "told"].map((key) => {
  const drawn = chart("spark");
  $(key + "-chart").append(drawn);
  return { key, drawn };
});
function rates() {
  for (const { key, drawn } of whole) {
    const total = none();
    for (const r of rows.values()) for (let i = 0; i < samples; i++) total[i] += r[key][i];
    const most = Math.max(...total) / every, now = total[samples - 1] / every;
    draw(drawn, total, `${rate(now)} now, at most ${rate(most)} in the last 5 minutes`);
    say($(key + "-now"), rate(now));
    say($(key + "-most"), most ? `at most ${rate(most)}` : "");
  }
}

// --- routes that are held back ----------------------------------------------

const ASKED = 5; // VRFs

// list_trouble keeps the elements of routes that stay: the focus may be on one.
function list_trouble(shown) {
  const list = $("trouble-list"), old = new Map([...list.children].map((e) => [e.dataset.key, e]));
  const want = shown.map((t) => {
    const key = JSON.stringify(t), had = old.get(key);
    if (had) return had;
    const ask = el("button", { type: "button", class: "link", title: "Explain it" }, t.prefix);
    ask.addEventListener("click", () => { $("target").value = t.prefix; $("in").value = t.vrf; $("target").focus(); explain(); });
    return el("li", { "data-key": key }, el("span", { class: "state", "data-state": t.state }, t.state), ask, el("span", {}, t.vrf), el("span", { class: "why" }, t.reason));
  });
  place(list, want);
}
let asking = false, due = false, asked = "";
async function trouble() {
  const wrong = [...rows.values()].filter((r) => held(r.data)).map((r) => [r.data.name, r.data.table, ...HELD.map((key) => sum(r.data, key))]).join();
  if (wrong === asked && !due) return; // to look through the routes of a VRF is work for it
  if (asking) { due = true; return; }
  asking = true;
  asked = wrong;
  try {
    const bad = [...rows.values()].map((r) => r.data).filter((d) => d.table && held(d) > 0);
    bad.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
    const items = [];
    for (const d of bad.slice(0, ASKED)) {
      const r = await fetch("trouble?vrf=" + encodeURIComponent(d.name));
      if (!r.ok) continue;
      const answer = await r.json();
      due ||= answer.old;
      for (const route of answer.routes) items.push({ vrf: d.name, ...route });
    }
    const shown = items.slice(0, 50);
    const count = bad.reduce((n, d) => n + held(d), 0);
    $("trouble").hidden = count === 0;
    say($("trouble-count"), number(count));
    list_trouble(shown);
    const rest = count - shown.length;
    say($("trouble-more"), rest > 0 ? `and ${number(rest)} more: vrfredist route export --vrf VRF lists them` : "");
  } catch {
    asked = null; // the server is away: the stream says so
  }
  await new Promise((done) => setTimeout(done, 5000));
  asking = false;
  if (due || asked === null) { due = false; asked = null; trouble(); }
}

// --- explain -----------------------------------------------------------------

function steps(title, walk) {
  const list = el("ol", { class: "walk" });
  for (const s of walk.steps) {
    const [sign, spoken] = { passed: ["✓", "passed"], stopped: ["✕", "stopped"] }[s.outcome] ?? ["·", "noted"];
    const item = el("li", { "data-outcome": s.outcome },
      el("span", { class: "mark" }, el("span", { "aria-hidden": "true" }, sign), el("span", { class: "hidden" }, spoken)),
      el("span", { class: "step" }, s.name), el("p", {}, s.text));
    if (s.details?.length) item.append(el("ul", { class: "more" }, ...s.details.map((d) => el("li", {}, d))));
    list.append(item);
  }
  return el("div", {}, el("h3", {}, title), list);
}

async function explain() {
  const target = $("target").value.trim(), vrf = $("in").value.trim() || "default";
  say($("answer-error"), "");
  if (!target) {
    $("answer").replaceChildren();
    say($("answer-error"), "Write a prefix such as 10.1.0.0/16, or an address.");
    return;
  }
  try {
    const r = await fetch(`explain?vrf=${encodeURIComponent(vrf)}&target=${encodeURIComponent(target)}`);
    if (!r.ok) throw new Error(await r.text());
    const x = await r.json();
    $("answer").replaceChildren(
      el("p", { class: "verdict" }, el("b", { class: "mono" }, x.prefix), ` in VRF ${x.vrf}: ${x.verdict}.`),
      el("div", { class: "walks" }, steps("From BGP to the kernel", x.export), steps("From the kernel to BGP", x.import)));
  } catch (err) {
    $("answer").replaceChildren();
    say($("answer-error"), String(err.message).trim());
  }
}

// --- the stream ----------------------------------------------------------------

const none = () => new Array(samples).fill(0);
function take(data, charts) {
  const row = rows.get(data.name) ?? { written: none(), told: none() };
  row.data = data;
  if (charts) { row.written = charts[data.name]?.written ?? none(); row.told = charts[data.name]?.told ?? none(); }
  rows.set(data.name, row);
}
function redraw() { overview(); arrange(); rates(); trouble(); }

const on = {
  snapshot(e) {
    every = e.every; samples = e.samples;
    say($("host"), e.host);
    say($("version"), e.version);
    document.title = `${e.host}: vrfredist`;
    const now = new Set(e.rows.map((d) => d.name));
    for (const name of rows.keys()) if (!now.has(name)) rows.delete(name);
    for (const d of e.rows) take(d, e.charts);
    redraw();
  },
  update(e) {
    for (const name of e.gone ?? []) rows.delete(name);
    for (const d of e.rows ?? []) {
      take(d);
      const item = rows.get(d.name).shown?.item;
      if (item) { item.classList.remove("changed"); requestAnimationFrame(() => item.classList.add("changed")); }
    }
    redraw();
  },
  sample(e) {
    for (const [name, row] of rows) {
      const [written, told] = e.did[name] ?? [0, 0];
      row.written.push(written); row.written.shift();
      row.told.push(told); row.told.shift();
      sketch(row);
    }
    rates();
  },
};

function live(state, text) { mark($("live"), "state", state); say($("live"), text); }
function connect() {
  const stream = new EventSource("events");
  for (const [name, act] of Object.entries(on)) stream.addEventListener(name, (m) => { live("live", "live"); act(JSON.parse(m.data)); });
  stream.addEventListener("error", () => {
    live("lost", "no connection; trying again");
    if (stream.readyState === EventSource.CLOSED) { stream.close(); setTimeout(connect, 5000); } // it was refused
  });
}

$("filter").addEventListener("input", () => { limit = SHOWN; arrange(); });
$("more").addEventListener("click", () => { limit += SHOWN; arrange(); });
$("ask").addEventListener("submit", (e) => { e.preventDefault(); explain(); });
connect();
