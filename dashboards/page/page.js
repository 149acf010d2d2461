// Fetches the numbers of a dashboard and shows them: figures, charts (Vega-Lite) and tables.
"use strict";

const dashboard = document.body.dataset.dashboardId;
const form = document.getElementById("settings");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const charts = new Map(); // panel id -> {view, shape}
let timer = null;
let latest = null; // what the server answered last
let request = null; // the one under way

// ---- Settings: they stand in the address, so that a view can be kept and sent.

function readAddress() {
  const address = new URLSearchParams(location.search);
  for (const name of ["last", "refresh"]) {
    const field = form.elements[name];
    if ([...field.options].some((option) => option.value === address.get(name))) field.value = address.get(name);
  }
  if (address.has("from") && address.has("to")) {
    form.elements.last.value = "custom";
    for (const name of ["from", "to"]) form.elements[name].value = localTime(Number(address.get(name)));
  }
  for (const select of controls()) {
    const chosen = address.get(select.name);
    if (chosen) select.add(new Option(chosen, chosen, true, true));
  }
  document.getElementById("custom").hidden = form.elements.last.value !== "custom";
}

function settings() {
  const chosen = new URLSearchParams();
  if (form.elements.last.value === "custom") {
    for (const name of ["from", "to"]) chosen.set(name, new Date(form.elements[name].value).getTime());
  } else {
    chosen.set("last", form.elements.last.value);
  }
  return chosen;
}

function writeAddress() {
  const shared = settings();
  shared.set("refresh", form.elements.refresh.value);
  for (const link of document.querySelectorAll("a[data-dashboard]")) link.search = shared;
  for (const select of controls()) if (select.value) shared.set(select.name, select.value);
  history.replaceState(null, "", `?${shared}`);
}

const controls = () => form.querySelectorAll("select[data-control]");

function localTime(ms) {
  const moment = new Date(ms - new Date(ms).getTimezoneOffset() * 60000);
  return moment.toISOString().slice(0, 19);
}

function startCustom() {
  const end = latest ? latest.to : Date.now();
  form.elements.from.value = localTime(latest ? latest.from : end - 3600000);
  form.elements.to.value = localTime(end);
}

// ---- Fetching

async function refresh(byHand) {
  clearTimeout(timer);
  if (request) request.abort();
  const mine = (request = new AbortController());
  const query = settings();
  query.set("zone", Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
  for (const select of controls()) if (select.value) query.set(select.name, select.value);
  try {
    latest = await ask(query, mine.signal);
    await show(latest);
    recover(byHand);
  } catch (error) {
    if (error.name === "AbortError") return;
    fail(error.message);
  }
  if (mine === request) schedule();
}

async function ask(query, signal) {
  const response = await fetch(`/${dashboard}/data?${query}`, { signal }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Error("The dashboard server does not answer: run `dmp dashboards serve` again.");
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

function schedule() {
  clearTimeout(timer);
  const seconds = Number(form.elements.refresh.value);
  if (seconds) timer = setTimeout(() => (document.hidden ? schedule() : refresh(false)), seconds * 1000);
}

function fail(message) {
  const trouble = document.getElementById("trouble");
  const since = latest ? ` What is shown is of ${time(latest.to)}.` : "";
  if (trouble.textContent !== message + since) trouble.textContent = message + since; // said once, not at every try
  trouble.hidden = false;
  for (const panel of document.querySelectorAll(".panel")) panel.classList.add("stale");
}

function recover(byHand) {
  const trouble = document.getElementById("trouble");
  const now = time(Date.now());
  document.getElementById("updated").textContent = `Updated ${now}`;
  if (!trouble.hidden) say(`The numbers are live again, updated ${now}.`);
  else if (byHand) say(`Updated ${now}.`);
  trouble.hidden = true;
  trouble.textContent = "";
  for (const panel of document.querySelectorAll(".panel")) panel.classList.remove("stale");
}

const say = (text) => (document.getElementById("status").textContent = text);

// ---- Showing

async function show(answer) {
  for (const select of controls()) offer(select, answer.controls[select.name]);
  await Promise.all(Object.entries(answer.panels).map(([id, content]) => showPanel(document.getElementById(id), content)));
}

function offer(select, values) {
  const chosen = select.value;
  const all = chosen && !values.includes(chosen) ? [...values, chosen] : values;
  const named = all.filter((value) => value !== ""); // an empty value cannot be told from no choice
  const options = named.map((value) => new Option(value, value, false, value === chosen));
  select.replaceChildren(select.options[0], ...options);
}

async function showPanel(panel, content) {
  const body = panel.querySelector("[data-body]");
  const note = panel.querySelector(".note");
  const missing = Boolean(content.error || content.empty);
  panel.classList.toggle("failed", Boolean(content.error));
  body.hidden = note.hidden = false;
  body.hidden = missing;
  note.hidden = !missing;
  if (missing) {
    note.replaceChildren(...(content.error ? [content.error] : nothing(content)));
    return;
  }
  if (panel.classList.contains("number")) {
    const value = content.rows[0][0];
    const figure = body.querySelector("data");
    figure.value = value;
    figure.textContent = number(value, content.columns[0].unit);
    return;
  }
  fill(body.querySelector("table"), content);
  if (content.chart) await draw(panel.id, body.querySelector(".chart"), content.chart);
}

function nothing(content) {
  if (!content.newest) return ["Nothing to show."];
  const go = document.createElement("button");
  go.type = "button";
  go.textContent = `Show ${date(content.newest)} ${time(content.newest)}, the newest`;
  go.addEventListener("click", () => {
    const half = (latest.to - latest.from) / 2;
    form.elements.last.value = "custom";
    document.getElementById("custom").hidden = false;
    form.elements.from.value = localTime(content.newest - half);
    form.elements.to.value = localTime(content.newest + half);
    changed();
  });
  return ["Nothing in this time. ", go];
}

function fill(table, content) {
  const heading = document.createElement("tr");
  content.columns.forEach((column) => heading.append(cell("th", column.title, column.type, "col")));
  table.tHead.replaceChildren(heading);
  const buckets = content.columns.filter((column) => column.type !== "number").length;
  const rows = content.rows.map((row) => {
    const line = document.createElement("tr");
    row.forEach((value, place) => {
      const column = content.columns[place];
      const names = place === 0 && buckets < content.columns.length; // the first bucket names its row
      line.append(cell(names ? "th" : "td", format(value, column), column.type, names ? "row" : null));
    });
    return line;
  });
  table.tBodies[0].replaceChildren(...rows);
}

function cell(tag, text, kind, scope) {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = kind;
  if (scope) made.scope = scope;
  return made;
}

function format(value, column) {
  if (value === null) return "–";
  if (column.type === "time") return `${date(value)} ${time(value)}`;
  return column.type === "number" ? number(value, column.unit) : String(value);
}

function number(value, unit) {
  if (value === null) return "–";
  const digits = (most) => value.toLocaleString(undefined, { maximumFractionDigits: most });
  if (unit === "percent") return value.toLocaleString(undefined, { style: "percent", maximumFractionDigits: 1 });
  if (unit === "milliseconds") return duration(value);
  if (unit === "bytes") return value.toLocaleString(undefined, { notation: "compact", maximumFractionDigits: 1 }) + "B";
  if (unit === "money") return value.toLocaleString(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  if (unit === "per second") return `${digits(1)}/s`;
  return digits(Number.isInteger(value) ? 0 : 2);
}

function duration(ms) {
  const [length, name] = ms < 1e4 ? [1, "ms"] : ms < 6e5 ? [1e3, "s"] : ms < 1728e5 ? [36e5, "h"] : [864e5, "d"];
  return `${(ms / length).toLocaleString(undefined, { maximumFractionDigits: length === 1 ? 0 : 1 })} ${name}`;
}

const date = (moment) => new Date(moment).toLocaleDateString(undefined, { dateStyle: "medium" });
const time = (moment) => new Date(moment).toLocaleTimeString(undefined, { timeStyle: "medium" });

// ---- Charts

async function draw(id, place, chart) {
  const shape = JSON.stringify({ ...chart, data: null, dark: dark.matches });
  const drawn = charts.get(id);
  if (drawn && drawn.shape === shape) {
    await drawn.view.data(chart.data.name, chart.data.values).runAsync();
    return;
  }
  if (drawn) drawn.view.finalize();
  const options = {
    actions: false,
    renderer: "svg",
    ast: true, // expressions are interpreted: the content security policy forbids making functions of text
    defaultStyle: false,
    tooltip: { disableDefaultStyle: true },
    config: theme(place.clientWidth),
  };
  const { view } = await vegaEmbed(place, chart, options);
  charts.set(id, { view, shape });
}

function theme(width) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const font = getComputedStyle(document.body).fontFamily;
  const colors = [1, 2, 3, 4, 5, 6].map((place) => color(`c${place}`));
  return {
    background: "transparent",
    font,
    range: { category: colors, heatmap: [color("soft"), color("c1")], ramp: [color("soft"), color("c1")] },
    axis: {
      labelColor: color("muted"), titleColor: color("muted"), gridColor: color("grid"), domainColor: color("line"),
      tickColor: color("line"), labelFontSize: 12, titleFontSize: 12, titleFontWeight: 400,
    },
    axisX: { grid: false, labelOverlap: true },
    legend: {
      labelColor: color("ink"), titleColor: color("muted"), orient: "top", labelFontSize: 12, title: null,
      symbolType: "square", symbolStrokeWidth: 0,
      columns: Math.max(2, Math.floor(width / 115)),
      labelLimit: 130, offset: 6,
    },
    view: { stroke: null },
    mark: { color: colors[0] },
    bar: { binSpacing: 1 },
    line: { strokeWidth: 2 },
    text: { color: color("ink"), fontSize: 12 },
  };
}

// ---- What the user does

function changed() {
  writeAddress();
  refresh(true);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  changed();
});
form.addEventListener("change", (event) => {
  const custom = form.elements.last.value === "custom";
  if (event.target.name === "last" && custom) startCustom();
  document.getElementById("custom").hidden = !custom;
  if (form.checkValidity()) changed();
});
dark.addEventListener("change", () => latest && show(latest));
document.addEventListener("visibilitychange", () => document.hidden || refresh(false));

readAddress();
writeAddress();
refresh(false);
