// Posts what the forms of the front page hold, and shows the answer and how long it took.
"use strict";

const tokenForm = document.getElementById("token");
const tokenField = document.getElementById("token-value");
tokenForm.addEventListener("submit", (event) => event.preventDefault());

// JSON to read: what holds no list and no object is on one line.
function pretty(value, indent = "") {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const items = Object.values(value);
  const brackets = Array.isArray(value) ? "[]" : "{}";
  const deeper = indent + "  ";
  const key = (name) => (Array.isArray(value) ? "" : `${JSON.stringify(name)}: `);
  const lines = Object.keys(value).map((name, place) => key(name) + pretty(items[place], deeper));
  if (!items.some((item) => item !== null && typeof item === "object")) {
    return brackets[0] + lines.join(", ") + brackets[1];
  }
  return `${brackets[0]}\n${deeper}${lines.join(`,\n${deeper}`)}\n${indent}${brackets[1]}`;
}

function readable(text) {
  try {
    return pretty(JSON.parse(text));
  } catch {
    return text;
  }
}

// Milliseconds from request to answer as the network saw them; else, as this script did.
function latency(url, started) {
  const seen = performance.getEntriesByName(url, "resource").at(-1);
  return seen && seen.startTime >= started && seen.requestStart > 0
    ? seen.responseEnd - seen.requestStart
    : performance.now() - started;
}

// The request of a form for a terminal: what is between single quotes is as it is to a shell.
function curl(form) {
  let body = form.elements.body.value;
  try {
    body = JSON.stringify(JSON.parse(body));
  } catch {
    // as it is: the server says what is wrong with it
  }
  const token = tokenForm.hidden ? "" : ' -H "Authorization: Bearer $API_TOKEN"';
  form.querySelector(".curl pre").textContent = `curl -s ${form.action}${token} -d '${body.replaceAll("'", "'\\''")}'`;
}

// Browsers have a clipboard for pages of https and of this machine alone; for others what is selected is copied.
async function copy(button) {
  const line = button.parentElement.querySelector("pre");
  try {
    await navigator.clipboard.writeText(line.textContent);
  } catch {
    getSelection().selectAllChildren(line);
    document.execCommand("copy");
  }
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

// A line for each row, with the name of each class above its score; nothing where an answer has no names. Of two classes
// there may be the score of the second alone.
const MOST_ROWS = 100;

function named(answer) {
  const { labels, predictions, scores } = answer?.payload ?? {};
  if (![labels, predictions, scores].every(Array.isArray)) return null;
  const isOfTwo = labels.length === 2 && scores.every((score) => typeof score === "number");
  const names = isOfTwo ? labels.slice(1) : labels;
  const rows = isOfTwo ? scores.map((score) => [score]) : scores;
  if (!rows.every((row) => Array.isArray(row) && row.length === names.length)) return null;
  const table = document.createElement("table");
  const line = (kind, values) => {
    const row = table.insertRow();
    for (const value of values) row.appendChild(document.createElement(kind)).textContent = String(value);
  };
  const rounded = (score) => (typeof score === "number" ? Number(score.toPrecision(4)) : score);
  line("th", ["Row", "Prediction", ...names]);
  predictions.slice(0, MOST_ROWS).forEach((prediction, place) => {
    line("td", [place + 1, prediction, ...(rows[place] ?? []).map(rounded)]);
  });
  return table;
}

function showNamed(form, text) {
  const place = form.querySelector(".named");
  let table = null;
  try {
    table = named(JSON.parse(text));
  } catch {
    // no JSON has no names
  }
  place.replaceChildren(...(table ? [table] : []));
  place.hidden = !table;
}

async function predict(form) {
  const status = form.querySelector(".status");
  const output = form.querySelector("output");
  const button = form.querySelector("button[type=submit]");
  const headers = { "Content-Type": "application/json" };
  if (tokenField.value) headers.Authorization = `Bearer ${tokenField.value}`;
  button.disabled = true;
  status.textContent = "…";
  try {
    const started = performance.now();
    const response = await fetch(form.action, { method: "POST", headers, body: form.elements.body.value });
    const text = await response.text();
    status.textContent = `${response.status} ${response.statusText} in ${latency(form.action, started).toFixed(1)} ms`;
    status.classList.toggle("failed", !response.ok);
    output.textContent = readable(text);
    showNamed(form, text);
    if (response.status === 401) tokenForm.hidden = false;
    curl(form);
  } catch (error) {
    status.textContent = "No answer";
    status.classList.add("failed");
    output.textContent = String(error);
    showNamed(form, "");
  }
  output.hidden = false;
  button.disabled = false;
}

// What a field of one column holds, as JSON says it; what is not of the column's kind is sent as it is, and refused.
function valueOf(field) {
  const text = field.value.trim();
  if (text === "") return null;
  if (field.dataset.kind === "number" && Number.isFinite(Number(text))) return Number(text);
  if (field.dataset.kind === "boolean" && ["true", "false"].includes(text)) return text === "true";
  return text;
}

// The fields of all columns, as a request of one row.
function fillIn(form) {
  const fields = [...form.elements].filter((element) => element.dataset.kind);
  form.elements.body.value = `{"payload": {"instances": [\n  ${JSON.stringify(fields.map(valueOf))}\n]}}`;
  curl(form);
}

for (const form of document.querySelectorAll("form.try")) {
  for (const field of form.elements) {
    if (field.dataset.kind) field.addEventListener("input", () => fillIn(form));
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    predict(form);
  });
  form.addEventListener("reset", () => setTimeout(() => curl(form)));
  form.elements.body.addEventListener("input", () => curl(form));
  const button = form.querySelector(".copy");
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
  curl(form);
  form.elements.body.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}
