// The page: chooses among rows that SQL has computed, and shows them. It computes no figure itself.

const data = JSON.parse(document.getElementById("data").textContent);
const chosen = { organization: 0, period: data.period };
const NOTHING = "–";
const POINTS = new Set(["merge_rate", "unmerged_share", "failed_share", "coverage"]);
const MEASURES = {
  sessions_count: { title: "Sessions", form: count },
  active_users_count: { title: "Active users", form: count },
  acus_consumed: { title: "ACUs", form: amount },
  merge_rate: { title: "Merge rate", form: percent, good: 1, covered: "sessions settled" },
  acus_per_merged_pull_request: { title: "ACUs per merged pull request", form: amount, good: -1, covered: "sessions settled" },
  unmerged_share: { title: "ACUs without a merged pull request", form: percent, good: -1, covered: "sessions settled" },
  failed_share: { title: "Failed sessions", form: percent, good: -1 },
  coverage: { title: "Sessions analysed", form: percent, covered: "sessions" },
};

function count(value) { return Math.round(value).toLocaleString("en"); }
function amount(value) {
  return value.toLocaleString("en", { minimumFractionDigits: value < 100 ? 1 : 0, maximumFractionDigits: value < 100 ? 1 : 0 });
}
function percent(value) {
  return `${(value * 100).toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 0.1 ? 1 : 0 })}%`;
}
function money(value) {
  return value.toLocaleString("en", { style: "currency", currency: data.currency, maximumFractionDigits: value < 100 ? 2 : 0 });
}
function text(value) { return String(value); }
function shown(value, form) { return value === null || value === undefined ? NOTHING : form(value); }
function instant(value) { return value ? `${value.slice(0, 16).replace("T", " ")} UTC` : NOTHING; }

/** The rows of a query for what is chosen, as objects. */
function rows(query) {
  const { columns, of } = data.rows[query];
  const found = of[chosen.organization]?.[chosen.period] ?? of[chosen.organization]?.all ?? [];
  return found.map((row) => Object.fromEntries(columns.map((name, place) => [name, row[place]])));
}

function definitionOf(query, name) { return data.definitions[query]?.[name] ? `#${query}.${name}` : null; }

/** A figure that leads to its definition. */
function figure(value, form, query, name, attributes = {}) {
  const said = shown(value, form);
  const target = definitionOf(query, name);
  if (!target) return said;
  return element("a", { href: target, class: "number", "data-value": value, ...attributes }, said);
}

function section(id, title, note, ...children) {
  return element("section", { id, "aria-labelledby": `${id}-title` },
    element("h2", { id: `${id}-title` }, title), note ? element("p", { class: "note" }, note) : null, ...children);
}

/** A table whose columns sort: [{name, title, form, isText, sort}], over the rows of a query. */
function table(query, found, columns, caption, none = "None in this period.") {
  if (!found.length) return element("p", { class: "note" }, none);
  const body = element("tbody");
  const headers = columns.map((column) => header(query, column, () => sort(column)));
  let order = null;
  function fill() {
    body.replaceChildren(...found.map((row) => element("tr", {}, ...columns.map((column) => cell(query, row, column)))));
  }
  function sort(column) {
    order = order?.column === column ? { column, sign: -order.sign } : { column, sign: column.isText ? 1 : -1 };
    found.sort((one, other) => order.sign * compared(one[column.name], other[column.name], order.sign));
    headers.forEach((made, place) => {
      if (columns[place] === column) made.setAttribute("aria-sort", order.sign > 0 ? "ascending" : "descending");
      else made.removeAttribute("aria-sort");
    });
    fill();
  }
  fill();
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    element("table", { "data-query": query }, element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...headers)), body));
}

function header(query, { name, title, isText }, sort) {
  const button = element("button", { type: "button", title: `Sort by ${title}` }, title);
  button.addEventListener("click", sort);
  const target = definitionOf(query, name);
  const help = target ? element("a", { href: target, "aria-label": `What ${title} means` }, "?") : null;
  return element("th", { scope: "col", class: isText ? null : "right" }, button, help ? " " : null, help);
}

function cell(query, row, { name, form = text, isText, link }) {
  if (isText) {
    const said = element("bdi", {}, shown(row[name], form));
    const address = link ? safeAddress(row[link]) : null;
    const content = address ? element("a", { href: address, rel: "noopener noreferrer", target: "_blank" }, said) : said;
    return element("td", { class: "text" }, content);
  }
  // a stop for the keyboard at each figure would be no help: its column's title leads there too
  return element("td", { class: "right" }, figure(row[name], form, query, name, { tabindex: -1 }));
}

/** What is missing comes last, whichever way is sorted. */
function compared(one, other, sign) {
  if (one === null || other === null) return one === other ? 0 : sign * (one === null ? 1 : -1);
  return typeof one === "string" ? one.localeCompare(other) : one - other;
}

/** An address that a click may open: the API tells it, and may tell anything. */
function safeAddress(address) { return /^https:\/\//i.test(address ?? "") ? address : null; }

function card(row) {
  const { title, form, good, covered } = MEASURES[row.measure];
  const defined = (...said) => element("p", {}, element("a", { class: "number", href: definitionOf("figures", row.measure), tabindex: -1 }, ...said));
  return element("article", { class: "card", "data-measure": row.measure },
    element("h3", {}, title),
    element("p", { class: "value" }, figure(row.value, form, "figures", row.measure)),
    row.cost === null ? null : element("p", { class: "cost" }, figure(row.cost, money, "figures", "cost")),
    defined(...change(row, good)),
    covered && row.of_count ? defined(`${count(row.covered_count)} of ${count(row.of_count)} ${covered}`) : null);
}

function change({ measure, change: by, value_before: before }, good) {
  if (by === null) return [before === null ? "no period before to compare with" : `${shown(before, MEASURES[measure].form)} before`];
  const isShare = POINTS.has(measure);
  const said = isShare ? `${amount(Math.abs(by) * 100)} points` : percent(Math.abs(by));
  const sign = Math.sign(by);
  // less is within what changes anyway from one period to the next
  const isMarked = good && Math.abs(by) >= (isShare ? 0.01 : 0.05);
  const judged = isMarked ? (good * sign > 0 ? "better" : "worse") : null;
  const arrow = sign > 0 ? "▲" : "▼";
  return [
    element("span", { class: judged, "data-change": by }, sign ? `${arrow} ${said}${judged ? `, ${judged}` : ""}` : "="),
    ` from ${shown(before, MEASURES[measure].form)}`];
}

/** What stands out, in two sentences; `of` makes a figure that leads to its definition. */
const SIGNALS = {
  dearer: (row, of) => [
    ["A merged pull request costs ", of("figure", amount), " ACUs in ", element("bdi", {}, row.subject), ", up from ", of("beside", amount), "."],
    [of("acus_consumed", count), " ACUs went into its sessions in this period."]],
  proposed: (row, of) => [
    ["Proposed ", of("figure", count), " times: “", element("bdi", {}, row.subject), "”."],
    ["By the analyses of ", of("beside", count), " sessions, which used ", of("acus_consumed", count), " ACUs."]],
  misleading: (row, of) => [
    ["A knowledge note hurt ", of("figure", count), " times: ", element("bdi", {}, row.subject), "."],
    ["It helped ", of("beside", count), " times."]],
};

function signals() {
  const items = rows("signals").map((row) => {
    const [sentence, note] = SIGNALS[row.kind](row, (name, form) => figure(row[name], form, "signals", name));
    return element("li", { "data-kind": row.kind }, element("p", {}, ...sentence), element("p", { class: "note" }, ...note));
  });
  const none = element("p", { class: "note" }, "Nothing stands out in this period.");
  return section("signals", "Worth a look", null, items.length ? element("ul", { class: "signals" }, ...items) : none);
}

/** Columns over time with legend, note on what is incomplete, and the same as a table. */
function timeChart(query, name, found, series, form) {
  const columns = found.map(({ since, is_complete: isComplete, values }) => ({
    label: columnLabel(since), isComplete,
    title: [`${columnLabel(since)}${isComplete ? "" : " (so far)"}`, ...series.map(({ title }, place) => `${title}: ${form(values[place])}`)].join("\n"),
    parts: values.map((value, place) => ({ series: series[place].colour, value })),
  }));
  const legend = element("ul", { class: "legend" }, ...series.map(({ title, name: column, colour }) =>
    element("li", {}, element("span", { class: `swatch s${colour}` }), element("a", { href: definitionOf(query, column) }, element("bdi", {}, title)))));
  const place = element("div");
  const made = element("figure", { "data-query": query }, legend, place,
    element("details", {}, element("summary", {}, "As a table"), timeTable(query, name, found, series, form)));
  let width = 0;
  new ResizeObserver(([{ contentRect }]) => {
    if (Math.abs(contentRect.width - width) < 1 || !contentRect.width) return;
    width = contentRect.width;
    place.replaceChildren(columnChart(columns, name, Math.max(width, 240)));
  }).observe(place);
  return made;
}

function timeTable(query, name, found, series, form) {
  const head = ["From", ...series.map(({ title }) => title)].map((title, place) =>
    element("th", { scope: "col", class: place ? "right" : null }, element("bdi", {}, title)));
  const lines = found.map(({ since, is_complete: isComplete, values }) => element("tr", {},
    element("th", { scope: "row" }, since + (isComplete ? "" : " (so far)")),
    ...values.map((value, place) => element("td", { class: "right" }, figure(value, form, query, series[place].name, { tabindex: -1 })))));
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name },
    element("table", {}, element("caption", {}, name), element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...lines)));
}

function columnLabel(since) {
  const { grain } = data.periods.find(({ place }) => place === chosen.period);
  const form = grain === "month" ? { month: "short", year: "2-digit" } : { day: "numeric", month: "short" };
  return new Date(`${since}T00:00:00Z`).toLocaleDateString("en-GB", { ...form, timeZone: "UTC" });
}

function adoption() {
  const people = rows("people").map((row) => ({ ...row, values: [row.returning_users, row.new_users] }));
  const series = [
    { title: "Returning", name: "returning_users", colour: 1 },
    { title: "New", name: "new_users", colour: 2 },
  ];
  const [day] = rows("adoption");
  const line = day ? element("p", {}, `On ${day.date}: `,
    figure(day.dau, count, "adoption", "dau"), " people that day, ", figure(day.wau, count, "adoption", "wau"), " in seven days, ",
    figure(day.mau, count, "adoption", "mau"), " in 28; stickiness ", figure(day.stickiness, percent, "adoption", "stickiness"), ".") : null;
  return section("adoption", "Adoption", "People who started a session. The last column is still growing.", line,
    timeChart("people", "People with a session", people, series, count));
}

function acus() {
  const byColumn = new Map();
  for (const row of rows("acus")) {
    if (!byColumn.has(row.since)) byColumn.set(row.since, { ...row, series: [], values: [] });
    byColumn.get(row.since).series.push(row.series);
    byColumn.get(row.since).values.push(row.acus_consumed);
  }
  const found = [...byColumn.values()];
  const used = (found[0]?.series ?? []).filter((_, place) => found.some(({ values }) => values[place] > 0));
  const series = used.map((place) => ({
    title: place ? data.organizations[place].title : "Other organizations", name: "acus_consumed", colour: chosen.organization ? 1 : place,
  }));
  const kept = found.map((column) => ({ ...column, values: column.values.filter((_, place) => used.includes(column.series[place])) }));
  return section("acus", "ACUs over time", "By the day on which sessions were created, to date: what a cohort has used, not the bill.",
    timeChart("acus", "ACUs by organization", kept, series, amount));
}

function outcomes() {
  const columns = [
    { name: "title", title: "", isText: true },
    { name: "sessions_count", title: "Sessions", form: count },
    { name: "acus_consumed", title: "ACUs", form: count },
    ...(data.currency ? [{ name: "cost", title: "Cost", form: money }] : []),
    { name: "merge_rate", title: "Merge rate", form: percent },
    { name: "merge_rate_before", title: "before", form: percent },
    { name: "acus_per_merged_pull_request", title: "ACUs per merged PR", form: amount },
    { name: "acus_per_merged_pull_request_before", title: "before", form: amount },
    { name: "unmerged_acus", title: "ACUs without merge", form: count },
  ];
  const parts = ["organization", "category", "origin"].filter((dimension) => dimension !== "organization" || !chosen.organization)
    .map((dimension) => {
      const title = dimension[0].toUpperCase() + dimension.slice(1);
      const found = rows("outcomes").filter((row) => row.dimension === dimension);
      return table("outcomes", found, [{ ...columns[0], title }, ...columns.slice(1)], `By ${dimension}`);
    });
  return section("outcomes", "Outcomes",
    "Merge rate and cost are those of settled sessions, older than 14 days: pull requests of younger ones may still be merged.", ...parts);
}

function pullRequests() {
  const [row] = rows("pull_requests");
  const states = [["merged_count", "merged", 3], ["open_count", "open", 1], ["closed_count", "closed unmerged", 2], ["other_count", "in another state", 0]];
  if (!row) return section("pull-requests", "Pull requests", "None in this period.");
  const bar = element("div", { class: "funnel", "aria-hidden": "true" });
  for (const [name, , colour] of states) {
    const part = element("span", { class: `s${colour}` });
    part.style.flex = `${row[name]} 0 0`;
    if (row[name]) bar.append(part);
  }
  const legend = element("ul", { class: "legend" }, ...states.filter(([name]) => row[name]).map(([name, title, colour]) =>
    element("li", {}, element("span", { class: `swatch s${colour}` }), figure(row[name], count, "pull_requests", name), ` ${title}`)));
  const times = row.observed_count
    ? element("p", {}, "From being seen open to being seen merged: half within ", figure(row.median_hours, amount, "pull_requests", "median_hours"),
      " hours, nine tenths within ", figure(row.p90_hours, amount, "pull_requests", "p90_hours"), " hours; known of ",
      figure(row.observed_count, count, "pull_requests", "observed_count"), " of the merged ones.")
    : element("p", { class: "note" }, "How long they took is not known yet: no run has seen one of them open, and later merged.");
  return section("pull-requests", "Pull requests", null,
    element("p", {}, figure(row.pull_requests_count, count, "pull_requests", "pull_requests_count"), " came of the sessions of this period:"), bar, legend, times);
}

function coverageNote(...more) {
  const row = rows("figures").find(({ measure }) => measure === "coverage");
  const share = `${count(row?.covered_count ?? 0)} of ${count(row?.of_count ?? 0)}`;
  return element("p", { class: "note" }, "Users had ", element("a", { class: "number", href: definitionOf("figures", "coverage") }, share),
    " sessions analysed: a biased sample. ", ...more);
}

function issues() {
  return section("issues", "What analyses find", null, coverageNote(), table("issues", rows("issues"), [
    { name: "label", title: "Label", isText: true }, { name: "impact", title: "Impact", isText: true },
    { name: "issues_count", title: "Issues", form: count }, { name: "sessions_count", title: "Sessions", form: count },
    { name: "share", title: "Of analysed", form: percent }, { name: "acus_consumed", title: "ACUs", form: count },
  ], "Issues by label and impact"));
}

function actionItems() {
  return section("action-items", "Action items", null, coverageNote("Equal wordings are one item."), table("action_items", rows("action_items"), [
    { name: "action_item", title: "What to do", isText: true }, { name: "type", title: "Where", isText: true },
    { name: "times_proposed", title: "Proposed", form: count }, { name: "sessions_count", title: "Sessions", form: count },
    { name: "acus_consumed", title: "ACUs", form: count }, { name: "latest_date", title: "Latest", form: text },
  ], "The 25 proposed most; a column's title sorts"));
}

function prompts() {
  return section("prompts", "Prompt quality", null, coverageNote(), table("prompts", rows("prompts"), [
    { name: "user_name", title: "User", isText: true }, { name: "analysed_count", title: "Analysed", form: count },
    { name: "feedback_share", title: "With remarks", form: percent }, { name: "feedback_per_session", title: "Remarks each", form: amount },
    { name: "merge_rate_with_feedback", title: "Merge rate with", form: percent },
    { name: "merge_rate_without_feedback", title: "and without", form: percent },
  ], "The twelve users with most analysed sessions"),
  element("h3", {}, "Knowledge notes that hurt"), table("notes", rows("notes"), [
    { name: "note_id", title: "Note", isText: true }, { name: "bad_usages_count", title: "Hurt", form: count },
    { name: "good_usages_count", title: "Helped", form: count }, { name: "reason", title: "Why, lately", isText: true },
  ], "The eight that hurt most often"));
}

function conditions() {
  return section("conditions", "Unsettled and failed sessions", "Failed: ended in an error, or stopped by a limit. Unsettled: not ended yet.",
    table("conditions", rows("conditions"), [
      { name: "condition", title: "", isText: true }, { name: "status", title: "Status", isText: true }, { name: "status_detail", title: "Detail", isText: true },
      { name: "sessions_count", title: "Sessions", form: count }, { name: "acus_consumed", title: "ACUs", form: count },
    ], "How they stand"),
    table("attention", rows("attention"), [
      { name: "title", title: "Session", isText: true, link: "url" }, { name: "org_name", title: "Organization", isText: true },
      { name: "status", title: "Status", isText: true }, { name: "status_detail", title: "Detail", isText: true },
      { name: "created_date", title: "Created", form: text }, { name: "acus_consumed", title: "ACUs", form: count },
    ], "The 15 that have used most"));
}

function freshness() {
  const lines = data.scopes.map(({ scope, watermark, last_success_at: success, last_failure_at: failure, last_failure_error: error }) =>
    element("tr", {}, element("th", { scope: "row" }, scope), element("td", {}, instant(watermark)), element("td", {}, instant(success)),
      element("td", { class: "text" }, failure ? `${instant(failure)}: ${error ?? ""}` : "none")));
  const head = ["Scope", "Complete up to", "Last success", "Last failure"].map((title) => element("th", { scope: "col" }, title));
  return section("freshness-section", "Freshness", `As of publication, ${instant(data.published_at)}.`,
    element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Freshness by scope" },
      element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...lines))));
}

const TITLES = {
  figures: "Figures", signals: "Worth a look", adoption: "Adoption, by day", people: "Adoption", acus: "ACUs over time", outcomes: "Outcomes",
  pull_requests: "Pull requests", issues: "What analyses find", action_items: "Action items", prompts: "Prompt quality",
  notes: "Knowledge notes", conditions: "Unsettled and failed sessions", attention: "Sessions that need a look",
};

function definitions() {
  const parts = Object.entries(TITLES).flatMap(([query, title]) => [
    element("h3", {}, title),
    element("dl", { class: "definitions" }, ...Object.entries(data.definitions[query]).flatMap(([name, { meaning, unit, formula }]) => [
      element("dt", { id: `${query}.${name}` }, MEASURES[name]?.title ?? name.replaceAll("_", " ")),
      element("dd", {}, meaning, unit ? ` In ${unit}: ` : "", formula ? element("code", {}, formula) : ""),
    ])),
  ]);
  return section("definitions", "Definitions", "Names are those of schema analytics and devin in the warehouse; days are UTC.", ...parts);
}

function choices() {
  document.getElementById("periods").append(...data.periods.map(({ place, title }) => {
    const input = element("input", { type: "radio", name: "period", value: place });
    input.checked = place === chosen.period;
    input.addEventListener("change", () => { chosen.period = place; show(); });
    return element("label", {}, input, element("span", {}, title));
  }));
  const select = document.getElementById("organizations");
  select.append(...data.organizations.map(({ place, title }) => element("option", { value: place }, title)));
  select.addEventListener("change", () => { chosen.organization = Number(select.value); show(); });
}

function show() {
  const { title, since, until } = data.periods.find(({ place }) => place === chosen.period);
  const { title: organization, others_count: others } = data.organizations[chosen.organization];
  const last = new Date(Date.parse(until) - 86400000).toISOString().slice(0, 10);
  document.getElementById("shown").textContent = `${organization}, ${title.toLowerCase()}: sessions created from ${since} to ${last}.`
    + (others ? ` ${count(others)} organizations with fewer ACUs are in the figures, and cannot be chosen.` : "");
  const cards = element("div", { class: "cards" }, ...rows("figures").map(card));
  document.getElementById("content").replaceChildren(
    section("figures", "At a glance", null, cards), signals(), adoption(), acus(), outcomes(), pullRequests(),
    issues(), actionItems(), prompts(), conditions(), freshness(), definitions());
}

function begin() {
  document.getElementById("freshness").textContent = data.watermark
    ? `Complete up to ${instant(data.watermark)}; published ${instant(data.published_at)}.`
    : `Published ${instant(data.published_at)}.`;
  document.getElementById("footer").textContent = `Made by devin-warehouse ${data.version} from ${data.database}. No request leaves this page.`;
  if (data.periods.length) {
    choices();
    show();
    return;
  }
  document.getElementById("filters").remove();
  document.getElementById("content").append(
    section("empty", "No sessions yet", "The warehouse holds no session with a day of creation before its watermark's. Once a load has brought some, this page shows them."), freshness());
}

begin();
