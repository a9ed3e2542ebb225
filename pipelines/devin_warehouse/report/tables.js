// Tables whose columns sort.

/**
 * A table whose columns sort, of the rows of a query: columns are [{name, title, label, form, of, isText, link}].
 * `most` says by what the rows are the first of all, and `order` in which column.
 */
function table(query, found, columns, { caption, most, order: first }) {
  if (!found.length) return element("p", { class: "note" }, `${caption}: none in this period.`);
  const left = found[0].rows_count > found.length;
  const said = left
    ? `${caption}: the ${found.length} ${most}, of ${count(found[0].rows_count)}`
    : caption;
  const body = element("tbody");
  const headers = columns.map((column) => header(query, column, () => sort(column)));
  let order = { name: first, sign: -1 };
  function fill() {
    body.replaceChildren(
      ...found.map((row) =>
        element("tr", {}, ...columns.map((column) => cell(query, row, column))),
      ),
    );
    headers.forEach((made, place) => {
      if (columns[place].name === order.name)
        made.setAttribute("aria-sort", order.sign > 0 ? "ascending" : "descending");
      else made.removeAttribute("aria-sort");
    });
  }
  function sort({ name, isText }) {
    order = { name, sign: order.name === name ? -order.sign : isText ? 1 : -1 };
    found.sort((one, other) => order.sign * compared(one[name], other[name], order.sign));
    fill();
  }
  fill();
  return element(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": said },
    element(
      "table",
      { "data-query": query, "data-caption": caption },
      element("caption", {}, said),
      element("thead", {}, element("tr", {}, ...headers)),
      body,
    ),
  );
}

function header(query, { name, title, label = title, isText }, sort) {
  const button = element("button", { type: "button", title: `Sort by ${label}` }, title);
  button.addEventListener("click", sort);
  const target = definitionOf(query, name);
  const help = target
    ? element("a", { href: target, "aria-label": `What ${label} means` }, "?")
    : null;
  return element(
    "th",
    { scope: "col", class: isText ? null : "right" },
    button,
    help ? " " : null,
    help,
  );
}

function cell(query, row, { name, form = text, of, isText, link }) {
  if (isText) {
    const said = element("bdi", {}, shown(row[name] ?? (link ? row.session_id : null), form));
    const address = link ? safeAddress(row[link]) : null;
    const content = address
      ? element("a", { href: address, rel: "noopener noreferrer", target: "_blank" }, said)
      : said;
    return element("td", { class: "text" }, content);
  }
  // a stop for the keyboard at each figure would be no help: its column's title leads there too
  const beside =
    of && row[name] !== null
      ? element(
          "span",
          { class: "of" },
          " of ",
          figure(row[of], count, query, of, { tabindex: -1 }),
        )
      : null;
  return element(
    "td",
    { class: "right" },
    figure(row[name], form, query, name, { tabindex: -1 }),
    beside,
  );
}

/** What is missing comes last, whichever way is sorted. */
function compared(one, other, sign) {
  if (one === null || other === null) return one === other ? 0 : sign * (one === null ? 1 : -1);
  return typeof one === "string" ? one.localeCompare(other) : one - other;
}

/** An address that a click may open: the API tells it, and may tell anything. */
function safeAddress(address) {
  return /^https:\/\//i.test(address ?? "") ? address : null;
}
