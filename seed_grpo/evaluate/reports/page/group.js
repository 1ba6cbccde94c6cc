// One group: its prompt, and its answers by meaning class, with the probabilities of their tokens.
"use strict";

const LETTER = Object.fromEntries(
  Object.entries(VERDICTS).map(([letter, name]) => [name.replaceAll(" ", "_"), letter]));
const className = (k) => (k < 0 ? "outside the partition" : `class ${k < 26 ? String.fromCharCode(65 + k) : k + 1}`);
// none of them green or red, which are verdicts
const CLASS_COLOURS = ["blue", "purple", "teal", "gold", "pink"].map((name) => `var(--${name})`);
const classColour = (k) => (k < 0 ? "var(--grey)" : CLASS_COLOURS[k % CLASS_COLOURS.length]);

/** Draws group i of the index into the page; `payload` is what its chunk holds of it. */
function drawGroup(index, i, payload, { previous, next }) {
  const c = index.columns, [id, problem] = index.problems[c.problem[i]];
  const link = el("a", { href: linkOf(index, i), title: "address of this group" }, "link");
  const bar = el("div", { className: "bar" },
    el("h3", { className: "data" }, id), link,
    el("button", { type: "button", onclick: previous, disabled: !previous }, "↑ previous"),
    el("button", { type: "button", onclick: next, disabled: !next }, "↓ next"));
  const versions = payload.versions.filter(([low]) => low >= 0);
  const facts = [
    ["references", payload.references.join("   ") || "–"],
      ["step", show(c.step[i])], ["group", show(c.group[i])],
      ["state", index.states[c.state[i]]],
    ["mean reward", show(c.reward[i])],
      ["semantic entropy", `${show(c.entropy[i])} nats`], ["classes", show(c.classes[i])],
    ["scale", show(c.scale[i])], ["staleness", c.staleness[i] === null ? "–" : `${c.staleness[i]} versions`],
    ["weight version", versions.length ? range(versions.flat()) : "–"], ["temperature", show(payload.temperature)],
    ["worker", payload.worker], ["source", index.sources[c.source[i]]], ["level", index.levels[c.level[i]] || "–"],
    ["subject", payload.subject || "–"],
  ];
  byId("group").replaceChildren(bar,
    el("div", { className: "prompt data mono" }, problem),
    el("dl", { className: "facts" },
      ...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
    ...drawClasses(index, payload));
}

const range = (values) => [...new Set([Math.min(...values), Math.max(...values)])].join(" to ");

/** The partition as a bar, a key to the shading, and the completions class by class, the largest class first. */
function drawClasses(index, payload) {
  const members = new Map();
  payload.classes.forEach((k, g) => members.set(k, [...(members.get(k) ?? []), g]));
  const order = [...members.keys()].sort((a, b) => (a < 0) - (b < 0) ||
    members.get(b).length - members.get(a).length || a - b);
  const masses = el("div", {
     className: "masses", role: "img",
    ariaLabel: order.map((k) => `${className(k)}: ${members.get(k).length}`).join(", ") });
  for (const k of order) {
    const part = el("i", { title: `${className(k)}: ${members.get(k).length} completions` });
    part.style.cssText = `flex:${members.get(k).length};background:${classColour(k)}`;
    masses.append(part);
  }
  const readout = el("b", { className: "readout", role: "status" });
  const key = payload.ids
    ? el("p", { className: "muted key" }, "probability of a token: 0 ",
      el("span", { className: "scale-key" }), " 1  ", readout,
      el("span", { className: "help" }, "Point at a token, or focus a text and use the arrow keys."))
    : el("p", { className: "muted data" }, index.why_no_tokens);
  return [masses, key, ...order.map((k) => drawClass(index, payload, k, members.get(k), readout))];
}

function drawClass(index, payload, k, members, readout) {
  const first = members[0], count = payload.classes.length;
  const node = el("section", { className: "class" },
    el("h3", {}, el("span", {}, className(k)), el("span", { className: "muted" }, `${members.length} of ${count}`),
      el("span", { className: "mono data" }, payload.parsed[first] || "")),
    ...members.map((g) => drawCompletion(index, payload, g, readout)));
  node.style.borderColor = classColour(k);
  node.querySelector("h3 span").style.color = classColour(k);
  return node;
}

function drawCompletion(index, payload, g, readout) {
  const letter = LETTER[payload.verdicts[g]], [oldest, newest] = payload.versions[g];
  const field = (name, value) =>
    el("span", {}, el("span", { className: "muted" }, `${name} `), el("span", { className: "data" }, value));
  const overlong = payload.overlong[g] ? [field("overlong", show(payload.overlong[g]))] : [];
  const line = el("div", { className: "line" },
    el("span", { className: `verdict ${letter}` },
      `${letter === "c" ? "✓" : letter === "i" ? "✗" : "○"} ${VERDICTS[letter]}`),
    field("answer", payload.answers[g] ?? "–"),
      field("parsed", payload.parsed[g] || "–"), field("by", payload.rules[g] || "–"),
    field("reward", show(payload.rewards[g])), ...overlong, field("advantage", show(payload.advantages[g])),
    field("tokens", `${payload.tokens[g]}, ${payload.finish[g]}`),
    field("mean log p", `${show(payload.logprobs[g])} nats`),
    field("version", oldest < 0 ? "–" : range([oldest, newest])),
    ...(payload.valid[g] ? [] : [el("span", { className: "muted" }, "left out of baseline, partition and loss")]));
  const text = el("div", { className: "text data mono", tabIndex: 0, ariaLabel: `completion ${g}` }, payload.texts[g]);
  if (payload.ids) whenSeen(text, () =>
    drawTokens(text, readout, index.vocabulary, payload.ids[g], bytes(payload.surprisals[g])));
  return el("div", { className: "completion" }, line, text);
}

/** Calls draw once, when the element comes near the window: tokens are many elements. */
function whenSeen(node, draw) {
  const observer = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) { observer.disconnect(); draw(); }
  }, { rootMargin: "400px" });
  observer.observe(node);
}

/** Tokens in place of the text, shaded by probability; surprisals are bytes b for 16 (b / 255)^2 nats. */
function drawTokens(text, readout, vocabulary, ids, surprisals) {
  if (!ids.length) return;
  const probability = (t) => Math.exp(-16 * (surprisals[t] / 255) ** 2);
  const spans = ids.map((id, t) => {
    const span = el("span", {}, vocabulary[id]);
    if (surprisals[t] > 12) span.style.background = `rgba(var(--unsure), ${(0.85 * (1 - probability(t))).toFixed(3)})`;
    return span;
  });
  const shown = document.createDocumentFragment();
  shown.append(...spans);
  text.replaceChildren(shown);
  let now = -1;
  const at = (t) => {
    spans[now]?.classList.remove("now");
    now = t;
    if (t < 0) { readout.textContent = ""; return; }
    const p = probability(t);
    const [place, token] = [`token ${t + 1} of ${ids.length}`, JSON.stringify(vocabulary[ids[t]])];
    const chance = p < 0.001 ? p.toExponential(1) : p.toFixed(3);
    readout.textContent = `${place}: ${token} (id ${ids[t]}), probability ${chance}`;
  };
  const move = (t) => { at(t); spans[t].classList.add("now"); spans[t].scrollIntoView({ block: "nearest" }); };
  text.addEventListener("pointerover", (event) => { const t = spans.indexOf(event.target); if (t >= 0) at(t); });
  text.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -ids.length, End: ids.length }[event.key];
    if (step) { event.preventDefault(); move(Math.min(ids.length - 1, Math.max(0, now + step))); }
  });
  text.addEventListener("blur", () => at(-1));
}
