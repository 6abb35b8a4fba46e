"use strict";

const index = JSON.parse(document.getElementById("index").textContent);
const pictureScripts = document.getElementsByClassName("pictures");
const element = (id) => document.getElementById(id);
const methodChoice = element("method");
const otherChoice = element("other");
const sortChoice = element("sort");
const datasetChoice = element("dataset");
const cards = element("cards");
const viewer = element("viewer");

const CURVES = [
  ["label_count", "Number of clusters q′"],
  ["weight", "Weight of the continuity loss"],
  ["similarity_loss", "Similarity loss"],
  ["continuity_loss", "Continuity loss"],
  ["mutual_information_loss", "Mutual information loss"],
];

index.images.forEach((image, number) => { image.number = number; });
let listed = index.images;
let current = null;
let shown = { kind: "method", number: 0 };
let shownRegions = null;
// The slider's view and opacity, kept from one image to the next.
const regionsSettings = {};

function make(name, properties = {}, ...children) {
  const node = document.createElement(name);
  Object.assign(node, properties);
  node.append(...children);
  return node;
}

// Pictures stay text until they are needed: decoding all at once would freeze the page.
function picturesOf(image) {
  return JSON.parse(pictureScripts[image.number].textContent);
}

const mapSource = (data) => `data:image/png;base64,${data}`;
const photographSource = (data) => `data:image/webp;base64,${data}`;
const scoreOf = (image, method) => image.scores[method]?.score ?? null;
// Where nothing is scored, nobody misses a score.
const scored = index.images.some((image) => image.scores.some((score) => score !== null));
const noScore = scored ? "no score" : "";
const formatScore = (score) => (score === null ? noScore : score.toFixed(3));
const formatDifference = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;

function differenceOf(image, method, other) {
  const [first, second] = [scoreOf(image, method), scoreOf(image, other)];
  return first === null || second === null ? null : first - second;
}

function addressOf(image, method) {
  const parts = [index.datasets[image.dataset].id, image.id, index.methods[method]?.id ?? ""];
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

const chosenMethod = () => Number(methodChoice.value || 0);
const comparedMethod = () => (otherChoice.value === "" ? null : Number(otherChoice.value));

function sortKey(image) {
  const [method, other] = [chosenMethod(), comparedMethod()];
  switch (sortChoice.value) {
    case "worst": return scoreOf(image, method);
    case "best": return scoreOf(image, method) === null ? null : -scoreOf(image, method);
    case "loss": return differenceOf(image, method, other);
    case "gain": return differenceOf(image, method, other) === null ? null : -differenceOf(image, method, other);
    default: return image.number;
  }
}

function listImages() {
  const other = comparedMethod();
  for (const option of sortChoice.options) {
    const compares = option.value === "loss" || option.value === "gain";
    option.disabled = option.value !== "name" && (!scored || (compares && other === null));
  }
  if (sortChoice.selectedOptions[0].disabled) sortChoice.value = "name";
  const dataset = datasetChoice.value;
  listed = index.images
    .filter((image) => dataset === "" || image.dataset === Number(dataset))
    .map((image) => [sortKey(image) ?? Infinity, image])
    .sort(([first, a], [second, b]) => (first === second ? a.number - b.number : first < second ? -1 : 1))
    .map(([, image]) => image);
  observer.disconnect();
  cards.classList.toggle("compared", other !== null);
  cards.replaceChildren(...listed.map(makeCard));
  for (const card of cards.children) observer.observe(card);
  element("count").textContent = `${listed.length} image${listed.length === 1 ? "" : "s"}`;
}

function makeCard(image) {
  const [method, other] = [chosenMethod(), comparedMethod()];
  let score = formatScore(scoreOf(image, method));
  if (other !== null) {
    const difference = differenceOf(image, method, other);
    score = difference === null ? noScore : `${score} (${formatDifference(difference)})`;
  }
  const name = make("span", { className: "name" }, make("span", { textContent: image.title, title: image.title }),
    make("span", { textContent: score }));
  const link = make("a", { href: addressOf(image, method) }, make("span", { className: "pair" }), name);
  const card = make("li", {}, link);
  card.image = image;
  return card;
}

function fillCard(card) {
  const { image } = card;
  const pictures = picturesOf(image);
  const methods = [chosenMethod(), comparedMethod()].filter((method) => method !== null);
  const pair = card.querySelector(".pair");
  pair.replaceChildren(
    make("img", { src: photographSource(pictures.photograph), alt: "Photograph", decoding: "async" }),
    ...methods.map((method) => mapOrAbsence(pictures.label_maps[method], index.methods[method]?.label ?? "")),
  );
}

function mapOrAbsence(data, label) {
  if (!data) return make("span", { className: "absent", textContent: "no label map" });
  return make("img", { src: mapSource(data), alt: `Label map of ${label}`, title: label, decoding: "async" });
}

const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    observer.unobserve(entry.target);
    fillCard(entry.target);
  }
}, { rootMargin: "600px" });

function showImage(image) {
  current = image;
  const pictures = picturesOf(image);
  const heading = element("viewer-title");
  const place = `${index.datasets[image.dataset].label}, ${listed.indexOf(image) + 1} of ${listed.length}`;
  heading.replaceChildren(image.title, make("small", { textContent: place }));
  element("photograph").src = photographSource(pictures.photograph);
  element("photograph").alt = `Photograph ${image.title}`;
  for (const picture of [element("photograph"), element("overlay")]) {
    [picture.width, picture.height] = pictures.size;
  }
  if (shown.kind === "annotation" && shown.number >= pictures.annotations.length) {
    shown = { kind: "method", number: chosenMethod() };
  }

  element("label-maps").replaceChildren(...index.methods.map((method, number) => {
    const score = image.scores[number];
    const line = score ? `${formatScore(score.score)}, ${score.predicted} segments` : noScore;
    return mapButton("method", number, pictures.label_maps[number], method.label, line);
  }));
  element("annotations").replaceChildren(...pictures.annotations.map((data, number) => {
    return mapButton("annotation", number, data, `Annotator ${number + 1}`, "");
  }));
  element("annotations-title").hidden = pictures.annotations.length === 0;
  element("next").disabled = element("previous").disabled = listed.length < 2;
  // First, because the slider's lines are as thick as its place is wide.
  if (!viewer.open) viewer.showModal();
  showMap(pictures);
}

function mapButton(kind, number, data, label, line) {
  const picture = data ? make("img", { src: mapSource(data), alt: "" }) : make("span", { className: "absent", textContent: "no label map" });
  const button = make("button", { type: "button", disabled: !data }, picture, make("span", { textContent: label }),
    make("span", { className: "score", textContent: line }));
  button.dataset.kind = kind;
  button.dataset.number = number;
  button.addEventListener("click", () => {
    shown = { kind, number };
    if (kind === "method") {
      methodChoice.value = String(number);
      listImages();
      history.replaceState(null, "", addressOf(current, number));
    }
    showMap(picturesOf(current));
  });
  return button;
}

function showMap(pictures) {
  const method = chosenMethod();
  const label = index.methods[method]?.label ?? "";
  const score = current.scores[method];
  for (const button of viewer.querySelectorAll(".strip button")) {
    const { kind, number } = button.dataset;
    button.setAttribute("aria-pressed", String(kind === shown.kind && Number(number) === shown.number));
    if (kind === "annotation") {
      const value = score?.annotators[number] ?? null;
      const segments = current.segments[number];
      button.querySelector(".score").textContent = (segments ? `${segments} segments, ` : "") + formatScore(value);
    }
  }
  element("annotations-title").textContent = `Ground truth, with the score of ${label}`;
  const overlay = element("overlay");
  const data = shown.kind === "method" ? pictures.label_maps[shown.number] : pictures.annotations[shown.number];
  overlay.hidden = !data;
  if (data) overlay.src = mapSource(data);
  const what = shown.kind === "method" ? label : `Annotator ${shown.number + 1}`;
  overlay.alt = `Map of ${what}`;
  element("shown").textContent = data ? `Shown: ${what}` : `${what} has no label map of this image`;
  showRegions(method, label);
  showHistory(pictures.histories[method], label);
}

function showRegions(method, label) {
  const script = document.querySelector(`.regions[data-image="${current.number}"][data-method="${method}"]`);
  element("regions-column").hidden = !script;
  // Another map of the same image leaves the slider where it is.
  if (!script || script === shownRegions) return;
  shownRegions = script;
  element("regions-title").textContent = `Hierarchy of ${label}: from one region to all`;
  dynsegHierarchy(element("regions"), JSON.parse(script.textContent), regionsSettings);
}

function showHistory(record, label) {
  element("history-title").hidden = !record;
  element("history-title").textContent = `Training of ${label}`;
  element("history").replaceChildren(...(record ? CURVES.filter(([key]) => record[key]).map(([key, caption]) => {
    return make("figure", {}, make("figcaption", { textContent: caption }), drawCurve(record.iteration, record[key], caption));
  }) : []));
}

function drawCurve(xs, ys, caption) {
  const [width, height, left, bottom, top] = [260, 130, 44, 20, 10];
  const svg = (name, attributes, text = "") => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.textContent = text;
    return node;
  };
  const format = (value) => String(Number(value.toPrecision(3)));
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const [first, last] = [xs[0], xs[xs.length - 1]];
  const x = (value) => left + ((value - first) / (last - first || 1)) * (width - left - 8);
  const y = (value) => height - bottom - ((value - low) / (high - low || 1)) * (height - bottom - top);
  const description = `${caption}: from ${format(ys[0])} at iteration ${first} to ${format(ys[ys.length - 1])} at iteration ${last}`;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": description });
  for (const value of low === high ? [low] : [low, high]) {
    drawing.append(svg("line", { x1: left, x2: width - 8, y1: y(value), y2: y(value) }));
    drawing.append(svg("text", { x: left - 5, y: y(value) + 4, "text-anchor": "end" }, format(value)));
  }
  drawing.append(svg("path", { d: xs.map((value, n) => `${n ? "L" : "M"}${x(value).toFixed(1)} ${y(ys[n]).toFixed(1)}`).join("") }));
  drawing.append(svg("text", { x: left, y: height - 5 }, `iteration ${first}`));
  drawing.append(svg("text", { x: width - 8, y: height - 5, "text-anchor": "end" }, String(last)));
  return drawing;
}

function move(step) {
  if (!current || listed.length === 0) return;
  const place = listed.indexOf(current);
  const next = listed[(Math.max(place, 0) + step + listed.length) % listed.length];
  history.replaceState(null, "", addressOf(next, chosenMethod()));
  showImage(next);
}

function followAddress() {
  if (!location.hash.startsWith("#/")) {
    // The way back, above all on a phone, is the browser's own button.
    if (viewer.open) viewer.close();
    return;
  }
  const [dataset, id, method] = location.hash.slice(2).split("/").map((part) => {
    try { return decodeURIComponent(part); } catch { return part; }
  });
  const image = index.images.find((each) => each.id === id && index.datasets[each.dataset].id === dataset);
  if (!image) return;
  const number = index.methods.findIndex((each) => each.id === method);
  if (number >= 0 && number !== chosenMethod()) {
    methodChoice.value = String(number);
    listImages();
  }
  if (!listed.includes(image)) {
    datasetChoice.value = "";
    listImages();
  }
  shown = { kind: "method", number: chosenMethod() };
  showImage(image);
}

index.methods.forEach((method, number) => {
  methodChoice.append(make("option", { value: number, textContent: method.label }));
  otherChoice.append(make("option", { value: number, textContent: method.label }));
});
methodChoice.value = String(index.first_method);
index.datasets.forEach((dataset, number) => {
  datasetChoice.append(make("option", { value: number, textContent: dataset.label }));
});
for (const choice of [methodChoice, otherChoice, sortChoice, datasetChoice]) choice.addEventListener("change", listImages);
element("controls").addEventListener("submit", (event) => event.preventDefault());
element("previous").addEventListener("click", () => move(-1));
element("next").addEventListener("click", () => move(1));
element("close").addEventListener("click", () => viewer.close());
element("opacity").addEventListener("input", (event) => { element("overlay").style.opacity = event.target.value / 100; });
element("overlay").style.opacity = element("opacity").value / 100;
viewer.addEventListener("close", () => {
  history.replaceState(null, "", "#gallery");
  const card = [...cards.children].find((each) => each.image === current);
  card?.scrollIntoView({ block: "nearest" });
  card?.querySelector("a").focus({ preventScroll: true });
  current = null;
});
document.addEventListener("keydown", (event) => {
  if (!viewer.open || event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, select")) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  event.preventDefault();
  move(step);
});
window.addEventListener("hashchange", followAddress);
listImages();
followAddress();
