// What is chosen, and the page that shows it.

function choices() {
  recall();
  document.getElementById("periods").append(
    ...data.periods.map(({ place, title }) => {
      const input = element("input", { type: "radio", name: "period", value: place });
      input.checked = place === chosen.period;
      input.addEventListener("change", () => choose({ period: place }));
      return element("label", {}, input, element("span", {}, title));
    }),
  );
  const select = document.getElementById("organizations");
  select.append(
    ...data.organizations.map(({ place, title }) => element("option", { value: place }, title)),
  );
  select.value = chosen.organization;
  select.addEventListener("change", () => choose({ organization: Number(select.value) }));
}

/** Show another choice, and put it into the address, for a bookmark or a colleague. */
function choose(other) {
  Object.assign(chosen, other);
  const named = new URLSearchParams({
    period: chosen.period,
    organization: data.organizations[chosen.organization].org_id ?? "",
  });
  history.replaceState(null, "", `#${named}`);
  show();
}

/** Take the choice from the address, as far as it is one of this page. */
function recall() {
  const named = new URLSearchParams(location.hash.slice(1));
  const period = data.periods.find(({ place }) => place === Number(named.get("period")));
  const organization = data.organizations.find(
    ({ org_id: id }) => id && id === named.get("organization"),
  );
  chosen.period = period?.place ?? chosen.period;
  chosen.organization = organization?.place ?? chosen.organization;
}

function show() {
  const {
    title,
    since,
    until,
    before_since: before,
  } = data.periods.find(({ place }) => place === chosen.period);
  const { title: organization, others_count: others } = data.organizations[chosen.organization];
  const last = (day) => new Date(Date.parse(day) - 86400000).toISOString().slice(0, 10);
  document.getElementById("shown").textContent =
    `${organization}, ${title.toLowerCase()}: sessions created from ${since} to ${last(until)}, ` +
    (before
      ? `beside those from ${before} to ${last(since)}.`
      : "with no period before to compare with.") +
    (others
      ? ` ${count(others)} organizations with fewer ACUs are in the figures, and cannot be chosen.`
      : "");
  const cards = element("div", { class: "cards" }, ...rows("figures").map(card));
  document
    .getElementById("content")
    .replaceChildren(
      section("figures", "At a glance", null, cards),
      signals(),
      adoption(),
      acus(),
      outcomes(),
      pullRequests(),
      issues(),
      actionItems(),
      prompts(),
      conditions(),
      freshness(),
      definitions(),
    );
}

function begin() {
  document.getElementById("freshness").textContent = data.watermark
    ? `Complete up to ${instant(data.watermark)}; published ${instant(data.published_at)}.`
    : `Published ${instant(data.published_at)}.`;
  document.getElementById("footer").textContent =
    `Made by devin-warehouse ${data.version} from ${data.database}. No request leaves this page.`;
  if (data.periods.length) {
    choices();
    show();
    return;
  }
  document.getElementById("filters").remove();
  document
    .getElementById("content")
    .append(
      section(
        "empty",
        "No sessions yet",
        "The warehouse holds no session with a day of creation before its watermark's. Once a load has brought some, this page shows them.",
      ),
      freshness(),
    );
}

begin();
