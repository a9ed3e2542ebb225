// The page chooses among rows that SQL has computed, and shows them. It computes no figure itself.

const data = JSON.parse(document.getElementById("data").textContent);
const chosen = { organization: 0, period: data.period };
const NOTHING = "–";
const POINTS = new Set(["merge_rate", "unmerged_share", "failed_share", "coverage"]);
const MEASURES = {
  sessions_count: { title: "Sessions", form: count },
  active_users_count: { title: "Active users", form: count },
  acus_consumed: { title: "ACUs", form: amount },
  merge_rate: {
    title: "Merge rate",
    form: percent,
    good: 1,
    covered: "sessions settled, with a pull request",
  },
  acus_per_merged_pull_request: {
    title: "ACUs per merged pull request",
    form: amount,
    good: -1,
    covered: "sessions settled",
  },
  unmerged_share: {
    title: "ACUs without a merged pull request",
    form: percent,
    good: -1,
    covered: "sessions settled",
  },
  failed_share: { title: "Failed sessions", form: percent, good: -1 },
  coverage: { title: "Sessions analysed", form: percent, covered: "sessions" },
};

function count(value) {
  return Math.round(value).toLocaleString("en");
}
function amount(value) {
  return value.toLocaleString("en", {
    minimumFractionDigits: value < 100 ? 1 : 0,
    maximumFractionDigits: value < 100 ? 1 : 0,
  });
}
function percent(value) {
  return `${(value * 100).toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 0.1 ? 1 : 0 })}%`;
}
function money(value) {
  return value.toLocaleString("en", {
    style: "currency",
    currency: data.currency,
    maximumFractionDigits: value < 100 ? 2 : 0,
  });
}
function text(value) {
  return String(value);
}
function words(value) {
  return String(value).replaceAll("_", " ");
}
function shown(value, form) {
  return value === null || value === undefined ? NOTHING : form(value);
}
function instant(value) {
  return value ? `${value.slice(0, 16).replace("T", " ")} UTC` : NOTHING;
}

/** The rows of a query for what is chosen, as objects. */
function rows(query) {
  const { columns, of } = data.rows[query];
  const found = of[chosen.organization]?.[chosen.period] ?? of[chosen.organization]?.all ?? [];
  return found.map((row) => Object.fromEntries(columns.map((name, place) => [name, row[place]])));
}

function definitionOf(query, name) {
  return data.definitions[query]?.[name] ? `#${query}.${name}` : null;
}

/** A figure that leads to its definition. */
function figure(value, form, query, name, attributes = {}) {
  const said = shown(value, form);
  const target = definitionOf(query, name);
  if (!target) return said;
  return element("a", { href: target, class: "number", "data-value": value, ...attributes }, said);
}

function card(row) {
  const { title, form, good, covered } = MEASURES[row.measure];
  const defined = (...said) =>
    element(
      "p",
      {},
      element(
        "a",
        { class: "number", href: definitionOf("figures", row.measure), tabindex: -1 },
        ...said,
      ),
    );
  return element(
    "article",
    { class: "card", "data-measure": row.measure },
    element("h3", {}, title),
    element("p", { class: "value" }, figure(row.value, form, "figures", row.measure)),
    row.cost === null
      ? null
      : element("p", { class: "cost" }, figure(row.cost, money, "figures", "cost")),
    row.value_before === null ? null : defined(...change(row, good)),
    covered && row.of_count
      ? defined(`${count(row.covered_count)} of ${count(row.of_count)} ${covered}`)
      : null,
  );
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
  return [
    element(
      "span",
      { class: judged, "data-change": by },
      sign ? `${arrow} ${said}${judged ? ` ${judged}` : ""}` : "unchanged",
    ),
    sign ? `, ${was}` : "",
  ];
}

/** What stands out, in two sentences; `of` makes a figure that leads to its definition. */
const SIGNALS = {
  dearer: (row, of) => [
    [
      "A merged pull request costs ",
      of("figure", amount),
      " ACUs in ",
      element("bdi", {}, row.subject),
      ", up from ",
      of("beside", amount),
      ".",
    ],
    [
      of("acus_consumed", count),
      " ACUs of settled sessions, for ",
      of("merged_count", count),
      " merged pull requests.",
    ],
  ],
  proposed: (row, of) => [
    ["Proposed ", of("figure", count), " times: “", element("bdi", {}, row.subject), "”."],
    [
      "By the analyses of ",
      of("beside", count),
      " sessions, which used ",
      of("acus_consumed", count),
      " ACUs.",
    ],
  ],
  stopped: (row, of) => [
    [
      of("figure", count),
      " sessions were stopped by a limit: ",
      element("bdi", {}, words(row.subject)),
      ".",
    ],
    ["They had used ", of("acus_consumed", count), " ACUs."],
  ],
  misleading: (row, of) => [
    [
      "A knowledge note hurt ",
      of("figure", count),
      " times: “",
      element("bdi", {}, row.subject),
      "”.",
    ],
    row.beside ? ["Helped: ", of("beside", count), "."] : ["It never helped."],
  ],
};

function signals() {
  const items = rows("signals").map((row) => {
    const [sentence, note] = SIGNALS[row.kind](row, (name, form) =>
      figure(row[name], form, "signals", name),
    );
    return element(
      "li",
      { "data-kind": row.kind },
      element("p", {}, ...sentence),
      element("p", { class: "note" }, ...note),
    );
  });
  const none = element("p", { class: "note" }, "Nothing stands out in this period.");
  return section(
    "signals",
    "Worth a look",
    null,
    items.length ? element("ul", { class: "signals" }, ...items) : none,
  );
}
