// Three canvases side by side, one a model, with a plane on each; put after answers_kit.js.

const SIDE = 560; // of a canvas, in its own pixels
const MARKS = { teacher: "◆", control: "■", distilled: "●" };

function numbers(packed, kind) {
  const bytes = Uint8Array.from(atob(packed.bytes), (c) => c.charCodeAt(0));
  return { shape: packed.shape, values: new kind(bytes.buffer) };
}

// A captioned canvas for each model that there is something to draw of.
function makePanels(place, data) {
  const panels = data.panels.map((panel) => {
    const figure = element("figure", "panel");
    const caption = element("figcaption");
    const mark = element("span", "", `${MARKS[panel.name]} `);
    mark.style.cssText = `color:${data.looks[panel.name].colour};opacity:1`;
    const note = element("span");
    caption.append(mark, `${data.looks[panel.name].label} `, note);
    const canvas = element("canvas");
    canvas.width = canvas.height = SIDE;
    canvas.dataset.testid = `panel-${panel.name}`;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${data.looks[panel.name].label}: ${panel.note ?? ""}`);
    figure.append(caption, canvas);
    if (panel.note) figure.append(element("small", "", panel.note));
    return { ...panel, figure, canvas, told: note };
  });
  place.replaceChildren(...panels.map((panel) => panel.figure));
  return panels;
}

// Where the pointer is, in a canvas's own pixels.
function spotOn(canvas, event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width * SIDE, (event.clientY - box.top) / box.height * SIDE];
}

// A canvas beside the page: what changes seldom is drawn once, and copied at every move.
function beside() {
  const canvas = element("canvas");
  canvas.width = canvas.height = SIDE;
  return canvas;
}

// The point within `least` pixels that is nearest to a spot; null for none.
function nearest(places, [x, y], least) {
  let best = null;
  for (let i = 0; i < places.length / 2; i++) {
    const away = Math.hypot(places[2 * i] - x, places[2 * i + 1] - y);
    if (away < least) [best, least] = [i, away];
  }
  return best;
}

const ENTRY = 9; // of a legend's letters, about, in pixels of the sheet
const ENTRIES = 60; // of a legend, at most

// Where each entry of a legend stands: line by line, as many as fit.
function entries(names, wide) {
  let [x, line] = [0, 0];
  return names.slice(0, ENTRIES).map((name) => {
    const width = 34 + ENTRY * name.length;
    if (x && x + width > wide) [x, line] = [0, line + 1];
    const at = { name, x, line };
    x += width;
    return at;
  });
}

// The panels as one drawing to be taken away, with what they show, of which run, and the classes'
// colours; `fill` draws one panel into its group, `more` is said of it beside the run's name.
function panelSheet(place, data, panels, fill, more = "") {
  const gap = 20, top = 104, edge = 16;
  const wide = panels.length * (SIDE + gap) - gap;
  const legend = entries(data.classes, wide);
  const below = SIDE + top + 48;
  const hidden = data.classes.length - legend.length;
  const high = below + 24 * (legend.at(-1).line + 1 + (hidden ? 1 : 0));
  const svg = sheet(place, wide + 2 * edge, high + 2 * edge);
  const all = drawn("g", { transform: `translate(${edge} ${edge})` });
  svg.append(all);
  all.append(text(0, 14, data.title, { "font-size": 24, "font-weight": 600 }));
  all.append(text(0, 48, [data.run, more].filter(Boolean).join(". "), { "font-size": 17 }));
  panels.forEach((panel, number) => {
    const x = number * (SIDE + gap);
    const title = [data.looks[panel.name].label, panel.told.textContent].filter(Boolean).join(" ");
    all.append(text(x, 86, title, { "font-size": 18, "font-weight": 600 }));
    const group = drawn("svg", { x, y: top, width: SIDE, height: SIDE, viewBox: `0 0 ${SIDE} ${SIDE}` });
    fill(group, panel);
    group.append(drawn("rect", {
      width: SIDE, height: SIDE, fill: "none", stroke: svg.getAttribute("color"), opacity: 0.35,
    }));
    all.append(group);
    if (panel.note) all.append(text(x, SIDE + top + 16, panel.note, { "font-size": 14, opacity: 0.8 }));
  });
  legend.forEach(({ name, x, line }, label) => {
    const y = below + 24 * line;
    all.append(drawn("rect", { x, y: y - 7, width: 14, height: 14, fill: data.colours[label] }));
    all.append(text(x + 20, y, name, { "font-size": 16 }));
  });
  if (hidden) all.append(text(0, high - 12, `and ${hidden} more classes`, { "font-size": 16 }));
  return svg;
}

function saveSheet(find, make, name) {
  find("svg").onclick = () => saveSvg(make(), name);
  find("png").onclick = () => savePng(make(), name);
}
