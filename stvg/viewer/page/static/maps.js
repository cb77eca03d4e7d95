// Moment maps as triangles on the time axis: a cell stands above the middle of its moment, as high as it is long.

// Return what a map needs to be drawn: its cells, the size of one clip in frames, the largest value, and the length of
// what is drawn at the top: the longest cell, or a longer one of the `marked` spans.
function readMap(spans, values, marked) {
  const cells = values.map((value, cell) => ({ start: spans[2 * cell], stop: spans[2 * cell + 1], value }));
  const starts = new Set(cells.map((cell) => cell.start));
  const from = Math.min(...cells.map((cell) => cell.start));
  const to = Math.max(...cells.map((cell) => cell.stop));
  const unit = (to - from) / starts.size;
  const lengths = [...cells.map((cell) => cell.stop - cell.start), ...marked.map(([start, stop]) => stop - start)];
  const longest = Math.max(...lengths);
  return { cells, unit, most: Math.max(...values), longest: longest + Math.max(unit, longest / 8) };
}

function drawDiamond(pen, x, y, halfWidth, halfHeight) {
  pen.beginPath();
  pen.moveTo(x - halfWidth, y);
  pen.lineTo(x, y - halfHeight);
  pen.lineTo(x + halfWidth, y);
  pen.lineTo(x, y + halfHeight);
  pen.closePath();
}

// Build a figure of one map. `spans` and `values` are its cells; `most` fixes the value of the brightest colour, so
// that maps can be compared; `probe(span)` is called with the cell that is pressed.
function makeMap(query, title, spans, values, most, probe) {
  const note = make("p", { className: "note quiet" });
  const canvas = make("canvas", { className: "triangle", role: "img", aria: { label: title } });
  const frame = make("div", { className: "map" }, canvas);
  const foot = make("div", { className: "foot" }, note);
  const element = make("figure", { className: "card map-card" }, make("figcaption", {}, title), frame, timeAxis(query), foot);
  if (!values.length) {
    note.textContent = "The map has no cells.";
    return { element, draw: () => {} };
  }
  const map = readMap(spans, values, [query.found, query.truth].filter(Boolean));
  const brightest = most || map.most;
  const best = map.cells.reduce((a, b) => (b.value > a.value ? b : a));
  const rest = `best: ${seconds(best.start, query)}–${seconds(best.stop, query)} s, ${figure(best.value)}`;
  foot.append(scoreScale(brightest));
  note.textContent = rest;
  let place = null; // of a cell in the canvas, in pixels

  const draw = () => {
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width) return;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    place = (start, stop) => [((start + stop) / 2 / query.frames) * width, height - ((stop - start) / map.longest) * height];
    // One clip later at its start, a moment lies half a clip to the right and is one shorter. Its ends are whole frames,
    // so cells are drawn a frame larger, lest gaps show.
    const halfWidth = ((map.unit + 1) / 2 / query.frames) * width;
    const halfHeight = ((map.unit + 1) / map.longest) * height;
    for (const cell of map.cells) {
      const [x, y] = place(cell.start, cell.stop);
      drawDiamond(pen, x, y, halfWidth, halfHeight);
      pen.fillStyle = scoreColour(cell.value, brightest);
      pen.fill();
    }
    const styles = getComputedStyle(canvas);
    for (const [kind, dashes] of [["truth", [4, 3]], ["found", []]]) {
      if (!query[kind]) continue;
      const [x, y] = place(...query[kind]);
      drawDiamond(pen, x, y, Math.max(7, halfWidth + 2), Math.max(9, halfHeight + 3));
      pen.setLineDash([]);
      pen.lineWidth = 4.5;
      pen.strokeStyle = "rgb(0 0 0 / 0.55)";
      pen.stroke();
      pen.setLineDash(dashes);
      pen.lineWidth = 2;
      pen.strokeStyle = styles.getPropertyValue(`--${kind}`);
      pen.stroke();
    }
  };

  const cellAt = (event) => {
    if (!place) return null;
    const { left, top } = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    let nearest = null;
    let least = Infinity;
    for (const cell of map.cells) {
      const [cellX, cellY] = place(cell.start, cell.stop);
      const distance = Math.abs(cellX - x) / canvas.clientWidth * 2 + Math.abs(cellY - y) / canvas.clientHeight;
      if (distance < least) [nearest, least] = [cell, distance];
    }
    return least < 0.12 ? nearest : null;
  };
  canvas.addEventListener("pointermove", (event) => {
    const cell = cellAt(event);
    note.textContent = cell ? `${seconds(cell.start, query)}–${seconds(cell.stop, query)} s: ${figure(cell.value)}` : rest;
  });
  canvas.addEventListener("pointerleave", () => { note.textContent = rest; });
  canvas.addEventListener("click", (event) => {
    const cell = cellAt(event);
    if (cell) probe(cell);
  });
  return { element, draw };
}
