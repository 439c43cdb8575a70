// Every test sample is a point in each panel. A drag around points chooses them in all three, a
// click chooses one, a class's button all of it; what is chosen goes to the page, null for none.
const BUTTONS = 12; // classes with a button each; of more, they are in a list
const NEAR = 14; // pixels of the canvas between pointer and point
const MARGIN = 18;
const TOLD = 300; // places that the page is told of, at most

const kept = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  const find = (name) => root.querySelector(`[data-testid="${name}"]`);
  const { data, setStateValue } = component;
  const state = kept.get(root)?.of === data.of ? kept.get(root) : { of: data.of, chosen: null, label: null };
  kept.set(root, state);
  const labels = numbers(data.labels, Uint16Array).values;
  const groups = ofClasses(labels, data.classes.length);
  const panels = makePanels(find("panels"), data).map((panel) => ({
    ...panel,
    places: places(numbers(panel.at, Int16Array).values),
    answers: numbers(panel.answers, Uint16Array).values,
    cloud: beside(),
  }));
  let pointed = null;
  let loop = null;

  // all points anew: only where others are chosen
  const drawClouds = () => panels.forEach((panel) => drawCloud(panel, data, groups, state.chosen));
  const draw = (panel) => {
    const context = panel.canvas.getContext("2d");
    context.clearRect(0, 0, SIDE, SIDE);
    context.drawImage(panel.cloud, 0, 0);
    drawRing(panel, state.chosen, pointed);
    if (loop && loop.panel === panel) drawLoop(panel.canvas, loop.points);
  };
  const drawAll = () => panels.forEach(draw);
  const point = (place) => {
    if (place === pointed) return;
    pointed = place;
    drawAll();
    say();
  };
  const say = () => { find("said").textContent = words(data, labels, panels, state, pointed); };
  const choose = (chosen, label = null) => {
    state.chosen = chosen && chosen.length ? new Set(chosen) : null;
    state.label = label;
    drawKeys(find("keys"), data, state, chooseClass);
    drawClouds();
    drawAll();
    say();
    setStateValue("chosen", state.chosen ? [...state.chosen].slice(0, TOLD) : null);
  };
  const chooseClass = (label) => {
    if (label === null || label === state.label) return choose(null);
    choose(groups[label], label);
  };

  for (const panel of panels) {
    const { canvas } = panel;
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      loop = { panel, points: [spotOn(canvas, event)] };
    };
    canvas.onpointermove = (event) => {
      if (!loop) return point(nearest(panel.places, spotOn(canvas, event), NEAR));
      loop.points.push(spotOn(canvas, event));
      draw(panel);
    };
    canvas.onpointerup = () => {
      if (!loop) return;
      const { points } = loop;
      loop = null;
      const dragged = points.some(([x, y]) => Math.hypot(x - points[0][0], y - points[0][1]) > 10);
      if (dragged) return choose(inside(panel.places, points));
      const one = nearest(panel.places, points[0], NEAR);
      choose(one === null ? null : [one]);
    };
    canvas.onpointercancel = () => { loop = null; draw(panel); };
    canvas.onpointerleave = () => { if (!loop) point(null); };
  }
  find("clear").onclick = () => choose(null);
  find("csv").onclick = () => saveCsv(asRows(data, labels, panels, state), data.name);
  saveSheet(find, () => panelSheet(find("panels"), data, panels, (group, panel) => {
    order(labels, state.chosen).forEach((i) => group.append(drawn("circle", {
      cx: panel.places[2 * i].toFixed(1), cy: panel.places[2 * i + 1].toFixed(1), r: 3,
      fill: data.colours[labels[i]], opacity: !state.chosen || state.chosen.has(i) ? 0.8 : 0.08,
    })));
  }, state.chosen ? words(data, labels, panels, state, null) : ""), data.name);
  drawKeys(find("keys"), data, state, chooseClass);
  drawClouds();
  drawAll();
  say();
}

// Places of each class's points.
function ofClasses(labels, count) {
  const groups = Array.from({ length: count }, () => []);
  labels.forEach((label, i) => groups[label].push(i));
  return groups;
}

// Whole numbers to the canvas: each panel fills it, both axes on one scale, y upwards.
function places(values) {
  const ends = [0, 1].map((axis) => {
    let [low, high] = [Infinity, -Infinity];
    for (let i = axis; i < values.length; i += 2) {
      low = Math.min(low, values[i]);
      high = Math.max(high, values[i]);
    }
    return [low, high];
  });
  const span = Math.max(...ends.map(([low, high]) => high - low)) || 1;
  const scale = (SIDE - 2 * MARGIN) / span;
  return Float32Array.from(values, (value, i) => {
    const [low, high] = ends[i % 2];
    const at = SIDE / 2 + (value - (low + high) / 2) * scale;
    return i % 2 ? SIDE - at : at;
  });
}

// Chosen points are drawn last, or they would lie under the others.
function order(labels, chosen) {
  const all = [...labels.keys()];
  return chosen ? [...all.filter((i) => !chosen.has(i)), ...chosen] : all;
}

function drawCloud(panel, data, groups, chosen) {
  const context = panel.cloud.getContext("2d");
  context.clearRect(0, 0, SIDE, SIDE);
  const size = panel.answers.length > 3000 ? 3 : 5;
  const dots = (wanted, opacity) => {
    context.globalAlpha = opacity;
    groups.forEach((places, label) => {
      context.fillStyle = data.colours[label];
      for (const i of places) {
        if (wanted(i)) context.fillRect(panel.places[2 * i] - size / 2, panel.places[2 * i + 1] - size / 2, size, size);
      }
    });
  };
  if (chosen) {
    dots((i) => !chosen.has(i), 0.1);
    dots((i) => chosen.has(i), 1);
  } else {
    dots(() => true, 0.75);
  }
}

function drawRing(panel, chosen, pointed) {
  const context = panel.canvas.getContext("2d");
  const ringed = pointed !== null ? [pointed] : chosen && chosen.size === 1 ? [...chosen] : [];
  for (const i of ringed) {
    context.strokeStyle = getComputedStyle(panel.canvas).color;
    context.lineWidth = 3;
    context.beginPath();
    context.arc(panel.places[2 * i], panel.places[2 * i + 1], 11, 0, 2 * Math.PI);
    context.stroke();
  }
}

function drawLoop(canvas, points) {
  const context = canvas.getContext("2d");
  context.strokeStyle = getComputedStyle(canvas).color;
  context.lineWidth = 2;
  context.setLineDash([6, 5]);
  context.beginPath();
  points.forEach(([x, y]) => context.lineTo(x, y));
  context.stroke();
  context.setLineDash([]);
}

// Places of the points within a loop: a ray to the right crosses it an odd number of times.
function inside(places, loop) {
  const found = [];
  for (let i = 0; i < places.length / 2; i++) {
    const [x, y] = [places[2 * i], places[2 * i + 1]];
    let odd = false;
    for (let a = 0, b = loop.length - 1; a < loop.length; b = a++) {
      const [[ax, ay], [bx, by]] = [loop[a], loop[b]];
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
    }
    if (odd) found.push(i);
  }
  return found;
}

function drawKeys(place, data, state, chooseClass) {
  if (data.classes.length > BUTTONS) {
    const list = element("select");
    list.setAttribute("aria-label", "Class");
    const named = data.classes.map((name, i) => [String(i), name]);
    options(list, [["", "all classes"], ...named], state.label === null ? "" : String(state.label));
    list.onchange = () => chooseClass(list.value === "" ? null : Number(list.value));
    place.replaceChildren(list);
    return;
  }
  place.replaceChildren(...data.classes.map((name, label) => {
    const button = element("button");
    const key = element("span", "key");
    key.style.background = data.colours[label];
    button.type = "button";
    button.append(key, name);
    button.setAttribute("aria-pressed", String(state.label === label));
    button.onclick = () => chooseClass(label);
    return button;
  }));
}

function words(data, labels, panels, state, pointed) {
  const one = pointed ?? (state.chosen?.size === 1 ? [...state.chosen][0] : null);
  if (one !== null) {
    const said = panels.map((p) => `${data.looks[p.name].short.toLowerCase()} says ${data.classes[p.answers[one]]}`);
    return `Test sample ${one + 1} is ${data.classes[labels[one]]}; ${said.join(", ")}.`;
  }
  if (!state.chosen) {
    return "Drag around points to choose them in all three, click one, or click a class above.";
  }
  const chosen = [...state.chosen];
  const right = panels.map((p) => {
    const share = chosen.filter((i) => p.answers[i] === labels[i]).length / chosen.length;
    return `${data.looks[p.name].short.toLowerCase()} ${(100 * share).toFixed(0)} %`;
  });
  const counts = data.classes.map((name) => [name, 0]);
  for (const i of chosen) counts[labels[i]][1] += 1;
  const most = counts.filter(([, count]) => count).sort((a, b) => b[1] - a[1]);
  const few = most.slice(0, 4).map(([name, count]) => `${count.toLocaleString("en")} of ${name}`).join(", ");
  const more = most.length > 4 ? ` and ${most.length - 4} more classes` : "";
  const samples = chosen.length === 1 ? "sample" : "samples";
  return `${chosen.length.toLocaleString("en")} ${samples}: ${few}${more}. Right: ${right.join(", ")}.`;
}

function asRows(data, labels, panels, state) {
  const head = ["sample", "true", "chosen",
    ...panels.flatMap((p) => [`${p.name} answer`, `${p.name} x`, `${p.name} y`])];
  const scales = panels.map((p) => [numbers(p.at, Int16Array).values, p.at.step]);
  const rows = [...labels.keys()].map((i) => [
    i + 1, data.classes[labels[i]], state.chosen?.has(i) ? 1 : 0,
    ...panels.flatMap((p, n) => [data.classes[p.answers[i]],
      ...[0, 1].map((axis) => (scales[n][0][2 * i + axis] * scales[n][1]).toPrecision(5))]),
  ]);
  return [head, ...rows];
}
