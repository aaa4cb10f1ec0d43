// Keeps a view live: puts in the parts that its stream sends, as the server escaped them; sorts, filters, tells ages.
const byId = (id) => document.getElementById(id);
const LATE_MS = 30_000;
let connected = false;

// --- parts ------------------------------------------------------------------------------------------------------
function put(id, html) {
  const old = byId(id);
  if (!old) return;
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  const opened = new Map([...old.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
  const holder = document.createElement("template");
  holder.innerHTML = html; // rendered and escaped by the server; the page's policy runs no script in it
  const fresh = holder.content.querySelector(`#${CSS.escape(id)}`);
  if (!fresh) return;
  for (const one of fresh.querySelectorAll("details[id]")) if (opened.has(one.id)) one.open = opened.get(one.id);
  old.replaceWith(fresh);
  if (focused) byId(focused)?.focus({ preventScroll: true });
}

// --- sort and filter --------------------------------------------------------------------------------------------
const filter = byId("filter");

function value(row, name) {
  const text = name === "market" ? row.dataset.market : row.dataset[name];
  return name === "market" ? text : text === "" || text === undefined ? null : Number(text);
}

function arrange() {
  if (!filter) return;
  const asked = new FormData(filter);
  const wanted = (asked.get("q") ?? "").trim().toUpperCase();
  const body = byId("market-rows");
  let rows;
  if (body) {
    rows = [...body.rows];
    const name = asked.get("sort") || "market";
    const sign = asked.get("order") === "desc" ? -1 : 1;
    const sorted = rows.toSorted((left, right) => {
      const [a, b] = [value(left, name), value(right, name)];
      if (a === null || b === null) return (a === null) - (b === null);
      return a === b ? 0 : sign * (a < b ? -1 : 1);
    });
    if (sorted.some((row, at) => row !== rows[at])) body.append(...sorted);
    const only = asked.get("only");
    const keep = { alerting: (row) => row.dataset.alerts !== "0", funded: (row) => Number(row.dataset.spend) > 0,
      observed: (row) => row.dataset.status === "observed" }[only] ?? (() => true);
    for (const row of rows) row.hidden = !keep(row) || !row.dataset.market.includes(wanted);
    byId("no-markets").hidden = rows.length > 0;
    for (const head of document.querySelectorAll("th[data-sort-by]")) {
      if (head.dataset.sortBy === name) head.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  } else {
    rows = [...document.querySelectorAll("li[data-alert]")];
    for (const row of rows) row.hidden = !`${row.dataset.market} ${row.dataset.kind}`.toUpperCase().includes(wanted);
  }
  const shown = rows.filter((row) => !row.hidden).length;
  byId("shown").textContent = shown < rows.length ? `${shown} of ${rows.length} shown` : "";
}

function remember() {
  const asked = new URLSearchParams([...new FormData(filter)].filter(([, text]) => text));
  history.replaceState(null, "", `?${asked}`);
  arrange();
}

if (filter) {
  filter.addEventListener("input", remember);
  filter.addEventListener("submit", (event) => { event.preventDefault(); remember(); });
  for (const link of document.querySelectorAll("th[data-sort-by] a"))
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const name = link.parentElement.dataset.sortBy;
      const falling = filter.elements.sort.value === name && filter.elements.order.value === "desc";
      filter.elements.sort.value = name;
      filter.elements.order.value = falling ? "asc" : "desc";
      remember();
    });
}

// --- ages and the status line -----------------------------------------------------------------------------------
function spoken(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86_400)} d ago`;
}

function age() {
  const now = Date.now();
  for (const one of document.querySelectorAll("time[data-age]")) {
    const ms = now - Number(one.dataset.age);
    one.title ||= one.textContent;
    // Where only the minute is known, an event is at most so old.
    const text = one.dataset.grain === "minute" && ms < 7_200_000 ? `≤ ${Math.max(1, Math.ceil(ms / 60_000))} min ago` : spoken(ms);
    if (one.textContent !== text) one.textContent = text;
    if (one.dataset.late) one.classList.toggle("late", ms > 1000 * Number(one.dataset.late));
  }
  const published = Number(byId("stand")?.dataset.published);
  const status = byId("status");
  const silent = !(byId("banner")?.hidden ?? true);
  const late = !connected || silent || (published && now - published > LATE_MS);
  status.className = late ? "late" : "";
  const text = (!connected ? "connection lost, trying again" : silent ? "no news" : "live") + (published ? ` · last step ${spoken(now - published)}` : " · waiting for the first step");
  if (status.textContent !== text) status.textContent = text;
}

// --- charts -----------------------------------------------------------------------------------------------------
const dark = matchMedia("(prefers-color-scheme: dark)");
const TONES = { "#0072b2": "--range", "#d55e00": "--negative", "#8a939c": "--neutral", "#009e73": "--positive", "#e69f00": "--users" };
let figures = JSON.parse(byId("figures")?.textContent || "{}");

function draw() {
  if (!window.Plotly) return;
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const [ink, line] = [colour("--ink"), colour("--line")];
  const toned = (data) => JSON.parse(Object.entries(TONES).reduce((text, [from, to]) => text.replaceAll(`"${from}"`, `"${colour(to)}"`), JSON.stringify(data)));
  for (const [id, figure] of Object.entries(figures)) {
    const layout = structuredClone(figure.layout);
    layout.font = { color: ink, family: "system-ui, sans-serif", size: 12 };
    layout.hoverlabel = { bgcolor: colour("--panel"), font: { color: ink } };
    for (const [name, axis] of Object.entries(layout))
      if (/^[xy]axis/.test(name)) Object.assign(axis, { gridcolor: line, zerolinecolor: line, linecolor: line, tickcolor: line, automargin: true });
    window.Plotly.react(byId(id), toned(figure.data), layout, { displayModeBar: false, responsive: true });
  }
}
dark.addEventListener("change", draw);

// --- the stream -------------------------------------------------------------------------------------------------
const stream = new EventSource(document.body.dataset.stream);
stream.onopen = () => { connected = true; age(); };
stream.onerror = () => {
  connected = false;
  age();
  // Closed for good: the session is over, or the page is full. Loading it again says which.
  if (stream.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5_000);
};
stream.addEventListener("reset", () => location.reload()); // what was missed is no longer known: begin anew
stream.addEventListener("view", (message) => {
  if (document.body.dataset.waiting) return location.reload(); // the first that there is to show
  const news = JSON.parse(message.data);
  connected = true;
  for (const [id, html] of Object.entries(news.parts)) put(id, html);
  figures = { ...figures, ...news.figures };
  if (Object.keys(news.figures).length) draw();
  arrange();
  age();
});

// --- keys -------------------------------------------------------------------------------------------------------
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  if (event.key === "?") byId("help").showModal();
  else if (event.key === "/" && byId("filter-text")) { event.preventDefault(); byId("filter-text").focus(); }
  else if ("1234".includes(event.key)) document.querySelectorAll("header nav a")[Number(event.key) - 1]?.click();
});

arrange();
age();
draw();
setInterval(age, 1000);
