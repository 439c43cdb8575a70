// What each model answers all over the plane, moment by moment; a teacher is there once, at its end.
const PACE = 350; // milliseconds a moment

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
  }));
  let clock = null;

  const show = (moment) => {
    state.moment = moment;
    find("moment").value = moment;
    find("step").textContent = `Step ${data.steps[moment]} of ${data.steps[last]}`;
    for (const panel of panels) {
      const at = Math.min(moment, panel.accuracy.length - 1);
      panel.told.textContent = `${(100 * panel.accuracy[at]).toFixed(1)} % right`;
      panel.canvas.getContext("2d").clearRect(0, 0, SIDE, SIDE);
      drawGround(panel, data, at);
      if (state.points) drawPoints(panel, data, points);
    }
  };
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
    group.append(drawn("image", { href: panel.canvas.toDataURL(), width: SIDE, height: SIDE }));
  }), data.name);
  find("keys").replaceChildren(...data.classes.map((name, label) => {
    const key = element("span");
    const box = element("span", "key");
    box.style.background = data.colours[label];
    key.append(box, name);
    return key;
  }), element("span", "", "Full colour: sure; faint: in doubt."));
  show(state.moment);
  return stop;
}

// One cell of the canvas for each point of the grid that was asked for; nothing is smoothed.
function drawGround(panel, data, at) {
  const [, side] = panel.chosen.shape;
  const start = at * side * side;
  const context = panel.canvas.getContext("2d");
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

function drawPoints(panel, data, points) {
  const context = panel.canvas.getContext("2d");
  const paper = getComputedStyle(panel.canvas).getPropertyValue("--st-background-color") || "#fff";
  data.labels.forEach((label, i) => {
    const [x, y] = [0, 1].map((axis) =>
      (points[2 * i + axis] - data.low[axis]) / (data.high[axis] - data.low[axis]) * SIDE);
    context.beginPath();
    context.arc(x, SIDE - y, 4, 0, 2 * Math.PI);
    context.fillStyle = data.colours[label];
    context.fill();
    context.strokeStyle = paper;
    context.lineWidth = 1;
    context.stroke();
  });
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
