// The page: a stream of events from its own server, which its parts show.
import { $, mark, say, soon } from "./dom.js";
import { arrange, rows, sketch } from "./vrfs.js";
import { again, overview, rates } from "./rates.js";
import { span } from "./span.js";
import { neighbors } from "./neighbors.js";
import { policies } from "./policies.js";
import { trouble } from "./trouble.js";
import "./explain.js";
import "./routes.js";

function take(data, charts) {
  const row = rows.get(data.name) ?? { written: span.none(), told: span.none() };
  row.data = data;
  if (charts) { row.written = charts[data.name]?.written ?? span.none(); row.told = charts[data.name]?.told ?? span.none(); }
  rows.set(data.name, row);
}
const others = soon(neighbors, 200);
function redraw() { overview(); arrange(); rates(); trouble(); others(); }

const on = {
  snapshot(e) {
    span.live = { every: e.every, samples: e.samples };
    say($("host"), e.host);
    say($("version"), e.version);
    document.title = `${e.host}: vrfredist`;
    const now = new Set(e.rows.map((d) => d.name));
    for (const name of rows.keys()) if (!now.has(name)) rows.delete(name);
    for (const d of e.rows) take(d, e.charts);
    redraw();
    again(true);
    policies();
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
      if (span.name === "5m") sketch(row);
    }
    rates();
    again();
    policies();
    others();
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
connect();
