"use strict";

(() => {
  const index = JSON.parse(document.getElementById("index").textContent);
  const scripts = document.getElementsByClassName("image");
  const thumbnails = document.getElementById("thumbnails");
  const settings = {};
  let current = 0;

  function show(number) {
    current = number;
    // Text until it is looked at: reading all images at once would take long.
    dynsegHierarchy(document.getElementById("hierarchy"), JSON.parse(scripts[number].textContent), settings);
    if (!thumbnails) return;
    const place = document.createElement("small");
    place.textContent = ` ${number + 1} of ${index.length}`;
    document.getElementById("image-title").replaceChildren(index[number].title, place);
    const focused = thumbnails.contains(document.activeElement);
    for (const { firstChild: button } of thumbnails.children) {
      button.removeAttribute("aria-current");
      // One stop of the tab key: the arrow keys reach the others.
      button.tabIndex = -1;
    }
    const item = thumbnails.children[number];
    item.firstChild.setAttribute("aria-current", "true");
    item.firstChild.tabIndex = 0;
    if (focused) item.firstChild.focus({ preventScroll: true });
    // Not scrollIntoView, which would move the page as well.
    thumbnails.scrollLeft = item.offsetLeft - (thumbnails.clientWidth - item.clientWidth) / 2;
  }

  const move = (step) => show((current + step + index.length) % index.length);

  function thumbnail({ title, thumbnail: picture }, number) {
    const image = Object.assign(document.createElement("img"), {
      src: `data:image/webp;base64,${picture}`, alt: title, decoding: "async",
    });
    const button = Object.assign(document.createElement("button"), { type: "button", title });
    button.append(image);
    button.addEventListener("click", () => show(number));
    const item = document.createElement("li");
    item.append(button);
    return item;
  }

  if (thumbnails) {
    thumbnails.replaceChildren(...index.map(thumbnail));
    document.getElementById("previous").addEventListener("click", () => move(-1));
    document.getElementById("next").addEventListener("click", () => move(1));
    document.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.target.matches("input")) return;
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      move(step);
    });
  }
  show(0);
})();
