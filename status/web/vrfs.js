// The VRFs: those with a problem first.
import { $, ROWS, ago, badge, bare, byName, el, link, mark, number, place, plural, rate, say } from "./dom.js";
import { chart, draw } from "./chart.js";
import { span } from "./span.js";
import { openRoutes } from "./routes.js";

const SHOWN = 24, STEP = 200; // rows at first, and on demand
const STATES = ["failed", "degraded", "pending", "syncing", "ready"]; // problems first
export const HELD = ["failed", "conflict", "over_quota", "unresolved", "stale"];
export const rows = new Map(); // by VRF: { data, written, told, shown }
const only = new Set();
let limit = SHOWN;

export const sum = (data, key) => data.counts[0][key] + data.counts[1][key];
export const held = (data) => HELD.reduce((n, key) => n + sum(data, key), 0);
const down = (data) => data.neighbors - data.up;

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

// why is what is wrong with a VRF, in a line: its own reason, and its sessions.
function why(d) {
  const parts = [d.reason ?? ""];
  if (down(d)) {
    const first = down(d) === 1 && d.sessions?.find((s) => s.state !== "established");
    parts.push(plural(down(d), "session") + " down" + (first?.reason ? `: ${first.peer}, ${bare(first.reason)}` : ""));
  }
  return parts.filter((s) => s).join("; ");
}

function show(row) {
  const d = row.data;
  row.shown ??= build(d.name);
  const s = row.shown, wrong = why(d);
  say(s.state, d.state);
  mark(s.state, "state", d.state);
  say(s.title, d.name);
  say(s.where, !wrong ? d.binding : wrong.includes(d.binding) ? wrong : `${d.binding}: ${wrong}`);
  const [sessions, installed, back, announced] = s.cells;
  put(sessions, d.neighbors ? `${d.up}/${d.neighbors}` : "none", !d.neighbors, down(d) ? "warn" : "");
  put(installed, d.exports ? number(sum(d, "installed")) : "off", !sum(d, "installed"), "");
  put(back, number(held(d)), !held(d), sum(d, "failed") ? "bad" : held(d) ? "warn" : "");
  put(announced, d.imports ? number(sum(d, "imported")) : "off", !sum(d, "imported"), "");
  sketch(row);
  fill(row);
  return s.item;
}

// sketch draws what was written to the VRF's table in the time that is chosen.
export function sketch(row) {
  if (!row.shown) return;
  const { written, every, words } = span.of(row);
  draw(row.shown.spark, written, `routes written, at most ${rate(Math.max(...written) / every)} in the last ${words}`);
}

function facts(pairs) {
  const list = el("dl", { class: "facts" });
  for (const [key, value] of pairs) if (value) list.append(el("dt", {}, key), el("dd", {}, value));
  return list;
}

const COUNTS = [["installed", "Installed"], ["filtered", "Filtered"], ["unresolved", "Unresolved"], ["conflict", "Conflict"],
  ["over_quota", "Over quota"], ["failed", "Refused"], ["stale", "Stale"], ["imported", "Announced to BGP"], ["foreign", "Of other programs"]];

// counted is the table of a VRF's routes by what became of them: each leads to those routes.
function counted(d) {
  const body = el("tbody");
  for (const [key, name] of COUNTS) {
    const query = key === "imported" ? { direction: "import", state: "announced" } : { state: key.replace("_", "-") };
    const head = key === "foreign" || !sum(d, key) ? name : link(name, `List these routes of ${d.name}`, () => openRoutes({ vrf: d.name, ...query }), "link plainly");
    body.append(el("tr", {}, el("th", { scope: "row" }, head), el("td", {}, number(d.counts[0][key])), el("td", {}, number(d.counts[1][key]))));
  }
  return el("table", { class: "counts" }, el("thead", {}, el("tr", {}, ...["Routes", "IPv4", "IPv6"].map((t) => el("th", { scope: "col" }, t)))), body);
}

function peers(d) {
  if (!d.neighbors) return el("p", { class: "quiet" }, "No neighbour is in this VRF.");
  const list = el("ul", { class: "plain peers" });
  const groups = new Map(); // those that are down for the same reason are one row
  for (const p of d.sessions ?? []) {
    const key = p.reason ? p.state + bare(p.reason) : p.peer + p.netns;
    groups.set(key, [...(groups.get(key) ?? []), p]);
  }
  let told = 0;
  for (const [p, ...alike] of [...groups.values()].slice(0, ROWS)) {
    const badges = badge(p.state, p.since ? ` for ${ago(p.since)}` : "");
    const item = el("li", {}, el("span", { class: "mono" }, `${p.peer} AS ${p.as}` + (alike.length ? `, and ${plural(alike.length, "other")}` : "")), badges);
    if (alike.length) item.title = alike.map((a) => a.peer).join(", ");
    if (p.reason) item.append(el("span", { class: "quiet" }, bare(p.reason)));
    list.append(item);
    told += 1 + alike.length;
  }
  if (d.neighbors > told) list.append(el("li", { class: "quiet" }, `and ${number(d.neighbors - told)} more: see the neighbours below`));
  return list;
}

// fill writes the details of a VRF that is open.
function fill(row) {
  const s = row?.shown;
  if (!s || s.detail.hidden) return;
  const d = row.data, text = JSON.stringify(d);
  if (s.filled === text) return;
  s.filled = text;
  const at = s.detail.contains(document.activeElement) ? document.activeElement.textContent : null;
  const about = el("div", {}, el("h3", {}, "Configuration"), facts([
    ["State", `${d.state} for ${ago(d.since)}`],
    ["Table", d.table ? `${d.table} (${d.binding})` : `none now (${d.binding})`],
    ["RD", d.rd], ["Encap", d.encap], ["Imports RT", (d.import_rts ?? []).join(", ")], ["Exports RT", (d.export_rts ?? []).join(", ")],
    ["Routes of", d.of], ["Restarts", d.restarts ? String(d.restarts) : ""],
    ["Tried again", d.retry ? "in " + Math.max(0, Math.round(d.retry - Date.now() / 1000)) + " s" : ""],
    ["Mailbox", d.waiting ? plural(d.waiting, "prefix") + " wait" : ""],
  ]), el("h3", {}, "Sessions"), peers(d));
  const all = link("List its routes", `List the routes of ${d.name}`, () => openRoutes({ vrf: d.name }), "quiet-button");
  s.detail.replaceChildren(about, el("div", {}, counted(d), all));
  if (at) [...s.detail.querySelectorAll("button")].find((b) => b.textContent === at)?.focus(); // it was made anew
}

function wanted(d, text) {
  if (only.size && !only.has(d.state)) return false;
  return !text || [d.name, d.binding, d.rd, d.encap, why(d), d.of].some((v) => v && v.toLowerCase().includes(text));
}

// rank puts those with a problem first; a session that is down is one too.
const rank = (d) => STATES.indexOf(d.state) - (d.state === "ready" && down(d) ? 0.5 : 0);

export function arrange() {
  const text = $("filter").value.trim().toLowerCase();
  const all = [...rows.values()].filter((r) => wanted(r.data, text));
  all.sort((a, b) => rank(a.data) - rank(b.data) || byName(a.data.name, b.data.name));
  place($("list"), all.slice(0, limit).map(show));
  say($("shown"), all.length === rows.size ? number(rows.size) : `${number(all.length)} of ${number(rows.size)}`);
  $("none").hidden = all.length > 0 || rows.size === 0;
  $("more").hidden = all.length <= limit;
  say($("more"), `Show ${number(Math.min(STEP, all.length - limit))} more of ${number(all.length)}`);
  chips();
  const names = $("names");
  if (names.children.length !== rows.size || [...names.children].some((o) => !rows.has(o.value)))
    names.replaceChildren(...[...rows.keys()].map((name) => el("option", { value: name })));
}

function chips() {
  const all = $("states");
  for (const state of STATES) {
    const n = [...rows.values()].filter((r) => r.data.state === state).length;
    let box = all.querySelector(`[value=${state}]`);
    if (!box) {
      if (!n) continue;
      box = el("input", { type: "checkbox", value: state });
      box.addEventListener("change", () => { if (box.checked) only.add(state); else only.delete(state); limit = SHOWN; arrange(); });
      all.append(el("label", {}, box, el("span", { class: "chip state", "data-state": state })));
    }
    say(box.nextElementSibling, `${state} ${number(n)}`);
    box.parentElement.hidden = !n && !box.checked;
  }
}

$("filter").addEventListener("input", () => { limit = SHOWN; arrange(); });
$("more").addEventListener("click", () => { limit += STEP; arrange(); });
