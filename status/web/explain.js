// Why a prefix is, or is not, in a VRF's table and in BGP.
import { $, ROWS, ask, el, number, say } from "./dom.js";

function steps(title, walk) {
  const list = el("ol", { class: "walk" });
  for (const s of walk.steps) {
    const [sign, spoken] = { passed: ["✓", "passed"], stopped: ["✕", "stopped"] }[s.outcome] ?? ["·", "noted"];
    const item = el("li", { "data-outcome": s.outcome },
      el("span", { class: "mark" }, el("span", { "aria-hidden": "true" }, sign), el("span", { class: "hidden" }, spoken)),
      el("span", { class: "step" }, s.name), el("p", {}, s.text));
    const details = s.details ?? [], lines = (some) => el("ul", { class: "more" }, ...some.map((d) => el("li", {}, d)));
    if (details.length) item.append(lines(details.slice(0, ROWS)));
    if (details.length > ROWS) item.append(el("details", { class: "rest" }, el("summary", {}, `${number(details.length - ROWS)} more`), lines(details.slice(ROWS))));
    list.append(item);
  }
  return el("div", {}, el("h3", {}, title), list);
}

async function answer() {
  const target = $("target").value.trim(), vrf = $("in").value.trim() || "default";
  say($("answer-error"), "");
  if (!target) {
    $("answer").replaceChildren();
    say($("answer-error"), "Write a prefix such as 10.1.0.0/16, or an address.");
    return;
  }
  try {
    const x = await ask("explain", { vrf, target });
    $("answer").replaceChildren(
      el("p", { class: "verdict" }, el("b", { class: "mono" }, x.prefix), ` in VRF ${x.vrf}: ${x.verdict}.`),
      el("div", { class: "walks" }, steps("From BGP to the kernel", x.export), steps("From the kernel to BGP", x.import)));
  } catch (err) {
    $("answer").replaceChildren();
    say($("answer-error"), err.message);
  }
}

// explain leads there from another part of the page.
export function explain(prefix, vrf) {
  $("target").value = prefix;
  $("in").value = vrf;
  $("target").focus();
  $("explain").scrollIntoView({ block: "start" });
  answer();
}

$("ask").addEventListener("submit", (e) => { e.preventDefault(); answer(); });
