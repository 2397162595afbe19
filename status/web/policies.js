// The policies of the configuration, with how often each rule matched.
import { $, ROWS, ask, el, number, place, row, say } from "./dom.js";

let all = false;
const shown = new Map(); // by name

function build(name) {
  const count = el("span", { class: "count" }), uses = el("span", { class: "quiet" });
  const body = el("tbody");
  const table = el("table", { class: "cards", role: "table" }, el("thead", {}, el("tr", { role: "row" },
    ...["Rule", "If", "Then", "Matched"].map((t) => el("th", { scope: "col", role: "columnheader" }, t)))), body);
  const item = el("details", {}, el("summary", {}, el("b", {}, name), " ", count, " ", uses), table);
  return { item, count, uses, body, text: "" };
}

function use(u) { return (u.vrf ? `${u.vrf}: ` : "") + u.place; }

function show(p) {
  if (!shown.has(p.name)) shown.set(p.name, build(p.name));
  const s = shown.get(p.name), uncounted = p.uses.length > 0 && p.uses.every((u) => u.uncounted);
  say(s.count, uncounted ? "not counted" : `${number(p.matched)} matched`);
  const where = p.uses.slice(0, 4).map(use).join(", ") + (p.uses.length > 4 ? ` and ${number(p.uses.length - 4)} more` : "");
  say(s.uses, where || "used nowhere");
  s.uses.title = p.uses.find((u) => u.uncounted)?.uncounted ?? "";
  const text = JSON.stringify(p.rules);
  if (s.text !== text) {
    s.text = text;
    s.body.replaceChildren(...p.rules.map((r) => row([["Rule", r.title], ["If", (r.conditions ?? []).join("; ") || "any route"],
      ["Then", [...(r.changes ?? []), r.action].join("; ")], ["Matched", number(r.matched)]])));
    if (p.more) s.body.append(row([["Rule", `and ${number(p.more)} more rules`], ["If", ""], ["Then", ""], ["Matched", ""]]));
  }
  return s.item;
}

export async function policies() {
  if (document.hidden) return;
  try {
    const got = await ask("policies");
    $("policies").hidden = $("policies-link").hidden = got.length === 0;
    say($("policy-count"), number(got.length));
    const some = all ? got : got.slice(0, ROWS);
    place($("policy-list"), some.map(show));
    $("policy-more").hidden = some.length === got.length;
    say($("policy-more"), `Show ${number(got.length - some.length)} more`);
  } catch {
    // the server is away: the stream says so
  }
}

$("policy-more").addEventListener("click", () => { all = true; policies(); });
