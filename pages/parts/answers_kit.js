// What the components over a run's logits share; put before each one's own code.

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

// A slider, and buttons for the temperatures that mean something. data.moments: of the training,
// one, or its start and its end; state.moment: whose numbers hold, which a button may change.
function heatBar(find, data, state, draw) {
  const slider = find("temperature");
  const known = data.moments.map((moment) => moment.temperature);
  state.moment = Math.min(state.moment, known.length - 1);
  slider.min = Math.min(0.5, ...known);
  slider.max = Math.max(20, ...known);
  slider.value = state.temperature;
  const set = (value, moment = state.moment) => {
    Object.assign(state, { temperature: Number(value), moment });
    slider.value = value;
    draw();
  };
  slider.oninput = () => set(slider.value);
  find("as-is").onclick = () => set(1);
  ["as-trained", "as-ended"].forEach((name, i) => {
    const moment = data.moments[i];
    find(name).hidden = !moment;
    if (!moment) return;
    find(name).textContent = `T = ${short(moment.temperature)}, ${moment.words}`;
    find(name).onclick = () => set(moment.temperature, i);
  });
}

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

// All classes, or, of very many, those that any model finds likely, and the true one.
function shownClasses(answers, label) {
  const classes = answers.teacher.p.map((_, i) => i);
  if (classes.length <= MOST_CLASSES) return classes;
  const likely = (i) => Math.max(...MODELS.map((name) => answers[name].p[i]));
  const top = classes.filter((i) => i !== label).sort((a, b) => likely(b) - likely(a));
  return [label, ...top.slice(0, MOST_CLASSES - 1)].sort((a, b) => a - b);
}

const SVG = "http://www.w3.org/2000/svg";

function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// A drawing of that size with the page's own colours in it, so that it can be taken away as it is.
function sheet(place, width, height) {
  const style = getComputedStyle(place);
  const made = drawn("svg", {
    xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}`, "font-size": 12,
    "font-family": style.fontFamily.replaceAll('"', "'"), color: style.color, fill: style.color,
  });
  made.paper = style.getPropertyValue("--st-background-color").trim() || "#ffffff";
  return made;
}

function text(x, y, words, attributes = {}) {
  return drawn("text", { x, y, "dominant-baseline": "central", ...attributes }, words);
}

// Stripes tell the control from the distilled student without any colour.
function stripes(sheet, colour) {
  const id = `stripes-${colour.slice(1)}`;
  const pattern = drawn("pattern", {
    id, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)",
  }, drawn("rect", { width: 3, height: 5, fill: colour }));
  sheet.append(drawn("defs", {}, pattern));
  return `url(#${id})`;
}

function save(content, type, name) {
  const link = element("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function onPaper(svg) {
  const copy = svg.cloneNode(true);
  copy.prepend(drawn("rect", { width: "100%", height: "100%", fill: svg.paper }));
  return new XMLSerializer().serializeToString(copy);
}

function saveSvg(svg, name) {
  save(onPaper(svg), "image/svg+xml", `${name}.svg`);
}

function savePng(svg, name) {
  const picture = new Image();
  picture.onload = () => {
    const canvas = element("canvas");
    canvas.width = 2 * svg.width.baseVal.value;
    canvas.height = 2 * svg.height.baseVal.value;
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save(blob, "image/png", `${name}.png`));
  };
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(onPaper(svg))}`;
}

function saveCsv(rows, name) {
  const cell = (value) => /[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value;
  save(rows.map((row) => row.map(cell).join(",")).join("\n") + "\n", "text/csv", `${name}.csv`);
}
