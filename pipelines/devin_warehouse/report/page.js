// The page: chooses among rows that SQL has computed, and shows them. It computes no figure itself.

const data = JSON.parse(document.getElementById("data").textContent);
const chosen = { organization: 0, period: data.period };
const NOTHING = "–";
const POINTS = new Set(["merge_rate", "unmerged_share", "failed_share", "coverage"]);
const MEASURES = {
  sessions_count: { title: "Sessions", form: count },
  active_users_count: { title: "Active users", form: count },
  acus_consumed: { title: "ACUs", form: amount },
  merge_rate: { title: "Merge rate", form: percent, good: 1, covered: "sessions settled, with a pull request" },
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
function words(value) { return String(value).replaceAll("_", " "); }
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

/**
 * A table whose columns sort, of the rows of a query: columns are [{name, title, label, form, of, isText, link}].
 * `most` says by what the rows are the first of all, and `order` in which column.
 */
function table(query, found, columns, { caption, most, order: first }) {
  if (!found.length) return element("p", { class: "note" }, `${caption}: none in this period.`);
  const left = found[0].rows_count > found.length;
  const said = left ? `${caption}: the ${found.length} ${most}, of ${count(found[0].rows_count)}` : caption;
  const body = element("tbody");
  const headers = columns.map((column) => header(query, column, () => sort(column)));
  let order = { name: first, sign: -1 };
  function fill() {
    body.replaceChildren(...found.map((row) => element("tr", {}, ...columns.map((column) => cell(query, row, column)))));
    headers.forEach((made, place) => {
      if (columns[place].name === order.name) made.setAttribute("aria-sort", order.sign > 0 ? "ascending" : "descending");
      else made.removeAttribute("aria-sort");
    });
  }
  function sort({ name, isText }) {
    order = { name, sign: order.name === name ? -order.sign : isText ? 1 : -1 };
    found.sort((one, other) => order.sign * compared(one[name], other[name], order.sign));
    fill();
  }
  fill();
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": said },
    element("table", { "data-query": query, "data-caption": caption }, element("caption", {}, said),
      element("thead", {}, element("tr", {}, ...headers)), body));
}

function header(query, { name, title, label = title, isText }, sort) {
  const button = element("button", { type: "button", title: `Sort by ${label}` }, title);
  button.addEventListener("click", sort);
  const target = definitionOf(query, name);
  const help = target ? element("a", { href: target, "aria-label": `What ${label} means` }, "?") : null;
  return element("th", { scope: "col", class: isText ? null : "right" }, button, help ? " " : null, help);
}

function cell(query, row, { name, form = text, of, isText, link }) {
  if (isText) {
    const said = element("bdi", {}, shown(row[name] ?? (link ? row.session_id : null), form));
    const address = link ? safeAddress(row[link]) : null;
    const content = address ? element("a", { href: address, rel: "noopener noreferrer", target: "_blank" }, said) : said;
    return element("td", { class: "text" }, content);
  }
  // a stop for the keyboard at each figure would be no help: its column's title leads there too
  const beside = of && row[name] !== null ? element("span", { class: "of" }, " of ", figure(row[of], count, query, of, { tabindex: -1 })) : null;
  return element("td", { class: "right" }, figure(row[name], form, query, name, { tabindex: -1 }), beside);
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
    row.value_before === null ? null : defined(...change(row, good)),
    covered && row.of_count ? defined(`${count(row.covered_count)} of ${count(row.of_count)} ${covered}`) : null);
}

function change({ measure, change: by, value_before: before }, good) {
  const was = `was ${shown(before, MEASURES[measure].form)}`;
  if (by === null) return [was];
  const isShare = POINTS.has(measure);
  const said = isShare ? `${amount(Math.abs(by) * 100)} points` : percent(Math.abs(by));
  const sign = Math.sign(by);
  // less is within what changes anyway from one period to the next
  const isMarked = good && Math.abs(by) >= (isShare ? 0.01 : 0.05);
  const judged = isMarked ? (good * sign > 0 ? "better" : "worse") : null;
  const arrow = sign > 0 ? "▲" : "▼";
  return [element("span", { class: judged, "data-change": by }, sign ? `${arrow} ${said}${judged ? ` ${judged}` : ""}` : "unchanged"), sign ? `, ${was}` : ""];
}

/** What stands out, in two sentences; `of` makes a figure that leads to its definition. */
const SIGNALS = {
  dearer: (row, of) => [
    ["A merged pull request costs ", of("figure", amount), " ACUs in ", element("bdi", {}, row.subject), ", up from ", of("beside", amount), "."],
    [of("acus_consumed", count), " ACUs of settled sessions, for ", of("merged_count", count), " merged pull requests."]],
  proposed: (row, of) => [
    ["Proposed ", of("figure", count), " times: “", element("bdi", {}, row.subject), "”."],
    ["By the analyses of ", of("beside", count), " sessions, which used ", of("acus_consumed", count), " ACUs."]],
  stopped: (row, of) => [
    [of("figure", count), " sessions were stopped by a limit: ", element("bdi", {}, words(row.subject)), "."],
    ["They had used ", of("acus_consumed", count), " ACUs."]],
  misleading: (row, of) => [
    ["A knowledge note hurt ", of("figure", count), " times: “", element("bdi", {}, row.subject), "”."],
    row.beside ? ["Helped: ", of("beside", count), "."] : ["It never helped."]],
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
  const form = grain === "month" ? { month: "short", year: "numeric" } : { day: "numeric", month: "short" };
  return new Date(`${since}T00:00:00Z`).toLocaleDateString("en-GB", { ...form, timeZone: "UTC" });
}

/** What a column is; the first one begins before the period, where that begins within a week or month. */
function columnNote() {
  const { grain } = data.periods.find(({ place }) => place === chosen.period);
  const each = { day: "a day", week: "a week, from Monday on", month: "a month" }[grain];
  return `Each column is ${each}; the last one, drawn pale, is still growing.`;
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
  return section("adoption", "Adoption", `People who started a session. ${columnNote()}`, line,
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
  return section("acus", "ACUs over time", `By when sessions were created: what they have used to date, not the bill. ${columnNote()}`,
    timeChart("acus", "ACUs by organization", kept, series, amount));
}

function outcomes() {
  const columns = [
    { name: "sessions_count", title: "Sessions", form: count },
    { name: "acus_consumed", title: "ACUs", form: count },
    ...(data.currency ? [{ name: "cost", title: "Cost", form: money }] : []),
    { name: "merge_rate", title: "Merge rate", form: percent, of: "judged_count" },
    { name: "merge_rate_before", title: "was", label: "Merge rate in the period before", form: percent },
    { name: "acus_per_merged_pull_request", title: "ACUs per merged PR", form: amount },
    { name: "acus_per_merged_pull_request_before", title: "was", label: "ACUs per merged PR in the period before", form: amount },
    { name: "unmerged_acus", title: "ACUs without merge", form: count },
  ];
  const parts = ["organization", "category", "origin"].flatMap((dimension) => {
    const found = rows("outcomes").filter((row) => row.dimension === dimension);
    // v2 tells neither category nor origin
    if (found.every(({ value }) => value === "(none)")) return [];
    const title = dimension[0].toUpperCase() + dimension.slice(1);
    const first = { name: "title", title, form: dimension === "organization" ? text : words, isText: true };
    return [table("outcomes", found, [first, ...columns], { caption: `By ${dimension}`, most: "with most ACUs", order: "acus_consumed" })];
  });
  const costliest = table("costliest", rows("costliest"), [
    { name: "title", title: "Session", isText: true, link: "url" }, ...byOrganization(),
    { name: "category", title: "Category", isText: true, form: words }, { name: "status", title: "Status", isText: true },
    { name: "created_date", title: "Created", form: text }, { name: "acus_consumed", title: "ACUs", form: count },
  ], { caption: "Settled sessions without a merged pull request", most: "with most ACUs", order: "acus_consumed" });
  return section("outcomes", "Outcomes",
    "What came of sessions is that of settled ones, older than 14 days: pull requests of younger ones may still be merged.", ...parts, costliest);
}

/** A column that says nothing where one organization is chosen. */
function byOrganization() {
  return chosen.organization ? [] : [{ name: "org_name", title: "Organization", isText: true }];
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
    { name: "share", title: "Share of analysed", form: percent }, { name: "acus_consumed", title: "ACUs", form: count },
  ], { caption: "Issues by label and impact", most: "that most sessions have", order: "sessions_count" }));
}

function actionItems() {
  return section("action-items", "Action items", null, coverageNote("Equal wordings are one item."), table("action_items", rows("action_items"), [
    { name: "action_item", title: "What to do", isText: true }, { name: "type", title: "Kind", isText: true, form: words },
    { name: "times_proposed", title: "Proposed", form: count }, { name: "sessions_count", title: "Sessions", form: count },
    { name: "acus_consumed", title: "ACUs", form: count }, { name: "latest_date", title: "Latest", form: text },
  ], { caption: "Proposed by analyses", most: "proposed most", order: "times_proposed" }));
}

function prompts() {
  return section("prompts", "Prompt quality", null, coverageNote(), table("prompts", rows("prompts"), [
    { name: "user_name", title: "User", isText: true }, { name: "analysed_count", title: "Analysed", form: count },
    { name: "feedback_share", title: "With remarks", form: percent }, { name: "feedback_per_session", title: "Remarks a session", form: amount },
    { name: "merge_rate_with_feedback", title: "Merge rate with remarks", form: percent },
    { name: "merge_rate_without_feedback", title: "without", label: "Merge rate without remarks", form: percent },
  ], { caption: "Remarks of analyses on prompts, by user", most: "with most analysed sessions", order: "analysed_count" }),
  table("notes", rows("notes"), [
    { name: "message", title: "Knowledge note, where it was used", isText: true }, { name: "bad_usages_count", title: "Hurt", form: count },
    { name: "good_usages_count", title: "Helped", form: count }, { name: "reason", title: "Why it hurt, lately", isText: true },
    { name: "note_id", title: "Id", isText: true },
  ], { caption: "Knowledge notes that hurt", most: "that hurt most often", order: "bad_usages_count" }));
}

function conditions() {
  return section("conditions", "Open and failed sessions",
    "Failed: ended in an error, or stopped by a limit. Open: neither failed nor ended; one that its user or inactivity has suspended has ended.",
    table("conditions", rows("conditions"), [
      { name: "condition", title: "State", isText: true }, { name: "status", title: "Status", isText: true },
      { name: "status_detail", title: "Detail", isText: true, form: words },
      { name: "sessions_count", title: "Sessions", form: count }, { name: "acus_consumed", title: "ACUs", form: count },
    ], { caption: "How they stand", order: "sessions_count" }),
    table("attention", rows("attention"), [
      { name: "title", title: "Session", isText: true, link: "url" }, ...byOrganization(), { name: "condition", title: "State", isText: true },
      { name: "status", title: "Status", isText: true }, { name: "status_detail", title: "Detail", isText: true, form: words },
      { name: "created_date", title: "Created", form: text }, { name: "acus_consumed", title: "ACUs", form: count },
    ], { caption: "Which they are", most: "with most ACUs", order: "acus_consumed" }));
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
  figures: "At a glance", signals: "Worth a look", adoption: "Adoption, on one day", people: "Adoption", acus: "ACUs over time", outcomes: "Outcomes",
  costliest: "Settled sessions without a merged pull request", pull_requests: "Pull requests", issues: "What analyses find", action_items: "Action items",
  prompts: "Prompt quality", notes: "Knowledge notes", conditions: "Open and failed sessions", attention: "Which they are",
};

function definitions() {
  const parts = Object.entries(TITLES).flatMap(([query, title]) => [
    element("h3", {}, title),
    element("dl", { class: "definitions" }, ...Object.entries(data.definitions[query])
      .filter(([name]) => name !== "cost" || data.currency)
      .flatMap(([name, { meaning, unit, formula }]) => [
        element("dt", { id: `${query}.${name}` }, MEASURES[name]?.title ?? words(name)),
        element("dd", {}, meaning, unit ? ` (${unit}) ` : "", formula ? element("code", {}, formula) : ""),
      ])),
  ]);
  return section("definitions", "Definitions", "Names in them are those of schemas analytics and devin in the warehouse; days are UTC.", ...parts);
}

function choices() {
  recall();
  document.getElementById("periods").append(...data.periods.map(({ place, title }) => {
    const input = element("input", { type: "radio", name: "period", value: place });
    input.checked = place === chosen.period;
    input.addEventListener("change", () => choose({ period: place }));
    return element("label", {}, input, element("span", {}, title));
  }));
  const select = document.getElementById("organizations");
  select.append(...data.organizations.map(({ place, title }) => element("option", { value: place }, title)));
  select.value = chosen.organization;
  select.addEventListener("change", () => choose({ organization: Number(select.value) }));
}

/** Show another choice, and put it into the address, for a bookmark or a colleague. */
function choose(other) {
  Object.assign(chosen, other);
  const named = new URLSearchParams({ period: chosen.period, organization: data.organizations[chosen.organization].org_id ?? "" });
  history.replaceState(null, "", `#${named}`);
  show();
}

/** Take the choice from the address, as far as it is one of this page. */
function recall() {
  const named = new URLSearchParams(location.hash.slice(1));
  const period = data.periods.find(({ place }) => place === Number(named.get("period")));
  const organization = data.organizations.find(({ org_id: id }) => id && id === named.get("organization"));
  chosen.period = period?.place ?? chosen.period;
  chosen.organization = organization?.place ?? chosen.organization;
}

function show() {
  const { title, since, until, before_since: before } = data.periods.find(({ place }) => place === chosen.period);
  const { title: organization, others_count: others } = data.organizations[chosen.organization];
  const last = (day) => new Date(Date.parse(day) - 86400000).toISOString().slice(0, 10);
  document.getElementById("shown").textContent = `${organization}, ${title.toLowerCase()}: sessions created from ${since} to ${last(until)}, `
    + (before ? `beside those from ${before} to ${last(since)}.` : "with no period before to compare with.")
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
