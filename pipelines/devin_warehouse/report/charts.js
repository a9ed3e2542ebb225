// The one kind of chart that the page needs: columns over time, stacked.

/** Columns over time with legend, note on what is incomplete, and the same as a table. */
function timeChart(query, name, found, series, form) {
  const columns = found.map(({ since, is_complete: isComplete, values }) => ({
    label: columnLabel(since),
    isComplete,
    title: [
      `${columnLabel(since)}${isComplete ? "" : " (so far)"}`,
      ...series.map(({ title }, place) => `${title}: ${form(values[place])}`),
    ].join("\n"),
    parts: values.map((value, place) => ({ series: series[place].colour, value })),
  }));
  const legend = element(
    "ul",
    { class: "legend" },
    ...series.map(({ title, name: column, colour }) =>
      element(
        "li",
        {},
        element("span", { class: `swatch s${colour}` }),
        element("a", { href: definitionOf(query, column) }, element("bdi", {}, title)),
      ),
    ),
  );
  const place = element("div");
  const made = element(
    "figure",
    { "data-query": query },
    legend,
    place,
    element(
      "details",
      {},
      element("summary", {}, "As a table"),
      timeTable(query, name, found, series, form),
    ),
  );
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
    element("th", { scope: "col", class: place ? "right" : null }, element("bdi", {}, title)),
  );
  const lines = found.map(({ since, is_complete: isComplete, values }) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, since + (isComplete ? "" : " (so far)")),
      ...values.map((value, place) =>
        element(
          "td",
          { class: "right" },
          figure(value, form, query, series[place].name, { tabindex: -1 }),
        ),
      ),
    ),
  );
  return element(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": name },
    element(
      "table",
      {},
      element("caption", {}, name),
      element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...lines),
    ),
  );
}

function columnLabel(since) {
  const { grain } = data.periods.find(({ place }) => place === chosen.period);
  const form =
    grain === "month" ? { month: "short", year: "numeric" } : { day: "numeric", month: "short" };
  return new Date(`${since}T00:00:00Z`).toLocaleDateString("en-GB", { ...form, timeZone: "UTC" });
}

/** What a column is; the first one begins before the period, where that begins within a week or month. */
function columnNote() {
  const { grain } = data.periods.find(({ place }) => place === chosen.period);
  const each = { day: "a day", week: "a week, from Monday on", month: "a month" }[grain];
  return `Each column is ${each}; the last one, drawn pale, is still growing.`;
}

/** The step between grid lines: 1, 2 or 5 times a power of ten, four steps at most. */
function gridStep(highest) {
  const rough = Math.max(highest, 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  return Math.max(
    1,
    [1, 2, 5, 10].map((times) => times * power).find((step) => step >= rough),
  );
}

/**
 * Columns over time, `width` pixels wide, each a stack.
 * columns: [{label, title, isComplete, parts: [{series, value}]}]
 */
function columnChart(columns, name, width) {
  const height = 220,
    left = 48,
    top = 10,
    bottom = 26;
  const sums = columns.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0));
  const step = gridStep(Math.max(...sums, 0));
  const highest = step * Math.max(1, Math.ceil(Math.max(...sums, 0) / step));
  const y = (value) => top + (height - top - bottom) * (1 - value / highest);
  const slot = (width - left) / columns.length;
  const chart = drawn("svg", {
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": `${name}; the table below says the same.`,
  });
  for (let value = 0; value <= highest; value += step) {
    chart.append(
      drawn("line", { x1: left, x2: width, y1: y(value), y2: y(value) }),
      drawn(
        "text",
        { x: left - 8, y: y(value) + 4, "text-anchor": "end" },
        value.toLocaleString("en", { notation: "compact" }),
      ),
    );
  }
  const every = Math.ceil(66 / slot);
  columns.forEach((column, place) => {
    const x = left + place * slot;
    chart.append(stack(column, x + slot * 0.14, slot * 0.72, y));
    // counted from the last one, which is always labelled
    if ((columns.length - 1 - place) % every === 0) {
      const middle = Math.min(x + slot / 2, width - 18);
      chart.append(
        drawn("text", { x: middle, y: height - 8, "text-anchor": "middle" }, column.label),
      );
    }
  });
  return chart;
}

function stack({ title, isComplete, parts }, x, width, y) {
  const group = drawn(
    "g",
    { class: isComplete ? "column" : "column unfinished" },
    drawn("title", {}, title),
  );
  let below = 0;
  for (const { series, value } of parts) {
    const height = y(below) - y(below + value);
    if (height > 0) {
      group.append(drawn("rect", { class: `s${series}`, x, width, y: y(below + value), height }));
    }
    below += value;
  }
  return group;
}
