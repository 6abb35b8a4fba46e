"use strict";

// The tables of scores: sorted by a click on a heading, saved as they are on the screen.
// Without JavaScript they are plain tables, and so what is needed for it is made here.
{
  const TYPES = { csv: "text/csv", tex: "application/x-tex" };
  const collator = new Intl.Collator("en", { numeric: true });

  function equip(frame, data) {
    const [body] = frame.querySelector("table").tBodies;
    const rows = [...body.rows];
    const names = rows.map((row) => row.cells[0].textContent.trim());
    const headings = [...frame.querySelectorAll("thead tr:last-child th")];
    let order = rows.map((_, number) => number);

    // What has no score comes last, whichever way the rest is sorted.
    function compare(column, direction, a, b) {
      if (column === 0) return direction * collator.compare(names[a], names[b]);
      const [first, second] = [data.values[a][column - 1], data.values[b][column - 1]];
      if (first === null || second === null) return (first === null) - (second === null);
      return direction * (first - second);
    }

    function sort(heading, column) {
      const best = column === 0 || data.smaller_is_better[column - 1] ? "ascending" : "descending";
      const other = best === "ascending" ? "descending" : "ascending";
      const next = { [best]: other, [other]: null }[heading.getAttribute("aria-sort")];
      const wanted = next === undefined ? best : next;
      for (const each of headings) each.removeAttribute("aria-sort");
      order = rows.map((_, number) => number);
      if (wanted) {
        heading.setAttribute("aria-sort", wanted);
        const direction = wanted === "ascending" ? 1 : -1;
        order.sort((a, b) => compare(column, direction, a, b) || a - b);
      }
      body.append(...order.map((number) => rows[number]));
    }

    headings.forEach((heading, column) => {
      const button = make("button", { type: "button", className: "sorter" }, ...heading.childNodes);
      button.addEventListener("click", () => sort(heading, column));
      heading.append(button);
    });

    function save(ending) {
      const texts = data.files[ending].map((part) => part.head + order.map((number) => part.rows[number]).join("") + part.foot);
      const address = URL.createObjectURL(new Blob([texts.join("\n")], { type: `${TYPES[ending]};charset=utf-8` }));
      make("a", { href: address, download: `${data.name}.${ending}` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10000);
    }

    const tools = make("p", { className: "table-tools" });
    for (const [ending, words] of [["csv", "Save as CSV"], ["tex", "Save as LaTeX"]]) {
      const button = make("button", { type: "button", textContent: words });
      button.addEventListener("click", () => save(ending));
      tools.append(button);
    }
    const more = make("span", { className: "more", textContent: "more columns to the right →" });
    tools.append(more);
    frame.before(tools);

    function tellOfMore() {
      const left = frame.scrollLeft;
      frame.classList.toggle("scrolled", left > 1);
      const hidden = frame.scrollWidth - frame.clientWidth - left;
      frame.classList.toggle("cut", hidden > 1);
      more.hidden = hidden <= 1;
      frame.style.setProperty("--bar", `${frame.offsetWidth - frame.clientWidth}px`);
      frame.style.setProperty("--first-column", `${headings[0].offsetWidth}px`);
    }
    frame.addEventListener("scroll", tellOfMore, { passive: true });
    new ResizeObserver(tellOfMore).observe(frame);
  }

  for (const script of document.querySelectorAll("script.table-data")) {
    equip(script.previousElementSibling, JSON.parse(script.textContent));
  }
}
