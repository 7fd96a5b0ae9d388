// Draws the charts, in the colours of the browser's light or dark theme, and anew when it changes.
const dark = matchMedia("(prefers-color-scheme: dark)");
// The order of chartCategoricalColors in .streamlit/config.toml.
const LIGHT = "5046e5 d25200 00948e c33dbd 997e00 0089ca e62b34 009c23 a050e6 596275";
const DARK = "9d97ff ff9a5c 3cd0c4 f08bea dcbf3f 6cc0ff ff7f83 62d17a c79bff a3abbf";

function config() {
  const colors = (dark.matches ? DARK : LIGHT).split(" ").map((color) => `#${color}`);
  const ink = dark.matches ? "#e7e9f3" : "#0e101a";
  const muted = dark.matches ? "#a9afc0" : "#5d6375";
  const line = dark.matches ? "#2c3143" : "#e3e6ef";
  const words = { labelColor: muted, titleColor: muted, labelFontSize: 11, titleFontSize: 12 };
  const axis = { ...words, domainColor: line, gridColor: line, tickColor: line };
  return {
    background: "transparent",
    font: "system-ui, sans-serif",
    view: { stroke: "transparent" },
    axis: { ...axis, titleFontWeight: "normal" },
    legend: { ...words, titleFontWeight: "normal" },
    header: words,
    title: { color: ink, fontWeight: 600 },
    mark: { tooltip: true, color: colors[0] },
    range: { category: colors },
  };
}

async function draw(place) {
  const spec = JSON.parse(document.getElementById(place.dataset.spec).textContent);
  const actions = { export: true, source: false, compiled: false, editor: false };
  const tooltip = { theme: dark.matches ? "dark" : "light" };
  try {
    await vegaEmbed(place, spec, { actions, config: config(), renderer: "svg", tooltip });
    place.dataset.state = "drawn";
  } catch (error) {
    place.dataset.state = "failed";
    place.textContent = `This chart cannot be drawn: ${error.message}`;
  }
}

function drawAll() {
  document.querySelectorAll(".chart").forEach(draw);
}

dark.addEventListener("change", drawAll);
drawAll();
