// The sections of the page, from its top to its end.

function adoption() {
  const people = rows("people").map((row) => ({
    ...row,
    values: [row.returning_users, row.new_users],
  }));
  const series = [
    { title: "Returning", name: "returning_users", colour: 1 },
    { title: "New", name: "new_users", colour: 2 },
  ];
  const [day] = rows("adoption");
  const line = day
    ? element(
        "p",
        {},
        `On ${day.date}: `,
        figure(day.dau, count, "adoption", "dau"),
        " people that day, ",
        figure(day.wau, count, "adoption", "wau"),
        " in seven days, ",
        figure(day.mau, count, "adoption", "mau"),
        " in 28; stickiness ",
        figure(day.stickiness, percent, "adoption", "stickiness"),
        ".",
      )
    : null;
  return section(
    "adoption",
    "Adoption",
    `People who started a session. ${columnNote()}`,
    line,
    timeChart("people", "People with a session", people, series, count),
  );
}

function acus() {
  const byColumn = new Map();
  for (const row of rows("acus")) {
    if (!byColumn.has(row.since)) byColumn.set(row.since, { ...row, series: [], values: [] });
    byColumn.get(row.since).series.push(row.series);
    byColumn.get(row.since).values.push(row.acus_consumed);
  }
  const found = [...byColumn.values()];
  const used = (found[0]?.series ?? []).filter((_, place) =>
    found.some(({ values }) => values[place] > 0),
  );
  const series = used.map((place) => ({
    title: place ? data.organizations[place].title : "Other organizations",
    name: "acus_consumed",
    colour: chosen.organization ? 1 : place,
  }));
  const kept = found.map((column) => ({
    ...column,
    values: column.values.filter((_, place) => used.includes(column.series[place])),
  }));
  return section(
    "acus",
    "ACUs over time",
    `By when sessions were created: what they have used to date, not the bill. ${columnNote()}`,
    timeChart("acus", "ACUs by organization", kept, series, amount),
  );
}

function outcomes() {
  const columns = [
    { name: "sessions_count", title: "Sessions", form: count },
    { name: "acus_consumed", title: "ACUs", form: count },
    ...(data.currency ? [{ name: "cost", title: "Cost", form: money }] : []),
    { name: "merge_rate", title: "Merge rate", form: percent, of: "judged_count" },
    {
      name: "merge_rate_before",
      title: "was",
      label: "Merge rate in the period before",
      form: percent,
    },
    { name: "acus_per_merged_pull_request", title: "ACUs per merged PR", form: amount },
    {
      name: "acus_per_merged_pull_request_before",
      title: "was",
      label: "ACUs per merged PR in the period before",
      form: amount,
    },
    { name: "unmerged_acus", title: "ACUs without merge", form: count },
  ];
  const parts = ["organization", "category", "origin"].flatMap((dimension) => {
    const found = rows("outcomes").filter((row) => row.dimension === dimension);
    // v2 tells neither category nor origin
    if (found.every(({ value }) => value === "(none)")) return [];
    const title = dimension[0].toUpperCase() + dimension.slice(1);
    const first = {
      name: "title",
      title,
      form: dimension === "organization" ? text : words,
      isText: true,
    };
    return [
      table("outcomes", found, [first, ...columns], {
        caption: `By ${dimension}`,
        most: "with most ACUs",
        order: "acus_consumed",
      }),
    ];
  });
  const unmerged = sessions(
    "unmerged",
    [
      { name: "category", title: "Category", isText: true, form: words },
      { name: "status", title: "Status", isText: true },
    ],
    "Settled sessions without a merged pull request",
  );
  return section(
    "outcomes",
    "Outcomes",
    "What came of sessions is that of settled ones, older than 14 days: pull requests of younger ones may still be merged.",
    ...parts,
    unmerged,
  );
}

/** A table of sessions that want a look, of a kind. */
function sessions(kind, columns, caption) {
  const found = rows("sessions").filter((row) => row.kind === kind);
  return table(
    "sessions",
    found,
    [
      { name: "title", title: "Session", isText: true, link: "url" },
      ...byOrganization(),
      ...columns,
      { name: "created_date", title: "Created", form: text },
      { name: "acus_consumed", title: "ACUs", form: count },
    ],
    { caption, most: "with most ACUs", order: "acus_consumed" },
  );
}

/** A column that says nothing where one organization is chosen. */
function byOrganization() {
  return chosen.organization ? [] : [{ name: "org_name", title: "Organization", isText: true }];
}

function pullRequests() {
  const [row] = rows("pull_requests");
  const states = [
    ["merged_count", "merged", 3],
    ["open_count", "open", 1],
    ["closed_count", "closed unmerged", 2],
    ["other_count", "in another state", 0],
  ];
  if (!row) return section("pull-requests", "Pull requests", "None in this period.");
  const bar = element("div", { class: "funnel", "aria-hidden": "true" });
  for (const [name, , colour] of states) {
    const part = element("span", { class: `s${colour}` });
    part.style.flex = `${row[name]} 0 0`;
    if (row[name]) bar.append(part);
  }
  const legend = element(
    "ul",
    { class: "legend" },
    ...states
      .filter(([name]) => row[name])
      .map(([name, title, colour]) =>
        element(
          "li",
          {},
          element("span", { class: `swatch s${colour}` }),
          figure(row[name], count, "pull_requests", name),
          ` ${title}`,
        ),
      ),
  );
  const times = row.observed_count
    ? element(
        "p",
        {},
        "From being seen open to being seen merged: half within ",
        figure(row.median_hours, amount, "pull_requests", "median_hours"),
        " hours, nine tenths within ",
        figure(row.p90_hours, amount, "pull_requests", "p90_hours"),
        " hours; known of ",
        figure(row.observed_count, count, "pull_requests", "observed_count"),
        " of the merged ones.",
      )
    : element(
        "p",
        { class: "note" },
        "How long they took is not known yet: no run has seen one of them open, and later merged.",
      );
  return section(
    "pull-requests",
    "Pull requests",
    null,
    element(
      "p",
      {},
      figure(row.pull_requests_count, count, "pull_requests", "pull_requests_count"),
      " came of the sessions of this period:",
    ),
    bar,
    legend,
    times,
  );
}

function coverageNote(...more) {
  const row = rows("figures").find(({ measure }) => measure === "coverage");
  const share = `${count(row?.covered_count ?? 0)} of ${count(row?.of_count ?? 0)}`;
  return element(
    "p",
    { class: "note" },
    "Users had ",
    element("a", { class: "number", href: definitionOf("figures", "coverage") }, share),
    " sessions analysed: a biased sample. ",
    ...more,
  );
}

function issues() {
  return section(
    "issues",
    "What analyses find",
    null,
    coverageNote(),
    table(
      "issues",
      rows("issues"),
      [
        { name: "label", title: "Label", isText: true },
        { name: "impact", title: "Impact", isText: true },
        { name: "issues_count", title: "Issues", form: count },
        { name: "sessions_count", title: "Sessions", form: count },
        { name: "share", title: "Share of analysed", form: percent },
        { name: "acus_consumed", title: "ACUs", form: count },
      ],
      {
        caption: "Issues by label and impact",
        most: "that most sessions have",
        order: "sessions_count",
      },
    ),
  );
}

function actionItems() {
  return section(
    "action-items",
    "Action items",
    null,
    coverageNote("Equal wordings are one item."),
    table(
      "action_items",
      rows("action_items"),
      [
        { name: "action_item", title: "What to do", isText: true },
        { name: "type", title: "Kind", isText: true, form: words },
        { name: "times_proposed", title: "Proposed", form: count },
        { name: "sessions_count", title: "Sessions", form: count },
        { name: "acus_consumed", title: "ACUs", form: count },
        { name: "latest_date", title: "Latest", form: text },
      ],
      { caption: "Proposed by analyses", most: "proposed most", order: "times_proposed" },
    ),
  );
}

function prompts() {
  return section(
    "prompts",
    "Prompt quality",
    null,
    coverageNote(),
    table(
      "prompts",
      rows("prompts"),
      [
        { name: "user_name", title: "User", isText: true },
        { name: "analysed_count", title: "Analysed", form: count },
        { name: "feedback_share", title: "With remarks", form: percent },
        { name: "feedback_per_session", title: "Remarks a session", form: amount },
        { name: "merge_rate_with_feedback", title: "Merge rate with remarks", form: percent },
        {
          name: "merge_rate_without_feedback",
          title: "without",
          label: "Merge rate without remarks",
          form: percent,
        },
      ],
      {
        caption: "Remarks of analyses on prompts, by user",
        most: "with most analysed sessions",
        order: "analysed_count",
      },
    ),
    table(
      "notes",
      rows("notes"),
      [
        { name: "message", title: "Knowledge note, where it was used", isText: true },
        { name: "bad_usages_count", title: "Hurt", form: count },
        { name: "good_usages_count", title: "Helped", form: count },
        { name: "reason", title: "Why it hurt, lately", isText: true },
        { name: "note_id", title: "Id", isText: true },
      ],
      {
        caption: "Knowledge notes that hurt",
        most: "that hurt most often",
        order: "bad_usages_count",
      },
    ),
  );
}

function conditions() {
  return section(
    "conditions",
    "Open and failed sessions",
    "Failed: ended in an error, or stopped by a limit. Open: neither failed nor ended; one that its user or inactivity has suspended has ended.",
    table(
      "conditions",
      rows("conditions"),
      [
        { name: "condition", title: "State", isText: true },
        { name: "status", title: "Status", isText: true },
        { name: "status_detail", title: "Detail", isText: true, form: words },
        { name: "sessions_count", title: "Sessions", form: count },
        { name: "acus_consumed", title: "ACUs", form: count },
      ],
      { caption: "How they stand", order: "sessions_count" },
    ),
    sessions(
      "unfinished",
      [
        { name: "condition", title: "State", isText: true },
        { name: "status", title: "Status", isText: true },
        { name: "status_detail", title: "Detail", isText: true, form: words },
      ],
      "Which they are",
    ),
  );
}

function freshness() {
  const lines = data.scopes.map(
    ({
      scope,
      watermark,
      last_success_at: success,
      last_failure_at: failure,
      last_failure_error: error,
    }) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, scope),
        element("td", {}, instant(watermark)),
        element("td", {}, instant(success)),
        element("td", { class: "text" }, failure ? `${instant(failure)}: ${error ?? ""}` : "none"),
      ),
  );
  const head = ["Scope", "Complete up to", "Last success", "Last failure"].map((title) =>
    element("th", { scope: "col" }, title),
  );
  return section(
    "freshness-section",
    "Freshness",
    `As of publication, ${instant(data.published_at)}.`,
    element(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Freshness by scope" },
      element(
        "table",
        {},
        element("thead", {}, element("tr", {}, ...head)),
        element("tbody", {}, ...lines),
      ),
    ),
  );
}

const TITLES = {
  figures: "At a glance",
  signals: "Worth a look",
  adoption: "Adoption, on one day",
  people: "Adoption",
  acus: "ACUs over time",
  outcomes: "Outcomes",
  pull_requests: "Pull requests",
  issues: "What analyses find",
  action_items: "Action items",
  prompts: "Prompt quality",
  notes: "Knowledge notes",
  conditions: "Open and failed sessions",
  sessions: "Sessions that want a look",
};

function definitions() {
  const parts = Object.entries(TITLES).flatMap(([query, title]) => [
    element("h3", {}, title),
    element(
      "dl",
      { class: "definitions" },
      ...Object.entries(data.definitions[query])
        .filter(([name]) => name !== "cost" || data.currency)
        .flatMap(([name, { meaning, unit, formula }]) => [
          element("dt", { id: `${query}.${name}` }, MEASURES[name]?.title ?? words(name)),
          element(
            "dd",
            {},
            meaning,
            unit ? ` (${unit}) ` : "",
            formula ? element("code", {}, formula) : "",
          ),
        ]),
    ),
  ]);
  return section(
    "definitions",
    "Definitions",
    "Names in them are those of schemas analytics and devin in the warehouse; days are UTC.",
    ...parts,
  );
}
