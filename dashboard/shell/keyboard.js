// What Streamlit's fields do not do by themselves. The page's Run button is the one with a shortcut.
(() => {
  if (window.sdlabKeys) return; // a rerun runs this again
  window.sdlabKeys = true;
  const HELP = '[data-testid="stTooltipIcon"] button[aria-label^="Help"]'; // not buttons with help
  const RUN = 'button:not(:disabled):has([data-has-shortcut="true"])';
  const LINE = ':is([data-testid="stTextInput"], [data-testid="stNumberInput"]) input';

  // The "?" beside labels are no stops of Tab.
  const skip = () => {
    for (const icon of document.querySelectorAll(HELP)) icon.tabIndex = -1;
  };
  // F1 opens the one of the field; the next Tab goes back to the field.
  const help = (event) => {
    const field = event.target.closest?.('[data-testid="stElementContainer"]');
    const icon = field?.querySelector(HELP);
    if (!icon) return;
    event.preventDefault();
    icon.tabIndex = -1;
    icon.focus();
  };
  // Brings the tab to the front that the button is in.
  const show = (button) => {
    const panel = button.closest('[data-testid="stTabPanel"]');
    if (!panel || panel.offsetParent) return;
    const all = panel.parentElement.querySelectorAll(':scope > [data-testid="stTabPanel"]');
    const tabs = panel.closest('[data-testid="stTabs"]').querySelectorAll('[role="tab"]');
    const tab = tabs[[...all].indexOf(panel)];
    tab.click();
    tab.scrollIntoView({ block: "center" });
  };
  // Enter in a field of one line of a form presses the button; the field has taken its value by then.
  // In st.form Streamlit does it. The shortcut itself, Ctrl+Enter, is Streamlit's.
  const run = (event) => {
    const button = document.querySelector(RUN);
    const shortcut = event.ctrlKey || event.metaKey;
    const line = event.target.matches(LINE) && event.target.closest('[class*="_form"]');
    if (!button || event.isComposing || !(shortcut || line)) return;
    show(button);
    if (!shortcut && !event.repeat) setTimeout(() => button.click());
  };
  const keys = { Tab: skip, F1: help };
  document.addEventListener("keydown", (event) => keys[event.key]?.(event), true);
  document.addEventListener("keydown", (event) => event.key === "Enter" && run(event));
})();
