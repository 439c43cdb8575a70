// The plane of a toy task with some of its points: a click, a drag or the arrow keys choose one.
const kept = new WeakMap(); // the chosen point survives a rerun of the page
const KEYS = { ArrowLeft: [-20, 0], ArrowRight: [20, 0], ArrowUp: [0, -20], ArrowDown: [0, 20] };
const MARKS = {
  circle: "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0 -2 0z", square: "M-.9 -.9h1.8v1.8h-1.8z",
  diamond: "M0 -1.2L1.2 0L0 1.2L-1.2 0z", "triangle-up": "M0 -1.1L1.1 .9H-1.1z",
  cross: "M-.4 -1.1h.8v.7h.7v.8h-.7v.7h-.8v-.7h-.7v-.8h.7z",
  x: "M-1 -.6l.4 -.4l.6 .6l.6 -.6l.4 .4l-.6 .6l.6 .6l-.4 .4l-.6 -.6l-.6 .6l-.4 -.4l.6 -.6z",
};

export default function (component) {
  const { data, setStateValue, parentElement } = component;
  const find = (name) => parentElement.querySelector(`[data-testid="${name}"]`);
  const svg = find("plane");
  const state = kept.get(parentElement) ?? { at: null, pointer: null, of: null };
  kept.set(parentElement, state);
  if (state.of !== data.of) Object.assign(state, { at: data.start, of: data.of }); // another plane

  const ring = made("circle", { class: "here", r: 22 });
  const dot = made("circle", { class: "here", r: 3 });
  svg.replaceChildren(...data.points.map(([x, y, label]) => made("path", {
    d: MARKS[data.looks[label].marker], fill: data.looks[label].colour, opacity: 0.55,
    transform: `translate(${x} ${y}) scale(9)`,
  })), ring, dot);
  find("names").replaceChildren(...data.looks.map(({ name, colour, marker }) => {
    const item = document.createElement("span");
    item.append(made("svg", { viewBox: "-1.3 -1.3 2.6 2.6" },
      made("path", { d: MARKS[marker], fill: colour })), name);
    return item;
  }));

  const show = () => {
    for (const node of [ring, dot]) {
      node.setAttribute("visibility", state.at ? "visible" : "hidden");
      if (state.at) node.setAttribute("cx", state.at[0]), node.setAttribute("cy", state.at[1]);
    }
  };
  const tell = () => setStateValue("point", { of: data.of, at: state.at });

  svg.onpointerdown = (event) => {
    if (state.pointer !== null || event.button > 0) return;
    svg.setPointerCapture(event.pointerId);
    state.pointer = event.pointerId;
    state.at = place(svg, event);
    show();
  };
  svg.onpointermove = (event) => {
    if (event.pointerId !== state.pointer) return;
    state.at = place(svg, event);
    show();
  };
  svg.onpointerup = svg.onpointercancel = (event) => {
    if (event.pointerId !== state.pointer) return;
    state.pointer = null;
    tell();
  };
  svg.onkeydown = (event) => {
    const by = KEYS[event.key];
    if (!by) return;
    event.preventDefault();
    const [x, y] = state.at ?? [UNITS / 2, UNITS / 2];
    state.at = [x + by[0], y + by[1]].map((each) => Math.min(UNITS, Math.max(0, each)));
    show();
    tell();
  };
  show();
}
