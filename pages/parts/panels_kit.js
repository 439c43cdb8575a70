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

// The panels as one drawing to be taken away; `fill` draws one panel into its group.
function panelSheet(place, data, panels, fill) {
  const gap = 20, top = 34;
  const svg = sheet(place, panels.length * (SIDE + gap) - gap, SIDE + top + 24);
  panels.forEach((panel, number) => {
    const x = number * (SIDE + gap);
    const title = [data.looks[panel.name].label, panel.told.textContent].filter(Boolean).join(" ");
    svg.append(text(x, 14, title, { "font-size": 18, "font-weight": 600 }));
    const group = drawn("svg", { x, y: top, width: SIDE, height: SIDE, viewBox: `0 0 ${SIDE} ${SIDE}` });
    fill(group, panel);
    group.append(drawn("rect", {
      width: SIDE, height: SIDE, fill: "none", stroke: svg.getAttribute("color"), opacity: 0.35,
    }));
    svg.append(group);
    if (panel.note) svg.append(text(x, SIDE + top + 14, panel.note, { "font-size": 13, opacity: 0.8 }));
  });
  return svg;
}

function saveSheet(find, make, name) {
  find("svg").onclick = () => saveSvg(make(), name);
  find("png").onclick = () => savePng(make(), name);
}
