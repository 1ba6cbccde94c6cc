// What the other scripts stand on: elements, numbers, and the packed data of the page.
// Data enters the page as text nodes and properties only, never as markup.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element with properties and children; strings become text nodes. */
function el(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** An SVG element with attributes. */
function svg(tag, attributes = {}, text = "") {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}

const byId = (id) => document.getElementById(id);
const RUN = JSON.parse(byId("run").textContent);
const TABLES = ["rollouts", "evaluations"];
const VERDICTS = { c: "correct", i: "incorrect", n: "no answer", t: "timed out", e: "verifier error" };
const COLOURS = ["blue", "orange", "green", "purple", "teal", "red", "gold", "grey"].map((name) => `var(--${name})`);

/** A number for reading: four significant digits, a dash for what is not there. */
function show(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) return value.toExponential(2).replace(/\.?0+e/, "e");
  return String(Number(value.toPrecision(4)));
}

/** The unit of a metric, by its name. */
function unit(name) {
  if (/share|fraction|accuracy|^reward$/.test(name)) return "share";
  if (/entropy_clipped_groups|groups$|^classes$|rounds|sampled_completions|rows/.test(name)) return "number";
  if (/entropy|kl|logprob/.test(name)) return "nats";
  if (/mib/.test(name)) return "MiB";
  if (/tokens/.test(name)) return "tokens";
  if (/staleness/.test(name)) return "versions";
  return "value";
}

const words = (name) => name.replaceAll("_", " ");

/** The bytes of base64 text. */
function bytes(text) {
  const binary = atob(text);
  const out = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) out[i] = binary.charCodeAt(i);
  return out;
}

/** The value packed in an element: base64 of gzip of JSON. */
async function unpack(id) {
  const stream = new Blob([bytes(byId(id).textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

const KEPT_CHUNKS = 8;
const chunks = new Map();

/** The payloads of a chunk of groups; the last few chunks are kept. */
function chunk(number) {
  const found = chunks.get(number) ?? unpack(`chunk-${number}`);
  chunks.delete(number);
  chunks.set(number, found);
  if (chunks.size > KEPT_CHUNKS) chunks.delete(chunks.keys().next().value);
  return found;
}
