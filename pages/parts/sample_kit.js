// What the views of one test sample share: which samples, which of them, and at which temperature;
// put after answers_kit.js.

// Draws by `show` what no temperature changes, and by `soften` the rest; `parts`: what there is
// only of a sample. state: filter, place, temperature, moment, and the seed. Returns how to begin,
// and how to soften again.
function oneSample(root, data, state, { parts, show, soften }) {
  const find = (name) => root.querySelector(`[data-testid="${name}"]`);
  let found = [];

  function choose() {
    const counts = Object.fromEntries(
      Object.keys(FILTERS).map((name) => [name, matching(data, state.seed, name)]));
    if (state.filter === null) state.filter = counts.disagree.length ? "disagree" : "all";
    found = counts[state.filter];
    state.place = Math.max(0, Math.min(state.place, found.length - 1));
    options(find("filter"), Object.entries(FILTERS).map(
      ([name, [title]]) => [name, `${title} (${counts[name].length})`]), state.filter);
    turn();
  }

  function turn() {
    const sample = found[state.place];
    find("place").textContent = found.length
      ? `${state.place + 1} of ${found.length}` : "none with this seed";
    find("previous").disabled = find("next").disabled = found.length < 2;
    for (const part of root.querySelectorAll(parts)) part.hidden = !found.length;
    if (found.length) {
      const number = (data.numbers?.[sample] ?? sample) + 1;
      (data.points ? plane : picture)(find("picture"), data, sample);
      find("picture").setAttribute("aria-label", `Test sample ${number}`);
      find("which").textContent = `test sample ${number.toLocaleString("en")}`;
      find("label").textContent = data.classes[data.labels[sample]];
      show(sample);
    }
    soften(sample);
  }

  const step = (by) => {
    if (!found.length) return;
    state.place = (state.place + by + found.length) % found.length;
    turn();
  };
  heatBar(find, data, state, () => soften(found[state.place]));
  find("next").onclick = () => step(1);
  find("previous").onclick = () => step(-1);
  find("filter").onchange = (e) => { state.filter = e.target.value; state.place = 0; choose(); };
  if (data.seeds) {
    find("seeds").hidden = false;
    options(find("seed"), data.seeds.map((seed, i) => [i, String(seed)]), state.seed);
    find("seed").onchange = (e) => { state.seed = Number(e.target.value); choose(); };
  }
  root.querySelector(".answers").onkeydown = (e) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (by && !e.target.closest("input, select")) step(by);
  };
  return { choose, again: () => soften(found[state.place]) };
}

// A row a model: what it says, how undecided it is, and how far from the teacher.
function modelRows(data, answers, label) {
  return MODELS.map((name) => {
    const answer = answers[name];
    const best = answer.p.indexOf(Math.max(...answer.p));
    const right = best === label;
    const said = element("td");
    said.append(element("span", right ? "" : "wrong", data.classes[best]),
      ` ${right ? "✓" : "✗"} ${percent(answer.p[best])}`);
    said.dataset.testid = `answer-${name}`;
    const away = name === "teacher" ? undefined : divergence(answers.teacher, answer);
    const row = element("tr");
    row.append(titled(data, name, data.looks[name].label), said,
      number(entropy(answer), `entropy-${name}`), number(away, `kl-${name}`));
    return row;
  });
}

function titled(data, name, words) {
  const title = element("td", "", words);
  title.prepend(paint(element("span", "key"), name, data));
  return title;
}

function number(value, name) {
  const cell = element("td", "", value === undefined ? "" : value.toFixed(3));
  cell.dataset.testid = name;
  return cell;
}

// What each model is surest of, for those who cannot see the bars.
function surest(data, answers) {
  return MODELS.map((name) => {
    const best = answers[name].p.indexOf(Math.max(...answers[name].p));
    return `${data.looks[name].label}: ${data.classes[best]}, ${percent(answers[name].p[best])}`;
  }).join("; ");
}
