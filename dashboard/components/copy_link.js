export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".copy-link");
  const said = root.querySelector(".said");
  const address = root.querySelector(".address");
  const link = new URL(data.path, window.location.href).href;
  root.querySelector("button").onclick = async () => {
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
