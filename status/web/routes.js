// The routes of one VRF, a page after the other.
import { $, ask, badge, el, link, number, row, say } from "./dom.js";
import { explain } from "./explain.js";

const ROWS = 50;
let from = 0, query = null;

const STATES = { export: ["installed", "filtered", "unresolved", "conflict", "over-quota", "failed", "stale"], import: ["announced", "filtered"] };
function offer(state) {
  $("route-state").replaceChildren(el("option", { value: "" }, "any"), ...STATES[$("route-direction").value].map((s) => el("option", { value: s }, s)));
  $("route-state").value = state ?? "";
}

function line(vrf, r) {
  return row([["Prefix", link(r.prefix, "Explain it", () => explain(r.prefix, vrf))], ["State", badge(r.state)],
    ["Route", r.route ? el("span", { class: "mono" }, r.route) : "", (r.communities ?? []).length ? el("span", { class: "quiet" }, " " + r.communities.join(" ")) : ""],
    ["From", r.from ? el("span", { class: "mono" }, r.from) : ""], ["Why", r.reason ?? ""]]);
}

async function list() {
  const q = query;
  say($("route-error"), "");
  try {
    const got = await ask("routes", { ...q, from, rows: ROWS });
    if (q !== query) return;
    $("route-list").replaceChildren(...got.rows.map((r) => line(got.vrf, r)));
    $("route-table").hidden = got.rows.length === 0;
    say($("route-says"), got.rows.length ? `Routes ${number(from + 1)} to ${number(from + got.rows.length)} of VRF ${got.vrf}${got.more ? "" : ", which are the last"}` : `VRF ${got.vrf} has ${from ? "no more" : "no"} routes like that.`);
    $("route-back").hidden = from === 0;
    $("route-next").hidden = !got.more;
  } catch (err) {
    if (q !== query) return;
    $("route-list").replaceChildren();
    $("route-table").hidden = $("route-back").hidden = $("route-next").hidden = true;
    say($("route-says"), "");
    say($("route-error"), err instanceof TypeError ? "The server does not answer." : err.message);
  }
}

function begin() {
  from = 0;
  query = { vrf: $("route-vrf").value.trim() || "default", direction: $("route-direction").value, state: $("route-state").value, prefix: $("route-prefix").value.trim() };
  return list();
}

// turn goes to another page, and leaves the focus where a reader can go on.
async function turn(by) {
  from = Math.max(0, from + by);
  await list();
  if (document.activeElement === document.body) ($("route-next").hidden ? $("route-back") : $("route-next")).focus();
}

// openRoutes leads there from another part of the page.
export function openRoutes({ vrf, direction = "export", state = "", prefix = "" }) {
  $("route-vrf").value = vrf;
  $("route-direction").value = direction;
  offer(state);
  $("route-prefix").value = prefix;
  $("route-prefix").focus();
  $("routes").scrollIntoView({ block: "start" });
  begin();
}

offer();
$("route-direction").addEventListener("change", () => offer());
$("route-form").addEventListener("submit", (e) => { e.preventDefault(); begin(); });
$("route-next").addEventListener("click", () => turn(ROWS));
$("route-back").addEventListener("click", () => turn(-ROWS));
