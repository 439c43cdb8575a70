// The models in the order in which they are shown; "distilled" and "control" are students.
const MODELS = ["teacher", "control", "distilled"];
const STUDENTS = ["control", "distilled"];
const MOST_CLASSES = 12;

// What can be asked about the predicted classes (t, c, d) and the true one (y) of a sample.
const FILTERS = {
  all: ["All samples", () => true],
  disagree: ["Models disagree", (t, c, d) => t !== c || t !== d],
  fixed: ["Distillation fixed", (t, c, d, y) => c !== y && d === y],
  broke: ["Distillation broke", (t, c, d, y) => c === y && d !== y],
  beats: ["Student beats teacher", (t, c, d, y) => t !== y && d === y],
  copied: ["Copied the teacher's mistake", (t, c, d, y) => t !== y && d === t && c !== t],
};

const kept = new WeakMap(); // what a visitor has chosen survives a rerun of the page

export default function (component) {
  const root = component.parentElement;
  const find = (name) => root.querySelector(`[data-testid="${name}"]`);
  const data = unpack(component.data);
  const state = kept.get(root) ?? { seed: 0, filter: null, place: 0, temperature: data.trained };
  kept.set(root, state);

  const slider = find("temperature");
  slider.min = Math.min(1, data.trained);
  slider.max = Math.max(20, data.trained);
  slider.value = state.temperature;
  find("as-trained").textContent = `T = ${short(data.trained)}, as trained`;
  options(find("seed"), data.seeds.map((seed, i) => [i, String(seed)]), state.seed);

  let found = [];

  function choose() {
    const counts = Object.fromEntries(
      Object.keys(FILTERS).map((name) => [name, matching(data, state.seed, name)]));
    if (state.filter === null) state.filter = counts.disagree.length ? "disagree" : "all";
    found = counts[state.filter];
    state.place = Math.max(0, Math.min(state.place, found.length - 1));
    const labels = Object.entries(FILTERS).map(
      ([name, [title]]) => [name, `${title} (${counts[name].length})`]);
    options(find("filter"), labels, state.filter);
    show();
  }

  function show() {
    const sample = found[state.place];
    find("place").textContent = found.length
      ? `${state.place + 1} of ${found.length}` : "none with this seed";
    find("previous").disabled = find("next").disabled = found.length < 2;
    root.querySelector(".sample").hidden = root.querySelector(".mirror").hidden = !found.length;
    if (!found.length) return;
    (data.points ? plane : picture)(find("picture"), data, sample);
    find("picture").setAttribute("aria-label", `Test sample ${sample + 1}`);
    find("label").textContent = data.classes[data.labels[sample]];
    soften();
  }

  function soften() {
    find("degrees").textContent = `T = ${short(state.temperature)}`;
    if (!found.length) return;
    const sample = found[state.place];
    const answers = Object.fromEntries(MODELS.map((name) => [
      name, softmax(logits(data, name, state.seed, sample), state.temperature)]));
    table(find("models"), data, answers, sample);
    mirror(find("mirror"), data, answers, sample);
  }

  const step = (by) => {
    if (!found.length) return;
    state.place = (state.place + by + found.length) % found.length;
    show();
  };
  const heat = (value) => {
    state.temperature = Number(value);
    slider.value = value;
    soften();
  };
  find("next").onclick = () => step(1);
  find("previous").onclick = () => step(-1);
  find("filter").onchange = (e) => { state.filter = e.target.value; state.place = 0; choose(); };
  find("seed").onchange = (e) => { state.seed = Number(e.target.value); choose(); };
  slider.oninput = () => heat(slider.value);
  find("as-is").onclick = () => heat(1);
  find("as-trained").onclick = () => heat(data.trained);
  root.querySelector(".answers").onkeydown = (e) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (by && !e.target.closest("input, select")) step(by);
  };
  choose();
}

function unpack(data) {
  const bytes = (packed) => Uint8Array.from(atob(packed.bytes), (c) => c.charCodeAt(0));
  const unpacked = { ...data };
  if (data.images) unpacked.images = { shape: data.images.shape, values: bytes(data.images) };
  for (const name of data.points ? [...MODELS, "points"] : MODELS) {
    const values = new Float32Array(bytes(data[name]).buffer);
    unpacked[name] = { ...data[name], values };
  }
  return unpacked;
}

// One model's raw logits for one sample; a teacher that all seeds share has a single row of them.
function logits(data, name, seed, sample) {
  const { shape: [seeds, samples, classes], values } = data[name];
  const start = ((seeds === 1 ? 0 : seed) * samples + sample) * classes;
  return values.subarray(start, start + classes);
}

function predicted(data, name, seed, sample) {
  const row = logits(data, name, seed, sample);
  return row.indexOf(Math.max(...row));
}

function matching(data, seed, filter) {
  const asks = FILTERS[filter][1];
  return data.labels
    .map((label, sample) => [sample, label])
    .filter(([sample, label]) => asks(...MODELS.map((m) => predicted(data, m, seed, sample)), label))
    .map(([sample]) => sample);
}

function softmax(row, temperature) {
  const highest = Math.max(...row);
  const powers = Array.from(row, (value) => Math.exp((value - highest) / temperature));
  const sum = powers.reduce((a, b) => a + b);
  const log = Array.from(row, (value) => (value - highest) / temperature - Math.log(sum));
  return { p: powers.map((value) => value / sum), log };
}

const entropy = (a) => -a.p.reduce((sum, p, i) => sum + p * a.log[i], 0);
const divergence = (a, b) => a.p.reduce((sum, p, i) => sum + p * (a.log[i] - b.log[i]), 0);
const short = (number) => String(Math.round(number * 100) / 100);
const percent = (p) => (p >= 0.0995 ? `${(100 * p).toFixed(0)} %` : p >= 0.001 ? `${(100 * p).toFixed(1)} %` : "<0.1 %");

function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, text]) => {
    const option = element("option", "", text);
    option.value = value;
    option.selected = value === chosen;
    return option;
  }));
}

function element(tag, name = "", text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.textContent = text;
  return made;
}

// The control's hatching tells it from the distilled student without any colour.
function paint(bar, name, data) {
  const { colour } = data.looks[name];
  bar.style.background = name === "control"
    ? `repeating-linear-gradient(135deg, ${colour} 0 3px, transparent 3px 5px)` : colour;
  if (name === "control") bar.style.boxShadow = `inset 0 0 0 1px ${colour}`;
  return bar;
}

function picture(canvas, data, sample) {
  const [, channels, height, width] = data.images.shape;
  const size = height * width;
  const start = sample * channels * size;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let pixel = 0; pixel < size; pixel++) {
    for (let colour = 0; colour < 3; colour++) {
      const channel = channels === 1 ? 0 : colour;
      image.data[4 * pixel + colour] = data.images.values[start + channel * size + pixel];
    }
    image.data[4 * pixel + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

// All points faintly, those of the sample's class darker, and the sample itself ringed.
function plane(canvas, data, sample) {
  const { values, ends: [low, high] } = data.points;
  const side = canvas.width = canvas.height = 336;
  const margin = 24;
  const place = (index) => [0, 1].map((axis) => {
    const share = (values[2 * index + axis] - low[axis]) / (high[axis] - low[axis] || 1);
    return margin + (axis ? 1 - share : share) * (side - 2 * margin);
  });
  const context = canvas.getContext("2d");
  const dot = (index, radius) => {
    context.beginPath();
    context.arc(...place(index), radius, 0, 2 * Math.PI);
  };
  const ink = getComputedStyle(canvas).color;
  context.fillStyle = context.strokeStyle = ink;
  data.labels.forEach((label, index) => {
    context.globalAlpha = label === data.labels[sample] ? 0.55 : 0.18;
    dot(index, 4);
    context.fill();
  });
  context.globalAlpha = 1;
  dot(sample, 7);
  context.fill();
  context.lineWidth = 4;
  dot(sample, 15);
  context.stroke();
}

function table(body, data, answers, sample) {
  body.replaceChildren(...MODELS.map((name) => {
    const answer = answers[name];
    const best = answer.p.indexOf(Math.max(...answer.p));
    const right = best === data.labels[sample];
    const row = element("tr");
    const title = element("td", "", data.looks[name].label);
    title.prepend(paint(element("span", "key"), name, data));
    const said = element("td");
    said.append(element("span", right ? "" : "wrong", data.classes[best]),
      ` ${right ? "✓" : "✗"} ${percent(answer.p[best])}`);
    said.dataset.testid = `answer-${name}`;
    const undecided = element("td", "", entropy(answer).toFixed(3));
    undecided.dataset.testid = `entropy-${name}`;
    const away = element("td", "",
      name === "teacher" ? "" : divergence(answers.teacher, answer).toFixed(3));
    away.dataset.testid = `kl-${name}`;
    row.append(title, said, undecided, away);
    return row;
  }));
}

// All classes, or, of very many, those that any model finds likely, and the true one.
function shownClasses(answers, label) {
  const classes = answers.teacher.p.map((_, i) => i);
  if (classes.length <= MOST_CLASSES) return classes;
  const likely = (i) => Math.max(...MODELS.map((name) => answers[name].p[i]));
  const top = classes.filter((i) => i !== label).sort((a, b) => likely(b) - likely(a));
  return [label, ...top.slice(0, MOST_CLASSES - 1)].sort((a, b) => a - b);
}

function mirror(place, data, answers, sample) {
  const label = data.labels[sample];
  const cells = shownClasses(answers, label).flatMap((i) => {
    const middle = element("span", i === label ? "class true" : "class", data.classes[i]);
    middle.title = data.classes[i];
    return [side("left", ["teacher"], i), middle, side("right", STUDENTS, i)];
  });
  function side(where, names, i) {
    const made = element("div", `side ${where}`);
    made.append(...names.map((name) => {
      const line = element("div");
      const bar = paint(element("i"), name, data);
      bar.style.setProperty("--p", answers[name].p[i]);
      line.append(bar, element("b", "", percent(answers[name].p[i])));
      return line;
    }));
    return made;
  }
  place.replaceChildren(...cells);
  place.setAttribute("aria-label", MODELS.map((name) => {
    const best = answers[name].p.indexOf(Math.max(...answers[name].p));
    return `${data.looks[name].label}: ${data.classes[best]}, ${percent(answers[name].p[best])}`;
  }).join("; "));
}
