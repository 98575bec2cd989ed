// Reads the findings from the data island and shows them a page at a time. Text reaches the page by textContent only.
"use strict";
(() => {
  const PAGE = 50;
  const WORDS = 400;
  const FIELDS = ["anchor", "nodeid", "dimension", "probe", "case", "source", "outcome", "score", "group", "reason", "evidence", "offensive"];
  const RANK = { failed: 0, error: 1, unscored: 2, measured: 3, passed: 4 };
  const SHAPE = { failed: "fail", error: "unearned", unscored: "inconclusive", measured: "measured", passed: "pass" };
  const byId = (id) => document.getElementById(id);
  let data = { rows: [], twins: [] };
  let findings = [];
  const command = byId("rows").dataset.command;
  const form = document.querySelector(".filters");
  let shown = [];
  let page = 0;

  function element(tag, className, ...children) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...children.filter((c) => c !== null && c !== undefined)); // strings become text nodes
    return made;
  }

  function badge(outcome) {
    const shape = SHAPE[outcome] || "not-tested";
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    for (const [name, value] of [["class", "glyph"], ["width", "16"], ["height", "16"], ["aria-hidden", "true"]]) svg.setAttribute(name, value);
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", "#g-" + shape);
    svg.append(use);
    return element("span", "badge s-" + shape, svg, outcome);
  }

  const digits = (x) => (x === null ? "" : String(Number(x.toPrecision(3))));

  // Any JSON value: texts as they are, lists as lists, mappings as definition lists.
  function value(v) {
    if (typeof v === "string") return element("span", "text", v);
    if (v === null) return element("span", "muted", "–");
    if (typeof v === "boolean") return element("span", "", v ? "yes" : "no");
    if (typeof v === "number") return element("span", "", String(v));
    if (Array.isArray(v)) return element("ol", "nested", ...v.map((item) => element("li", "", value(item))));
    return element("dl", "nested", ...Object.entries(v).map(([k, item]) => fact(k, value(item))));
  }

  const fact = (name, node) => element("div", "", element("dt", "", name), element("dd", "", node));

  // Longest common subsequence of words; long texts are shown whole, one after the other.
  function changes(before, after) {
    const a = before.match(/\s+|\S+/g) || [];
    const b = after.match(/\s+|\S+/g) || [];
    const out = element("span", "text");
    if (Math.max(a.length, b.length) > 2 * WORDS) {
      out.append(element("del", "", before), " ", element("ins", "", after));
      return out;
    }
    const wide = b.length + 1;
    const best = new Uint16Array((a.length + 1) * wide);
    for (let i = a.length - 1; i >= 0; i--) {
      for (let j = b.length - 1; j >= 0; j--) {
        best[i * wide + j] = a[i] === b[j] ? best[(i + 1) * wide + j + 1] + 1 : Math.max(best[(i + 1) * wide + j], best[i * wide + j + 1]);
      }
    }
    for (let i = 0, j = 0; i < a.length || j < b.length; ) {
      if (i < a.length && j < b.length && a[i] === b[j]) { out.append(a[i++]); j++; }
      else if (j >= b.length || (i < a.length && best[(i + 1) * wide + j] >= best[i * wide + j + 1])) out.append(element("del", "", a[i++]));
      else out.append(element("ins", "", b[j++]));
    }
    return out;
  }

  function evidence(f) {
    const list = element("dl", "evidence");
    const done = new Set();
    const named = Object.keys(f.evidence).filter((k) => k.startsWith("original")).map((k) => [k, k.replace("original", "perturbed")]);
    const text = (key) => (Object.hasOwn(f.evidence, key) && typeof f.evidence[key] === "string" ? f.evidence[key] : null);
    for (const [key, twin] of [...named, ...data.twins]) {
      if (text(key) === null || text(twin) === null) continue;
      list.append(fact((key + " against " + twin).replaceAll("_", " "), changes(text(key), text(twin))));
      done.add(key).add(twin);
    }
    for (const key of ["prompt", "reply", ...Object.keys(f.evidence)]) {
      if (done.has(key) || !Object.hasOwn(f.evidence, key)) continue;
      done.add(key);
      list.append(fact(key, value(f.evidence[key])));
    }
    return list;
  }

  function detail(f) {
    const box = element("div", "detail s-" + (SHAPE[f.outcome] || "not-tested"));
    box.tabIndex = -1;
    if (f.reason) box.append(element("p", "", f.reason));
    if (f.offensive) {
      const folded = element("details", "toxic", element("summary", "", "Text that may be offensive"));
      folded.addEventListener("toggle", () => { if (folded.open && folded.children.length === 1) folded.append(evidence(f)); });
      box.append(folded);
    } else box.append(evidence(f));
    const facts = element("dl", "facts");
    const quoted = "'" + f.nodeid.replaceAll("'", "'\"'\"'") + "'";
    const run = element("code", "command", command + " " + quoted);
    const link = element("a", "", "#" + f.anchor);
    link.href = "#" + f.anchor;
    for (const [name, node] of [["Source item", f.source], ["Group", f.group], ["Score", digits(f.score)], ["Run again", run], ["Link", link]]) {
      if (node) facts.append(fact(name, node));
    }
    box.append(facts);
    return box;
  }

  const gist = (f) => {
    const e = f.evidence;
    const text = f.offensive ? "text folded: it may be offensive" : [e.perturbed, e.prompt, e.question, e.reply].find((t) => typeof t === "string");
    return f.reason || (text || "").slice(0, 160).replace(/\s+/g, " ");
  };

  function toggle(item, f, open) {
    const button = item.firstChild;
    button.setAttribute("aria-expanded", String(open));
    if (open && item.children.length === 1) item.append(detail(f));
    if (!open && item.children.length > 1) item.lastChild.remove();
  }

  function rowOf(f) {
    const button = element("button", "row", badge(f.outcome), element("span", "", f.probe), element("span", "", gist(f)), element("span", "num", f.score === null ? "" : "score " + digits(f.score)));
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    const item = element("li", "", button);
    item.id = f.anchor;
    button.addEventListener("click", () => toggle(item, f, button.getAttribute("aria-expanded") === "false"));
    return item;
  }

  function draw() {
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    byId("rows").replaceChildren(...shown.slice(page * PAGE, (page + 1) * PAGE).map(rowOf));
    byId("count").textContent = shown.length + " of " + findings.length + " findings";
    byId("page").textContent = "Page " + (page + 1) + " of " + pages;
    byId("previous").disabled = page === 0;
    byId("next").disabled = page === pages - 1;
  }

  const hay = new Map();
  function haystack(f) {
    if (!hay.has(f)) hay.set(f, JSON.stringify([f.nodeid, f.reason, f.group, f.source, f.evidence]).toLowerCase());
    return hay.get(f);
  }

  const nothingLast = (x, end) => (x === null ? end : x);
  const ORDERS = {
    worst: (a, b) => (RANK[a.outcome] ?? 9) - (RANK[b.outcome] ?? 9),
    low: (a, b) => nothingLast(a.score, Infinity) - nothingLast(b.score, Infinity) || 0,
    high: (a, b) => nothingLast(b.score, -Infinity) - nothingLast(a.score, -Infinity) || 0,
    probe: (a, b) => (a.probe < b.probe ? -1 : Number(a.probe > b.probe)),
  };

  function apply() {
    const want = (name) => form.elements[name].value;
    // A quoted search text meets the quoted evidence, so that quotes and line ends are found as well.
    const text = JSON.stringify(want("text").trim().toLowerCase()).slice(1, -1);
    shown = findings.filter((f) => ["dimension", "probe", "outcome", "group"].every((k) => !want(k) || f[k] === want(k).slice(1)) && (!text || haystack(f).includes(text)));
    shown.sort(ORDERS[want("order")] || ORDERS.worst); // stable: node ids stay in order
    page = 0;
    draw();
  }

  // Values carry a leading "=", so that an empty value always means "all".
  function fill(name, values) {
    const select = form.elements[name];
    const option = (label, v) => { const o = element("option", "", label); o.value = v; return o; };
    select.replaceChildren(option("all", ""), ...values.map((v) => option(v, "=" + v)));
    select.parentElement.hidden = values.length === 0;
  }

  function open(anchor) {
    const at = () => shown.findIndex((f) => f.anchor === anchor);
    if (!findings.some((f) => f.anchor === anchor)) return;
    if (at() < 0) { form.reset(); apply(); }
    page = Math.floor(at() / PAGE);
    draw();
    const item = byId(anchor);
    toggle(item, shown[at()], true);
    item.scrollIntoView({ block: "start" });
    item.firstChild.focus({ preventScroll: true });
  }

  function startBrowser() {
    for (const name of ["dimension", "probe", "outcome", "group"]) {
      const values = [...new Set(findings.map((f) => f[name]).filter((v) => v !== null))];
      values.sort(name === "outcome" ? (a, b) => (RANK[a] ?? 9) - (RANK[b] ?? 9) : undefined);
      fill(name, values);
    }
    let wait = 0;
    form.addEventListener("change", apply);
    form.addEventListener("input", (event) => { if (event.target.name === "text") { clearTimeout(wait); wait = setTimeout(apply, 120); } });
    form.addEventListener("reset", () => setTimeout(apply));
    form.addEventListener("submit", (event) => { event.preventDefault(); apply(); });
    const turn = (step) => { page += step; draw(); byId("findings").scrollIntoView(); };
    byId("previous").addEventListener("click", () => turn(-1));
    byId("next").addEventListener("click", () => turn(1));
    document.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-probe]");
      if (!link) return;
      for (const name of ["dimension", "probe", "outcome"]) form.elements[name].value = "=" + link.dataset[name];
      form.elements.group.value = form.elements.text.value = "";
      apply();
    });
    byId("browser").hidden = false;
    document.documentElement.classList.add("js");
    apply();
    // without script the findings lie under the same names with "-s"
    const follow = () => { if (location.hash.startsWith("#finding-")) open(location.hash.slice(1).replace(/-s$/, "")); };
    window.addEventListener("hashchange", follow);
    follow();
  }

  function startTheme() {
    const button = byId("theme");
    const themes = ["system", "light", "dark"];
    let now = 0;
    const set = () => {
      if (themes[now] === "system") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = themes[now];
      button.textContent = "Theme: " + themes[now];
    };
    button.hidden = false;
    button.addEventListener("click", () => { now = (now + 1) % themes.length; set(); });
  }

  // Marks the section that is being read in the navigation.
  function startNavigation() {
    const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.getAttribute("href").slice(1), a]));
    const targets = [...links.keys()].map(byId).filter(Boolean);
    const mark = () => {
      const line = window.innerHeight / 3;
      const current = targets.filter((t) => t.getBoundingClientRect().top <= line).pop() || targets[0];
      for (const [id, a] of links) { if (current && id === current.id) a.setAttribute("aria-current", "true"); else a.removeAttribute("aria-current"); }
    };
    let waiting = false;
    window.addEventListener("scroll", () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; mark(); });
    }, { passive: true });
    mark();
  }

  // The findings lie in the page as base64 of raw deflate of JSON. Without a browser that unpacks it the static table stays.
  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return new Response(stream).json();
  }

  // A frame first: what the reader sees does not wait for it. A hidden tab has no frames.
  const afterPaint = (work) => (document.hidden ? setTimeout(work) : requestAnimationFrame(() => setTimeout(work)));

  startTheme();
  afterPaint(startNavigation);
  if ("DecompressionStream" in window) {
    afterPaint(async () => {
      data = await unpack(byId("data").textContent);
      findings = data.rows.map((row) => Object.fromEntries(FIELDS.map((f, i) => [f, row[i]])));
      startBrowser();
    });
  }
  window.addEventListener("beforeprint", () => { for (const d of document.querySelectorAll("#static details")) d.open = true; });
})();
