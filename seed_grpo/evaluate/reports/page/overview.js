// The head of the page and its charts: of the run's records at once, of its groups when their index is unpacked.
"use strict";

const FIRST_METRICS = ["grad_norm", "rollout_kl", "completion_tokens_mean", "token_entropy", "logprob_gap_mean"];
const MOST_BARS = 160;

function drawHead() {
  document.title = `${RUN.name} – SEED-GRPO run`;
  byId("name").textContent = RUN.name;
  byId("config").textContent = RUN.config;
  for (const [label, value] of RUN.facts)
    byId("facts").append(el("div", { className: value.length > 60 ? "wide" : "" },
      el("dt", {}, label), el("dd", {}, value)));
}

/** A chart of lines, with its legend. `series` may be a function, which is asked at each drawing. */
function lines(title, series, { yLabel, yFrom }) {
  const { plot, below } = card(title);
  const shown = series.filter((s) => s.y?.some((v) => v !== null && v !== undefined));
  if (!shown.length) { below.append(el("p", { className: "muted" }, "Nothing was recorded.")); return; }
  drawn(plot, (width, height) => lineChart(plot, width, height, { series: shown, yLabel, yFrom, label: title }));
  legend(below, shown.map((s) => [s.name, s.colour]));
}

/** A metric of the steps with one of the evaluations. */
function learning(title, metric, measured, yLabel, yFrom) {
  const band = RUN.bands[metric], held = RUN.evaluations;
  lines(title, [
    { name: "training problems, 95% over a step's groups", colour: "var(--blue)", x: RUN.metrics.step ?? [],
      y: RUN.metrics[metric], band: { x: band.step, low: band.low, high: band.high } },
    { name: "held-out problems, 95%", colour: "var(--orange)", marks: true, x: held.step ?? [], y: held[measured],
      band: { x: held.step ?? [], low: held[`${measured}_low`], high: held[`${measured}_high`] } },
  ], { yLabel, yFrom });
}

/** A chart of one metric of metrics.jsonl, to be chosen. */
function chosenMetric(first) {
  const names = Object.keys(RUN.metrics).filter((name) => name !== "step");
  if (!names.length) return;
  const choice = el("select", { ariaLabel: "metric" },
    ...names.map((name) => el("option", { value: name }, words(name))));
  choice.value = names.includes(first) ? first : names[0];
  const { plot } = card(choice);
  const again = drawn(plot, (width, height) => {
    const name = choice.value,
      series = [{ name: words(name), colour: "var(--blue)", x: RUN.metrics.step, y: RUN.metrics[name] }];
    lineChart(plot, width, height, { series, yLabel: unit(name), label: words(name) });
  });
  choice.addEventListener("change", again);
}

/** Seconds of a step by stage: bars of the stages, or of the parts of one. Many steps are averaged in groups. */
function drawTime() {
  const times = RUN.timings, rows = (times.total ?? []).map((v, i) => i).filter((i) => times.total[i] !== null);
  const { plot, below, head } = card("Time of a step");
  if (!rows.length) { below.append(el("p", { className: "muted" }, "Nothing was recorded.")); return; }
  const names = Object.keys(times).filter((name) => !["step", "total", "evaluation"].includes(name));
  const stages = names.filter((name) => !name.includes("/"));
  const parts = (stage) => names.filter((name) => name.startsWith(`${stage}/`));
  const choice = el("select", { ariaLabel: "stage" }, el("option", { value: "" }, "all stages"),
    ...stages.filter((stage) => parts(stage).length)
      .map((stage) => el("option", { value: stage }, `parts of ${words(stage)}`)));
  head.append(choice);
  const size = Math.ceil(rows.length / MOST_BARS);
  const bins = Array.from({ length: Math.ceil(rows.length / size) }, (_, i) => rows.slice(i * size, (i + 1) * size));
  const mean = (bin, value) => bin.reduce((sum, i) => sum + (value(i) ?? 0), 0) / bin.length;
  const bars = bins.map((bin) => {
    const [from, to] = [times.step[bin[0]], times.step[bin.at(-1)]];
    return { from: from - 0.5, to: to + 0.5, label: from === to ? `step ${from}` : `steps ${from} to ${to}, mean` };
  });
  const again = drawn(plot, (width, height) => {
    const shown = choice.value ? parts(choice.value) : stages;
    const layers = shown.map((name, k) => ({ name: words(name.split("/").at(-1)), colour: COLOURS[k % COLOURS.length],
      values: bins.map((bin) => mean(bin, (i) => times[name][i])) }));
    if (!choice.value) layers.push({ name: "other", colour: "var(--grey)", values: bins.map((bin) =>
      Math.max(0, mean(bin, (i) => times.total[i] - stages.reduce((sum, name) => sum + (times[name][i] ?? 0), 0)))) });
    barChart(plot, width, height, { bars, layers, xLabel: "optimiser step",
      yLabel: "seconds", wholeX: true, label: "Seconds of a step by stage" });
    below.replaceChildren();
    legend(below, layers.map((layer) => [layer.name, layer.colour]));
  });
  choice.addEventListener("change", again);
}

function drawGauges() {
  const names = Object.keys(RUN.gauges).filter((name) => name !== "step" && RUN.gauges[name].some((v) => v));
  lines("Workers and waiting groups", names.map((name, k) => ({ name: words(name), colour: COLOURS[k % COLOURS.length],
    x: RUN.gauges.step, y: RUN.gauges[name] })), { yLabel: "number", yFrom: [0] });
}

function distribution(title, values, { xLabel, colour }) {
  const { plot, below } = card(title);
  const there = values.filter((v) => v !== null);
  if (!there.length) { below.append(el("p", { className: "muted" }, "Nothing was recorded.")); return; }
  const { bars, counts, whole } = histogram(there);
  drawn(plot, (width, height) =>
    barChart(plot, width, height, { bars, layers: [{ name: "groups", colour, values: counts }],
    xLabel, wholeX: whole, yLabel: "prompt groups", label: title }));
  const mean = there.reduce((a, b) => a + b, 0) / there.length;
  below.append(el("div", { className: "legend" }, `${there.length} groups, mean ${show(mean)}`));
}

/** Early steps blue, late ones orange. */
function stepColour(share) {
  const stops = [[58, 94, 190], [60, 160, 150], [232, 140, 40]], at = Math.min(1.999, share * 2), k = Math.floor(at);
  return `rgb(${stops[k].map((c, i) => Math.round(c + (stops[k + 1][i] - c) * (at - k))).join(" ")})`;
}

/** Semantic entropy against mean reward of the training groups of the sliders' steps; a click opens the group. */
function drawEntropyAgainstReward(index) {
  const c = index.columns;
  const groups = c.step.map((_, i) => i)
    .filter((i) => c.table[i] === 0 && c.entropy[i] !== null && c.reward[i] !== null);
  const title = "Entropy against accuracy, by group";
  const { plot, below } = card(title);
  if (!groups.length) { below.append(el("p", { className: "muted" }, "Nothing was recorded.")); return; }
  const [first, last] = [c.step[groups[0]], c.step[groups.at(-1)]];
  const slider = (name, value) =>
    el("input", { type: "range", min: first, max: last, value, ariaLabel: `${name} step` });
  const from = slider("first", first), to = slider("last", last), says = el("span");
  const again = drawn(plot, (width, height) => {
    const [low, high] = [Number(from.value), Number(to.value)].sort((a, b) => a - b);
    const shown = groups.filter((i) => c.step[i] >= low && c.step[i] <= high);
    says.textContent = `steps ${low} to ${high}, ${shown.length} groups`;
    const ratio = window.devicePixelRatio || 1, canvas = el("canvas", { width: width * ratio, height: height * ratio });
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const x = padded([0, Math.max(...extent(groups.map((i) => c.entropy[i])))]), y = [-0.06, 1.06];
    plot.append(canvas);
    const { root, px, py } = axes(plot, width, height, { x, y,
      xLabel: "semantic entropy of the group (nats)", yLabel: "mean reward", label: title });
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.globalAlpha = shown.length > 3000 ? 0.35 : 0.7;
    // rewards of a group are few distinct values: points are spread by their group's number
    const places = shown.map((i) => ({ x: px(c.entropy[i]), y: py(c.reward[i]) + ((c.group[i] * 7919) % 13) - 6 }));
    places.forEach((place, k) => {
      pen.fillStyle = stepColour(last > first ? (c.step[shown[k]] - first) / (last - first) : 0);
      pen.beginPath();
      pen.arc(place.x, place.y, 2.6, 0, 7);
      pen.fill();
    });
    readable(plot, root, places, (k) => {
      const i = shown[k];
      return [`step ${c.step[i]}, group ${c.group[i]}`, `entropy  ${show(c.entropy[i])} nats`,
        `reward  ${show(c.reward[i])}`, "(a click opens it)"].join("\n");
    }, { open: (k) => openLink(index, shown[k]), distance: (place, x, y2) => Math.hypot(place.x - x, place.y - y2) });
  });
  for (const input of [from, to]) input.addEventListener("input", again);
  const key = el("i");
  key.style.cssText = `width:44px;background:linear-gradient(90deg,${[0, 0.25, 0.5, 0.75, 1].map(stepColour)})`;
  below.append(el("div", { className: "steps" }, from, to),
    el("div", { className: "legend" }, says, el("span", {}, key, "early to late")));
}

function drawCharts(index) {
  const c = index.columns, training = (name) => c[name].filter((_, i) => c.table[i] === 0);
  drawEntropyAgainstReward(index);
  learning("Reward and held-out accuracy", "reward", "accuracy", "mean reward", [0]);
  learning("Semantic entropy of the answers", "semantic_entropy", "semantic_entropy", "nats", [0]);
  for (const name of FIRST_METRICS) chosenMetric(name);
  distribution("Scale of the advantages", training("scale"), { xLabel: "scale (factor)", colour: "var(--blue)" });
  distribution("Staleness", training("staleness"),
    { xLabel: "weight versions behind the policy of the step", colour: "var(--teal)" });
  drawTime();
  drawGauges();
}
