export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".copy-link");
  const said = root.querySelector(".said");
  const address = root.querySelector(".address");
  root.querySelector("button").onclick = async () => {
    const here = new URL(window.location.href);
    const there = new URL(data.path, here);
    for (const name of data.kept) {
      if (here.searchParams.has(name)) {
        there.searchParams.set(name, here.searchParams.get(name));
      }
    }
    const link = there.href;
    try {
      await navigator.clipboard.writeText(link);
      said.textContent = "Copied";
      window.setTimeout(() => {
        said.textContent = "";
      }, 3000);
    } catch {
      // Browsers let only https and localhost write to the clipboard: the link is shown instead.
      address.value = link;
      address.hidden = false;
      address.select();
    }
  };
}
