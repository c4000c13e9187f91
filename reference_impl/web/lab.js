// Campaigns and faults, ordered and watched from the control room. What runs is asked for with everything else, once a
// second; what there is to order is asked for when the room opens.

const PER_MIN_S = 60;
const VERDICTS = {
  pass: ["good", "passed: every rule held, and so did every limit"],
  slo: ["poor", "too slow: every rule held, but a limit was broken"],
  consistency: ["bad", "wrong: somebody was told what the ledger does not say"],
  invalid: ["poor", "cannot be judged: the load was late, or a check could not decide"],
  error: ["bad", "did not come to a run"],
  stopped: ["poor", "was stopped"],
};
const KINDS = {
  kill: { name: "Kill", done: "killed", means: "It ends at once, in the middle of what it does, and the supervisor starts it again." },
  restart: { name: "Restart", done: "restarted", means: "It is asked to end, and the supervisor starts it again." },
  stop: { name: "Freeze", done: "frozen", means: "It stands still with all its connections open, and goes on after so many seconds." },
};

const $ = (id) => document.getElementById(id);
const about = (seconds) => (seconds < 2 * PER_MIN_S ? `${Math.round(seconds)} s` : `${Math.round(seconds / PER_MIN_S)} min`);
const at = (unixNs) => new Date(unixNs / 1e6).toLocaleTimeString("en-GB");
const make = (name, fields) => Object.assign(document.createElement(name), fields);

export class LabPanel {
  #operator;
  #offers;
  #opening;
  #said = "";

  constructor(operator) {
    this.#operator = operator;
  }

  // The room was opened anew: its view is there, and nothing of ours is in it.
  reset() {
    this.#opening = undefined;
    this.#said = "";
  }

  async load() {
    await (this.#opening ??= this.#open());
    const { campaigns, faults } = await this.#operator.ask("GET", "lab");
    if (!$("lab")) return; // logged out meanwhile
    this.#drawCurrent(campaigns[0]);
    $("campaigns-past").replaceChildren(...campaigns.filter((one) => one.stage === "over").map(pastRow));
    $("faults-past").replaceChildren(...faults.map(faultRow));
    this.#say([faults[0] && toldOf(faults[0]), campaigns[0] && `${campaigns[0].name} ${stateOf(campaigns[0])}`]);
  }

  async #open() {
    const offers = (this.#offers = await this.#operator.ask("GET", "lab/offers").catch((error) => {
      this.#opening = undefined;
      throw error;
    }));
    const form = $("campaign-form");
    if (!form) return; // logged out meanwhile
    $("lab").hidden = false;
    form.elements.campaign.replaceChildren(...offers.campaigns.map((one) => new Option(one.name)));
    form.elements.campaign.value = "smoke";
    form.elements.campaign.addEventListener("change", () => this.#describeCampaign());
    form.addEventListener("submit", (event) => this.#start(event));
    $("campaign-stop").addEventListener("click", () => this.#stop());
    const fault = $("fault-form").elements;
    const here = offers.kinds.filter((one) => !one.why_not);
    fault.kind.replaceChildren(...here.map((one) => new Option(KINDS[one.kind].name, one.kind)));
    fault.target.replaceChildren(...offers.targets.map((name) => new Option(name)));
    fault.kind.addEventListener("change", () => this.#describeFault());
    $("fault-form").addEventListener("submit", (event) => this.#strike(event));
    const not = offers.kinds.filter((one) => one.why_not);
    $("kinds-not").replaceChildren(...not.map((one) => make("li", { textContent: `${one.kind}: ${one.meaning}. Not from here: ${one.why_not}.` })));
    this.#describeCampaign();
    this.#describeFault();
  }

  get #campaign() {
    return this.#offers.campaigns.find((one) => one.name === $("campaign-form").elements.campaign.value);
  }

  get #kind() {
    return this.#offers.kinds.find((one) => one.kind === $("fault-form").elements.kind.value);
  }

  #describeCampaign() {
    const one = this.#campaign;
    $("campaign-means").textContent = one.problem || `${one.description} Takes about ${about(one.about_s)}, on a system of its own: this one is not touched, but shares the machine.`;
    $("campaign-start").disabled = Boolean(one.problem);
  }

  #describeFault() {
    $("fault-for").hidden = !this.#kind.lasts;
    $("fault-means").textContent = KINDS[this.#kind.kind].means;
  }

  #start(event) {
    event.preventDefault();
    const { name, about_s } = this.#campaign;
    this.#operator.order({
      title: `Start ${name}`, means: `It runs for about ${about(about_s)} beside this system. One campaign runs at a time.`,
      path: "lab/campaign", body: { campaign: name },
    });
  }

  #stop() {
    if ($("campaign-stop").getAttribute("aria-disabled") === "true") return;
    this.#operator.order({
      title: "Stop the campaign", means: "It ends its system and keeps its records, but there will be no verdict and no report.",
      path: "lab/campaign/stop", body: {},
    });
  }

  #strike(event) {
    event.preventDefault();
    const { kind, target, for_s } = $("fault-form").elements;
    const forS = this.#kind.lasts ? Number(for_s.value) : 0;
    this.#operator.order({
      title: `${KINDS[kind.value].name} ${target.value}`, means: `This is done to the system that you are looking at${forS ? `, for ${forS} s` : ""}. Whoever plays there will feel it.`,
      path: "lab/fault", body: { kind: kind.value, target: target.value, for_s: forS },
    });
  }

  #drawCurrent(one) {
    const runs = one !== undefined && one.stage !== "over";
    const [shown, gone] = runs ? ["campaign", "campaign-form"] : ["campaign-form", "campaign"];
    const focused = $(gone).contains(document.activeElement);
    $(shown).hidden = false;
    $(gone).hidden = true;
    if (focused) (runs ? $("campaign-stop") : $(shown).elements.campaign).focus(); // whose place it takes
    if (!runs) return;
    $("campaign-name").textContent = one.name;
    $("campaign-left").textContent = leftOf(one);
    $("campaign-bar").value = Math.min(1, one.elapsed_s / one.about_s);
    $("campaign-lines").replaceChildren(...one.lines.map((textContent) => make("li", { textContent })));
    $("campaign-stop").setAttribute("aria-disabled", one.stage === "stopping");
  }

  // Said once, when it changes: this is read aloud.
  #say(news) {
    const said = news.filter(Boolean).join(". ");
    if (said !== this.#said) $("lab-said").textContent = this.#said = said;
  }
}

function leftOf(one) {
  if (one.stage === "stopping") return "is being stopped";
  if (!one.lines.length) return "is being started";
  const leftS = one.about_s - one.elapsed_s;
  return leftS > 0 ? `about ${about(leftS)} left` : `takes longer than the usual ${about(one.about_s)}`;
}

function stateOf(one) {
  if (one.stage !== "over") return one.stage === "stopping" ? "is being stopped" : "runs";
  return (VERDICTS[one.verdict] ?? VERDICTS.error)[1];
}

function toldOf(one) {
  const done = `${one.target} was ${KINDS[one.kind].done}`;
  if (!one.over) return done;
  return one.ready_s ? `${done} and is ready again after ${one.ready_s.toFixed(1)} s` : `${done}: ${one.said}`;
}

function pastRow(one) {
  const row = document.createElement("tr");
  row.append(make("td", { textContent: at(one.began_unix_ns) }), make("td", { textContent: one.name }));
  const verdict = make("td", { textContent: stateOf(one), className: (VERDICTS[one.verdict] ?? VERDICTS.error)[0] });
  verdict.append(make("small", { textContent: one.run }));
  if (one.verdict === "error") verdict.append(make("small", { textContent: one.lines.at(-1) ?? "" }));
  const link = document.createElement("td");
  if (one.report) {
    link.append(make("a", { href: `/v1/admin/lab/reports/${one.report}`, target: "_blank", rel: "noopener", textContent: "Report" }));
    link.firstChild.setAttribute("aria-label", `Report of ${one.name}, begun ${at(one.began_unix_ns)}`);
  }
  row.append(verdict, link);
  return row;
}

function faultRow(one) {
  const row = document.createElement("tr");
  const ready = one.ready_s ? `after ${one.ready_s.toFixed(1)} s` : one.over ? one.said : "not yet";
  row.append(...[at(one.at_unix_ns), `${one.target} ${KINDS[one.kind].done}`, ready].map((textContent) => make("td", { textContent })));
  return row;
}
