// How many routes are written and announced, over the time that a reader chooses.
import { $, ask, el, number, rate, say } from "./dom.js";
import { chart, draw } from "./chart.js";
import { SHORT, WORDS, span } from "./span.js";
import { held, rows, sketch, sum } from "./vrfs.js";

const whole = ["written", "told"].map((key) => {
  const drawn = chart("spark");
  $(key + "-chart").append(drawn);
  return { key, drawn };
});

export function rates() {
  for (const { key, drawn } of whole) {
    let total = null, every = span.live.every;
    for (const r of rows.values()) {
      const one = span.of(r);
      every = one.every;
      total ??= new Array(one[key].length).fill(0);
      for (let i = 0; i < total.length; i++) total[i] += one[key][i];
    }
    total ??= span.none();
    const most = Math.max(...total) / every, now = total[total.length - 1] / every;
    draw(drawn, total, `${rate(now)} now, at most ${rate(most)} in the last ${WORDS[span.name]}`);
    say($(key + "-now"), rate(now));
    say($(key + "-most"), most ? `at most ${rate(most)}` : "");
    say($(key + "-from"), SHORT[span.name] + " ago");
  }
}

// again asks for the chosen time anew, where the stream does not keep it.
export async function again(force = false) {
  if (span.name === "5m" || (!force && Date.now() - span.asked < Math.min(60, span.long?.every ?? 0) * 1000)) return;
  const name = span.name;
  span.asked = Date.now();
  try {
    const got = await ask("charts", { span: name });
    if (span.name === name) span.long = got;
  } catch {
    return; // the server is away: the stream says so
  }
  for (const r of rows.values()) sketch(r);
  rates();
}

for (const box of document.querySelectorAll("#spans input")) {
  box.addEventListener("change", () => {
    span.name = box.value;
    span.long = null;
    say($("spark-head"), "Writes, " + SHORT[span.name]);
    for (const r of rows.values()) sketch(r);
    rates();
    again(true);
  });
}

function tile(name, value, tone, of) {
  const box = el("div", { "data-tone": tone ?? "" }, el("dt", {}, name), el("dd", {}, value));
  if (of !== undefined) box.lastChild.append(el("small", {}, " / " + of));
  return box;
}

// overview is the sums over all VRFs, and where they are told at the top.
export function overview() {
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
  const jump = (id, text, wrong) => { say($(id), text); $(id).dataset.tone = wrong ? "warn" : ""; };
  jump("jump-vrfs", `${number(ready)}/${number(rows.size)} ready`, ready < rows.size);
  jump("jump-neighbors", `${number(up)}/${number(neighbors)} up`, up < neighbors);
  const back = total(held);
  jump("jump-trouble", number(back), back > 0);
}
