"use strict";
// Tables that sort and filter, and keys that go from step to step. Without this, every page still says all it has to.
(() => {
  const value = (row, at) => {
    const cell = row.cells[at];
    if (!cell) return "";
    return cell.dataset.v === undefined ? cell.textContent.trim() : cell.dataset.v;
  };
  const number = (text) => {
    const match = /-?[\d,]*\.?\d+(e-?\d+)?/i.exec(text.replace("−", "-"));
    return match ? Number(match[0].replaceAll(",", "")) : NaN;
  };

  const sort = (table, at, ascending, isNumber) => {
    for (const body of table.tBodies) {
      const keyed = [...body.rows].map((row, place) => ({ row, place, text: value(row, at) }));
      for (const one of keyed) one.number = isNumber ? number(one.text) : NaN;
      // What is not known comes last in either direction; equals keep their order.
      const unknown = (one) => (isNumber ? Number.isNaN(one.number) : one.text === "–" || one.text === "");
      keyed.sort((a, b) => {
        if (unknown(a) !== unknown(b)) return unknown(a) ? 1 : -1;
        const order = isNumber && !unknown(a) ? a.number - b.number : a.text.localeCompare(b.text, "en", { numeric: true });
        return (ascending ? order : -order) || a.place - b.place;
      });
      body.append(...keyed.map((one) => one.row));
    }
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const isNumber = head.classList.contains("n");
        const was = head.getAttribute("aria-sort");
        const ascending = was === null ? !isNumber : was !== "ascending";
        heads.forEach((one) => one.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        sort(table, at, ascending, isNumber);
      });
    });
    const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
    if (rows.length < 8) continue;
    const label = document.createElement("label");
    const input = document.createElement("input");
    const shown = document.createElement("span");
    label.className = "filter";
    input.type = "search";
    input.placeholder = "words in a row";
    shown.setAttribute("role", "status");
    label.append("Filter ", input, shown);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        left += !row.hidden;
      }
      shown.textContent = words.length ? ` ${left} of ${rows.length} rows` : "";
    });
    (table.closest(".box") || table).before(label);
  }

  // j and k go to the next and the last step.
  const steps = [...document.querySelectorAll(".step")];
  document.addEventListener("keydown", (event) => {
    if (!steps.length || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input")) return;
    if (event.key !== "j" && event.key !== "k") return;
    const here = steps.findLastIndex((step) => step.getBoundingClientRect().top < 80);
    const step = steps[Math.max(0, Math.min(steps.length - 1, here + (event.key === "j" ? 1 : -1)))];
    step.scrollIntoView();
    step.focus({ preventScroll: true });
    history.replaceState(null, "", `#${step.id}`);
  });
})();
