export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".wipe");
  const range = root.querySelector(".range");
  root.style.setProperty("--ratio", data.ratio);
  [
    ["a", "left"],
    ["b", "right"],
  ].forEach(([name, side]) => {
    const image = root.querySelector(`img.${name}`);
    const given = data[name];
    image.alt = given.alt;
    image.onload = () => image.classList.toggle("sharp", image.naturalWidth <= data.sharp);
    if (image.getAttribute("src") !== given.src) image.src = given.src;
    root.querySelector(`.tag.${side}`).textContent = given.name;
  });
  const move = () => {
    root.style.setProperty("--at", `${range.value / 10}%`);
    range.setAttribute("aria-valuetext", `${Math.round(range.value / 10)} % ${data.a.name}`);
  };
  range.setAttribute("aria-label", `Between ${data.a.name} and ${data.b.name}`);
  range.oninput = move;
  move();
}
