// A sheet to draw on. What goes to the page is the pen's way, and not its pixels: no browser's
// smoothing, theme or screen makes a difference to what the models see.
const kept = new WeakMap(); // a drawing survives a rerun of the page

export default function (component) {
  const { data, setStateValue, parentElement } = component;
  const find = (name) => parentElement.querySelector(`[data-testid="${name}"]`);
  const svg = find("sheet");
  const state = kept.get(parentElement)
    ?? { id: data.start?.id ?? fresh(), strokes: data.start?.strokes ?? [], pointer: null };
  kept.set(parentElement, state);

  const tell = () => setStateValue("drawing", { id: state.id, strokes: state.strokes });
  const show = () => {
    svg.replaceChildren(...state.strokes.map((stroke) => made("polyline", {
      class: "ink", "stroke-width": data.pen,
      // a dot is a way of no length
      points: (stroke.length > 2 ? stroke : [...stroke, ...stroke]).join(" "),
    })));
    if (!state.strokes.length) {
      svg.append(made("text", { class: "empty", x: UNITS / 2, y: UNITS / 2 }, data.hint));
    }
    find("undo").disabled = find("clear").disabled = !state.strokes.length;
  };

  svg.onpointerdown = (event) => {
    if (state.pointer !== null || event.button > 0) return; // one finger draws, a second rests
    event.preventDefault();
    svg.setPointerCapture(event.pointerId);
    state.pointer = event.pointerId;
    state.strokes.push(place(svg, event));
    show();
  };
  svg.onpointermove = (event) => {
    if (event.pointerId !== state.pointer) return;
    const stroke = state.strokes.at(-1);
    const ways = event.getCoalescedEvents?.() ?? [];
    for (const each of ways.length ? ways : [event]) {
      const [x, y] = place(svg, each);
      const [before, above] = stroke.slice(-2);
      if (Math.hypot(x - before, y - above) >= 4) stroke.push(x, y);
    }
    show();
  };
  svg.onpointerup = svg.onpointercancel = (event) => {
    if (event.pointerId !== state.pointer) return;
    state.pointer = null;
    tell();
  };
  find("undo").onclick = () => {
    state.strokes.pop();
    show();
    tell();
  };
  find("clear").onclick = () => {
    Object.assign(state, { id: fresh(), strokes: [] }); // what comes is another drawing
    show();
    tell();
  };
  show();
}

const fresh = () => Date.now().toString(36);
