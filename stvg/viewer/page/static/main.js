// Opening a query: its data are loaded as a script when it is opened, and the keyboard works everywhere.

const loaded = new Map();
const KEYS = [
  ["/", "search"], ["j, k or ↓, ↑", "next, previous query"], ["Enter", "open"], ["Esc", "close"], ["Space", "play, pause"],
  ["←, →", "one frame back, on (with Shift: one second)"], ["Home, End", "start, end of the answer"],
  ["p, t, c", "show or hide prediction, truth, candidates"], ["?", "these keys"],
];
const alone = queries.length === 1;
let asked = null; // the query that the dialog shows, from the moment it is asked for
let opened = null; // { player, redraw } of it, once its data have been loaded

const position = make("span", { className: "quiet position" });
const previous = make("button", { type: "button", className: "plain", title: "Previous query (k)", aria: { label: "Previous query" } }, "←");
const next = make("button", { type: "button", className: "plain", title: "Next query (j)", aria: { label: "Next query" } }, "→");
const shut = make("button", { type: "button", className: "plain shut", title: "Close (Esc)", aria: { label: "Close" } }, "✕");
const pane = make("div", { className: "pane" });
const dialog = make("dialog", { id: "look", tabIndex: -1, aria: { label: "Query" } },
  make("div", { className: "dialog-bar" }, previous, next, position, make("span", { className: "gap" }), shut), pane);
const help = make("dialog", { id: "keys", aria: { label: "Keys" } }, make("h2", {}, "Keys"),
  make("dl", {}, ...KEYS.flatMap(([key, name]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, name)])),
  make("form", { method: "dialog" }, make("button", { type: "submit", className: "plain" }, "Close")));

window.stvgReport = (index, details) => loaded.set(index, details);

function load(query) {
  if (loaded.has(query.index)) return Promise.resolve(loaded.get(query.index));
  return new Promise((resolve, reject) => {
    const script = make("script", { src: `data/${query.index}.js` });
    script.addEventListener("load", () => {
      script.remove();
      resolve(loaded.get(query.index));
    });
    script.addEventListener("error", () => {
      script.remove();
      reject(new Error(`data/${query.index}.js cannot be loaded. Keep the folder of this page together.`));
    });
    document.head.append(script);
  });
}

function facts(query) {
  const pairs = [["tIoU", percent(query.tiou)], ["vIoU", percent(query.viou)], ["box IoU", percent(query.box)]];
  const scores = query.problems === null ? [] : pairs.map(([name, value]) => make("span", { className: "score" }, `${name} `, make("b", {}, value)));
  return make("div", { className: "facts" }, ...scores, ...outcomeChips(query), make("span", { className: "quiet" }, query.video));
}

function build(query, details) {
  let tracks = null;
  const player = makePlayer(query, details, (frame) => {
    pane.style.setProperty("--at", `${(100 * (frame + 0.5)) / query.frames}%`);
    if (tracks) {
      tracks.slider.setAttribute("aria-valuenow", String(frame));
      tracks.slider.setAttribute("aria-valuetext", `${(frame / query.fps).toFixed(2)} seconds`);
    }
  });
  const maps = make("div", { className: "maps" });
  const probe = (cell) => player.seek(cell.start);
  const figures = [];
  if (details.moments) figures.push(makeMap(query, "Moment map: when", details.moments.spans, details.moments.values, 0, probe));
  const holder = make("div", {});
  const most = Math.max(0, ...(details.tubes || []).flatMap((tube) => tube.values));
  const choose = (tube) => {
    const map = makeMap(query, `Map of tube ${tube.id}${tube.id === details.chosen ? ", the chosen one" : ""}`, tube.spans, tube.values, most, probe);
    figures[1] = map;
    holder.replaceChildren(map.element);
    tracks.mark(tube.id);
    player.mark(tube.id === details.chosen ? null : tube.id);
    map.draw();
  };
  tracks = makeTracks(query, details, player.seek, choose);
  maps.append(...figures.map((map) => map.element), holder);
  if (!details.moments) {
    maps.append(make("p", { className: "quiet card" }, "Maps and candidates are not part of this report: it was made without the trained stages (--config)."));
  } else if (details.tubes.length === 0) {
    maps.append(make("p", { className: "quiet card" }, "Nobody was found in this video, so there are no candidates."));
  }
  if (details.losses) {
    const parts = details.losses.map(([name, share], k) => share > 0 && make("span", { className: `cause-${k}`, title: `${name}: ${share}`, style: { flexGrow: share } }, share >= 8 ? `${share}` : ""));
    const legend = details.losses.map(([name], k) => make("span", {}, make("i", { className: `key cause-${k}` }), ` ${name}`));
    maps.append(make("figure", { className: "card" }, make("figcaption", {}, "Where this answer’s points are lost, in percent"),
      make("div", { className: "stack" }, ...parts.filter(Boolean)), make("p", { className: "legend quiet" }, ...legend)));
  }
  if (details.note) maps.append(make("p", { className: "card" }, details.note));
  if (details.files.length) {
    maps.append(make("p", { className: "files" }, ...details.files.flatMap(([name, path]) => [
      make("a", { href: path.split("/").map(encodeURIComponent).join("/"), target: "_blank", rel: "noopener" }, name), " "])));
  }
  pane.replaceChildren(make("h2", { className: "asked", dir: "auto" }, query.text || query.video), facts(query),
    make("div", { className: "columns" }, make("div", { className: "film" }, player.stage, player.controls, tracks.element), maps));
  const redraw = () => { player.draw(); figures.forEach((map) => map.draw()); };
  const first = rankTubes(details).find((tube) => tube.id === details.chosen) || rankTubes(details)[0];
  if (first) choose(first);
  return { player, redraw };
}

function begin(query, { player, redraw }) {
  redraw();
  const starts = [query.found, query.truth].filter(Boolean).map(([start]) => start);
  player.seek(Math.max(0, Math.min(...starts, query.frames) - Math.round(query.fps)) % query.frames);
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) player.playPause();
}

function stop() {
  if (opened) opened.player.stop();
  opened = null;
}

// Show a query. Everything but its data is in place when this returns, so that the next key finds it, however slow the
// machine; data that come when another query is shown are kept for later.
async function open(query) {
  if (query === asked) return;
  stop();
  asked = query;
  const place = shown.indexOf(query);
  position.textContent = place < 0 ? "" : `${place + 1} of ${shown.length}`;
  previous.disabled = place <= 0;
  next.disabled = place < 0 || place >= shown.length - 1;
  pane.replaceChildren(make("p", { className: "quiet" }, "Loading …"));
  if (!dialog.open) {
    if (alone) dialog.show();
    else dialog.showModal();
    if (!alone) dialog.focus();
    document.documentElement.classList.add("is-open");
  }
  try {
    const details = await load(query);
    if (asked !== query || opened) return;
    opened = build(query, details);
    dialog.scrollTop = 0;
    begin(query, opened);
  } catch (error) {
    if (asked === query) pane.replaceChildren(make("p", { className: "problem", role: "alert" }, error.message));
  }
}

// Go back to the list, to the row of the query that was shown.
function leave() {
  if (!asked || alone) return;
  const place = shown.indexOf(asked);
  stop();
  asked = null;
  dialog.close();
  document.documentElement.classList.remove("is-open");
  pane.replaceChildren();
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  if (place >= 0) stepTo(place);
}

function wanted() {
  if (alone) return queries[0];
  const found = /^#q(\d+)$/.exec(location.hash);
  return found ? queries[Number(found[1])] : undefined;
}

function followAddress() {
  const query = wanted();
  if (query) open(query);
  else leave();
}

// The address is written here and not left to a link, whose event would come later than the next key.
function enter(query) {
  history.pushState(null, "", `#q${query.index}`);
  open(query);
}

function openAt(place) {
  if (place < 0 || place >= shown.length) return;
  history.replaceState(null, "", `#q${shown[place].index}`);
  open(shown[place]);
}

dialog.addEventListener("close", () => { if (!dialog.open) leave(); }); // closed by the browser, as by a phone's back key
dialog.addEventListener("cancel", (event) => { if (alone) event.preventDefault(); });
dialog.addEventListener("click", (event) => {
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  const beside = event.clientX < left || event.clientX > right || event.clientY < top || event.clientY > bottom;
  if (event.target === dialog && beside) leave();
});

function keyInQuery(event) {
  const place = shown.indexOf(asked);
  const moves = {
    j: () => openAt(place + 1), ArrowDown: () => openAt(place + 1), k: () => openAt(place - 1), ArrowUp: () => openAt(place - 1),
    Escape: leave,
  };
  if (moves[event.key] || !opened) return moves[event.key];
  const { player } = opened;
  const step = event.shiftKey ? Math.round(asked.fps) : 1;
  const answer = asked.found || asked.truth || [0, asked.frames];
  const actions = {
    " ": player.playPause, ArrowLeft: () => player.step(-step), ArrowRight: () => player.step(step),
    Home: () => player.seek(answer[0]), End: () => player.seek(answer[1] - 1),
    p: () => player.toggle("found"), t: () => player.toggle("truth"), c: () => player.toggle("tubes"),
  };
  return actions[event.key];
}

function keyInList(event) {
  const actions = {
    "/": () => { search.focus(); search.select(); }, j: () => stepTo(current + 1), ArrowDown: () => stepTo(current + 1),
    k: () => stepTo(current - 1), ArrowUp: () => stepTo(current - 1),
  };
  return event.key.startsWith("Arrow") && current < 0 && document.activeElement === document.body ? undefined : actions[event.key];
}

document.addEventListener("keydown", (event) => {
  const inField = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (inField) {
    if (event.key === "Escape" && event.target === search && search.value) reset.click();
    else if (event.key === "ArrowDown" && event.target === search) { event.preventDefault(); stepTo(0); }
    return;
  }
  if (event.key === " " && event.target.tagName === "BUTTON") return;
  const action = event.key === "?" ? () => help.showModal() : asked ? keyInQuery(event) : keyInList(event);
  if (!action) return;
  event.preventDefault();
  action();
});
previous.addEventListener("click", () => openAt(shown.indexOf(asked) - 1));
next.addEventListener("click", () => openAt(shown.indexOf(asked) + 1));
shut.addEventListener("click", leave);
window.addEventListener("hashchange", followAddress);
window.addEventListener("resize", () => { if (opened) opened.redraw(); });

for (const bar of document.querySelectorAll("[data-from]")) {
  Object.assign(bar.style, { left: `${bar.dataset.from}%`, width: `${bar.dataset.to - bar.dataset.from}%` });
}
for (const part of document.querySelectorAll("[data-share]")) part.style.flexGrow = part.dataset.share;
for (const cell of document.querySelectorAll("[data-heat]")) {
  if (!cell.dataset.heat) continue;
  const { colour, light } = heat(Number(cell.dataset.heat) / 100);
  cell.style.background = colour;
  cell.style.color = light ? "#111" : "#fff";
}
document.documentElement.classList.toggle("is-alone", alone);
document.documentElement.classList.toggle("is-framed", Boolean(host));
buildList();
document.body.append(dialog, help);
if (host && alone) { // as high as what it shows, so that only the page around it scrolls
  new ResizeObserver(() => { host.style.height = `${document.body.offsetHeight}px`; }).observe(document.body);
}
followAddress();
