// The time line: rows that share one axis over the whole video, on which a click or a drag seeks.

// Return a rail over the whole video: `seek(frame)` is called while the pointer is down on it.
function makeRail(query, seek, className) {
  const rail = make("div", { className: `track ${className}` });
  const frameAt = (event) => {
    const { left, width } = rail.getBoundingClientRect();
    return clamp(Math.floor(((event.clientX - left) / width) * query.frames), 0, query.frames - 1);
  };
  rail.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    rail.setPointerCapture(event.pointerId);
    seek(frameAt(event));
  });
  rail.addEventListener("pointermove", (event) => {
    if (rail.hasPointerCapture(event.pointerId)) seek(frameAt(event));
  });
  return rail;
}

function spanBar(query, [start, stop], kind) {
  const style = { left: `${(100 * start) / query.frames}%`, width: `${(100 * (stop - start)) / query.frames}%` };
  return make("div", { className: `bar ${kind}`, style, title: `${seconds(start, query)} to ${seconds(stop, query)} s` });
}

// A tube's value in each of its frames: that of its best cell which contains the frame.
function overTime(tube) {
  const best = new Float32Array(tube.boxes.length / 4);
  for (let cell = 0; cell < tube.values.length; cell += 1) {
    const start = Math.max(0, tube.spans[2 * cell] - tube.start);
    const stop = Math.min(best.length, tube.spans[2 * cell + 1] - tube.start);
    for (let frame = start; frame < stop; frame += 1) best[frame] = Math.max(best[frame], tube.values[cell]);
  }
  return best;
}

// A strip that shows by colour how well the tube fits the sentence over time; empty where it has no box.
function tubeStrip(query, tube, most) {
  const values = overTime(tube);
  const strip = make("canvas", { className: "strip", width: values.length, height: 1 });
  strip.style.left = `${(100 * tube.start) / query.frames}%`;
  strip.style.width = `${(100 * values.length) / query.frames}%`;
  const pen = strip.getContext("2d");
  values.forEach((value, frame) => {
    pen.fillStyle = scoreColour(value, most);
    pen.fillRect(frame, 0, 1, 1);
  });
  return strip;
}

function timeAxis(query) {
  const axis = make("div", { className: "axis", aria: { hidden: "true" } });
  const total = query.frames / query.fps;
  const step = [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600].find((width) => total / width <= 10) || 3600;
  for (let time = 0; time < 0.93 * total; time += step) { // a label at the very end would be cut off
    axis.append(make("span", { style: { left: `${(100 * time) / total}%` } }, `${time}`));
  }
  return axis;
}

// The tubes from the best to the worst; those without a score last.
function rankTubes(details) {
  const score = (tube) => (tube.score === null ? -Infinity : tube.score);
  return [...(details.tubes || [])].sort((a, b) => score(b) - score(a) || a.id - b.id);
}

// Build the rows. `choose(tube)` is called when a tube's name is pressed; returns { element, slider, mark(id) }.
function makeTracks(query, details, seek, choose) {
  const element = make("div", { className: "tracks" });
  const slider = makeRail(query, seek, "slider");
  slider.tabIndex = 0;
  slider.setAttribute("role", "slider");
  slider.setAttribute("aria-label", "Time");
  slider.setAttribute("aria-valuemin", "0");
  slider.setAttribute("aria-valuemax", String(query.frames - 1));
  slider.append(timeAxis(query));
  const spanRow = (name, kind) => {
    const rail = makeRail(query, seek, "span");
    if (query[kind]) rail.append(spanBar(query, query[kind], kind));
    const times = query[kind] ? `${seconds(query[kind][0], query)}–${seconds(query[kind][1], query)} s` : "none";
    element.append(make("span", { className: "name" }, make("i", { className: `key ${kind}` }), name), rail, make("span", { className: "value" }, times));
  };
  spanRow("predicted", "found");
  if (has.truth) spanRow("true", "truth");
  element.append(make("span", { className: "name quiet" }, "seconds"), slider, make("span"));

  const ranked = rankTubes(details);
  const names = new Map();
  const most = Math.max(0, ...ranked.flatMap((tube) => tube.values));
  const closest = ranked.reduce((best, tube) => (tube.overlap > (best ? best.overlap : 0.3) ? tube : best), null);
  if (ranked.length) {
    element.append(make("h3", { className: "wide" }, "Candidates, best first ",
      make("span", { className: "quiet" }, "colour: how well each fits the sentence over time")));
  }
  for (const tube of ranked) {
    const rail = makeRail(query, seek, "tube");
    rail.append(tubeStrip(query, tube, most));
    const marks = [];
    if (tube.id === details.chosen) marks.push(make("b", { className: "mark found", title: "the answer was cut from it" }, "chosen"));
    if (tube === closest) marks.push(make("b", { className: "mark truth", title: "lies on the true tube best" }, "true"));
    const name = make("button", { type: "button", className: "name tube-name", dataset: { tube: tube.id }, aria: { pressed: "false" }, title: "Show this tube’s map" },
      make("i", { className: "key", style: { background: tubeColour(tube.id) } }), `tube ${tube.id}`, ...marks);
    name.addEventListener("click", () => choose(tube));
    names.set(tube.id, name);
    element.append(name, rail, make("span", { className: "value", title: "score" }, figure(tube.score)));
  }
  const mark = (id) => names.forEach((name, own) => name.setAttribute("aria-pressed", String(own === id)));
  return { element, slider, mark };
}
