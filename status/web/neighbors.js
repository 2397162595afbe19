// The BGP neighbours of all VRFs: those without a session first, and why.
import { $, ROWS, ago, ask, badge, bare, el, keyed, number, row, say, soon } from "./dom.js";

const STEP = 50;
let limit = ROWS, busy = false, due = false;

function line(n) {
  const peer = el("span", {}, el("b", { class: "mono" }, n.peer), ` AS ${n.as || "any"}`);
  if (n.netns) peer.append(el("span", { class: "quiet" }, ` in netns ${n.netns}`));
  return row([["State", badge(n.state)], ["Neighbour", peer], ["VRF", n.vrf],
    ["Up for", n.state === "established" && n.since ? ago(n.since) : ""], ["Why not", bare(n.reason ?? "")]]);
}

export async function neighbors() {
  if (busy) { due = true; return; }
  busy = true;
  const text = $("neighbor-filter").value.trim();
  try {
    const got = await ask("neighbors", { text, rows: limit });
    keyed($("neighbor-list"), got.rows.map((n) => ({ ...n, minute: n.since ? ago(n.since) : "" })), line);
    say($("neighbor-count"), got.found === got.all ? number(got.all) : `${number(got.found)} of ${number(got.all)}`);
    say($("neighbor-down"), got.down ? `${number(got.down)} without a session` : "");
    $("neighbor-none").hidden = got.found > 0;
    say($("neighbor-none"), got.all ? "No neighbour is like that." : "There is no BGP neighbour.");
    $("neighbor-table").hidden = got.found === 0;
    const rest = got.found - got.rows.length;
    $("neighbor-more").hidden = rest <= 0;
    say($("neighbor-more"), `Show ${number(Math.min(STEP, rest))} more of ${number(got.found)}`);
  } catch (err) {
    if (!(err instanceof TypeError)) say($("neighbor-down"), err.message); // the server is away: the stream says so
  }
  busy = false;
  if (due) { due = false; neighbors(); }
}

$("neighbor-filter").addEventListener("input", soon(() => { limit = ROWS; neighbors(); }, 150));
$("neighbor-more").addEventListener("click", () => { limit += STEP; neighbors(); });
