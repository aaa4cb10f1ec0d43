// Shows the newest view; every text goes in as text, so whatever users wrote stays a text.
const SVG = "http://www.w3.org/2000/svg";
const LATE_MS = 30_000;
const byId = (id) => document.getElementById(id);
let newest = null;
let receivedAt = 0;
let connected = false;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawn(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const number = (value, digits = 0) =>
  value === null || value === undefined
    ? "–"
    : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const signed = (value, digits) => (value > 0 ? "+" : "") + number(value, digits);
const time = (ms) => (ms ? new Date(ms).toISOString().replace("T", " ").slice(0, 16) + " UTC" : "–");

// A value with its interval on an axis from `from` to `to`.
function interval(estimate, from, to, label) {
  const x = (value) => 4 + (122 * (Math.min(Math.max(value, from), to) - from)) / (to - from);
  const picture = drawn("svg", { class: "interval", viewBox: "0 0 130 14", role: "img", "aria-label": label });
  picture.append(drawn("line", { class: "axis", x1: 4, x2: 126, y1: 7, y2: 7 }));
  if (from < 0) picture.append(drawn("line", { class: "zero", x1: x(0), x2: x(0), y1: 1, y2: 13 }));
  picture.append(drawn("line", { class: "range", x1: x(estimate.low), x2: x(estimate.high), y1: 7, y2: 7 }));
  picture.append(drawn("circle", { class: "dot", cx: x(estimate.value), cy: 7, r: 3.5 }));
  return picture;
}

function userExperience(one) {
  const cell = element("td", {}, number(one.value, 2));
  cell.append(interval(one, 0, 1, `u ${number(one.value, 2)}, 95 % from ${number(one.low, 2)} to ${number(one.high, 2)}`));
  return cell;
}

function growth(one) {
  if (one === null) return element("td", { class: "gone", title: "the stream does not cover 48 h yet" }, "not yet");
  const said = `${signed(100 * one.value, 1)}, 95 % from ${signed(100 * one.low, 1)} to ${signed(100 * one.high, 1)}`;
  return element("td", {}, signed(100 * one.value, 1), interval(one, -0.5, 0.5, said));
}

function mix(labels) {
  const said = Object.entries(labels).map(([name, share]) => `${Math.round(100 * share)} % ${name}`).join(", ");
  const picture = drawn("svg", { class: "mix", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": said });
  let x = 0;
  for (const name of ["negative", "neutral", "positive"]) {
    const width = 100 * (labels[name] ?? 0);
    picture.append(drawn("rect", { class: name, x, y: 0, width, height: 10 }));
    x += width;
  }
  return element("td", { title: said }, picture);
}

function market(one) {
  const name = element("th", { scope: "row" }, one.code);
  for (const kind of one.alerts) name.append(element("span", { class: "badge firing" }, kind));
  for (const flag of [...one.flags, ...(one.status === "entered" ? [] : [one.status])])
    name.append(element("span", { class: "badge gone" }, flag));
  const topics = one.topics.filter((topic) => topic.negative).map((topic) => `${topic.name} ${topic.negative}`).join(", ");
  const row = element("tr", { "data-market": one.code }, name,
    element("td", { class: "number", title: `${number(one.users)} users` }, number(one.n)),
    userExperience(one.u),
    element("td", { class: "number", title: `${number(one.n_1h)} events` }, one.n_1h ? number(one.u_1h.value, 2) : "–"),
    growth(one.r), mix(one.labels),
    element("td", { class: "number", title: one.reason ?? "no allocation" }, number(one.spend)),
    element("td", { class: "number" }, one.moved ? signed(one.moved, 1) : "–"),
    element("td", {}, topics || "–"));
  if (one.alerts.length) row.className = "alarmed";
  return row;
}

function readable(value) {
  if (typeof value !== "number") return value;
  if (value > 1e12) return time(value); // epoch milliseconds
  return number(value, Number.isInteger(value) ? 0 : 3);
}

function evidence(alert) {
  const plain = Object.entries(alert.evidence).filter(([, value]) => typeof value !== "object");
  return plain.map(([name, value]) => `${name.replaceAll("_", " ")} ${readable(value)}`).join(", ");
}

function alert(one) {
  const where = (one.market === "*" ? "all markets" : one.market) + (one.topic ? ` · ${one.topic}` : "");
  const item = element("li", { "data-alert": one.id },
    element("span", { class: one.state }, `${one.kind} · ${where} · ${one.state}`),
    one.muted ? element("span", { class: "badge gone" }, "muted") : "",
    element("div", {}, element("small", {}, `since ${time(one.started_at)}${one.ended_at ? `, until ${time(one.ended_at)}` : ""}. ${evidence(one)}`)));
  for (const text of one.evidence.excerpts ?? []) item.append(element("blockquote", {}, text));
  return item;
}

function show(view) {
  byId("markets").tBodies[0].replaceChildren(...view.markets.map(market));
  byId("no-markets").hidden = view.markets.length > 0;
  byId("alerts").replaceChildren(...view.alerts.map(alert));
  byId("no-alerts").hidden = view.alerts.length > 0;
  const plan = view.allocation;
  if (plan) {
    const cause = plan.cause === "shift" ? `shift of ${plan.market}` : plan.cause;
    byId("allocation").textContent =
      `${cause}, ${time(plan.stream_time)}: ${plan.why}. ${number(plan.spent)} of ${number(plan.budget)} (${plan.currency}); ` +
      `one more unit of money would gain ${number(plan.marginal_value_of_budget, 4)}.` +
      (plan.uncertainty ? ` Gain ${number(plan.uncertainty.expected, 1)} expected, ${number(plan.uncertainty.worst, 1)} in the worst 5 %.` : "");
    byId("reasons").replaceChildren(...view.markets.filter((one) => one.reason).map((one) => element("li", {}, one.reason)));
  }
  const dead = Object.entries(view.dead_letters).map(([code, n]) => `${code} ${n}`).join(", ");
  const facts = {
    "stream time": `${time(view.stream_time)}, step ${view.step}`,
    events: `${number(view.accepted)} counted, ${number(view.duplicates)} duplicates`,
    "dead letters": dead || "none",
    latency: `median ${number(view.latency_ms.p50)} ms, 99 % ${number(view.latency_ms.p99)} ms`,
    model: `${view.model} on ${view.device}`,
    workers: view.workers.filter((one) => one.silent_ms < 60_000)
      .map((one) => `${one.holder} (${[one.device, ...one.waiting.map((what) => `waits for ${what}`)].join(", ")})`).join(", ") || "none alive",
    lag: `${number(view.lag.records)} records, ${number(view.lag.seconds)} s`,
  };
  byId("health").replaceChildren(...Object.entries(facts).flatMap(([name, said]) => [element("dt", {}, name), element("dd", {}, said)]));
}

function showStatus() {
  const status = byId("status");
  const age = newest ? newest.now - (newest.published_at ?? newest.now) + (Date.now() - receivedAt) : 0;
  const late = !connected || age > LATE_MS;
  status.className = late ? "late" : "";
  if (!newest) status.textContent = connected ? "waiting for the first step" : "connecting …";
  else status.textContent = `${connected ? "live" : "connection lost, trying again"} · last step ${Math.max(0, Math.round(age / 1000))} s ago` + (newest.everywhere.length ? ` · ${newest.everywhere.join(", ")}` : "");
}

const events = new EventSource("/events");
events.onopen = () => { connected = true; showStatus(); };
events.onerror = () => { connected = false; showStatus(); };
events.addEventListener("view", (message) => {
  newest = JSON.parse(message.data);
  receivedAt = Date.now();
  connected = true;
  show(newest);
  showStatus();
});
setInterval(showStatus, 1000);
