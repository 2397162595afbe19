// What the parts of the page have in common. Whatever they are told is shown as text: nothing of
// it becomes HTML.
export const $ = (id) => document.getElementById(id);
export const ROWS = 8; // of a list, before "more" is asked for

export function el(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") e.className = value;
    else e.setAttribute(key, value);
  }
  e.append(...children);
  return e;
}
export function say(node, text) { if (node.textContent !== text) node.textContent = text; }
export function mark(node, key, value) { if (node.dataset[key] !== value) node.dataset[key] = value; }
export const number = (n) => (n < 1e7 ? n.toLocaleString("en-US") : n.toLocaleString("en-US", { notation: "compact", maximumFractionDigits: 1 }));
export const rate = (n) => (n === 0 ? "0/s" : n * 60 < 1 ? number(Math.ceil(n * 3600)) + "/h" : n < 0.1 ? number(Math.round(n * 60)) + "/min" : n < 10 ? n.toFixed(1) + "/s" : number(Math.round(n)) + "/s");
export const plural = (n, thing) => `${number(n)} ${thing}${n === 1 ? "" : "s"}`;
export const byName = (a, b) => a.localeCompare(b, "en", { numeric: true });
export const badge = (state, more = "") => el("span", { class: "state", "data-state": state }, state + more);

// bare is a neighbour's reason without its name, which stands beside it.
export const bare = (reason) => reason.replace(/^no session with \S+( in netns \S+)?: /, "");

export function ago(unix) {
  const s = Math.max(0, Math.round(Date.now() / 1000 - unix));
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min";
  if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min";
  return plural(Math.floor(s / 86400), "day");
}

// link is a button that looks like a link: it leads to another part of the page.
export function link(text, title, act, className = "link") {
  const b = el("button", { type: "button", class: className, title }, text);
  b.addEventListener("click", act);
  return b;
}

// place makes want the children of list. Moving an element takes the focus from it: only those
// out of place move.
export function place(list, want) {
  const keep = new Set(want);
  for (const old of [...list.children]) if (!keep.has(old)) old.remove();
  let at = list.firstElementChild;
  for (const item of want) {
    if (item === at) at = at.nextElementSibling;
    else list.insertBefore(item, at);
  }
}

// keyed is place of elements that are made where there is none of the same key yet: the focus may
// be on one that stays.
export function keyed(list, items, make) {
  const old = new Map([...list.children].map((e) => [e.dataset.key, e]));
  place(list, items.map((item) => {
    const key = JSON.stringify(item), had = old.get(key);
    if (had) return had;
    const made = make(item);
    made.dataset.key = key;
    return made;
  }));
}

// ask returns what the server answers; what it refuses is an error with its sentence.
export async function ask(what, parameters = {}) {
  const r = await fetch(`${what}?${new URLSearchParams(parameters)}`);
  if (!r.ok) throw new Error((await r.text()).trim());
  return r.json();
}

// row is a row of a table whose rows stand on their own in a narrow window.
export function row(cells) {
  return el("tr", { role: "row" }, ...cells.map(([label, ...inside]) =>
    el("td", { role: "cell", "data-label": label }, ...inside.filter((x) => x !== ""))));
}

// soon calls act once, a while after the last of several calls.
export function soon(act, ms) {
  let timer;
  return () => { clearTimeout(timer); timer = setTimeout(act, ms); };
}
