"use strict";

// All text of users and of the model goes into the page as text nodes, never as markup.

const byId = (id) => document.getElementById(id);
const POLL_MS = 1000;

/** Make an element; children are elements or strings. */
function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** Make bars for pairs of a name and a probability. */
function bars(pairs) {
  const best = Math.max(...pairs.map(([, share]) => share));
  const list = element("dl", { className: "bars" });
  for (const [name, share] of pairs) {
    const fill = element("div", { className: "fill" });
    fill.style.width = percent(share).replace(" ", "");
    list.append(
      element("dt", { className: share === best ? "best" : "" }, name),
      element("dd", { className: "track", ariaHidden: "true" }, fill),
      element("dd", { className: "share" }, percent(share)),
    );
  }
  return list;
}

/** Part a text at places that are counted in characters, as Python does, and wrap what lies between them. */
function marked(text, spans, wrap) {
  const characters = Array.from(text);
  const parts = [];
  let done = 0;
  for (const span of [...spans].sort((one, other) => one.start - other.start)) {
    if (span.start < done) continue;
    parts.push(characters.slice(done, span.start).join(""));
    parts.push(wrap(characters.slice(span.start, span.end).join(""), span));
    done = span.end;
  }
  parts.push(characters.slice(done).join(""));
  return element("p", { className: "passage" }, ...parts);
}

/** Wrap a text as an entity of a type; equal types have equal colours. */
function entity(text, type, known) {
  if (!known.includes(type)) known.push(type);
  return element("span", { className: `entity tag${known.indexOf(type) % 6}` }, text, element("small", {}, type));
}

function cosine(one, other) {
  const product = (a, b) => a.reduce((sum, value, place) => sum + value * b[place], 0);
  return product(one, other) / Math.sqrt(product(one, one) * product(other, other));
}

const field = (name, label, more = {}) => ({ name, label, ...more });

// For each command: fields, an example, the request of the filled-in fields, and what shows the answer.
const TASKS = {
  classify: {
    about: (model) => (model.kind === "regression" ? "gives a score" : `chooses among ${model.labels.length} labels`),
    fields: (model) => [
      field("text", model.pairs === false ? "Text" : "First text", { lines: true }),
      ...(model.pairs === false ? [] : [field("text_b", "Second text", { lines: true, optional: model.pairs !== true })]),
    ],
    example: { text: "A warm, funny film with wonderful acting.", text_b: "The film is good." },
    inputs: (values) => [values.text_b ? { text: values.text, text_b: values.text_b } : { text: values.text }],
    show: ([found]) => {
      if ("score" in found) return [element("p", { className: "verdict" }, `Score ${found.score.toFixed(3)}`)];
      const pairs = Object.entries(found.probabilities).sort((one, other) => other[1] - one[1]);
      return [element("p", { className: "verdict" }, found.label), bars(pairs)];
    },
  },
  qa: {
    about: () => "answers questions about a passage",
    fields: (model) => [
      field("context", "Passage", { lines: true, long: true }),
      field("question", "Question"),
      field("top_n", "Answers", { number: 3, most: model.limits.max_candidates }),
    ],
    example: {
      context: "The Tiber rises in the Apennines and flows for 405 kilometres through Umbria and Lazio to Rome.",
      question: "Where does the Tiber rise?",
    },
    inputs: (values) => [{ question: values.question, context: values.context }],
    show: ([found], values) => {
      const spans = found.start === null ? [] : [{ start: found.start, end: found.end }];
      const pairs = found.answers.map((answer) => [answer.text || "(no answer)", answer.probability]);
      const answer = element("p", { className: "verdict" }, found.answer || "(no answer)");
      return [answer, bars(pairs), marked(values.context, spans, (text) => element("mark", {}, text))];
    },
  },
  ner: {
    about: (model) => `tags words with ${model.labels.length} tags`,
    fields: () => [field("text", "Text", { lines: true })],
    example: { text: "Ada Lovelace met Charles Babbage in London." },
    inputs: (values) => [{ text: values.text }],
    show: ([found]) => {
      const known = [];
      if (found.entities) {
        const text = marked(found.text, found.entities, (part, span) => entity(part, span.type, known));
        const pairs = found.entities.map((span) => [`${span.text} · ${span.type}`, span.probability]);
        return [text, pairs.length ? bars(pairs) : element("p", { className: "hint" }, "There are no entities.")];
      }
      const words = found.words.flatMap((word, place) => [entity(word, found.tags[place], known), " "]);
      return [element("p", { className: "passage" }, ...words)];
    },
  },
  "fill-mask": {
    about: () => "finds words for the places of [MASK]",
    fields: (model) => [
      field("text", "Text with [MASK]", { lines: true }),
      field("top_k", "Candidates", { number: 5, most: model.limits.max_candidates }),
    ],
    example: { text: "A warm and funny [MASK]." },
    inputs: (values) => [{ text: values.text }],
    show: ([found]) => [
      element("p", { className: "verdict" }, found.filled),
      ...found.masks.flatMap((candidates, place) => [
        element("h3", {}, `Mask ${place + 1}`),
        bars(candidates.map((candidate) => [candidate.token.replace(/^▁/, ""), candidate.probability])),
      ]),
    ],
  },
  encode: {
    about: () => "turns texts into vectors",
    fields: () => [field("text", "Text", { lines: true }), field("other", "Compare with", { lines: true, optional: true })],
    example: { text: "A warm, funny film.", other: "A cheerful comedy." },
    inputs: (values) => [{ text: values.text }, ...(values.other ? [{ text: values.other }] : [])],
    show: (found) => {
      const shown = [];
      if (found.length > 1) {
        const alike = cosine(found[0].vector, found[1].vector);
        shown.push(element("p", { className: "verdict" }, `Similarity ${alike.toFixed(3)}`));
        shown.push(element("p", { className: "hint" }, "The cosine of the angle between the vectors: 1 for the same direction."));
      }
      for (const { vector } of found) {
        const head = vector.slice(0, 8).map((value) => value.toFixed(3)).join(", ");
        shown.push(element("pre", {}, `[${head}, …] ${vector.length} numbers`));
      }
      return shown;
    },
  },
};

let model = null;
let task = null;

function showError(error) {
  byId("error").hidden = !error;
  byId("error").textContent = error || "";
}

/** Return the message of a refusal. */
function message(status, content) {
  const error = content && content.error;
  if (!error) return `The server answered with status ${status}.`;
  return `${error.where ? `${error.where}: ` : ""}${error.what}${error.fix ? ` → ${error.fix}` : ""}`;
}

/** Fetch JSON; throws an Error whose message is for the user. */
async function fetchJson(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server cannot be reached.");
  }
  const content = await response.json().catch(() => null);
  if (!response.ok || !content) throw new Error(message(response.status, content));
  return content;
}

function makeField({ name, label, lines, long, number, most, optional }) {
  const control = element(lines ? "textarea" : "input", { id: `field-${name}`, name, required: !optional, dir: "auto" });
  if (number) Object.assign(control, { type: "number", min: 1, max: most, value: Math.min(number, most) });
  if (long) control.className = "long";
  const text = optional ? `${label} (optional)` : label;
  return element("div", { className: "field" }, element("label", { htmlFor: control.id }, text), control);
}

function buildForm() {
  document.title = `ALBERT · ${model.name}`;
  byId("title").textContent = model.name;
  byId("about").textContent = `ALBERT · ${model.command} · ${task.about(model)} · up to ${model.length} tokens`;
  byId("fields").replaceChildren(...task.fields(model).map(makeField));
  byId("mask").hidden = model.command !== "fill-mask";
  byId("form").hidden = false;
  byId("fields").querySelector("textarea, input").focus();
}

const values = () => Object.fromEntries(new FormData(byId("form")));

async function ask(event) {
  event.preventDefault();
  const given = values();
  const query = { inputs: task.inputs(given) };
  for (const name of ["top_k", "top_n"]) if (name in given) query[name] = Number(given[name]);
  byId("send").disabled = true;
  byId("answer").ariaBusy = "true";
  showError("");
  try {
    const body = JSON.stringify(query);
    const headers = { "Content-Type": "application/json" };
    const content = await fetchJson("v1/predict", { method: "POST", headers, body });
    byId("result").replaceChildren(...task.show(content.outputs, given));
    byId("time").textContent = `Answered in ${content.time_ms.toFixed(0)} ms.`;
    byId("request").textContent = `POST ${new URL("v1/predict", location)}\nContent-Type: application/json\n\n${JSON.stringify(query, null, 2)}`;
    byId("response").textContent = JSON.stringify(content, null, 2);
    byId("answer").hidden = byId("wire").hidden = false;
  } catch (error) {
    byId("answer").hidden = byId("wire").hidden = true;
    showError(error.message);
  } finally {
    byId("send").disabled = false;
    byId("answer").ariaBusy = "false";
  }
}

function fillExample() {
  for (const [name, text] of Object.entries(task.example)) {
    const control = byId(`field-${name}`);
    if (control) control.value = text;
  }
}

function insertMask() {
  const control = byId("field-text");
  control.setRangeText("[MASK]", control.selectionStart, control.selectionEnd, "end");
  control.focus();
}

/** Ask until the model is there and answers. */
async function wait() {
  const state = byId("state");
  try {
    if (!model) {
      model = await fetchJson("v1/model");
      task = TASKS[model.command];
      buildForm();
    }
    await fetchJson("readyz");
    state.textContent = "ready";
    state.classList.add("ready");
  } catch {
    state.textContent = "starting";
    setTimeout(wait, POLL_MS);
  }
}

byId("form").addEventListener("submit", ask);
byId("form").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("form").requestSubmit();
});
byId("example").addEventListener("click", fillExample);
byId("mask").addEventListener("click", insertMask);
wait();
