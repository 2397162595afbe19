// Looks at the status page as a person does, in a browser: with a window, a
// keyboard, and no mouse where it says so. What it wants done outside it asks of
// the Go test, a line each, and waits for the answer.
//
//   node look.mjs SCENARIO URL DIRECTORY-FOR-SCREENSHOTS
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [scenario, url, shots] = process.argv.slice(2);
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function ask(what) {
  console.log("want " + what);
  const { value, done } = await answers.next();
  assert.ok(!done && value === "done", `the test did not do ${what}: ${value}`);
}

// contrast returns the text that is harder to read than WCAG's AA allows.
function contrast() {
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (css) => {
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = css;
    probe.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = probe.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const ground = (e) => {
    const layers = [];
    for (; e; e = e.parentElement) {
      const c = rgba(getComputedStyle(e).backgroundColor);
      if (c[3] > 0) layers.unshift(c);
    }
    return layers.reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const light = (c) => c.slice(0, 3).map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((n, v, i) => n + v * [0.2126, 0.7152, 0.0722][i], 0);
  const bad = [];
  let looked = 0;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; (text = walk.nextNode());) {
    const e = text.parentElement;
    if (!text.data.trim() || !e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || e.closest(".hidden, .skip, noscript, datalist")) continue;
    looked++;
    const under = ground(e), ink = over(rgba(getComputedStyle(e).color), under);
    const [a, b] = [light(ink), light(under)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) bad.push(`${ratio.toFixed(2)}: ${text.data.trim().slice(0, 40)} (${e.tagName} ${e.className})`);
  }
  return { bad, looked };
}

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, colorScheme: "light" });
const page = await context.newPage();
page.setDefaultTimeout(20000);
const wrong = [];
let refused = false; // by the daemon, on purpose: the browser says so in its console
page.on("console", (m) => { if (!refused && ["error", "warning"].includes(m.type())) wrong.push(m.text()); });
page.on("pageerror", (e) => wrong.push(e.message));
page.on("dialog", (d) => { wrong.push("a dialog: " + d.message()); d.dismiss(); });
const origin = new URL(url).origin;
let streams = 0;
page.on("request", (r) => { if (r.url().endsWith("/events")) streams++; });
page.on("request", (r) => { if (new URL(r.url()).origin !== origin) wrong.push("asked another origin: " + r.url()); });

const vrf = (name) => page.locator("#list > li", { has: page.locator(".name b", { hasText: new RegExp("^" + name.replace(/[^\w]/g, "\\$&") + "$") }) });
const value = (name, i) => vrf(name).locator(".num .value").nth(i);
async function says(locator, text) {
  await page.waitForFunction(([e, want]) => e.textContent.includes(want), [await locator.elementHandle(), text]);
}
const listed = (n) => page.waitForFunction((n) => document.querySelectorAll("#list > li").length === n, n);
const focused = () => page.evaluate(() => {
  const e = document.activeElement, s = getComputedStyle(e), chip = e.matches(".chips input") ? getComputedStyle(e.nextElementSibling) : s;
  return { id: e.id && !(e.id in { target: 1, in: 1 }) ? e.id : e.value || e.textContent.trim() || e.id, ring: chip.outlineStyle !== "none" && parseFloat(chip.outlineWidth) >= 2 };
});
async function tab(want) {
  await page.keyboard.press("Tab");
  const at = await focused();
  assert.ok(at.id.startsWith(want), `Tab went to ${at.id}, want ${want}`);
  assert.ok(at.ring, `${want} has the focus, and nothing shows it`);
}
async function fits(width) {
  await page.setViewportSize({ width, height: 720 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= width, `the page is ${wide} wide in a window of ${width}`);
}
async function readable(when) {
  const { bad, looked } = await page.evaluate(contrast);
  assert.ok(looked > 40, `${when}: only ${looked} texts`);
  assert.deepEqual(bad, [], when);
}
async function shot(name, whole = false) {
  // Rows that are not in the window are not drawn, for speed: here they are.
  await page.evaluate(() => document.querySelectorAll("#list > li").forEach((e) => { e.style.contentVisibility = "visible"; }));
  await page.screenshot({ path: `${shots}/${name}.png`, fullPage: whole });
}

// tour: a daemon with one tenant that is degraded and one that is pending.
async function tour() {
  await page.goto(url);
  await says(page.locator("#live"), "live");
  for (const role of ["banner", "main", "contentinfo"]) assert.equal(await page.getByRole(role).count(), 1, role);
  for (const name of ["VRFs", "Neighbours", "Routes held back", "Routes of a VRF", "Explain a prefix", "Rates and sums", "Policies"]) await page.getByRole("region", { name }).first().waitFor();
  const regions = await page.locator("main > section h2").allTextContents();
  assert.match(regions[0], /^VRFs/, "the VRFs are not first");
  await page.getByRole("searchbox", { name: /Filter by name/ }).waitFor();
  await says(vrf("red").locator(".state").first(), "degraded");
  assert.match(await vrf("blue").textContent(), /pending.*not-there/);
  const names = await page.locator("#list .name b").allTextContents();
  assert.deepEqual(names, ["red", "<script>alert(1)</script>", "blue", "default"], "problems first");

  // What changes in the daemon shows here by itself.
  await says(value("red", 1), "1");
  await ask("route");
  await says(value("red", 1), "2");
  await says(page.locator("#written-most"), "/s");
  // Equal reasons are one row, with how many there are.
  const held = page.locator("#trouble-list > li", { hasText: "299×" });
  await says(held, "no route in this VRF covers it");
  await says(held, "172.21.0.0/32");
  await says(held, "and 296 more");
  await says(page.locator("#trouble-list"), "172.20.9.0/24");
  await says(page.locator("#trouble-list"), "conflict");
  assert.ok(await page.locator("#trouble-list > li").count() <= 8, "more than eight rows");

  // Neighbours, those that fail first and why; a VRF with one is told by it.
  const neighbor = page.locator("#neighbor-list > tr");
  await says(page.locator("#neighbor-down"), "11 without a session");
  assert.equal(await neighbor.count(), 8, "eight neighbours at first");
  for (const text of await neighbor.allTextContents()) assert.match(text, /^(active|idle|connect|opensent)192\.168\.1\.\d+ AS 65010 .*red(no|it|nobody|the) /s, "a neighbour that fails is not first, or no reason is told");
  await page.setViewportSize({ width: 1080, height: 800 });
  await shot("status");
  await page.setViewportSize({ width: 1280, height: 860 });

  // By keyboard alone, from the top.
  await tab("Skip to the VRFs");
  for (const part of ["VRFs", "Neighbours", "trouble-link", "Routes", "Explain", "Rates", "policies-link"]) await tab(part);
  await tab("filter");
  await page.keyboard.type("not-there");
  await vrf("red").waitFor({ state: "detached" });
  await page.keyboard.press("Control+A");
  await page.keyboard.press("Delete");
  await vrf("red").waitFor();
  await tab("degraded");
  await page.keyboard.press("Space");
  await vrf("blue").waitFor({ state: "detached" });
  await page.keyboard.press("Space");
  await vrf("blue").waitFor();
  await tab("pending");
  await tab("ready");
  await tab("degradedred");
  await page.keyboard.press("Enter");
  const open = vrf("red").getByRole("button", { expanded: true });
  await open.waitFor();
  await says(vrf("red").locator(".detail"), "65000:10");
  await ask("another route"); // the focus stays where it is while the page changes
  await says(value("red", 1), "3");
  assert.ok((await focused()).id.startsWith("degradedred"), "the focus went");

  // From a VRF to its routes, a page after the other, by keyboard.
  await tab("Installed");
  await page.keyboard.press("Enter");
  const listing = page.locator("#route-says");
  await says(listing, "Routes 1 to 3 of VRF red, which are the last");
  assert.match(await page.locator("#route-list > tr").first().textContent(), /172\.20\.1\.0\/24installed.*via 192\.168\.1\.2 dev lan0/);
  assert.equal((await focused()).id, "route-prefix");
  await page.keyboard.press("Shift+Tab");
  assert.equal((await focused()).id, "route-state");
  await page.selectOption("#route-state", "unresolved");
  await page.keyboard.press("Tab");
  await page.keyboard.type("172.20.0.0/14");
  await page.keyboard.press("Enter");
  await says(listing, "Routes 1 to 50 of VRF red");
  await page.getByRole("button", { name: "Next" }).focus();
  await page.keyboard.press("Enter");
  await says(listing, "Routes 51 to 100 of VRF red");
  assert.equal((await focused()).id, "route-next", "the focus is on the pager");
  await page.getByRole("button", { name: "Previous" }).focus();
  await page.keyboard.press("Enter");
  await says(listing, "Routes 1 to 50 of VRF red");
  await page.fill("#route-prefix", "172.20.9.0/24");
  await page.keyboard.press("Enter");
  await says(listing, "Routes 1 to 1 of VRF red, which are the last");
  await says(page.locator("#route-list"), "no route in this VRF covers it");

  // And from there to why.
  await tab("List");
  await tab("172.20.9.0/24");
  await page.keyboard.press("Enter");
  const answer = page.locator("#answer[aria-live=polite]");
  await says(answer, "172.20.9.0/24 in VRF red: stopped at nexthop");
  assert.match(await answer.locator("[data-outcome=stopped]").first().textContent(), /stopped.*nexthop.*10\.99\.0\.1/s);
  assert.equal((await focused()).id, "172.20.9.0/24");
  await tab("red");
  await tab("Explain");

  // The time that the charts show, and the policies with their counts.
  await tab("16 more"); // of what neighbours are told
  await tab("5m");
  await page.keyboard.press("ArrowRight");
  await says(page.locator("#written-from"), "1 h ago");
  await says(page.locator("#spark-head"), "1 h");
  await says(page.locator("#written-most"), "/min");
  await tab("to-kernel");
  await page.keyboard.press("Enter");
  const policy = page.locator("#policy-list details");
  await says(policy, "red: export.policy");
  await says(policy.locator("tbody"), "rule 1 (none of these)");
  assert.match(await policy.locator("tbody tr").last().textContent(), /default.*accept.*\d/);

  await page.getByRole("button", { name: /Show 4 more of 12/ }).click();
  await page.waitForFunction(() => document.querySelectorAll("#neighbor-list > tr").length === 12);
  await says(neighbor.last(), "established");
  assert.match(await neighbor.first().textContent(), /192\.168\.1\.\d+ AS 65010/);
  await says(vrf("red").locator(".name"), "session");
  await page.fill("#neighbor-filter", "192.168.1.19");
  await page.waitForFunction(() => document.querySelectorAll("#neighbor-list > tr").length === 1);
  await page.fill("#neighbor-filter", "");
  await says(page.locator("#neighbor-down"), "11 without a session");

  await readable("light");
  await page.evaluate(() => scrollTo(0, 0));
  await shot("wide", true);
  for (const name of ["neighbors", "trouble", "routes", "rates", "policies"]) await page.locator("#" + name).screenshot({ path: `${shots}/wide-${name}.png` });
  await page.emulateMedia({ colorScheme: "dark" });
  await readable("dark");
  await shot("dark", true);
  for (const name of ["vrfs", "neighbors", "policies"]) await page.locator("#" + name).screenshot({ path: `${shots}/dark-${name}.png` });
  await fits(380);
  await readable("dark and narrow");
  await shot("dark-narrow", true);
  for (const name of ["vrfs", "neighbors", "routes"]) await page.locator("#" + name).screenshot({ path: `${shots}/dark-narrow-${name}.png` });
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector(".sum"), "::before").transitionDuration), "0s");
  await fits(320);
  await readable("narrow");
  const first = await page.evaluate(() => document.getElementById("list").getBoundingClientRect().top + scrollY);
  assert.ok(first < 640, `the list of VRFs begins ${first} px down`);
  await shot("narrow", true);
  for (const name of ["vrfs", "neighbors", "trouble", "routes", "rates", "policies"]) await page.locator("#" + name).screenshot({ path: `${shots}/narrow-${name}.png` });
  await fits(700);

  assert.equal(streams, 1, "the stream was cut, and begun anew");
  refused = true;
  // An error is told, and what was said before is gone.
  await page.fill("#target", "10.1.0.1/16");
  await page.press("#target", "Enter");
  await says(page.getByRole("alert"), "write 10.1.0.0/16 for the prefix");
  assert.equal(await answer.textContent(), "");

  await ask("stop");
  await says(page.locator("#live"), "no connection");
  await ask("start");
  await says(page.locator("#live"), "live");
  await says(value("red", 1), "0"); // the routes were this daemon's own, and went with it
}

// many: a thousand VRFs of which all but one wait for their namespace.
async function many() {
  await page.goto(url);
  await says(page.locator("#shown"), "1,000");
  await listed(24);
  await page.getByRole("button", { name: /Show 200 more of 1,000/ }).click();
  await listed(224);
  await shot("many");
  const began = Date.now();
  await page.fill("#filter", "tenant-777");
  await says(page.locator("#shown"), "1 of 1,000");
  assert.ok(Date.now() - began < 2000, "the filter is slow");
  await page.fill("#filter", "");
  await page.getByRole("checkbox", { name: /ready 1$/ }).check();
  await says(page.locator("#shown"), "1 of 1,000");
  await ask("route");
  await says(value("default", 1), "1");
  await fits(320);
}

// held: ten VRFs, each with sixty routes that are held back for one reason, and three for another.
async function held() {
  await page.goto(url);
  const row = page.locator("#trouble-list > li");
  await says(page.locator("#trouble-count"), "630");
  await page.waitForFunction(() => document.querySelectorAll("#trouble-list > li").length === 8);
  const first = await row.allTextContents();
  assert.deepEqual(first.map((text) => text.match(/60×(t-\d)/)?.[1]), [0, 1, 2, 3, 4, 5, 6, 7].map((i) => "t-" + i), "the largest reason of each VRF first");
  assert.match(first[0], /unresolved.*10\.99\.0\.1.*and 57 more/);
  await says(page.locator("#trouble-more"), "2 more VRFs have routes that are held back");

  // Where the VRFs begin, however many routes are held back, and on every width and in both schemes all of it.
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const [name, width] of [["wide", 1280], ["narrow", 380]]) {
      await fits(width);
      const top = await page.evaluate(() => document.getElementById("list").getBoundingClientRect().top + scrollY);
      assert.ok(top < 640, `${colorScheme}, ${name}: the list of VRFs begins ${top} px down`);
      await readable(`${colorScheme}, ${name}`);
      await page.locator("#trouble").screenshot({ path: `${shots}/held-${colorScheme}-${name}.png` });
    }
  }

  // By keyboard: from a reason to why, from there to all routes like it, and to the reasons that are left.
  await page.evaluate(() => document.getElementById("trouble").focus());
  for (const prefix of ["172.20.0.0/24", "172.20.1.0/24", "172.20.2.0/24", "and 57 more"]) await tab(prefix);
  await page.keyboard.press("Enter");
  await says(page.locator("#route-says"), "Routes 1 to 50 of VRF t-0");
  await page.evaluate(() => document.getElementById("trouble").focus());
  await tab("172.20.0.0/24");
  await page.keyboard.press("Enter");
  await says(page.locator("#answer"), "172.20.0.0/24 in VRF t-0: stopped at nexthop");
  const more = page.locator("#trouble-all");
  await more.focus();
  assert.ok((await focused()).ring, "the button has the focus, and nothing shows it");
  await says(more, "Show 8 more reasons");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelectorAll("#trouble-list > li").length === 20);
  assert.equal(await page.locator("#trouble-list > li", { hasText: "3×" }).count(), 10);
  assert.ok(await more.isHidden(), "there are no more");
  await readable("all reasons, narrow and dark");
}

// waits: a file without [global.config], until a client of the API starts BGP.
async function waits() {
  await page.goto(url);
  await says(page.locator("#live"), "live");
  await says(vrf("red").locator(".state").first(), "pending");
  await says(vrf("red"), "BGP waits for StartBgp");
  const neighbor = page.locator("#neighbor-list > tr");
  await says(neighbor.first(), "BGP waits for StartBgp");
  assert.match(await neighbor.first().textContent(), /^pending192\.168\.1\.2 AS 65010/);
  refused = true; // the explanation is, and the connection goes
  await page.fill("#target", "10.1.0.0/16");
  await page.press("#target", "Enter");
  await says(page.getByRole("alert"), "BGP waits for StartBgp");
  await ask("start");
  await says(page.locator("#live"), "live");
  await says(vrf("red").locator(".state").first(), "ready");
  await page.waitForFunction(() => !document.querySelector("#neighbor-list > tr")?.textContent.includes("StartBgp"));
  await says(page.locator("#neighbor-list > tr").first(), "192.168.1.1");
}

try {
  await { tour, many, held, waits }[scenario]();
  assert.deepEqual(wrong, [], "the browser complained");
} finally {
  await browser.close();
}
process.exit(0);
