// select[data-bank-select]: a select one can search, by the text and the code of its options (국민, kook).
// The select itself stays, hidden, and is what is sent; without this script it is used as it is.
(() => {
  const fold = (text) => text.normalize("NFC").toLowerCase().replace(/\s+/g, "");

  const enhance = (select) => {
    if (select.dataset.ready) return;
    select.dataset.ready = "yes";
    const choices = [...select.options]
      .filter((option) => option.value)
      .map((option) => ({ option, words: fold(`${option.text} ${option.value}`) }));

    const box = document.createElement("div");
    box.className = "pick";
    const input = document.createElement("input");
    const list = document.createElement("ul");
    list.id = `${select.id}-list`;
    list.className = "pick-list";
    list.hidden = true;
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", select.labels[0]?.textContent ?? "");
    Object.assign(input, { type: "text", className: "form-control", autocomplete: "off", placeholder: select.dataset.bankSelect });
    for (const [name, value] of Object.entries({
      role: "combobox",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": list.id,
    })) {
      input.setAttribute(name, value);
    }
    for (const name of ["aria-describedby", "aria-invalid"]) {
      if (select.hasAttribute(name)) input.setAttribute(name, select.getAttribute(name));
    }
    // The select gives its id to the box, so that label and focus lead there.
    input.id = select.id;
    select.id = `${select.id}-select`;
    select.removeAttribute("aria-invalid");
    select.hidden = true;
    select.before(box);
    box.append(input, list, select);

    let shown = [];
    let at = -1;
    const chosen = () => select.selectedOptions[0];
    const rest = () => {
      input.value = chosen()?.value ? chosen().text : "";
    };

    const mark = (index) => {
      at = index;
      shown.forEach((item, position) => item.setAttribute("aria-selected", String(position === at)));
      const item = shown[at];
      if (item) {
        input.setAttribute("aria-activedescendant", item.id);
        item.scrollIntoView({ block: "nearest" });
      } else {
        input.removeAttribute("aria-activedescendant");
      }
    };

    const close = () => {
      list.hidden = true;
      input.setAttribute("aria-expanded", "false");
      mark(-1);
    };

    const open = (typed) => {
      const found = choices.filter(({ words }) => words.includes(fold(typed)));
      shown = found.map(({ option }, position) => {
        const item = document.createElement("li");
        item.id = `${list.id}-${position}`;
        item.className = "pick-option";
        item.setAttribute("role", "option");
        item.dataset.value = option.value;
        item.textContent = option.text;
        return item;
      });
      const none = document.createElement("li");
      none.className = "pick-none";
      none.setAttribute("role", "presentation");
      none.textContent = document.body.dataset.noMatch;
      list.replaceChildren(...(shown.length ? shown : [none]));
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      mark(typed && shown.length ? 0 : shown.findIndex((item) => item.dataset.value === select.value));
    };

    const choose = (item) => {
      select.value = item.dataset.value;
      select.dispatchEvent(new Event("change", { bubbles: true }));
      rest();
      close();
    };

    input.addEventListener("focus", () => input.select());
    input.addEventListener("click", () => list.hidden && open(""));
    input.addEventListener("input", () => open(input.value));
    input.addEventListener("blur", () => {
      if (!input.value.trim()) select.value = "";
      rest();
      close();
    });
    list.addEventListener("mousedown", (event) => {
      event.preventDefault(); // the box keeps the focus
      const item = event.target.closest("[role=option]");
      if (item) choose(item);
    });
    input.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) {
        event.preventDefault();
        if (list.hidden) open("");
        else mark((at + step + shown.length) % shown.length);
      } else if (event.key === "Enter" && !list.hidden) {
        event.preventDefault();
        if (shown[at]) choose(shown[at]);
      } else if (event.key === "Escape" && !list.hidden) {
        event.preventDefault();
        rest();
        close();
      }
    });
    rest();
  };

  const enhanceAll = (root) => root.querySelectorAll("select[data-bank-select]").forEach(enhance);
  enhanceAll(document);
  document.addEventListener("htmx:load", (event) => enhanceAll(event.detail.elt));
})();
