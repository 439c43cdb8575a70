const ROW = 30;
const kept = new WeakMap(); // what a visitor has chosen survives a rerun of the page

export default function (component) {
  const root = component.parentElement;
  const find = (name) => root.querySelector(`[data-testid="${name}"]`);
  const data = unpack(component.data);
  const state = kept.get(root) ?? {
    ...{ seed: 0, filter: null, place: 0, taught: "distilled" },
    ...{ temperature: data.moments[0].temperature, moment: 0 },
  };
  if (data.start !== null && state.start !== data.start) {
    Object.assign(state, { filter: "all", place: data.start }); // a link names a sample
  }
  state.start = data.start;
  kept.set(root, state);
  options(find("taught"), STUDENTS.map((m) => [m, data.looks[m].short.toLowerCase()]), state.taught);
  // one wrong class has no order
  find("orders").hidden = find("of-order").hidden = data.classes.length < 3;

  let now = null;

  function soften(sample) {
    const weights = data.moments[state.moment];
    const degrees = short(state.temperature);
    const [hard, soft] = [short(weights.hard), short(weights.soft)];
    find("degrees").textContent = `T = ${degrees}`;
    find("hard-title").textContent = `${hard} · CE`;
    find("soft-title").textContent = `${soft} · ${degrees}² · KL`;
    find("formula").textContent =
      `loss = ${hard} · CE(label) + ${soft} · ${degrees}² · KL(teacher ‖ student)`;
    find("moved").textContent = data.moved && `${data.moved} The weights here are those ${weights.words}.`;
    if (sample === undefined) return;
    now = look(data, weights, sample, state.temperature);
    find("models").replaceChildren(...modelRows(data, now.answers, now.label));
    losses(find("losses"), data, now);
    mirror(find("mirror"), data, now);
    arrows(find("gradient"), data, now, state.taught);
  }

  const sample = oneSample(root, data, state, {
    parts: ".sample, .panels, .order, .saves, h3",
    show: (sample) => order(find("order"), data, sample),
    soften,
  });
  find("taught").onchange = (e) => { state.taught = e.target.value; sample.again(); };
  for (const name of ["mirror", "gradient"]) {
    const file = () => `${name}-sample-${data.numbers[now.sample] + 1}`;
    find(`${name}-svg`).onclick = () => saveSvg(find(name).firstChild, file());
    find(`${name}-png`).onclick = () => savePng(find(name).firstChild, file());
  }
  find("csv").onclick = () => saveCsv(asRows(data, now), `sample-${data.numbers[now.sample] + 1}`);

  // drawn to measure: the drawings follow the width, and the colours follow the theme
  let width = 0;
  const watcher = new ResizeObserver(([entry]) => {
    if (Math.abs(entry.contentRect.width - width) > 1 && now) sample.again();
    width = entry.contentRect.width;
  });
  watcher.observe(find("mirror"));
  sample.choose();
  return () => watcher.disconnect();
}

// Everything that is shown of one sample at one temperature.
function look(data, weights, sample, temperature) {
  const label = data.labels[sample];
  const rows = Object.fromEntries(MODELS.map((name) => [name, logits(data, name, 0, sample)]));
  const answers = Object.fromEntries(MODELS.map((m) => [m, softmax(rows[m], temperature)]));
  const students = Object.fromEntries(STUDENTS.map((name) => {
    const plain = softmax(rows[name], 1);
    const away = divergence(answers.teacher, answers[name]);
    const hard = Array.from(plain.p, (p, i) => weights.hard * (p - (i === label ? 1 : 0)));
    const soft = Array.from(answers[name].p,
      (p, i) => weights.soft * temperature * (p - answers.teacher.p[i]));
    return [name, {
      surprise: -weights.hard * plain.log[label],
      distance: weights.soft * temperature ** 2 * away,
      hard, soft, total: hard.map((value, i) => value + soft[i]),
    }];
  }));
  return { sample, label, temperature, answers, students, shown: shownClasses(answers, label) };
}

function losses(body, data, now) {
  body.replaceChildren(...STUDENTS.map((name) => {
    const { surprise, distance } = now.students[name];
    const row = element("tr");
    row.append(titled(data, name, data.looks[name].short), number(surprise, `hard-${name}`),
      number(distance, `soft-${name}`), number(surprise + distance, `loss-${name}`));
    return row;
  }));
}

// Class names in a column; a name that does not fit is cut, and said in full when pointed at.
function names(svg, data, now, middle, room) {
  const letters = Math.max(3, Math.floor(room / 6.6));
  now.shown.forEach((i, row) => {
    const name = data.classes[i];
    const cut = name.length > letters ? `${name.slice(0, letters - 1)}…` : name;
    const made = text(middle, ROW * row + ROW / 2, cut, {
      "text-anchor": "middle", "font-weight": i === now.label ? 700 : 400,
    });
    made.append(drawn("title", {}, name));
    svg.append(made);
  });
}

function nameRoom(data, now, width) {
  const longest = Math.max(...now.shown.map((i) => data.classes[i].length));
  return Math.min(Math.max(28, 7 * longest + 12), 0.26 * width);
}

function mirror(place, data, now) {
  const width = Math.max(260, place.clientWidth);
  const svg = sheet(place, width, ROW * now.shown.length + 20);
  const room = nameRoom(data, now, width);
  const half = (width - room) / 2;
  const most = half - 46; // the numbers stand beyond the bars
  const likeliest = Math.max(...now.shown.flatMap((i) => MODELS.map((m) => now.answers[m].p[i])));
  const full = Math.min(1, 1.6 * likeliest); // what a bar of all the width would stand for
  const striped = stripes(svg, data.looks.control.colour);
  now.shown.forEach((i, row) => {
    const y = ROW * row + 3;
    const bar = (name, x, top, height) => {
      const p = now.answers[name].p[i];
      const long = Math.max(1, p / full * most);
      const left = name === "teacher";
      svg.append(drawn("rect", {
        x: left ? x - long : x, y: top, width: long, height, rx: 2,
        fill: name === "control" ? striped : data.looks[name].colour,
        ...(name === "control" ? { stroke: data.looks.control.colour } : {}),
      }, drawn("title", {},
        `${data.looks[name].label} gives ${data.classes[i]} ${percent(p)} at T = ${short(now.temperature)}`)));
      svg.append(text(left ? x - long - 5 : x + long + 5, top + height / 2, percent(p),
        { "text-anchor": left ? "end" : "start", "font-size": 11, opacity: 0.85 }));
    };
    if (i === now.label) {
      for (const x of [half - most, half + room]) {
        svg.append(drawn("rect", {
          x, y: y - 1, width: most, height: ROW - 4, rx: 3, fill: "none",
          stroke: svg.getAttribute("color"), "stroke-width": 1.3, "stroke-dasharray": "4 3",
        }, drawn("title", {}, "The hard label: 100 % on this class")));
      }
    }
    bar("teacher", half, y + 3, ROW - 12);
    bar("control", half + room, y + 1, 10);
    bar("distilled", half + room, y + 14, 10);
  });
  names(svg, data, now, half + room / 2, room);
  svg.append(text(half + room, ROW * now.shown.length + 10,
    `outlined: the label's class; a bar as wide is ${percent(full)}`,
    { "text-anchor": "middle", "font-size": 11, opacity: 0.75 }));
  place.replaceChildren(svg);
  place.setAttribute("aria-label", surest(data, now.answers));
}

// Down the loss: against the gradient. Label's and teacher's parts as thin bars, the whole as arrow.
function arrows(place, data, now, name) {
  const width = Math.max(260, place.clientWidth);
  const svg = sheet(place, width, ROW * now.shown.length + 4);
  const room = nameRoom(data, now, width);
  const { hard, soft, total } = now.students[name];
  // room on each side of zero as the longest there needs, and for its number
  const down = now.shown.flatMap((i) => [-hard[i], -soft[i], -total[i]]);
  const [lowest, highest] = [Math.min(-1e-9, ...down), Math.max(1e-9, ...down)];
  const scale = (width - room - 104) / (highest - lowest);
  const zero = room + 52 - lowest * scale;
  const ink = svg.getAttribute("color");
  const { colour } = data.looks[name];
  svg.append(drawn("line", { x1: zero, x2: zero, y1: 0, y2: "100%", stroke: ink, opacity: 0.35 }));
  now.shown.forEach((i, row) => {
    const y = ROW * row + ROW / 2;
    const thin = (value, top, fill, words) => {
      const long = -value * scale;
      svg.append(drawn("rect", {
        x: Math.min(zero, zero + long), y: top, width: Math.max(0.5, Math.abs(long)), height: 4, fill,
      }, drawn("title", {}, `${words} ${-value > 0 ? "raises" : "lowers"} ${data.classes[i]} by ${Math.abs(value).toFixed(3)}`)));
    };
    thin(hard[i], y - 11, ink, "The label");
    thin(soft[i], y + 7, data.looks.teacher.colour, "The teacher");
    const end = zero - total[i] * scale;
    const tip = Math.sign(end - zero) * Math.min(7, Math.abs(end - zero));
    svg.append(
      drawn("line", { x1: zero, x2: end - tip / 2, y1: y, y2: y, stroke: colour, "stroke-width": 4 }),
      drawn("path", { d: `M${end} ${y}l${-tip} -6v12z`, fill: colour }),
      text(end + (end < zero ? -5 : 5), y, signed(-total[i]),
        { "text-anchor": end < zero ? "end" : "start", "font-size": 11, opacity: 0.85 }));
  });
  names(svg, data, now, room / 2, room);
  place.replaceChildren(svg);
  const best = now.shown.reduce((a, b) => (total[a] < total[b] ? a : b));
  place.setAttribute("aria-label",
    `One step down the loss raises ${data.classes[best]} most, by ${signed(-total[best])}`);
}

const signed = (value) => (Math.abs(value) < 0.0005 ? "0" : `${value > 0 ? "+" : "−"}${Math.abs(value).toFixed(3)}`);

// The wrong classes, likeliest first.
function ranking(data, name, sample) {
  const row = logits(data, name, 0, sample);
  return Array.from(row.keys()).filter((i) => i !== data.labels[sample]).sort((a, b) => row[b] - row[a]);
}

function order(body, data, sample) {
  const teacher = ranking(data, "teacher", sample);
  body.replaceChildren(...MODELS.map((name) => {
    const mine = name === "teacher" ? teacher : ranking(data, name, sample);
    const row = element("tr");
    const places = element("td");
    places.append(...mine.slice(0, 6).map((i, place) =>
      element("b", teacher[place] === i ? "kept" : "", data.classes[i])));
    if (mine.length > 6) places.append(` and ${mine.length - 6} more`);
    const said = element("td");
    if (name !== "teacher") {
      said.textContent = `ρ ${fixed(spearman(teacher, mine))}, τ ${fixed(kendall(teacher, mine))}`;
    }
    said.dataset.testid = `order-${name}`;
    row.append(titled(data, name, data.looks[name].short), said, places);
    return row;
  }));
}

const fixed = (value) => value.toFixed(2).replace("-", "−");

// Both of two orders of the same classes, without ties.
function spearman(one, other) {
  const count = one.length;
  const sum = one.reduce((all, i, place) => all + (place - other.indexOf(i)) ** 2, 0);
  return 1 - 6 * sum / (count * (count ** 2 - 1));
}

function kendall(one, other) {
  const place = one.map((i) => other.indexOf(i));
  let agree = 0;
  for (let a = 0; a < place.length; a++) {
    for (let b = a + 1; b < place.length; b++) agree += Math.sign(place[b] - place[a]);
  }
  return agree / (place.length * (place.length - 1) / 2);
}

function asRows(data, now) {
  const head = ["class", "true", ...MODELS.map((m) => `p_${m}`),
    ...STUDENTS.flatMap((m) => [`gradient_hard_${m}`, `gradient_soft_${m}`]), "T"];
  return [head, ...data.classes.map((name, i) => [
    name, i === now.label ? 1 : 0, ...MODELS.map((m) => now.answers[m].p[i]),
    ...STUDENTS.flatMap((m) => [now.students[m].hard[i], now.students[m].soft[i]]), now.temperature,
  ])];
}
