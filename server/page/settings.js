// How the next answers are to be made. What is left empty is the server's to decide.

export class Settings {
  constructor() {
    this.form = document.getElementById("settings");
    this.systemField = document.getElementById("system");
    this.temperatureField = document.getElementById("temperature");
    this.tokensField = document.getElementById("max-tokens");
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", () => this.#mark());
  }

  /** The first message, which the reader does not see. */
  get system() {
    return this.systemField.value.trim();
  }

  /** Fields of a request. */
  fields() {
    const fields = {};
    if (this.temperatureField.value !== "") fields.temperature = this.temperatureField.valueAsNumber;
    if (this.tokensField.value !== "") fields.max_tokens = this.tokensField.valueAsNumber;
    return fields;
  }

  /** The first field whose value cannot be, if there is one. */
  get wrong() {
    return this.form.querySelector("input:invalid");
  }

  /** Shows what an empty field stands for. */
  serverHas(props) {
    this.temperatureField.placeholder = props.default_temperature ?? "";
    this.tokensField.placeholder = props.max_tokens ?? "";
    if (props.max_tokens) this.tokensField.max = props.max_tokens;
    this.#mark();
  }

  #mark() {
    for (const field of [this.temperatureField, this.tokensField]) {
      field.setAttribute("aria-invalid", String(!field.validity.valid));
    }
  }
}
