// What each model answers all over the plane, moment by moment; a teacher is there once, at its end.
const PACE = 350; // milliseconds a moment

const SHADES = "Full colour: sure; faint: in doubt.";
const INVITATION = "Point at the plane to read what each model answers there.";
const NEAR = 9; // pixels of the canvas between pointer and test point

const kept = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  const find = (name) => root.querySelector(`[data-testid="${name}"]`);
  const { data } = component;
  const last = data.steps.length - 1;
  const known = kept.get(root);
  const state = known?.of === data.of ? known : { of: data.of, moment: last, points: true };
  kept.set(root, state);
  const points = numbers(data.points, Float32Array).values;
  const panels = makePanels(find("panels"), data).map((panel) => ({
    ...panel,
    chosen: numbers(panel.chosen, Uint16Array),
    sure: numbers(panel.sure, Uint8Array).values,
    plane: beside(),
  }));
  const places = onCanvas(data, points);
  let clock = null;
  let pointed = null;

  const show = (moment) => {
    state.moment = moment;
    find("moment").value = moment;
    find("step").textContent = `Step ${data.steps[moment]} of ${data.steps[last]}`;
    for (const panel of panels) {
      const at = Math.min(moment, panel.accuracy.length - 1);
      panel.told.textContent = `${(100 * panel.accuracy[at]).toFixed(1)} % right`;
      panel.plane.getContext("2d").clearRect(0, 0, SIDE, SIDE);
      drawGround(panel, data, at);
      if (state.points) drawPoints(panel, data, places);
    }
    point(pointed);
  };
  // the same place in all panels, and what each model answers there
  const point = (spot) => {
    pointed = spot;
    for (const panel of panels) {
      const context = panel.canvas.getContext("2d");
      context.clearRect(0, 0, SIDE, SIDE);
      context.drawImage(panel.plane, 0, 0);
      if (spot) drawCross(panel.canvas, spot);
    }
    find("said").textContent = spot ? words(data, panels, state, places, spot) : INVITATION;
  };
  for (const { canvas } of panels) {
    canvas.onpointermove = canvas.onpointerdown = (event) => point(spotOn(canvas, event));
    canvas.onpointerleave = () => point(null);
  }
  const stop = () => {
    clearInterval(clock);
    clock = null;
    find("play").textContent = "Play";
  };
  find("moment").max = last;
  find("moment").oninput = (event) => { stop(); show(Number(event.target.value)); };
  find("points").checked = state.points;
  find("points").onchange = (event) => { state.points = event.target.checked; show(state.moment); };
  find("play").onclick = () => {
    if (clock) return stop();
    find("play").textContent = "Pause";
    show(state.moment === last ? 0 : state.moment);
    clock = setInterval(() => {
      if (!root.isConnected) return stop();
      show(state.moment + 1);
      if (state.moment === last) stop();
    }, PACE);
  };
  find("csv").onclick = () => saveCsv(asRows(data, panels, state.moment), data.name);
  saveSheet(find, () => panelSheet(find("panels"), data, panels, (group, panel) => {
    group.append(drawn("image", { href: panel.plane.toDataURL(), width: SIDE, height: SIDE }));
  }, `${find("step").textContent}. ${SHADES}`), data.name);
  find("keys").replaceChildren(...data.classes.map((name, label) => {
    const key = element("span");
    const box = element("span", "key");
    box.style.background = data.colours[label];
    key.append(box, name);
    return key;
  }), element("span", "", SHADES));
  show(state.moment);
  return stop;
}

// One cell of the canvas for each point of the grid that was asked for; nothing is smoothed.
function drawGround(panel, data, at) {
  const [, side] = panel.chosen.shape;
  const start = at * side * side;
  const context = panel.plane.getContext("2d");
  // the outermost points were asked on the very rim: of their squares half lies outside
  const edge = (i) => Math.round((i - 0.5) / (side - 1) * SIDE);
  const guess = 255 / data.classes.length;
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const i = start + row * side + column;
      context.fillStyle = data.colours[panel.chosen.values[i]];
      context.globalAlpha = 0.12 + 0.5 * Math.max(0, (panel.sure[i] - guess) / (255 - guess));
      const [left, top] = [edge(column), SIDE - edge(row + 1)];
      context.fillRect(left, top, edge(column + 1) - left, SIDE - edge(row) - top);
    }
  }
  context.globalAlpha = 1;
}

// Points of the plane, x and y in turns, to the canvas.
function onCanvas(data, points) {
  return Float32Array.from(points, (value, i) => {
    const share = (value - data.low[i % 2]) / (data.high[i % 2] - data.low[i % 2]);
    return (i % 2 ? 1 - share : share) * SIDE;
  });
}

function drawPoints(panel, data, places) {
  const context = panel.plane.getContext("2d");
  const paper = getComputedStyle(panel.canvas).getPropertyValue("--st-background-color") || "#fff";
  data.labels.forEach((label, i) => {
    context.beginPath();
    context.arc(places[2 * i], places[2 * i + 1], 4, 0, 2 * Math.PI);
    context.fillStyle = data.colours[label];
    context.fill();
    context.strokeStyle = paper;
    context.lineWidth = 1;
    context.stroke();
  });
}

function drawCross(canvas, [x, y]) {
  const context = canvas.getContext("2d");
  context.strokeStyle = getComputedStyle(canvas).color;
  context.lineWidth = 1.5;
  context.beginPath();
  for (const [across, up] of [[1, 0], [0, 1]]) {
    for (const side of [-1, 1]) {
      context.moveTo(x + 6 * side * across, y + 6 * side * up);
      context.lineTo(x + 22 * side * across, y + 22 * side * up);
    }
  }
  context.stroke();
}

// The place, the test point there if one is drawn, and each model's answer with its probability.
function words(data, panels, state, places, [x, y]) {
  const at = [x / SIDE, 1 - y / SIDE].map((share, axis) =>
    (data.low[axis] + share * (data.high[axis] - data.low[axis])).toFixed(2).replace("-", "−"));
  const [, side] = panels[0].chosen.shape;
  const [column, row] = [x / SIDE, 1 - y / SIDE].map((share) =>
    Math.min(side - 1, Math.max(0, Math.round(share * (side - 1)))));
  const said = panels.map((panel) => {
    const moment = Math.min(state.moment, panel.accuracy.length - 1);
    const i = (moment * side + row) * side + column;
    const name = data.looks[panel.name].short.toLowerCase();
    return `${name} says ${data.classes[panel.chosen.values[i]]}, ${percent(panel.sure[i] / 255)}`;
  });
  const near = state.points ? nearest(places, [x, y], NEAR) : null;
  const truth = near === null ? "" : `, test point ${near + 1}, truly ${data.classes[data.labels[near]]}`;
  return `At (${at.join(", ")})${truth}: ${said.join("; ")}.`;
}

function asRows(data, panels, moment) {
  const side = panels[0].chosen.shape[1];
  const along = (axis, i) => data.low[axis] + i / (side - 1) * (data.high[axis] - data.low[axis]);
  const rows = [["x", "y", "step", ...panels.flatMap((p) => [`${p.name} answer`, `${p.name} probability`])]];
  for (let i = 0; i < side * side; i++) {
    rows.push([along(0, i % side).toPrecision(5), along(1, Math.floor(i / side)).toPrecision(5),
      data.steps[moment], ...panels.flatMap((p) => {
        const at = Math.min(moment, p.accuracy.length - 1) * side * side + i;
        return [data.classes[p.chosen.values[at]], (p.sure[at] / 255).toFixed(3)];
      })]);
  }
  return rows;
}
