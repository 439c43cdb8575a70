const DIFFERENCES = {
  gain: ["distilled − labels alone", "distilled", "control"],
  left: ["distilled − teacher", "distilled", "teacher"],
  alone: ["labels alone − teacher", "control", "teacher"],
};
const NAMED = 20; // up to so many classes have their names at the maps
const kept = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  const find = (name) => root.querySelector(`[data-testid="${name}"]`);
  const data = unpackWhole(component.data);
  const state = kept.get(root) ?? {
    temperature: data.moments[0].temperature, moment: 0, without: true, difference: "gain",
  };
  kept.set(root, state);
  const maps = find("maps");
  find("note").textContent = data.note;
  options(find("difference"), Object.entries(DIFFERENCES).map(([k, [t]]) => [k, t]), state.difference);

  let targets = null;

  function heat() {
    find("degrees").textContent = `T = ${short(state.temperature)}`;
    targets = Object.fromEntries(
      MODELS.map((name) => [name, meanTargets(data, name, state.temperature)]));
    draw();
  }

  function draw() {
    const panels = panelsOf(data, targets, state);
    drawMaps(maps, data, panels);
    maps.setAttribute("aria-label", panels.map((each) => each.title).join("; "));
    find("said").textContent = mostDoubt(data, targets.teacher, state.temperature);
  }

  heatBar(find, data, state, heat);
  find("diagonal").checked = state.without;
  find("diagonal").onchange = (e) => { state.without = e.target.checked; draw(); };
  find("difference").onchange = (e) => { state.difference = e.target.value; draw(); };
  maps.onpointermove = maps.onpointerdown = (e) => {
    const words = cellWords(maps, data, targets, state, e);
    if (words) find("pointed").textContent = words;
  };
  find("svg").onclick = () => saveSvg(maps.firstChild, "soft-targets");
  find("png").onclick = () => savePng(maps.firstChild, "soft-targets");
  find("csv").onclick = () => saveCsv(asRows(data, targets, state.temperature), "soft-targets");

  let width = 0;
  const watcher = new ResizeObserver(([entry]) => {
    if (Math.abs(entry.contentRect.width - width) > 1 && targets) draw();
    width = entry.contentRect.width;
  });
  watcher.observe(maps);
  heat();
  return () => watcher.disconnect();
}

// Logits travel as whole numbers of a fixed small step each.
function unpackWhole(data) {
  const unpacked = { ...data };
  for (const name of MODELS) {
    const bytes = Uint8Array.from(atob(data[name].bytes), (c) => c.charCodeAt(0));
    const values = Float32Array.from(new Int16Array(bytes.buffer), (v) => v * data[name].step);
    unpacked[name] = { ...data[name], values };
  }
  return unpacked;
}

// Mean of softmax(z / T) over the samples of each true class, row by row; NaN without samples.
function meanTargets(data, name, temperature) {
  const { values } = data[name];
  const classes = data.classes.length;
  const sums = new Float64Array(classes * classes);
  const counts = new Float64Array(classes);
  const powers = new Float64Array(classes);
  data.labels.forEach((label, sample) => {
    const start = sample * classes;
    let highest = -Infinity;
    for (let i = 0; i < classes; i++) highest = Math.max(highest, values[start + i]);
    let sum = 0;
    for (let i = 0; i < classes; i++) {
      powers[i] = Math.exp((values[start + i] - highest) / temperature);
      sum += powers[i];
    }
    for (let i = 0; i < classes; i++) sums[label * classes + i] += powers[i] / sum;
    counts[label] += 1;
  });
  return sums.map((value, i) => value / counts[Math.floor(i / classes)]);
}

function panelsOf(data, targets, state) {
  const classes = data.classes.length;
  const blank = (i) => state.without && Math.floor(i / classes) === i % classes;
  const seen = (values) => values.map((value, i) => (blank(i) ? NaN : value));
  const most = (all) => Math.max(1e-9, ...all.map((values) =>
    values.reduce((a, b) => (Math.abs(b) > a ? Math.abs(b) : a), 0)));
  const three = MODELS.map((name) => seen(targets[name]));
  const full = most(three);
  const [words, one, other] = DIFFERENCES[state.difference];
  const gap = seen(targets[one].map((value, i) => value - targets[other][i]));
  const panels = MODELS.map((name, i) => ({
    title: data.looks[name].label, values: three[i], full,
    legend: `full colour: ${percent(full)}`, colours: [null, data.looks[name].colour],
  }));
  const widest = most([gap]);
  panels.push({
    title: `Difference: ${words}`, values: gap, full: widest,
    legend: `full colour: ±${(100 * widest).toFixed(1)} points`,
    colours: [data.looks[other].colour, data.looks[one].colour],
  });
  return panels;
}

function drawMaps(place, data, panels) {
  const width = Math.max(260, place.clientWidth);
  const across = width > 1000 ? 4 : width > 560 ? 2 : 1;
  const gap = 22;
  const named = data.classes.length <= NAMED;
  const letters = Math.min(12, Math.max(...data.classes.map((name) => name.length)));
  const room = named ? Math.max(16, 7 * letters + 6) : 8;
  const size = Math.min(420, (width - (across - 1) * gap) / across - room);
  const below = named ? (letters > 3 ? 7 * letters + 6 : 20) : 8;
  const tall = 26 + size + below + 24;
  const svg = sheet(place, width, Math.ceil(panels.length / across) * tall);
  const corners = panels.map((panel, number) => {
    const x = (number % across) * (size + room + gap) + room;
    const y = Math.floor(number / across) * tall + 26;
    svg.append(text(x, y - 14, panel.title, { "font-weight": 600, "font-size": 13 }));
    svg.append(drawn("image", {
      href: pixels(panel, data.classes.length), x, y, width: size, height: size,
      preserveAspectRatio: "none", style: "image-rendering: pixelated",
    }));
    svg.append(drawn("rect", {
      x, y, width: size, height: size, fill: "none", stroke: svg.getAttribute("color"), opacity: 0.35,
    }));
    if (named) axis(svg, data, x, y, size, letters);
    svg.append(text(x, y + size + below + 6, panel.legend, { "font-size": 11, opacity: 0.8 }));
    return { x, y, size };
  });
  place.replaceChildren(svg);
  place.corners = corners;
}

function axis(svg, data, x, y, size, letters) {
  const cell = size / data.classes.length;
  data.classes.forEach((name, i) => {
    const cut = name.length > letters ? `${name.slice(0, letters - 1)}…` : name;
    const middle = (i + 0.5) * cell;
    svg.append(text(x - 5, y + middle, cut, { "text-anchor": "end", "font-size": 11 }));
    svg.append(letters > 3
      ? text(x + middle, y + size + 6, cut, {
        "text-anchor": "end", "font-size": 11, transform: `rotate(-90 ${x + middle} ${y + size + 6})`,
      })
      : text(x + middle, y + size + 9, cut, { "text-anchor": "middle", "font-size": 11 }));
  });
}

// Cells as a picture, each many pixels wide, so that nothing is smoothed where it is drawn larger.
function pixels({ values, full, colours }, classes) {
  const cell = Math.max(1, Math.floor(400 / classes));
  const canvas = element("canvas");
  canvas.width = canvas.height = cell * classes;
  const context = canvas.getContext("2d");
  values.forEach((value, i) => {
    if (Number.isNaN(value) || value === 0) return;
    context.globalAlpha = Math.min(1, Math.abs(value) / full);
    context.fillStyle = value > 0 ? colours[1] : colours[0];
    context.fillRect((i % classes) * cell, Math.floor(i / classes) * cell, cell, cell);
  });
  return canvas.toDataURL();
}

function cellWords(place, data, targets, state, event) {
  const classes = data.classes.length;
  const box = place.firstChild.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const inside = place.corners.find((c) => x >= c.x && y >= c.y && x < c.x + c.size && y < c.y + c.size);
  if (!inside) return "";
  const row = Math.floor((y - inside.y) / inside.size * classes);
  const column = Math.floor((x - inside.x) / inside.size * classes);
  const said = MODELS.map((name) =>
    `${data.looks[name].short.toLowerCase()} ${percent(targets[name][row * classes + column])}`);
  return `Of samples that are ${data.classes[row]}, ${data.classes[column]} is given on average `
    + `at T = ${short(state.temperature)}: ${said.join(", ")}.`;
}

// The strongest of the teacher's likenesses, in a sentence.
function mostDoubt(data, teacher, temperature) {
  const classes = data.classes.length;
  let best = null;
  for (let row = 0; row < classes; row++) {
    const own = teacher[row * classes + row];
    for (let column = 0; column < classes; column++) {
      const value = teacher[row * classes + column];
      if (row === column || !(own < 1)) continue;
      if (!best || value > best.value) best = { row, column, value, share: value / (1 - own) };
    }
  }
  if (!best) return "";
  return `At T = ${short(temperature)} the teacher's strongest likeness is that of a true `
    + `${data.classes[best.row]} with ${data.classes[best.column]}: ${percent(best.value)} of the `
    + `answer on average, ${percent(best.share)} of all its doubt.`;
}

function asRows(data, targets, temperature) {
  const classes = data.classes.length;
  const cells = data.classes.flatMap((truth, row) => data.classes.map((name, column) =>
    [truth, name, ...MODELS.map((m) => targets[m][row * classes + column]), temperature]));
  return [["true", "class", ...MODELS, "T"], ...cells];
}
