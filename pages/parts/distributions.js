const kept = new WeakMap(); // what a visitor has chosen survives a rerun of the page

export default function (component) {
  const root = component.parentElement;
  const find = (name) => root.querySelector(`[data-testid="${name}"]`);
  const data = unpack(component.data);
  const state = kept.get(root)
    ?? { seed: 0, filter: null, place: 0, temperature: data.moments[0].temperature, moment: 0 };
  kept.set(root, state);

  function soften(sample) {
    find("degrees").textContent = `T = ${short(state.temperature)}`;
    if (sample === undefined) return;
    const answers = Object.fromEntries(MODELS.map((name) => [
      name, softmax(logits(data, name, state.seed, sample), state.temperature)]));
    find("models").replaceChildren(...modelRows(data, answers, data.labels[sample]));
    mirror(find("mirror"), data, answers, sample);
  }

  oneSample(root, data, state, { parts: ".sample, .mirror", show: () => {}, soften }).choose();
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
  place.setAttribute("aria-label", surest(data, answers));
}
