// Jobs, as the API has them. Everything that is shown is set as text, never as markup.
"use strict";

const POLL = 2000; // milliseconds between two looks at the jobs
const $ = (id) => document.getElementById(id);
const OVER = ["succeeded", "failed", "cancelled"];
let chosen = location.hash.slice(1);
let reading = null; // stops reading the log of the job that was chosen before
let pages = 1;

async function ask(path, options = {}) {
  const token = sessionStorage.getItem("token");
  const headers = { ...(options.headers || {}), ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const answer = await fetch(path, { ...options, headers });
  if (answer.ok) return answer;
  const detail = await answer.json().then((found) => found.detail, () => answer.statusText);
  $("token-form").hidden = answer.status !== 401;
  throw new Error(detail);
}

function complain(error) {
  $("problem").hidden = !error;
  $("problem").textContent = error ? error.message : "";
}

function cell(row, text, name = "") {
  const made = row.insertCell();
  made.textContent = text;
  made.className = name;
  return made;
}

function seconds(from, to) {
  if (!from) return "";
  const count = Math.max(0, Math.round(((to ? new Date(to) : new Date()) - new Date(from)) / 1000));
  return count < 120 ? `${count} s` : `${Math.floor(count / 60)} min ${count % 60} s`;
}

const model = (job) => job.request.model || job.request.MLproject_location || job.request.git_uri;
const verdict = (job) => (job.promoted === null ? "" : job.promoted ? "champion" : "not better");

function show(jobs) {
  const body = $("jobs");
  const focused = body.contains(document.activeElement) ? document.activeElement.textContent : "";
  body.replaceChildren();
  for (const job of jobs) {
    const row = body.insertRow();
    const link = document.createElement("a");
    link.href = `#${job.id}`;
    link.textContent = job.id;
    cell(row, "").append(link);
    cell(row, model(job));
    cell(row, job.state, job.state);
    const last = job.steps.at(-1);
    cell(row, last ? last.name : "");
    cell(row, seconds(job.started, job.ended));
    cell(row, job.version);
    cell(row, verdict(job));
    if (job.id === chosen) row.className = "chosen";
    if (job.id === focused) link.focus(); // whoever is in the list with the keyboard stays there
  }
  const filtered = $("state").value || $("text").value;
  $("none").hidden = jobs.length > 0 || Boolean(filtered);
  $("none-like-that").hidden = jobs.length > 0 || !filtered;
}

async function look() {
  try {
    const query = new URLSearchParams({ limit: "25" });
    if ($("state").value) query.set("state", $("state").value);
    if ($("text").value) query.set("text", $("text").value);
    let jobs = [];
    let next = `/jobs?${query}`;
    for (let page = 0; page < pages && next; page += 1) {
      const found = await (await ask(next)).json();
      jobs = jobs.concat(found.jobs);
      next = found.next ? new URL(found.next).pathname + new URL(found.next).search : null;
    }
    show(jobs);
    $("more").hidden = !next;
    const running = jobs.filter((job) => job.state === "running").length;
    const waiting = jobs.filter((job) => job.state === "waiting").length;
    const counts = `${running} running, ${waiting} waiting`;
    if ($("counts").textContent !== counts) $("counts").textContent = counts; // a screen reader says each change
    if (chosen) await detail();
    complain(null);
  } catch (error) {
    complain(error);
  }
}

async function detail() {
  const job = await (await ask(`/jobs/${chosen}`)).json();
  $("job").hidden = false;
  $("job-title").textContent = `${job.id}: ${model(job)}, ${job.state}`;
  $("job-title").className = job.state;
  $("job-reason").textContent = job.reason;
  $("cancel").hidden = OVER.includes(job.state);
  $("retry").hidden = !OVER.includes(job.state);
  $("steps").replaceChildren(...job.steps.map((step) => {
    const item = document.createElement("li");
    item.textContent = `${step.name}: ${seconds(step.started, step.ended)}${step.error ? `, ${step.error}` : ""}`;
    return item;
  }));
  const metrics = Object.entries(job.metrics).map(([name, value]) => `${name} ${Number(value.toPrecision(5))}`).join(", ");
  const params = Object.keys(job.request.params || {}).length ? JSON.stringify(job.request.params) : "";
  const facts = { "asked by": job.trigger, parameters: params, commit: job.commit, run: job.run, version: job.version, verdict: verdict(job), metrics };
  $("facts").replaceChildren(...Object.entries(facts).filter(([, value]) => value).flatMap(([name, value]) => {
    const term = document.createElement("dt");
    term.textContent = name;
    const text = document.createElement("dd");
    const link = job.links[name];
    if (link && /^https?:/.test(link)) {
      const made = document.createElement("a");
      made.href = link;
      made.textContent = value;
      text.append(made);
    } else text.textContent = value;
    return [term, text];
  }));
}

// Server-sent events by fetch: an EventSource cannot send a token.
async function follow(id) {
  if (reading) reading.abort();
  reading = new AbortController();
  const { signal } = reading;
  $("log").textContent = "";
  let last = "0";
  while (!signal.aborted) {
    try {
      const headers = { Accept: "text/event-stream", "Last-Event-ID": last };
      const answer = await ask(`/jobs/${id}/log`, { headers, signal });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        const events = (rest + part.value).split("\n\n");
        rest = events.pop();
        for (const event of events) {
          if (event.startsWith("event: end")) return;
          const lines = event.split("\n");
          const place = lines.find((line) => line.startsWith("id: "));
          if (!place) continue;
          last = place.slice(4);
          const text = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
          append(`${text.join("\n")}\n`);
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      complain(error);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL)); // the service may be starting again
  }
}

function append(text) {
  const log = $("log");
  const below = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(text);
  if (below) log.scrollTop = log.scrollHeight;
}

async function act(what) {
  try {
    const job = await (await ask(`/jobs/${chosen}/${what}`, { method: "POST" })).json();
    location.hash = job.id;
    await look();
  } catch (error) {
    complain(error);
  }
}

function choose() {
  chosen = location.hash.slice(1);
  $("job").hidden = !chosen;
  if (chosen) follow(chosen);
  look();
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value);
  $("token-form").hidden = true;
  choose();
});
$("filter").addEventListener("input", look);
$("filter").addEventListener("submit", (event) => event.preventDefault());
$("more").addEventListener("click", () => { pages += 1; look(); });
$("cancel").addEventListener("click", () => act("cancel"));
$("retry").addEventListener("click", () => act("retry"));
addEventListener("hashchange", choose);
setInterval(look, POLL);
choose();
