"use strict";
// Tables: headers sort, a bar above filters. Without this script a table is complete and in the report's order.
(() => {
  const element = (name, properties = {}) => Object.assign(document.createElement(name), properties);
  const value = (row, column, numeric) => {
    const cell = row.cells[column];
    const raw = cell.dataset.v ?? cell.textContent.trim();
    return numeric ? Number(raw) || 0 : raw;
  };

  function sortBy(table, header, column) {
    const numeric = header.dataset.sort === "number";
    const before = header.getAttribute("aria-sort");
    // Numbers are wanted largest first, words from A on; a second click turns the order round.
    const descending = before ? before === "ascending" : numeric;
    for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const compare = numeric
      ? (a, b) => a.value - b.value
      : (a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : 0);
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => ({ row, value: value(row, column, numeric) }));
    rows.sort((a, b) => (descending ? compare(b, a) : compare(a, b)));
    body.append(...rows.map(({ row }) => row));
  }

  function makeSortable(table) {
    Array.from(table.tHead.rows[0].cells).forEach((header, column) => {
      if (!header.dataset.sort) return;
      const button = element("button", { type: "button", textContent: header.textContent });
      header.replaceChildren(button);
      button.addEventListener("click", () => sortBy(table, header, column));
    });
  }

  function makeFilter(bar, table) {
    const rows = Array.from(table.tBodies[0].rows);
    let texts = null; // lower-cased text of each row, made when first needed
    const search = element("input", { type: "search", placeholder: "function, file, label, …", autocomplete: "off", spellcheck: false });
    const box = element("label", { className: "grow" });
    box.append("Filter ", search);
    bar.append(box);
    const choices = [];
    Array.from(table.tHead.rows[0].cells).forEach((header, column) => {
      if (!header.dataset.filter) return;
      const name = header.textContent.trim();
      const words = [...new Set(rows.map((row) => row.cells[column].textContent.trim()))];
      const select = element("select");
      select.append(element("option", { value: "", textContent: "any" }));
      select.append(...words.sort().map((word) => element("option", { value: word, textContent: word })));
      const label = element("label");
      label.append(name, " ", select);
      bar.append(label);
      choices.push({ column, select });
    });
    const shown = element("output");
    shown.setAttribute("aria-live", "polite");
    bar.append(shown);

    const apply = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      if (words.length) texts ??= rows.map((row) => row.textContent.toLowerCase());
      let count = 0;
      rows.forEach((row, index) => {
        const chosen = choices.every(({ column, select }) => !select.value || row.cells[column].textContent.trim() === select.value);
        row.hidden = !(chosen && words.every((word) => texts[index].includes(word)));
        if (!row.hidden) count += 1;
      });
      shown.textContent = count === rows.length ? "" : `${count} of ${rows.length} shown`;
    };
    search.addEventListener("input", apply);
    for (const { select } of choices) select.addEventListener("change", apply);
    bar.hidden = false;
  }

  for (const bar of document.querySelectorAll("[data-filter].tools")) {
    const table = document.getElementById(bar.dataset.filter);
    makeFilter(bar, table);
    makeSortable(table);
  }
})();
