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
