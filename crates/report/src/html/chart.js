"use strict";
// Plots: a pointer or the arrow keys read off values. Without this script a plot is complete but for that.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const format = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
  const time = (seconds) => {
    const whole = Math.round(seconds);
    const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
    const said = [];
    let rest = whole;
    for (const [size, unit] of parts) {
      if (rest >= size) said.push(`${Math.floor(rest / size)} ${unit}`);
      rest %= size;
    }
    return said.slice(0, 2).join(" ") || "0 s";
  };
  // The point nearest to x, by bisection.
  const nearest = (points, x) => {
    let low = 0, high = points.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (points[middle][0] < x) low = middle + 1; else high = middle;
    }
    const before = points[low - 1];
    return before && x - before[0] < points[low][0] - x ? before : points[low];
  };

  for (const source of document.querySelectorAll("script[data-chart]")) {
    const data = JSON.parse(source.textContent);
    const chart = document.getElementById(source.dataset.chart);
    const plot = chart.querySelector(".plot");
    const readout = document.getElementById(`${chart.id}-readout`);
    const base = data.lines[0][1];
    const [left, right] = data.x;
    const cursor = document.createElementNS(SVG, "line");
    cursor.setAttribute("class", "cursor");
    cursor.setAttribute("y1", "0");
    cursor.setAttribute("y2", "100%");
    let index = -1;

    const show = (point) => {
      index = base.indexOf(point);
      const x = `${(100 * (point[0] - left)) / (right - left)}%`;
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      plot.append(cursor);
      const at = data.axis === "seconds" ? `at ${time(point[0])}` : data.axis === "requests" ? `after ${point[0]} requests` : `collection ${point[0]}`;
      const values = data.lines.map(([label, points]) => `${label} ${format.format(nearest(points, point[0])[1])} ${data.unit}`);
      readout.textContent = `${at}: ${values.join(" · ")}`;
    };
    chart.addEventListener("pointermove", (event) => {
      const box = plot.querySelector("svg").getBoundingClientRect();
      show(nearest(base, left + ((event.clientX - box.left) / box.width) * (right - left)));
    });
    chart.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: base.length - 1 };
      if (!(event.key in steps)) return;
      event.preventDefault();
      show(base[Math.min(Math.max(steps[event.key], 0), base.length - 1)]);
    });
    readout.textContent = "Point at the plot, or use the arrow keys, to read off values.";
  }
})();
