// The list of queries with its filters. Rows are made as they scroll into view, so thousands of queries stay quick.

const filters = { words: "", outcomes: new Set(), people: "", length: "", sort: "index", descending: false };
const CHUNK = 60;
let shown = queries;
let current = -1; // place in `shown` of the row that the keyboard is on

const section = document.getElementById("queries");
const count = make("p", { className: "quiet count", aria: { live: "polite" } });
const search = make("input", {
  type: "search", id: "words", placeholder: "words, or a video’s name", autocomplete: "off", spellcheck: false,
  aria: { label: "Search words", keyshortcuts: "/" },
});
const outcomeButtons = Object.entries(OUTCOMES)
  .filter(([outcome]) => has.truth && (outcome !== "no_answer" || queries.some((query) => outcomesOf(query).includes(outcome))))
  .map(([outcome, name]) => {
    const number = queries.filter((query) => outcomesOf(query).includes(outcome)).length;
    return make("button", { type: "button", className: "chip", dataset: { outcome }, aria: { pressed: "false" } },
      name, make("span", { className: "number" }, String(number)));
  });

function choice(id, label, options) {
  const select = make("select", { id }, ...options.map(([value, name]) => make("option", { value }, name)));
  return [make("label", { className: "choice", htmlFor: id }, make("span", {}, label), select), select];
}

const crowds = [...new Set(queries.map((query) => query.people))].filter((n) => n !== null).sort((a, b) => a - b);
const [peopleLabel, people] = choice("people", "People in view", [["", "any"], ...crowds.map((n) => [String(n), String(n)])]);
const [lengthLabel, length] = choice("length", "Sentence", [["", "any length"], ["short", "up to 8 words"], ["middle", "9 to 14 words"], ["long", "15 words or more"]]);
const sortNames = Object.entries(SORTS).filter(([key]) => (key !== "people" || has.people) && (!["tiou", "viou"].includes(key) || has.truth));
const [sortLabel, sort] = choice("sort", "Sort by", sortNames.map(([key, { name }]) => [key, name]));
const direction = make("button", { type: "button", id: "direction", className: "plain", title: "Turn the order round" });
const reset = make("button", { type: "button", id: "reset", className: "plain" }, "Clear filters");

const columns = [["text", "Sentence"], ["people", "People"], ["start", "Time line"], ["tiou", "tIoU"], ["viou", "vIoU"]]
  .filter(([key]) => sortNames.some(([name]) => name === key));
const heads = columns.map(([key, name]) => make("th", { scope: "col", className: `is-${key}`, dataset: { sort: key } },
  make("button", { type: "button", title: `Sort by ${SORTS[key].name}` }, name)));
const body = make("tbody");
const table = make("table", { className: "list" },
  make("thead", {}, make("tr", {}, make("th", { className: "is-picture", aria: { label: "Picture" } }), ...heads)), body);
const more = make("p", { className: "more", hidden: true }, "…");

function timeLine(query) {
  const line = make("div", { className: "line", aria: { hidden: "true" } });
  for (const kind of ["found", "truth"]) {
    const rail = make("div", { className: "rail" });
    if (query[kind]) {
      const [start, stop] = query[kind];
      const style = { left: `${(100 * start) / query.frames}%`, width: `${(100 * (stop - start)) / query.frames}%` };
      rail.append(make("div", { className: `bar ${kind}`, style }));
    }
    if (query[kind] || has.truth) line.append(rail);
  }
  return line;
}

function outcomeChips(query) {
  return outcomesOf(query).map((outcome) => make("span", { className: `outcome ${outcome}` }, OUTCOMES[outcome]));
}

function row(query) {
  const picture = make("img", { src: `thumbs/${query.index}.jpg`, loading: "lazy", alt: "", width: 120, height: Math.round((120 * query.size[1]) / query.size[0]) });
  const link = make("a", { href: `#q${query.index}`, className: "sentence", dir: "auto" }, query.text || query.video);
  const facts = make("div", { className: "facts" }, make("span", { className: "quiet" }, query.video), ...outcomeChips(query));
  const cells = {
    text: () => [link, facts],
    people: () => [query.people === null ? "–" : String(query.people)],
    start: () => [timeLine(query)],
    tiou: () => [percent(query.tiou)],
    viou: () => [percent(query.viou)],
  };
  const line = make("tr", { dataset: { index: query.index } }, make("td", { className: "is-picture" }, picture),
    ...columns.map(([key, name]) => make("td", { className: `is-${key}`, dataset: { name } }, ...cells[key]())));
  line.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (link ? event.ctrlKey || event.metaKey || event.shiftKey : String(getSelection())) return;
    event.preventDefault();
    enter(query);
  });
  return line;
}

function addRows(upTo) {
  const from = body.rows.length;
  const until = Math.min(shown.length, Math.max(upTo, from));
  const lines = document.createDocumentFragment();
  for (let place = from; place < until; place += 1) lines.append(row(shown[place]));
  body.append(lines);
  more.hidden = body.rows.length >= shown.length;
}

function update() {
  shown = select(filters);
  current = -1;
  body.replaceChildren();
  addRows(CHUNK);
  count.textContent = shown.length === queries.length ? `${queries.length} in all` : `${shown.length} of ${queries.length}`;
  table.hidden = !shown.length;
  reset.hidden = !(filters.words || filters.outcomes.size || filters.people || filters.length);
  for (const button of outcomeButtons) button.setAttribute("aria-pressed", String(filters.outcomes.has(button.dataset.outcome)));
  for (const head of heads) {
    if (head.dataset.sort === filters.sort) head.setAttribute("aria-sort", filters.descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  sort.value = filters.sort;
  direction.textContent = filters.descending ? "↓" : "↑";
  direction.setAttribute("aria-label", filters.descending ? "Descending" : "Ascending");
}

function sortBy(key) {
  filters.descending = filters.sort === key ? !filters.descending : ["people", "tiou", "viou"].includes(key);
  filters.sort = key;
  update();
}

// Put the keyboard on a row of the list, and scroll it into view.
function stepTo(place) {
  if (!shown.length) return;
  current = clamp(place, 0, shown.length - 1);
  addRows(current + 2);
  const link = body.rows[current].querySelector("a");
  link.focus({ preventScroll: true });
  body.rows[current].scrollIntoView({ block: "nearest" });
}

function buildList() {
  search.addEventListener("input", () => { filters.words = search.value; update(); });
  for (const button of outcomeButtons) {
    button.addEventListener("click", () => {
      const { outcome } = button.dataset;
      if (!filters.outcomes.delete(outcome)) filters.outcomes.add(outcome);
      update();
    });
  }
  people.addEventListener("change", () => { filters.people = people.value; update(); });
  length.addEventListener("change", () => { filters.length = length.value; update(); });
  sort.addEventListener("change", () => { filters.sort = sort.value; update(); });
  direction.addEventListener("click", () => { filters.descending = !filters.descending; update(); });
  reset.addEventListener("click", () => {
    filters.outcomes.clear();
    Object.assign(filters, { words: "", people: "", length: "" });
    search.value = people.value = length.value = "";
    update();
    search.focus();
  });
  heads.forEach((head) => head.firstChild.addEventListener("click", () => sortBy(head.dataset.sort)));
  body.addEventListener("focusin", (event) => {
    const line = event.target.closest("tr");
    if (line) current = line.sectionRowIndex;
  });
  peopleLabel.hidden = !has.people;
  section.append(
    make("div", { className: "toolbar", role: "search" }, search, make("div", { className: "chips" }, ...outcomeButtons),
      make("div", { className: "choices" }, peopleLabel, lengthLabel, sortLabel, direction, reset, count)),
    table, more, make("p", { className: "quiet hint" }, "Keys: ",
      ...[["/", "search"], ["j", "next"], ["k", "previous"], ["Enter", "open"], ["?", "all keys"]]
        .flatMap(([key, name]) => [make("kbd", {}, key), ` ${name}  `])));
  const watcher = new IntersectionObserver((seen) => {
    if (!seen.some((entry) => entry.isIntersecting)) return;
    addRows(body.rows.length + CHUNK);
    watcher.unobserve(more); // so that it looks again where one chunk was not enough
    watcher.observe(more);
  }, { rootMargin: "800px" });
  watcher.observe(more);
  update();
}
