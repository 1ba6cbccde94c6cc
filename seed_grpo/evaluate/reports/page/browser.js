// The browser of completions: filters, a list of which only the visible rows are elements, and the chosen group.
// The address `#group=<table>/<step>/<group id>` opens a group.
"use strict";

const ROW = 48;
const SORTS = [["step", "step"], ["entropy", "semantic entropy"], ["reward", "mean reward"], ["classes", "classes"],
  ["scale", "scale"], ["staleness", "staleness"], ["tokens", "tokens"]];
const RANGES = [["step", "step"], ["entropy", "entropy (nats)"], ["reward", "mean reward"]];

const linkOf = (index, i) =>
  `#group=${TABLES[index.columns.table[i]]}/${index.columns.step[i]}/${index.columns.group[i]}`;
const openLink = (index, i) => { location.hash = linkOf(index, i); };

/** The group that an address names, or -1. */
function linked(index) {
  const [, table, step, group] = location.hash.match(/^#group=(\w+)\/(\d+)\/(\d+)$/) ?? [];
  const c = index.columns, at = TABLES.indexOf(table);
  return at < 0 ? -1
    : c.step.findIndex((_, i) => c.table[i] === at && c.step[i] === Number(step) && c.group[i] === Number(group));
}

/** The controls by name; each change calls changed. */
function makeFilters(index, changed) {
  const select = (options) => el("select", {}, ...options.map(([value, name]) => el("option", { value }, name)));
  const any = (names) => [["", "all"], ...names.map((name, i) => [String(i), name || "(none)"])];
  const control = {
    table: select(TABLES.map((name, i) => [String(i), i ? "evaluations" : "training"])),
    search: el("input", { type: "search", placeholder: "text or id of the problem" }),
    source: select(any(index.sources)), level: select(any(index.levels)), state: select(any(index.states)),
    mixed: el("input", { type: "checkbox" }), sort: select(SORTS), down: el("input", { type: "checkbox" }),
  };
  const number = (name) =>
    el("input", { type: "number", step: "any", ariaLabel: name, placeholder: name.split(" ").at(-1) });
  for (const [name, label] of RANGES) control[name] = [number(`${label} from`), number(`${label} to`)];
  const field = (label, node, kind = "") => el("label", { className: kind }, label, node);
  byId("filters").append(
    field("table", control.table), field("search", control.search, "search"),
    ...RANGES.map(([name, label]) => field(label, el("span", { className: "range" }, ...control[name]))),
    field("source", control.source), field("level", control.level), field("state", control.state),
    field("sort by", control.sort), el("label", { className: "check" }, control.down, "descending"),
    el("label", { className: "check" }, control.mixed, "mixed only"),
    el("button", { type: "reset" }, "clear"));
  byId("filters").addEventListener("input", changed);
  byId("filters").addEventListener("reset", () => setTimeout(changed));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  return control;
}

/** Places in the index of the groups that pass the filters, sorted; what has no value comes last. */
function choose(index, control) {
  const c = index.columns, wanted = control.search.value.trim().toLowerCase();
  const found = index.problems.map(([id, text]) => !wanted || `${id}\n${text}`.toLowerCase().includes(wanted));
  const equal = ["table", "source", "level", "state"].filter((name) => control[name].value !== "")
    .map((name) => [c[name], Number(control[name].value)]);
  const between = RANGES.flatMap(([name]) => {
    const [low, high] = control[name].map((input) => input.value);
    return low === "" && high === "" ? []
      : [[c[name], low === "" ? -Infinity : Number(low), high === "" ? Infinity : Number(high)]];
  });
  const shown = [];
  for (let i = 0; i < c.step.length; i++)
    if (found[c.problem[i]] && (!control.mixed.checked || c.mixed[i])
      && equal.every(([column, value]) => column[i] === value)
      && between.every(([column, low, high]) => column[i] !== null && column[i] >= low
        && column[i] <= high)) shown.push(i);
  const key = c[control.sort.value], sign = control.down.checked ? -1 : 1;
  return shown.sort((a, b) => (key[a] === null) - (key[b] === null) || sign * (key[a] - key[b]) || a - b);
}

/** A row of the list. */
function drawRow(index, i, place, chosen) {
  const c = index.columns, strip = el("span", { className: "strip", title: "verdicts" });
  for (const letter of c.verdicts[i].slice(0, 16)) strip.append(el("i", { className: letter }));
  const node = el("div", { className: "row", id: `row-${place}`, role: "option", ariaSelected: String(chosen) },
    el("div", { className: "top" },
      el("span", { className: "problem mono" }, index.problems[c.problem[i]][1].slice(0, 200)), strip),
    el("div", { className: "low" }, [`step ${c.step[i]}`,
      ...(index.states[c.state[i]] === "trained" ? [] : [index.states[c.state[i]]]),
      `reward ${show(c.reward[i])}`, `SE ${show(c.entropy[i])}`,
      `${c.classes[i]} ${c.classes[i] === 1 ? "class" : "classes"}`,
        ...(c.scale[i] === null ? [] : [`scale ${show(c.scale[i])}`])].join(" · ")));
  node.style.top = `${place * ROW}px`;
  return node;
}

function startBrowser(index) {
  const list = byId("list"), rows = byId("rows");
  let shown = [], chosen = -1;
  const drawRows = () => {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 4),
      last = Math.min(shown.length, first + Math.ceil(list.clientHeight / ROW) + 8);
    const nodes = [];
    for (let place = first; place < last; place++) {
      nodes.push(drawRow(index, shown[place], place, shown[place] === chosen));
      nodes.at(-1).addEventListener("click", () => open(shown[place]));
    }
    rows.replaceChildren(...nodes);
    const place = shown.indexOf(chosen);
    list.setAttribute("aria-activedescendant", place >= first && place < last ? `row-${place}` : "");
  };
  const filter = () => {
    shown = choose(index, control);
    rows.style.height = `${shown.length * ROW}px`;
    const all = index.columns.table.filter((table) => table === Number(control.table.value)).length;
    byId("count").textContent = `${shown.length} of ${all} groups`;
    drawRows();
  };
  const reveal = () => {
    const top = shown.indexOf(chosen) * ROW;
    if (top < 0) return;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
  };
  const step = (by) => {
    const place = shown.indexOf(chosen), next = Math.min(shown.length - 1, Math.max(0, place + by));
    return shown.length && next !== place ? () => open(shown[next]) : null;
  };
  const open = async (i) => {
    chosen = i;
    reveal();
    drawRows();
    history.replaceState(null, "", linkOf(index, i));
    const payloads = await chunk(index.columns.chunk[i]);
    if (chosen === i) drawGroup(index, i, payloads[index.columns.place[i]], { previous: step(-1), next: step(1) });
  };
  const followLink = () => {
    const i = linked(index);
    if (i < 0) return;
    if (!shown.includes(i)) {
      byId("filters").reset();
      control.table.value = String(index.columns.table[i]);
      filter();
    }
    open(i);
    byId("browser").scrollIntoView();
  };
  const control = makeFilters(index, filter);
  list.addEventListener("scroll", drawRows);
  new ResizeObserver(drawRows).observe(list);
  list.addEventListener("keydown", (event) => {
    const page = Math.floor(list.clientHeight / ROW);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page,
      PageUp: -page, Home: -shown.length, End: shown.length }[event.key];
    if (by) { event.preventDefault(); step(by)?.(); }
  });
  addEventListener("hashchange", followLink);
  filter();
  if (linked(index) >= 0) followLink();
  else if (shown.length) byId("group").replaceChildren(el("p", { className: "muted" }, "Choose a group in the list."));
  else byId("group").replaceChildren(el("p", { className: "muted" }, "No completions were recorded."));
}

drawHead();
unpack("index").then((index) => {
  drawCharts(index);
  startBrowser(index);
  document.body.dataset.ready = "yes";
});
