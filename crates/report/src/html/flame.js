"use strict";
// The flame view: stacks merged root first, drawn as bars from embedded data. Zooming redraws; nothing is animated.
(() => {
  const ROW = 22; // pixels from one row to the next
  const THINNEST = 2; // bars narrower than this, in pixels, appear only when zoomed into
  const TALLEST = 640, SHORTEST = 6 * ROW; // pixels of the box; what is deeper scrolls inside of it
  const SLIVER = 0.04; // rows that are filled less than this, 0 to 1, do not make the box taller
  const LABELLED = 34; // bars narrower than this, in pixels, carry no text
  const byId = (id) => document.getElementById(id);
  const source = byId("flame-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const view = byId("flame"), detail = byId("flame-detail"), path = byId("flame-path");
  const search = byId("flame-search"), mode = byId("flame-mode"), reset = byId("flame-reset");
  const format = new Intl.NumberFormat("en");

  // Depth-first arrays become nodes; `start` counts the goroutines left of a bar.
  const nodes = [];
  const open = [];
  data.depth.forEach((depth, index) => {
    open.length = depth;
    const parent = open[depth - 1] ?? null;
    const node = {
      index, depth, parent, children: [], name: data.names[data.name[index]], count: data.count[index],
      classes: data.classes.map((column) => column[index]), start: parent ? parent.start + parent.used : 0, used: 0, hit: false,
    };
    if (parent) {
      parent.used += node.count;
      parent.children.push(node);
    }
    open.push(node);
    nodes.push(node);
  });
  const root = nodes[0];
  let top = root;
  let drawn = new Map(); // element of each drawn node
  let focused = root;

  const goroutines = (count) => `${format.format(count)} goroutine${count === 1 ? "" : "s"}`;
  const share = (count, of) => `${((100 * count) / (of || 1)).toFixed(1)} %`;
  const short = (name) => {
    const bracket = name.indexOf("[");
    const slash = name.lastIndexOf("/", bracket < 0 ? name.length : bracket);
    return name.slice(slash + 1);
  };
  const describe = (node) => {
    let text = `${goroutines(node.count)}, ${share(node.count, root.count)} of all`;
    if (top !== root && node !== top) text += `, ${share(node.count, top.count)} of what is shown`;
    if (node.children.length && node.count > node.used) text += `; ${format.format(node.count - node.used)} in no further bar`;
    const words = data.modes.map(({ words }, index) => words[node.classes[index]]);
    return `${text}; mostly ${words.join(", ")}`;
  };
  const show = (node) => {
    const name = document.createElement("code");
    name.textContent = node.name;
    const facts = document.createElement("div");
    facts.className = "muted";
    facts.textContent = describe(node);
    detail.replaceChildren(name, facts);
  };

  function draw() {
    const width = view.clientWidth || 1;
    const scale = top.count || 1;
    const chosen = Number(mode.value) || 0;
    const label = data.modes[chosen].label;
    const fragment = document.createDocumentFragment();
    drawn = new Map();
    const filled = []; // pixels drawn in each row
    const rest = [top];
    while (rest.length) {
      const node = rest.pop();
      const pixels = (node.count / scale) * width;
      if (pixels < THINNEST && node !== top) continue;
      const level = node.depth - top.depth;
      filled[level] = (filled[level] ?? 0) + pixels;
      const bar = document.createElement("div");
      bar.className = `${label}-${node.classes[chosen]}${node.hit ? " hit" : ""}${pixels < LABELLED ? " thin" : ""}`;
      bar.style.left = `${(100 * (node.start - top.start)) / scale}%`;
      bar.style.width = `${(100 * node.count) / scale}%`;
      bar.style.top = `${level * ROW}px`;
      if (pixels >= LABELLED) bar.textContent = short(node.name);
      bar.setAttribute("role", "treeitem");
      bar.setAttribute("aria-level", String(node.depth + 1));
      bar.setAttribute("aria-label", `${node.name}, ${goroutines(node.count)}, ${share(node.count, root.count)}`);
      bar.tabIndex = -1;
      bar.dataset.node = String(node.index);
      drawn.set(node, bar);
      fragment.append(bar);
      rest.push(...node.children);
    }
    const full = filled.findLastIndex((pixels) => pixels >= SLIVER * width) + 1;
    view.style.height = `${Math.min(filled.length * ROW, Math.max(full * ROW, SHORTEST), TALLEST)}px`;
    view.replaceChildren(fragment);
    if (!drawn.has(focused)) focused = top;
    drawn.get(focused).tabIndex = 0;
  }

  function drawPath() {
    const ancestors = [];
    for (let node = top; node; node = node.parent) ancestors.unshift(node);
    const parts = [];
    ancestors.forEach((node, index) => {
      // The first and the last three say where one is.
      if (index > 0 && index < ancestors.length - 3) {
        if (index === 1) parts.push(Object.assign(document.createElement("span"), { textContent: "… ›" }));
        return;
      }
      if (node === top) {
        parts.push(Object.assign(document.createElement("span"), { textContent: short(node.name) }));
        return;
      }
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: short(node.name) });
      button.addEventListener("click", () => zoom(node));
      parts.push(button, Object.assign(document.createElement("span"), { textContent: "›" }));
    });
    path.replaceChildren(...parts);
    path.hidden = top === root;
    reset.disabled = top === root;
  }

  function zoom(node, keepFocus = false) {
    top = node;
    focused = node;
    view.scrollTop = 0;
    draw();
    drawPath();
    show(node);
    if (keepFocus) drawn.get(node).focus();
  }

  function walk(node) {
    const bar = node && drawn.get(node);
    if (!bar) return;
    drawn.get(focused).tabIndex = -1;
    focused = node;
    bar.tabIndex = 0;
    bar.focus();
    show(node);
  }

  const neighbour = (node, step) => {
    const level = [...drawn.keys()].filter((other) => other.depth === node.depth).sort((a, b) => a.start - b.start);
    return level[level.indexOf(node) + step];
  };
  const keys = {
    ArrowDown: () => walk(focused.children.find((child) => drawn.has(child))),
    ArrowUp: () => (focused === top ? top.parent && zoom(top.parent, true) : walk(focused.parent)),
    ArrowLeft: () => walk(neighbour(focused, -1)),
    ArrowRight: () => walk(neighbour(focused, 1)),
    Home: () => walk(top),
    Enter: () => zoom(focused, true),
    " ": () => zoom(focused, true),
    Escape: () => top.parent && zoom(top.parent, true),
  };
  const nodeAt = (event) => nodes[event.target.closest("[data-node]")?.dataset.node];

  function highlight() {
    const wanted = search.value.trim().toLowerCase();
    let bars = 0, count = 0, outermost = -1;
    for (const node of nodes) {
      node.hit = wanted !== "" && node !== root && node.name.toLowerCase().includes(wanted);
      drawn.get(node)?.classList.toggle("hit", node.hit);
      if (outermost >= 0 && node.depth <= outermost) outermost = -1;
      if (!node.hit) continue;
      bars += 1;
      // A hit below a hit is the same goroutines once more.
      if (outermost < 0) {
        count += node.count;
        outermost = node.depth;
      }
    }
    view.classList.toggle("searching", wanted !== "");
    if (wanted) detail.textContent = `${format.format(bars)} bar${bars === 1 ? "" : "s"} match: ${goroutines(count)}, ${share(count, root.count)} of all`;
    else show(focused);
  }

  function drawLegend() {
    const { label, words } = data.modes[Number(mode.value) || 0];
    const used = new Set(data.classes[Number(mode.value) || 0]);
    const parts = words.map((word, index) => {
      const part = document.createElement("span");
      part.append(Object.assign(document.createElement("i"), { className: `swatch ${label}-${index}` }), word);
      return used.has(index) ? part : null;
    });
    byId("flame-legend").replaceChildren(...parts.filter(Boolean));
  }

  mode.append(...data.modes.map(({ label }, index) => Object.assign(document.createElement("option"), { value: String(index), textContent: label })));
  mode.addEventListener("change", () => { draw(); drawLegend(); });
  search.addEventListener("input", highlight);
  reset.addEventListener("click", () => zoom(root));
  view.addEventListener("click", (event) => { const node = nodeAt(event); if (node) zoom(node, true); });
  view.addEventListener("pointerover", (event) => { const node = nodeAt(event); if (node) show(node); });
  view.addEventListener("focusin", (event) => { const node = nodeAt(event); if (node) show(node); });
  view.addEventListener("keydown", (event) => {
    const act = event.ctrlKey || event.metaKey || event.altKey ? null : keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  for (const id of ["flame-tools", "flame-legend", "flame-detail", "flame", "flame-keys"]) byId(id).hidden = false;
  let width = 0;
  new ResizeObserver(() => {
    if (view.clientWidth === width) return;
    width = view.clientWidth;
    const kept = document.activeElement?.parentElement === view;
    draw();
    if (kept) drawn.get(focused).focus();
  }).observe(view);
  draw();
  width = view.clientWidth;
  drawLegend();
  show(root);
})();
