// form[data-refund-form]: the amount is there from the start and has the focus where keys are at hand; typing one
// chooses "a part", and [data-left-over] says what stays. Without JavaScript the choice comes first.
(() => {
  const form = document.querySelector("[data-refund-form]");
  if (!form) return;
  const amount = form.elements.amount;
  const leftOver = form.querySelector("[data-left-over]");
  const choose = (kind) => (form.querySelector(`[name="kind"][value="${kind}"]`).checked = true);

  const read = (typed) => {
    const plain = typed.replace(/[,\s원₩$]/g, "");
    return /^\d+(\.\d+)?$/.test(plain) ? Math.round(Number(plain) * 10 ** Number(leftOver.dataset.decimals)) : null;
  };

  const write = (minor) => {
    const places = Number(leftOver.dataset.decimals);
    const options = { minimumFractionDigits: places, maximumFractionDigits: places };
    const number = (minor / 10 ** places).toLocaleString("en-US", options);
    return leftOver.dataset.zero.replace(/[\d.]+/, number);
  };

  const update = () => {
    const left = Number(leftOver.dataset.leftOver) - (read(amount.value) ?? 0);
    leftOver.hidden = !amount.value || left < 0;
    leftOver.textContent = leftOver.dataset.sentence.replace("{}", write(left));
  };

  amount.addEventListener("input", () => {
    choose(amount.value ? "partial" : "full");
    update();
  });
  form.addEventListener("change", (event) => {
    if (event.target.name !== "kind" || event.target.value !== "full") return;
    amount.value = "";
    update();
  });
  form.classList.add("is-live");
  update();
  const isUntouched = !document.querySelector("[aria-invalid='true']");
  if (isUntouched && matchMedia("(pointer: fine)").matches) amount.focus();
})();
