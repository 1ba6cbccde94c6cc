// Charts in SVG (a scatter plot's points on a canvas): lines with intervals, stacked bars, histograms, scatter plots.
// Each redraws when its width changes, and is read by pointer and by arrow keys.
"use strict";

const EDGE = { left: 60, right: 12, top: 8, bottom: 34 };

/** Round values between two ends, about n of them. */
function ticks(low, high, n) {
  const rough = (high - low) / n, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
  const out = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++)
    out.push(Number((k * step).toPrecision(12)));
  return out;
}

/** The smallest and largest finite number of lists, widened where they are one; [0, 1] where there is none. */
function extent(...lists) {
  let low = Infinity, high = -Infinity;
  for (const list of lists) for (const v of list)
    if (v !== null && Number.isFinite(v)) { low = Math.min(low, v); high = Math.max(high, v); }
  if (low > high) return [0, 1];
  return low === high ? [low - (Math.abs(low) * 0.1 || 0.5), high + (Math.abs(high) * 0.1 || 0.5)] : [low, high];
}

const padded = ([low, high]) => [low - (high - low) * 0.06, high + (high - low) * 0.06];

/** A card with a title (text or a control), a plot and a place below it. */
function card(title) {
  const plot = el("div", { className: "plot" }), below = el("div");
  const head = el("div", { className: "head" }, title);
  const node = el("div", { className: "card" }, head, plot, below);
  byId("charts").append(node);
  return { node, head, plot, below };
}

/** Calls draw with the width of the plot, now and whenever it changes. Returns a function that draws again. */
function drawn(plot, draw) {
  const again = () => { if (plot.clientWidth) { plot.replaceChildren(); draw(plot.clientWidth, plot.clientHeight); } };
  new ResizeObserver(again).observe(plot);
  return again;
}

/** Axes with ticks and labels. Returns the drawing, and pixels of x and y. */
function axes(plot, width, height, { x, y, xLabel, yLabel, wholeX, label }) {
  const root = svg("svg", { width, height, tabindex: 0, role: "img", "aria-label": label });
  const px = (v) => EDGE.left + ((v - x[0]) / (x[1] - x[0])) * (width - EDGE.left - EDGE.right);
  const py = (v) => height - EDGE.bottom - ((v - y[0]) / (y[1] - y[0])) * (height - EDGE.top - EDGE.bottom);
  for (const v of ticks(...y, 4)) {
    root.append(svg("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: py(v), y2: py(v) }));
    root.append(svg("text", { x: EDGE.left - 5, y: py(v) + 4, "text-anchor": "end" }, show(v)));
  }
  const marks = ticks(...x, Math.max(2, Math.floor(width / 90))).filter((v) => !wholeX || Number.isInteger(v));
  for (const v of marks)
    root.append(svg("text", { x: px(v), y: height - EDGE.bottom + 15, "text-anchor": "middle" }, show(v)));
  root.append(svg("text", { x: (EDGE.left + width - EDGE.right) / 2, y: height - 4, "text-anchor": "middle" }, xLabel));
  const middle = (EDGE.top + height - EDGE.bottom) / 2;
  root.append(svg("text", { transform: `translate(11 ${middle}) rotate(-90)`, "text-anchor": "middle" }, yLabel));
  plot.append(root);
  return { root, px, py };
}

/** Shows what describe(i) says of the place nearest to the pointer or chosen by arrow keys; Enter or a click opens. */
function readable(plot, root, places, describe, { open, distance } = {}) {
  if (!places.length) return;
  const guide = svg("line",
    { class: "guide", y1: EDGE.top, y2: plot.clientHeight - EDGE.bottom, visibility: "hidden" });
  const tip = el("div", { className: "tip", hidden: true });
  root.append(guide);
  plot.append(tip);
  let now = -1;
  const at = (i) => {
    now = i;
    guide.setAttribute("visibility", i < 0 ? "hidden" : "visible");
    tip.hidden = i < 0;
    if (i < 0) return;
    guide.setAttribute("x1", places[i].x);
    guide.setAttribute("x2", places[i].x);
    tip.textContent = describe(i);
    const right = places[i].x < plot.clientWidth / 2;
    tip.style.left = right ? `${places[i].x + 10}px` : `${Math.max(0, places[i].x - tip.offsetWidth - 10)}px`;
  };
  const from = distance ?? ((place, x) => Math.abs(place.x - x));
  root.addEventListener("pointermove", (event) => {
    const box = root.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    let best = 0, least = Infinity;
    places.forEach((place, i) => { const d = from(place, x, y); if (d < least) { least = d; best = i; } });
    at(best);
  });
  root.addEventListener("pointerleave", () => at(-1));
  root.addEventListener("blur", () => at(-1));
  root.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -places.length, End: places.length }[event.key];
    if (step) { event.preventDefault(); at(Math.min(places.length - 1, Math.max(0, now + step))); }
    if (event.key === "Enter" && open && now >= 0) open(now);
  });
  if (open) root.addEventListener("click", () => { if (now >= 0) open(now); });
}

function legend(below, entries) {
  below.append(el("div", { className: "legend" }, ...entries.map(([name, colour]) => {
    const mark = el("i");
    mark.style.background = colour;
    return el("span", {}, mark, name);
  })));
}

/** Centred moving average over an odd window; what is null or beyond the ends is left out. */
function smooth(values, window) {
  const half = (window - 1) / 2;
  return values.map((_, i) => {
    const near = values.slice(Math.max(0, i - half), i + half + 1).filter((v) => v !== null);
    return near.length ? near.reduce((a, b) => a + b, 0) / near.length : null;
  });
}

/** A path through points; a gap where y is null. */
function path(xs, ys, px, py) {
  let out = "", down = false;
  xs.forEach((x, i) => {
    if (ys[i] === null || ys[i] === undefined) { down = false; return; }
    out += `${down ? "L" : "M"}${px(x).toFixed(1)} ${py(ys[i]).toFixed(1)}`;
    down = true;
  });
  return out;
}

/** Curves by step. A series: {name, colour, x, y, band: {x, low, high}, marks: true for points with intervals}. */
function lineChart(plot, width, height, { series, yLabel, yFrom, label }) {
  const all = series.flatMap((s) => [s.y, ...(s.band ? [s.band.low, s.band.high] : [])]);
  let y = padded(extent(...all, yFrom ?? []));
  if (yFrom) y = [Math.min(yFrom[0], extent(...all)[0]), y[1]];
  const x = extent(...series.map((s) => s.x));
  const { root, px, py } = axes(plot, width, height, { x, y, xLabel: "optimiser step", yLabel, wholeX: true, label });
  for (const s of series) s.marks ? drawMarks(root, s, px, py) : drawCurve(root, s, px, py);
  const steps = [...new Set(series.flatMap((s) => s.x))].sort((a, b) => a - b);
  readable(plot, root, steps.map((step) => ({ x: px(step) })), (i) => [`step ${steps[i]}`, ...series.flatMap((s) => {
    const at = s.x.indexOf(steps[i]);
    if (at < 0 || s.y[at] === null) return [];
    const band = s.band ? s.band.x.indexOf(steps[i]) : -1;
    const interval = band < 0 || s.band.low[band] === null ? ""
      : ` [${show(s.band.low[band])}, ${show(s.band.high[band])}]`;
    return [`${s.name}  ${show(s.y[at])}${interval}`];
  })].join("\n"));
}

function drawCurve(root, s, px, py) {
  if (s.band) {
    const there = s.band.x.map((_, i) => i).filter((i) => s.band.low[i] !== null);
    const edge = (name, i) => `${px(s.band.x[i]).toFixed(1)},${py(s.band[name][i]).toFixed(1)}`;
    const points = [...there.map((i) => edge("high", i)), ...there.reverse().map((i) => edge("low", i))].join(" ");
    root.append(svg("polygon", { points, style: `fill:${s.colour}`, opacity: 0.16 }));
  }
  const style = `stroke:${s.colour};fill:none;stroke-linejoin:round`;
  const window = Math.floor(Math.max(1, s.x.length / 15) / 2) * 2 + 1;
  if (window > 1) {
    root.append(svg("path", { d: path(s.x, s.y, px, py), style, opacity: 0.35 }));
    root.append(svg("path", { d: path(s.x, smooth(s.y, window), px, py), style, "stroke-width": 2 }));
  } else root.append(svg("path", { d: path(s.x, s.y, px, py), style, "stroke-width": 2 }));
  if (s.x.length === 1 && s.y[0] !== null)
    root.append(svg("circle", { cx: px(s.x[0]), cy: py(s.y[0]), r: 3, style: `fill:${s.colour}` }));
}

function drawMarks(root, s, px, py) {
  s.x.forEach((x, i) => {
    if (s.y[i] === null) return;
    const style = `stroke:${s.colour};stroke-width:1.5`, cx = px(x);
    if (s.band.low[i] !== null)
      for (const [x1, x2, a, b] of [[0, 0, "low", "high"], [-3, 3, "low", "low"], [-3, 3, "high", "high"]])
      root.append(svg("line", { x1: cx + x1, x2: cx + x2, y1: py(s.band[a][i]), y2: py(s.band[b][i]), style }));
    root.append(svg("circle", { cx, cy: py(s.y[i]), r: 4, style: `fill:${s.colour}` }));
  });
}

/** Bars of stacked layers. bars: [{label, from, to}], layers: [{name, colour, values}]. */
function barChart(plot, width, height, { bars, layers, xLabel, yLabel, wholeX, label }) {
  const totals = bars.map((_, i) => layers.reduce((sum, layer) => sum + layer.values[i], 0));
  const x = [bars[0].from, bars.at(-1).to], y = [0, Math.max(...totals) * 1.06 || 1];
  const { root, px, py } = axes(plot, width, height, { x, y, xLabel, yLabel, wholeX, label });
  const places = bars.map((bar, i) => {
    let bottom = 0;
    const left = px(bar.from), gap = px(bar.to) - left > 4 ? 1 : 0;
    for (const layer of layers) {
      const top = py(bottom + layer.values[i]), high = py(bottom) - top;
      if (high > 0) root.append(svg("rect", {
         x: left + gap / 2, y: top, width: Math.max(0.5, px(bar.to) - left - gap),
        height: high, style: `fill:${layer.colour}` }));
      bottom += layer.values[i];
    }
    return { x: (px(bar.from) + px(bar.to)) / 2 };
  });
  readable(plot, root, places, (i) => [bars[i].label,
    ...layers.map((layer) => `${layer.name}  ${show(layer.values[i])}`),
    ...(layers.length > 1 ? [`total  ${show(totals[i])}`] : [])].join("\n"));
}

/** Intervals of equal width with the number of values in each; whole numbers get one interval each, if they are few. */
function histogram(values) {
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const whole = values.every(Number.isInteger) && high - low < 40;
  const [first, last] = whole ? [low - 0.5, Math.max(high, low + 5) + 0.5] : extent([low, high]);
  const n = whole ? last - first : low === high ? 1 : 30, size = (last - first) / n;
  const counts = Array(n).fill(0);
  for (const v of values) counts[Math.min(n - 1, Math.floor((v - first) / size))]++;
  const bars = counts.map((_, i) => ({ from: first + i * size, to: first + (i + 1) * size }));
  for (const bar of bars) bar.label = whole ? show(bar.from + 0.5) : `${show(bar.from)} to ${show(bar.to)}`;
  return { bars, counts, whole };
}
