// Small charts, as SVG made of elements: the page's policy allows no inline
// style and no HTML made of text.
const NS = "http://www.w3.org/2000/svg";

function svg(name, attributes) {
  const e = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  return e;
}

// chart returns an empty chart; draw fills it. It says the same in words.
export function chart(className) {
  const root = svg("svg", { class: className, viewBox: "0 0 100 20", preserveAspectRatio: "none", role: "img", "aria-label": "" });
  root.append(svg("path", { class: "area" }), svg("path", { class: "line" }));
  return root;
}

// draw shows rates, oldest first, in steps of a second's share.
export function draw(root, values, words) {
  const [area, line] = root.children;
  const most = Math.max(...values, 0);
  root.setAttribute("aria-label", words);
  if (most === 0) {
    area.setAttribute("d", "");
    line.setAttribute("d", "M0 19.3H100");
    line.setAttribute("class", "flat");
    return;
  }
  const x = (i) => ((i * 100) / (values.length - 1)).toFixed(2);
  const y = (v) => (19.3 - (v / most) * 17.8).toFixed(2);
  const points = values.map((v, i) => `${x(i)} ${y(v)}`).join("L");
  line.setAttribute("class", "line");
  line.setAttribute("d", "M" + points);
  area.setAttribute("d", `M${points}L100 20L0 20Z`);
}
