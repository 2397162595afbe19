// The routes that are held back, those with the same reason together.
import { $, ROWS, ask, badge, byName, el, keyed, link, number, say } from "./dom.js";
import { HELD, held, rows, sum } from "./vrfs.js";
import { explain } from "./explain.js";
import { openRoutes } from "./routes.js";

const ASKED = 8, MOST = 64; // VRFs at first, and on demand
let all = false, asking = false, due = false, asked = "";

// fairly takes the largest group of each VRF first, then each one's second.
function fairly(answers) {
  const groups = [];
  const most = Math.max(0, ...answers.map((a) => a.groups.length));
  for (let i = 0; i < most; i++) for (const a of answers) if (a.groups[i]) groups.push({ vrf: a.vrf, ...a.groups[i] });
  return groups;
}

function line(g) {
  const prefixes = el("span", { class: "prefixes" });
  for (const p of g.prefixes) prefixes.append(link(p, "Explain it", () => explain(p, g.vrf)), " ");
  if (g.count > g.prefixes.length)
    prefixes.append(link(`and ${number(g.count - g.prefixes.length)} more`, `List the routes of ${g.vrf} that are ${g.state}`, () => openRoutes({ vrf: g.vrf, state: g.state })));
  return el("li", {}, badge(g.state), el("b", { class: "times" }, number(g.count) + "×"), el("span", {}, g.vrf), el("span", { class: "why" }, g.reason), prefixes);
}

export async function trouble() {
  const bad = [...rows.values()].map((r) => r.data).filter((d) => d.table && held(d) > 0).sort((a, b) => byName(a.name, b.name));
  const wrong = all + bad.map((d) => [d.name, d.table, ...HELD.map((key) => sum(d, key))]).join();
  if (wrong === asked && !due) return; // to look through the routes of a VRF is work for it
  if (asking) { due = true; return; }
  asking = true;
  asked = wrong;
  try {
    const answers = [], some = bad.slice(0, all ? MOST : ASKED);
    for (const d of some) {
      try {
        const answer = await ask("trouble", { vrf: d.name });
        due ||= answer.old;
        answers.push(answer);
      } catch (err) {
        if (err instanceof TypeError) throw err; // no answer at all
      }
    }
    const groups = fairly(answers), shown = groups.slice(0, all ? groups.length : ROWS);
    const count = bad.reduce((n, d) => n + held(d), 0);
    $("trouble").hidden = $("trouble-link").hidden = count === 0;
    say($("trouble-count"), number(count));
    keyed($("trouble-list"), shown, line);
    const rest = groups.length - shown.length, others = bad.length - some.length;
    $("trouble-all").hidden = rest <= 0 && (all || others <= 0);
    say($("trouble-all"), rest > 0 ? `Show ${number(rest)} more reasons` : `Look into ${number(others)} more VRFs`);
    const left = [];
    if (others > 0) left.push(`${number(others)} more VRFs have routes that are held back`);
    if (answers.some((a) => a.more)) left.push("there are more than were looked at");
    say($("trouble-more"), left.length ? left.join("; ") + ": vrfredist route export --vrf VRF lists all" : "");
  } catch {
    asked = null; // the server is away: the stream says so
  }
  await new Promise((done) => setTimeout(done, 5000));
  asking = false;
  if (due || asked === null) { due = false; asked = null; trouble(); }
}

$("trouble-all").addEventListener("click", () => { all = true; due = true; asked = null; if (!asking) trouble(); });
