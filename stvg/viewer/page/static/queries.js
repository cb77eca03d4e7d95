// The queries, how they are filtered and sorted, and small helpers. Texts enter the page as text alone, never as markup.

const queries = JSON.parse(document.getElementById("data").textContent);
queries.forEach((query, index) => {
  query.index = index;
  query.words = query.text.trim().split(/\s+/).filter(Boolean).length;
  query.sought = `${query.text} ${query.video}`.toLowerCase();
});

const OUTCOMES = {
  right: "right",
  wrong_time: "wrong time",
  wrong_person: "wrong person",
  poor_box: "poor box",
  no_answer: "no answer",
};

const SORTS = {
  index: { name: "order of the file", value: (query) => query.index },
  text: { name: "sentence", value: (query) => query.text.toLowerCase() },
  words: { name: "words", value: (query) => query.words },
  people: { name: "people", value: (query) => query.people },
  start: { name: "start of the answer", value: (query) => (query.found ? query.found[0] / query.fps : null) },
  tiou: { name: "tIoU", value: (query) => query.tiou },
  viou: { name: "vIoU", value: (query) => query.viou },
};

const LENGTHS = { short: [0, 8], middle: [9, 14], long: [15, Infinity] };

const has = {
  truth: queries.some((query) => query.problems !== null),
  people: queries.some((query) => query.people !== null),
};

function outcomesOf(query) {
  if (query.problems === null) return [];
  return query.problems.length ? query.problems : ["right"];
}

// Return the queries that all filters let through, in the wanted order. Missing values come last either way.
function select(filters) {
  const words = filters.words.toLowerCase().split(/\s+/).filter(Boolean);
  const [fewest, most] = LENGTHS[filters.length] || [0, Infinity];
  const chosen = queries.filter(
    (query) =>
      words.every((word) => query.sought.includes(word)) &&
      (!filters.outcomes.size || outcomesOf(query).some((outcome) => filters.outcomes.has(outcome))) &&
      (!filters.people || query.people === Number(filters.people)) &&
      query.words >= fewest &&
      query.words <= most,
  );
  const value = SORTS[filters.sort].value;
  const sign = filters.descending ? -1 : 1;
  const order = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
  return chosen.sort((a, b) => {
    const [first, second] = [value(a), value(b)];
    if (first === null || second === null) return (first === null) - (second === null) || a.index - b.index;
    return sign * order(first, second) || a.index - b.index;
  });
}

// The frame of another page that shows this one, as the app does.
const host = window.frameElement;

// Make an element: properties are set as such, `dataset`, `style` and `aria` key by key; children are nodes or texts.
function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "dataset" || key === "style") Object.assign(element[key], value);
    else if (key === "aria") for (const [word, state] of Object.entries(value)) element.setAttribute(`aria-${word}`, state);
    else if (key === "on") for (const [event, action] of Object.entries(value)) element.addEventListener(event, action);
    else element[key] = value;
  }
  element.append(...children);
  return element;
}

const percent = (share) => (share === null ? "–" : (100 * share).toFixed(1));
const seconds = (frame, query) => (frame / query.fps).toFixed(1);
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// A number for a score of any size: 0.83, 0.0039, 1.2e-7.
function figure(value) {
  if (value === null) return "–";
  return Math.abs(value) >= 0.001 || value === 0 ? String(Number(value.toPrecision(3))) : value.toExponential(1);
}

const VIRIDIS = [[68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121], [109, 205, 89], [180, 222, 44], [253, 231, 37]];

// The colour of a share in [0, 1], and whether dark text reads better on it.
function heat(share) {
  const place = clamp(share, 0, 1) * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(place), VIRIDIS.length - 2);
  const colour = VIRIDIS[low].map((part, k) => Math.round(part + (place - low) * (VIRIDIS[low + 1][k] - part)));
  return { colour: `rgb(${colour.join(" ")})`, light: place > 5.5 };
}

// The colour of a score from 0 to `most`: by its square root, or all but the highest would look alike.
const scoreColour = (score, most) => heat(most > 0 ? Math.sqrt(Math.max(0, score) / most) : 0).colour;

// What the colours of scores from 0 to `most` mean.
function scoreScale(most) {
  const colours = VIRIDIS.map((parts) => `rgb(${parts.join(" ")})`).join(", ");
  return make("span", { className: "scale" }, make("i", { style: { background: `linear-gradient(90deg, ${colours})` } }),
    ...[0, most / 4, most].map((score) => make("span", {}, figure(score))));
}

const TUBE_COLOURS = ["#5aa9ff", "#ff7ac6", "#b48cff", "#4dd8d8", "#e6d24a", "#ff8f70", "#9fb4c9", "#c9a27a"];
const tubeColour = (id) => TUBE_COLOURS[id % TUBE_COLOURS.length];
