// Elements, and the one kind of chart that the page needs: columns, stacked.

/** An element with attributes and children; texts become text, whatever they hold. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  return filled(made, attributes, children);
}

/** The same of SVG. */
function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  return filled(made, attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** The step between grid lines: 1, 2 or 5 times a power of ten, four steps at most. */
function gridStep(highest) {
  const rough = Math.max(highest, 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  return Math.max(1, [1, 2, 5, 10].map((times) => times * power).find((step) => step >= rough));
}

/**
 * Columns over time, `width` pixels wide, each a stack.
 * columns: [{label, title, isComplete, parts: [{series, value}]}]
 */
function columnChart(columns, name, width) {
  const height = 220, left = 48, top = 10, bottom = 26;
  const sums = columns.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0));
  const step = gridStep(Math.max(...sums, 0));
  const highest = step * Math.max(1, Math.ceil(Math.max(...sums, 0) / step));
  const y = (value) => top + (height - top - bottom) * (1 - value / highest);
  const slot = (width - left) / columns.length;
  const chart = drawn("svg", {
    viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${name}; the table below says the same.`,
  });
  for (let value = 0; value <= highest; value += step) {
    chart.append(
      drawn("line", { x1: left, x2: width, y1: y(value), y2: y(value) }),
      drawn("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, value.toLocaleString("en", { notation: "compact" })),
    );
  }
  const every = Math.ceil(66 / slot);
  columns.forEach((column, place) => {
    const x = left + place * slot;
    chart.append(stack(column, x + slot * 0.14, slot * 0.72, y));
    // counted from the last one, which is always labelled
    if ((columns.length - 1 - place) % every === 0) {
      const middle = Math.min(x + slot / 2, width - 18);
      chart.append(drawn("text", { x: middle, y: height - 8, "text-anchor": "middle" }, column.label));
    }
  });
  return chart;
}

function stack({ title, isComplete, parts }, x, width, y) {
  const group = drawn("g", { class: isComplete ? "column" : "column unfinished" }, drawn("title", {}, title));
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
