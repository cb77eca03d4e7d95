// The video with boxes over it, its buttons and toggles.

const LAYERS = { found: "prediction", truth: "truth", tubes: "candidates" };
const layers = { found: true, truth: true, tubes: false }; // kept from one query to the next
const NAME_HEIGHT = 17; // of the names at the boxes, in pixels
const SPEEDS = ["0.25", "0.5", "1", "2"];

// The box of a track in a frame, or null.
function boxAt(track, frame) {
  const row = track ? frame - track.start : -1;
  return row >= 0 && 4 * row < track.boxes.length ? track.boxes.slice(4 * row, 4 * row + 4) : null;
}

// Build the player of one query; `onFrame(frame)` is called whenever another frame is shown or sought.
function makePlayer(query, details, onFrame) {
  const [width, height] = query.size;
  const video = make("video", { muted: true, playsInline: true, preload: "auto", disablePictureInPicture: true, tabIndex: -1 });
  const canvas = make("canvas", { className: "boxes", aria: { hidden: "true" } });
  const problem = make("p", { className: "problem", role: "alert", hidden: true });
  const highest = host ? `${0.62 * window.parent.innerHeight}px` : "62vh";
  const stage = make("div", { className: "stage", style: { aspectRatio: `${width} / ${height}`, maxWidth: `calc(${highest} * ${width / height})` } }, video, canvas, problem);
  const play = make("button", { type: "button", className: "play", aria: { keyshortcuts: "Space" } }, "Play");
  const back = make("button", { type: "button", className: "plain", title: "One frame back (←)", aria: { label: "One frame back" } }, "‹");
  const forth = make("button", { type: "button", className: "plain", title: "One frame on (→)", aria: { label: "One frame on" } }, "›");
  const speed = make("select", { className: "speed", title: "Speed", aria: { label: "Speed" } },
    ...SPEEDS.map((value) => make("option", { value, selected: value === "1" }, `${value}×`)));
  const clock = make("output", { className: "clock", title: "Seconds · frame/frames" });
  const known = { found: query.found, truth: query.truth, tubes: details.tubes && details.tubes.length };
  const toggles = Object.entries(LAYERS).filter(([layer]) => layer !== "truth" || has.truth).map(([layer, name]) => make("button", {
    type: "button", className: "chip toggle", disabled: !known[layer], dataset: { layer }, title: `Show or hide (${name[0]})`,
    aria: { pressed: String(layers[layer]), keyshortcuts: name[0] },
  }, make("i", { className: `key ${layer}` }), name));
  const controls = make("div", { className: "controls" }, play, back, forth, clock, speed, make("div", { className: "layers" }, ...toggles));
  let frame = -1; // on the screen
  let wanted = 0;
  let marked = null;
  let stopped = false;

  const outline = (pen, box, scales, colour, thickness, dashes) => {
    const [x1, y1, x2, y2] = box.map((value, k) => value * scales[k % 2]);
    pen.setLineDash(dashes);
    pen.lineWidth = thickness + 2;
    pen.strokeStyle = "rgb(0 0 0 / 0.45)";
    pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
    pen.lineWidth = thickness;
    pen.strokeStyle = colour;
    pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
    pen.setLineDash([]);
    return { left: x1 - thickness / 2, above: y1 - NAME_HEIGHT, below: y2 };
  };
  // A name stands at its box, or where another has taken that place a line below or above it.
  const writeName = (pen, { text, colour, left: x, top: y }, taken) => {
    const wide = pen.measureText(text).width + 8;
    const left = clamp(x, 0, canvas.clientWidth - wide);
    const start = clamp(y, 0, canvas.clientHeight - NAME_HEIGHT);
    const beside = taken.filter((other) => other.left < left + wide && left < other.left + other.wide);
    const top = [0, 1, -1, 2, -2, 3, -3].map((line) => start + line * NAME_HEIGHT).find((place) =>
      place >= 0 && place <= canvas.clientHeight - NAME_HEIGHT && beside.every((other) => Math.abs(other.top - place) >= NAME_HEIGHT)) ?? start;
    taken.push({ left, top, wide });
    pen.fillStyle = colour;
    pen.fillRect(left, top, wide, NAME_HEIGHT);
    pen.fillStyle = "#111";
    pen.fillText(text, left + 4, top + 12.5);
  };

  const draw = () => {
    const { clientWidth, clientHeight } = canvas;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(clientWidth * ratio);
    canvas.height = Math.round(clientHeight * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "600 12px system-ui, sans-serif";
    const scales = [clientWidth / width, clientHeight / height];
    const styles = getComputedStyle(canvas);
    const names = [];
    for (const tube of details.tubes || []) {
      const box = boxAt(tube, frame);
      if (box && (layers.tubes || tube.id === marked)) {
        const colour = tubeColour(tube.id);
        const { left, below } = outline(pen, box, scales, colour, tube.id === marked ? 2.5 : 1.5, []);
        names.push({ text: `tube ${tube.id}`, colour, left, top: below });
      }
    }
    for (const [layer, dashes] of [["truth", [7, 4]], ["found", []]]) {
      const box = layers[layer] && boxAt(details[layer], frame);
      if (!box) continue;
      const colour = styles.getPropertyValue(`--${layer}`);
      const { left, above, below } = outline(pen, box, scales, colour, 3, dashes);
      names.push(layer === "found" ? { text: "predicted", colour, left, top: above } : { text: "true", colour, left, top: below });
    }
    const taken = [];
    names.reverse().forEach((name) => writeName(pen, name, taken)); // the answer's first
  };

  // The boxes belong to the picture that is on the screen; time line and clock are where one wants to be.
  const point = (target) => {
    wanted = clamp(target, 0, query.frames - 1);
    clock.textContent = `${(wanted / query.fps).toFixed(2)} s · ${wanted + 1}/${query.frames}`;
    onFrame(wanted);
  };
  const present = (shown) => {
    frame = clamp(shown, 0, query.frames - 1);
    canvas.dataset.frame = String(frame);
    draw();
    if (!video.seeking) point(frame);
  };
  const follow = (_, picture) => {
    if (stopped) return;
    present(Math.round(picture.mediaTime * query.fps));
    video.requestVideoFrameCallback(follow);
  };
  // For browsers that do not tell when they show a frame (Firefox before 132): their clock is close enough.
  const poll = () => {
    if (stopped) return;
    const now = Math.floor(video.currentTime * query.fps + 0.01);
    if (!video.seeking && video.readyState > 1 && now !== frame) present(now);
    requestAnimationFrame(poll);
  };
  const seek = (target) => {
    point(target);
    video.currentTime = (wanted + 0.5) / query.fps; // the middle of the frame, so that rounding never shows another
  };
  const player = {
    stage, controls, video, draw, seek, step: (by) => { video.pause(); seek(wanted + by); },
    playPause: () => (video.paused ? video.play().catch(() => {}) : video.pause()),
    toggle: (layer) => {
      const button = toggles.find((one) => one.dataset.layer === layer);
      if (!button || button.disabled) return;
      layers[layer] = !layers[layer];
      button.setAttribute("aria-pressed", String(layers[layer]));
      draw();
    },
    mark: (id) => { marked = id; draw(); },
    stop: () => { stopped = true; video.pause(); video.removeAttribute("src"); video.load(); },
  };
  video.addEventListener("play", () => { play.textContent = "Pause"; });
  video.addEventListener("pause", () => { play.textContent = "Play"; });
  video.addEventListener("error", () => {
    if (stopped) return;
    problem.hidden = false;
    problem.textContent = `videos/${query.file} cannot be played. Keep the folder of this page together, or make the report again.`;
  });
  stage.addEventListener("click", player.playPause);
  play.addEventListener("click", player.playPause);
  back.addEventListener("click", () => player.step(-1));
  forth.addEventListener("click", () => player.step(1));
  speed.addEventListener("change", () => { video.playbackRate = Number(speed.value); });
  toggles.forEach((button) => button.addEventListener("click", () => player.toggle(button.dataset.layer)));
  video.src = `videos/${encodeURIComponent(query.file)}`;
  if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(follow);
  else poll();
  return player;
}
