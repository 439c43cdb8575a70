const SVG = "http://www.w3.org/2000/svg";
const UNITS = 1000; // a side of the sheet

function made(kind, attributes = {}, ...inside) {
  const node = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...inside);
  return node;
}

// Where on the sheet a mouse, pen or finger is.
function place(svg, event) {
  const box = svg.getBoundingClientRect();
  const within = (share) => Math.round(UNITS * Math.min(1, Math.max(0, share)));
  return [within((event.clientX - box.left) / box.width),
    within((event.clientY - box.top) / box.height)];
}
