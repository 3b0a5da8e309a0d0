"use strict";
// Makes the plots that the server drew ones to read values off. Everything works without this file.
(() => {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const dark = matchMedia("(prefers-color-scheme: dark)");

  // Lines of several versions on one axis of time: where a version has no point there is a gap.
  const table = (series) => {
    const times = [...new Set(series.lines.flatMap((line) => line.points.map((point) => point.at)))].sort((a, b) => a - b);
    const columns = series.lines.flatMap((line) => {
      const known = new Map(line.points.map((point) => [point.at, point]));
      return ["max", "mean"].map((what) => times.map((at) => (known.has(at) ? known.get(at)[what] : null)));
    });
    return [times, ...columns];
  };

  const deploys = (series) => (plot) => {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.strokeStyle = css("--muted");
    ctx.fillStyle = css("--soft");
    ctx.font = `600 ${11 * ratio}px system-ui, sans-serif`;
    ctx.setLineDash([3 * ratio, 3 * ratio]);
    for (const deploy of series.deploys) {
      const x = Math.round(plot.valToPos(deploy.at, "x", true));
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.textAlign = x > bbox.left + bbox.width * 0.92 ? "end" : x < bbox.left + bbox.width * 0.08 ? "start" : "center";
      ctx.fillText(deploy.version, x, bbox.top - 6 * ratio);
    }
    ctx.restore();
  };

  const draw = (figure, series) => {
    const axis = { stroke: css("--muted"), grid: { stroke: css("--rule"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const lines = series.lines.flatMap((line, index) => {
      const stroke = css(`--v${index % 6}`);
      const name = line.version ?? "";
      return [
        { label: `${name} worst`, stroke, width: 2, spanGaps: true, points: { show: false } },
        { label: "mean", stroke: stroke + "73", width: 1.25, spanGaps: true, points: { show: false }, value: (_, v) => (v == null ? "–" : v.toFixed(1)) },
      ];
    });
    // Dates where a day begins, else the time of day, as the drawn plot has them.
    const shown = (seconds) => {
      const iso = new Date(seconds * 1000).toISOString();
      return iso.slice(11, 16) === "00:00" ? iso.slice(5, 10) : iso.slice(11, 16);
    };
    const times = { ...axis, size: 30, values: (_, splits) => splits.map(shown) };
    const options = {
      width: figure.clientWidth, height: 262, padding: [22, 20, 0, 0],
      series: [{ label: "UTC", value: (_, v) => (v == null ? "–" : new Date(v * 1000).toISOString().slice(0, 16).replace("T", " ")) }, ...lines],
      axes: [times, { ...axis, size: 52 }], scales: { y: { range: (_, min, max) => [0, Math.max(4, max * 1.05)] } },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      hooks: { draw: [deploys(series)] },
    };
    figure.replaceChildren();
    figure.classList.add("drawn");
    return new uPlot(options, table(series), figure);
  };

  const enhance = async (figure) => {
    const answer = await fetch(figure.dataset.series, { headers: { accept: "application/json" } });
    if (!answer.ok) return;
    const series = await answer.json();
    if (!series.lines.length) return;
    let plot = draw(figure, series);
    new ResizeObserver(() => {
      if (figure.clientWidth && figure.clientWidth !== plot.width) plot.setSize({ width: figure.clientWidth, height: 262 });
    }).observe(figure);
    dark.addEventListener("change", () => {
      plot.destroy();
      plot = draw(figure, series);
    });
  };

  const start = () => {
    if (typeof uPlot !== "function") return;
    document.querySelectorAll(".chart[data-series]").forEach((figure) => enhance(figure).catch(() => {}));
  };
  document.addEventListener("DOMContentLoaded", start);
})();
