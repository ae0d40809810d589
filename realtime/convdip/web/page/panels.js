// The numbers beside the cortex. What streams say of themselves is only ever set as text.

export const byId = (id) => document.getElementById(id);

/** Set a text where it has changed. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const number = (value, digits) => value.toFixed(digits).replace("-", "−");
const percent = (share) => (share === null ? "–" : `${Math.round(100 * share)} %`);

export function showTiles(tiles) {
  const list = byId("tiles");
  for (const [name, text] of Object.entries(tiles)) {
    let tile = [...list.children].find((one) => one.dataset.name === name);
    if (!tile) {
      tile = list.appendChild(document.createElement("div"));
      tile.dataset.name = name;
      tile.append(document.createElement("dt"), document.createElement("dd"));
      tile.firstChild.textContent = name;
    }
    write(tile.lastChild, text);
  }
}

/** Make a list have these lines. */
function fill(list, lines, show) {
  while (list.children.length > lines.length) list.lastChild.remove();
  while (list.children.length < lines.length) list.append(document.createElement("li"));
  lines.forEach((line, i) => show(list.children[i], line));
}

export function showRegions(what, regions, full) {
  write(byId("what"), what && `${what} over 1 s, nAm`);
  fill(byId("regions"), regions, (item, [name, mean]) => {
    if (!item.children.length) item.append(...["span", "span"].map((n) => document.createElement(n)));
    write(item.firstChild, name);
    write(item.lastChild, number(mean ?? 0, 2));
    item.style.setProperty("--share", `${Math.min(100, (100 * mean) / full)}%`);
  });
}

/** What can be shown: each moment, or the power of a band. */
export function showViews(views, view) {
  const select = byId("views");
  const key = views.join("\n");
  if (select.dataset.key !== key) {
    select.dataset.key = key;
    select.replaceChildren(...views.map((name, i) => new Option(name, i)));
    select.dataset.view = "";
  }
  // What the server changed, so that a choice that it has not heard of yet is not undone.
  if (select.dataset.view !== String(view)) select.value = select.dataset.view = String(view);
}

export function showNews(news) {
  fill(byId("news"), news, (item, text) => write(item, text));
}

/** The colour scale, from its end down. */
export function showScale(scale, table, { isSigned, isGrey, threshold }) {
  const digits = (value) => `${isSigned && value > 0 ? "+" : ""}${Number(value.toPrecision(3))}`
    .replace("-", "−");
  const isMagnitude = scale.of_moments && scale.unit === "nAm" && !isSigned;
  write(byId("unit"), isMagnitude ? "|nAm|" : scale.unit);
  write(byId("limit"), digits(scale.limit));
  write(byId("middle"), digits(isSigned ? 0 : (scale.least + scale.limit) / 2));
  write(byId("lowest"), digits(isSigned ? -scale.limit : scale.least));
  write(byId("words"), scale.words);
  const bar = byId("bar");
  const key = JSON.stringify([isSigned, isGrey, threshold, table[0], table[765]]);
  if (bar.dataset.key === key) return;
  bar.dataset.key = key;
  const image = new ImageData(1, 256);
  for (let i = 0; i < 256; i++) {
    const share = isSigned ? Math.abs(2 * i / 255 - 1) : i / 255;
    const rgb = [...table.slice(3 * i, 3 * i + 3)];
    const grey = 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
    image.data.set([...(isGrey ? [grey, grey, grey] : rgb), share < threshold ? 0 : 255],
      4 * (255 - i));
  }
  bar.getContext("2d").putImageData(image, 0, 0);
}

/** The feedback; all grey where the page as a whole is not live. */
export function showFeedback(feedback, isGrey) {
  const section = byId("feedback");
  section.hidden = !feedback;
  if (!feedback) return;
  const value = isGrey ? null : feedback.value;
  section.dataset.is = value === null ? "grey" : feedback.is_above ? "above" : "below";
  // What is suspended stands still.
  if (value !== null) byId("column").style.transform = `scaleY(${value})`;
  byId("threshold").style.bottom = `${100 * (feedback.threshold ?? 0)}%`;
  write(byId("value"), value === null ? "–" : number(value, 2));
  write(byId("mark"), feedback.threshold === null ? "–" : number(feedback.threshold, 2));
  const left = feedback.left_s === null ? "" : `, ${Math.ceil(feedback.left_s)} s left`;
  write(byId("block"), (feedback.block || "–") + left);
  write(byId("score"), percent(feedback.score));
  write(byId("why"), value === null ? feedback.why || "not live" : "");
  const gauge = byId("gauge");
  if (value === null) gauge.removeAttribute("aria-valuenow");
  else gauge.setAttribute("aria-valuenow", value.toFixed(2));
  gauge.setAttribute("aria-valuetext", value === null ? byId("why").textContent
    : `${value.toFixed(2)}, ${feedback.is_above ? "above" : "below"} the threshold`);
}

/** The last ten seconds of the pinned region. */
export function showCourse(course, what, regions) {
  const title = course ? `${regions[course.region]}: ${what}, nAm`
    : "click a region to plot its time course";
  write(byId("pinned"), title);
  const canvas = byId("course");
  if (!course && !canvas.dataset.region) return; // nothing to clear
  canvas.dataset.region = course ? course.region : "";
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((n) =>
    Math.max(1, Math.round(n * devicePixelRatio)));
  [canvas.width, canvas.height] = [width, height]; // clears it
  if (!course) return;
  const means = course.means_nam.map((mean) => mean ?? 0);
  const top = Math.max(...means, 1e-9) * 1.1;
  const style = getComputedStyle(document.documentElement);
  const context = canvas.getContext("2d");
  context.strokeStyle = style.getPropertyValue("--warn");
  context.lineWidth = 1.5 * devicePixelRatio;
  context.beginPath();
  means.forEach((mean, i) =>
    context.lineTo(width * (1 - course.before_s[i] / 10), height * (1 - mean / top)));
  context.stroke();
  context.fillStyle = style.getPropertyValue("--dim");
  context.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  context.fillText(number(Math.max(...means, 0), 2), 2, 12 * devicePixelRatio);
  context.fillText("−10 s", 2, height - 3);
}
