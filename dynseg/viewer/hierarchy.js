"use strict";

// Shows a HierarchyData of dynseg.viewer.data in an element. One name, so that it stands beside other scripts.
const dynsegHierarchy = (() => {
  const START = 20;
  const POSITIONS = 1000;
  const PAGE_FACTOR = 1.25;
  const VIEWS = [["colours", "Mean colours"], ["boundaries", "Boundaries over the picture"], ["both", "Both"]];
  // The colour of dynseg.figures.palette.
  const BOUNDARY = rgba(255, 0, 200, 255);
  const OUTLINE = rgba(255, 255, 255, 255);
  const FILL = rgba(255, 255, 255, 90);
  const wanted = new WeakMap();
  let instances = 0;

  // A pixel as ImageData stores it, read as one little-endian number.
  function rgba(red, green, blue, alpha) {
    return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  }

  function make(name, properties = {}, ...children) {
    const node = document.createElement(name);
    Object.assign(node, properties);
    node.append(...children);
    return node;
  }

  // Not by way of a canvas: some browsers add noise to what is read from one.
  async function unpack(text, Values) {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Values(await new Response(stream).arrayBuffer());
  }

  async function readTree(data) {
    const [leaves, parents, altitudes, leafAreas, colours] = await Promise.all([
      unpack(data.leaves, Int32Array), unpack(data.parents, Int32Array), unpack(data.altitudes, Float32Array),
      unpack(data.areas, Int32Array), unpack(data.colours, Uint8Array),
    ]);
    const [width] = data.size;
    for (let pixel = width; pixel < leaves.length; pixel++) leaves[pixel] += leaves[pixel - width];
    const count = leafAreas.length;
    const areas = new Float64Array(parents.length);
    const sums = new Float64Array(3 * parents.length);
    for (let leaf = 0; leaf < count; leaf++) {
      areas[leaf] = leafAreas[leaf];
      for (let band = 0; band < 3; band++) sums[3 * leaf + band] = leafAreas[leaf] * colours[3 * leaf + band];
    }
    // Children come before their parents, so one pass gives every node its area and its sums.
    for (let node = 0; node < parents.length - 1; node++) {
      areas[parents[node]] += areas[node];
      for (let band = 0; band < 3; band++) sums[3 * parents[node] + band] += sums[3 * node + band];
    }
    return { leaves, parents, altitudes, areas, sums, count };
  }

  // The node that each leaf belongs to when n − K merges are made: its highest ancestor among the first 2n − K nodes.
  function cut({ parents, count }, regions) {
    const existing = 2 * count - regions;
    const top = new Int32Array(existing);
    for (let node = existing - 1; node >= 0; node--) {
      const parent = parents[node];
      top[node] = parent < existing && parent !== node ? top[parent] : node;
    }
    return top;
  }

  // The thresholds that give so many regions: at or above the last merge that is made, below the next one.
  function thresholds({ altitudes, count }, regions) {
    if (count === 1) return "";
    const last = altitudes[count - regions - 1] ?? 0;
    const next = altitudes[count - regions];
    if (next === undefined) return `Threshold from ${shortest(last)}`;
    if (last === next) return `No threshold: several merges at ${shortest(last)}`;
    for (let digits = 3; digits < 9; digits++) {
      const texts = [last, next].map((value) => shortest(value, digits));
      if (texts[0] !== texts[1]) return `Threshold ${texts[0]} to ${texts[1]}`;
    }
    return `Threshold ${shortest(last, 9)}`;
  }

  const shortest = (value, digits = 4) => String(Number(value.toPrecision(digits)));
  const regionsText = (count) => `${count} region${count === 1 ? "" : "s"}`;

  function paint({ pixels, width }, tree, top, { view, opacity }, thickness) {
    const { leaves, areas, sums, count } = tree;
    const colours = new Uint32Array(count);
    if (view !== "boundaries") {
      const alpha = Math.round(2.55 * opacity);
      for (let leaf = 0; leaf < count; leaf++) {
        const node = top[leaf];
        const [red, green, blue] = [0, 1, 2].map((band) => Math.round(sums[3 * node + band] / areas[node]));
        colours[leaf] = rgba(red, green, blue, alpha);
      }
    }
    for (let pixel = 0; pixel < leaves.length; pixel++) pixels[pixel] = colours[leaves[pixel]];
    if (view === "colours") return;
    for (let pixel = 0, column = 0; pixel < leaves.length; pixel++, column = pixel % width) {
      const leaf = leaves[pixel];
      const below = pixel + width < leaves.length ? leaves[pixel + width] : leaf;
      const right = column + 1 < width ? leaves[pixel + 1] : leaf;
      if (top[below] === top[leaf] && top[right] === top[leaf]) continue;
      for (let up = 0; up < thickness && up * width <= pixel; up++) {
        for (let left = 0; left < thickness && left <= column; left++) pixels[pixel - up * width - left] = BOUNDARY;
      }
    }
  }

  function paintRegion({ pixels, width }, { leaves }, top, node, thickness) {
    const inside = (pixel) => top[leaves[pixel]] === node;
    const row = thickness * width;
    for (let pixel = 0; pixel < leaves.length; pixel++) {
      if (!inside(pixel)) {
        pixels[pixel] = 0;
        continue;
      }
      const column = pixel % width;
      const edge = column < thickness || column >= width - thickness || pixel < row || pixel + row >= leaves.length
        || !inside(pixel - thickness) || !inside(pixel + thickness) || !inside(pixel - row) || !inside(pixel + row);
      pixels[pixel] = edge ? OUTLINE : FILL;
    }
  }

  function layer([width, height], properties = {}) {
    const canvas = make("canvas", { width, height, ...properties });
    const context = canvas.getContext("2d");
    const picture = context.createImageData(width, height);
    const pixels = new Uint32Array(picture.data.buffer);
    const show = () => context.putImageData(picture, 0, 0);
    return { canvas, width, pixels, show, clear: () => context.clearRect(0, 0, width, height) };
  }

  function makeControls(count, settings) {
    const name = `hierarchy-view-${instances++}`;
    const slider = make("input", { type: "range", min: 0, max: POSITIONS, step: "any", disabled: count === 1 });
    slider.setAttribute("aria-label", "Number of regions");
    const number = make("input", { type: "number", min: 1, max: count, step: 1, disabled: count === 1 });
    const suggestion = make("button", { type: "button", hidden: true });
    const threshold = make("p");
    const views = VIEWS.map(([value, text]) => {
      const radio = make("input", { type: "radio", name, value, checked: value === settings.view });
      return { radio, label: make("label", {}, radio, text) };
    });
    const opacity = make("input", { type: "range", min: 0, max: 100, value: settings.opacity });
    opacity.setAttribute("aria-label", "Opacity of the colours over the picture");
    const region = make("p");
    const note = make("p", { className: "hierarchy-note" });
    const ends = (text) => make("span", { className: "hierarchy-ends", textContent: text });
    const panel = make("div", { className: "hierarchy-controls" },
      make("div", {},
        make("div", { className: "hierarchy-number" },
          make("label", {}, make("span", { className: "hierarchy-name", textContent: "Regions" }), number),
          ends(`1 to ${count}`)),
        slider,
        make("div", { className: "hierarchy-number" }, threshold, suggestion)),
      make("fieldset", {}, make("legend", { textContent: "Show" }), ...views.map(({ label }) => label)),
      make("div", {}, make("span", { className: "hierarchy-name", textContent: "Opacity of the colours" }),
        make("label", {}, ends("Picture"), opacity, ends("Colours"))),
      region, note);
    return { panel, slider, number, suggestion, threshold, radios: views.map(({ radio }) => radio), opacity, region, note };
  }

  function noteText({ size, full_size: full }) {
    if (size[0] === full[0] && size[1] === full[1]) return "";
    return `A preview of ${size.join(" × ")} pixels: small regions may be missing from it. Shares are of the whole image, `
      + `${full.join(" × ")} pixels.`;
  }

  return async function dynsegHierarchy(element, data, settings = {}) {
    settings.view ??= "both";
    settings.opacity ??= 100;
    if (!("DecompressionStream" in globalThis)) {
      element.replaceChildren(make("p", { textContent: "This browser is too old to show the regions." }));
      return;
    }
    wanted.set(element, data);
    const tree = await readTree(data);
    // Another image may have been asked for meanwhile.
    if (wanted.get(element) !== data) return;

    const { count } = tree;
    const [width, height] = data.size;
    const drawn = layer(data.size, { role: "img" });
    const marked = layer(data.size);
    marked.canvas.setAttribute("aria-hidden", "true");
    const photograph = make("img", { src: `data:image/webp;base64,${data.picture}`, alt: "", width, height });
    const stage = make("div", { className: "hierarchy-stage" }, photograph, drawn.canvas, marked.canvas);
    stage.style.setProperty("--ratio", width / height);
    const controls = makeControls(count, settings);
    const body = make("div", { className: "hierarchy-body" }, stage, controls.panel);
    element.replaceChildren(make("div", { className: "hierarchy" }, body));
    controls.note.textContent = noteText(data);
    let regions;
    let top;
    let under = null;

    // Of lines, so that they are seen where the picture is shown smaller than it is.
    const thickness = () => Math.ceil(width / (stage.clientWidth * devicePixelRatio || width));

    function draw() {
      paint(drawn, tree, top, settings, thickness());
      drawn.show();
      controls.opacity.disabled = settings.view === "boundaries";
    }

    function setRegions(number) {
      regions = Math.min(count, Math.max(1, Math.round(number)));
      top = cut(tree, regions);
      const threshold = thresholds(tree, regions);
      controls.threshold.textContent = threshold;
      controls.slider.value = POSITIONS * Math.log(regions) / Math.log(Math.max(2, count));
      controls.slider.setAttribute("aria-valuetext", [regionsText(regions), threshold].filter(Boolean).join(", "));
      if (document.activeElement !== controls.number) controls.number.value = regions;
      drawn.canvas.setAttribute("aria-label", `${data.title} in ${regionsText(regions)}`);
      draw();
      mark(null);
    }

    function mark(node) {
      if (node === under && node !== null) return;
      under = node;
      if (node === null) {
        marked.clear();
        controls.region.textContent = "Point at a region to see its share of the image.";
        return;
      }
      paintRegion(marked, tree, top, node, thickness());
      marked.show();
      const share = 100 * tree.areas[node] / tree.areas[tree.areas.length - 1];
      controls.region.textContent = `This region: ${share < 0.01 ? "less than 0.01" : shortest(share, 3)} % of the image`;
    }

    function pointed(event) {
      const box = stage.getBoundingClientRect();
      const x = Math.floor((event.clientX - box.left) / box.width * width);
      const y = Math.floor((event.clientY - box.top) / box.height * height);
      mark(x < 0 || y < 0 || x >= width || y >= height ? null : top[tree.leaves[y * width + x]]);
    }

    function pressed(event) {
      const further = Math.max(regions + 1, regions * PAGE_FACTOR);
      const nearer = Math.min(regions - 1, regions / PAGE_FACTOR);
      const number = {
        ArrowRight: regions + 1, ArrowUp: regions + 1, ArrowLeft: regions - 1, ArrowDown: regions - 1,
        PageUp: further, PageDown: nearer, Home: 1, End: count,
      }[event.key];
      if (number === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      setRegions(number);
    }

    controls.slider.addEventListener("input", () => setRegions(count ** (controls.slider.value / POSITIONS)));
    // The browser's own step is a hundredth of the slider, which is many regions on its right and none on its left.
    controls.slider.addEventListener("keydown", pressed);
    controls.number.addEventListener("input", () => {
      if (controls.number.value !== "") setRegions(controls.number.valueAsNumber);
    });
    controls.number.addEventListener("change", () => { controls.number.value = regions; });
    for (const radio of controls.radios) {
      radio.addEventListener("change", () => {
        settings.view = radio.value;
        draw();
      });
    }
    controls.opacity.addEventListener("input", () => {
      settings.opacity = controls.opacity.valueAsNumber;
      draw();
    });
    if (data.suggested !== null) {
      controls.suggestion.hidden = false;
      controls.suggestion.textContent = `Suggested: ${data.suggested}`;
      controls.suggestion.addEventListener("click", () => setRegions(data.suggested));
    }
    stage.addEventListener("pointermove", pointed);
    stage.addEventListener("pointerdown", pointed);
    // A finger leaves as soon as it has pointed.
    stage.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") mark(null); });
    setRegions(data.suggested ?? START);
  };
})();
