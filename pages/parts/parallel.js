// Axes stand side by side; a member is a line through its values. Dragging along an axis brushes
// it: lines outside fade, and the places of those inside every brush go to the page, null where
// nothing is brushed. A brush is kept by its values: an axis of numbers fits the lines it shows.
const WIDTH = 900, HEIGHT = 340, TOP = 48, BOTTOM = 24, EDGE = 74;
const SVG = "http://www.w3.org/2000/svg";
const CLICK = 4; // a drag shorter than so many units takes the brush away

const kept = new WeakMap(); // brushes survive a rerun of the page

export default function (component) {
  const { data, setStateValue } = component;
  const root = component.parentElement.querySelector(".parallel");
  const brushes = kept.get(root) ?? new Map();
  kept.set(root, brushes);

  const scales = data.axes.map((axis, i) => scale(axis, across(i, data.axes.length)));
  const svg = made("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
    "aria-label": `${data.places.length} members over ${data.axes.length} axes` });
  const most = Math.max(1, ...data.gains.map(Math.abs));
  const order = data.places.map((_, i) => i).sort((a, b) => data.gains[a] - data.gains[b]);
  const members = [];
  for (const i of order) {
    const points = scales.map((s) => `${s.x},${s.y(s.axis.at[i]).toFixed(1)}`).join(" ");
    members[i] = svg.appendChild(made("polyline", {
      class: "member", points, stroke: colour(data.gains[i] / most, data.colours) }));
  }
  scales.forEach((s) => drawAxis(svg, s, brushes, () => update(true)));

  const hint = document.createElement("p");
  hint.className = "hint";
  hint.textContent = "Drag along an axis to keep the lines that pass there; click it to let go.";
  root.replaceChildren(svg, hint);

  function update(tell) {
    const inside = data.places.filter((_, i) => scales.every((s) => {
      const brush = brushes.get(s.axis.title);
      return !brush || (brush[0] <= s.axis.at[i] && s.axis.at[i] <= brush[1]);
    }));
    const chosen = new Set(inside);
    data.places.forEach((place, i) => members[i].classList.toggle("out", !chosen.has(place)));
    if (tell) setStateValue("brushed", brushes.size ? inside : null);
  }
  update(false);
}

function across(i, count) {
  return EDGE + (i * (WIDTH - 2 * EDGE)) / Math.max(1, count - 1);
}

// Where an axis stands and how its values lie on it: names evenly, numbers by their size.
function scale(axis, x) {
  const low = axis.ticks ? 0 : Math.min(...axis.at);
  const high = axis.ticks ? axis.ticks.length - 1 : Math.max(...axis.at);
  const span = HEIGHT - TOP - BOTTOM;
  const y = (value) => HEIGHT - BOTTOM - (high > low ? (value - low) / (high - low) : 0.5) * span;
  const value = (y) => low + ((HEIGHT - BOTTOM - y) / span) * (high - low);
  const ticks = axis.ticks
    ? axis.ticks.map((name, i) => [y(i), name])
    : [low, (low + high) / 2, high].map((value) => [y(value), value.toFixed(1).replace("-", "−")]);
  return { axis, x, y, value, ticks };
}

function drawAxis(svg, s, brushes, changed) {
  const group = svg.appendChild(made("g", {}));
  const title = made("text", { class: "title", x: s.x, y: 20, "text-anchor": "middle" });
  title.textContent = s.axis.title;
  group.append(title, made("line", {
    class: "axis", x1: s.x, x2: s.x, y1: TOP, y2: HEIGHT - BOTTOM }));
  for (const [y, name] of s.ticks) {
    const label = made("text", { class: "tick", x: s.x + 6, y: y + 4 });
    label.textContent = name;
    group.append(label);
  }
  const brush = group.appendChild(made("rect", { class: "brush", x: s.x - 8, width: 16 }));
  const catcher = group.appendChild(made("rect", {
    class: "catch", x: s.x - 22, width: 44, y: TOP - 12, height: HEIGHT - TOP - BOTTOM + 24 }));

  const show = () => {
    const range = brushes.get(s.axis.title);
    brush.setAttribute("visibility", range ? "visible" : "hidden");
    if (!range) return;
    const [bottom, top] = range.map((value) => within(s.y(value)));
    brush.setAttribute("y", top);
    brush.setAttribute("height", bottom - top);
  };
  const at = (event) => {
    const point = new DOMPoint(event.clientX, event.clientY);
    return point.matrixTransform(svg.getScreenCTM().inverse()).y;
  };
  let start = null;
  catcher.onpointerdown = (event) => {
    catcher.setPointerCapture(event.pointerId);
    start = at(event);
  };
  catcher.onpointermove = (event) => {
    if (start === null) return;
    const ends = [start, at(event)].map((y) => s.value(y));
    brushes.set(s.axis.title, [Math.min(...ends), Math.max(...ends)]);
    show();
  };
  catcher.onpointerup = (event) => {
    if (start === null) return;
    if (Math.abs(at(event) - start) < CLICK) brushes.delete(s.axis.title);
    start = null;
    show();
    changed();
  };
  show();
}

function within(y) {
  return Math.max(TOP - 12, Math.min(HEIGHT - BOTTOM + 12, y));
}

// From the loss's colour over grey to the gain's.
function colour(share, [loss, none, gain]) {
  const end = share < 0 ? loss : gain;
  return `color-mix(in oklab, ${end} ${Math.round(100 * Math.min(1, Math.abs(share)))}%, ${none})`;
}

function made(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
