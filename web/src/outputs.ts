// Outputs: one card each, kept up to date; their dead letters; trying again by hand.
import { get, post } from "./api";
import { add, h, replace, state, time, toast, value } from "./dom";
import { setKeys } from "./keys";
import type { Page } from "./main";
import { ago, asText, count, duration } from "./text";
import { Letter, Output } from "./types";

const EVERY_MS = 2000;
const LETTERS = 50;

const STATES: Record<Output["state"], { word: string; step: string; help: string }> = {
	idle: { word: "Idle", step: "good", help: "Everything is delivered." },
	working: { word: "Working", step: "note", help: "Delivering now." },
	backoff: { word: "Backing off", step: "bad", help: "The far side is away or overloaded; it is tried again." },
	hold: { word: "On hold", step: "severe", help: "Nothing can be delivered as it is configured; it is tried now and then." },
};

interface Card {
	element: HTMLElement;
	update(output: Output): void;
}

function figure(name: string): [HTMLElement, HTMLElement] {
	const number = h("dd", {});

	return [h("div", { class: "figure" }, h("dt", {}, name), number), number];
}

function letterRow(letter: Letter, again: () => void): HTMLElement {
	const button = h("button", { type: "button", class: "button small" }, "Replay");

	button.addEventListener("click", () => {
		button.disabled = true;
		replay({ output: letter.output, id: letter.id }).then(again, () => (button.disabled = false));
	});
	return h("li", { class: "letter" },
		h("div", { class: "letter-head" }, time(letter.at, "when"),
			h("a", { class: "link", href: `/?at=${letter.seq}` }, value(asText(letter.alert?.rule) || `alert ${letter.seq}`)), button),
		h("p", { class: "muted" }, value(letter.note || "no reason given"), ` · ${letter.attempts} ${letter.attempts === 1 ? "attempt" : "attempts"}`));
}

async function replay(body: { output?: string; id?: number }): Promise<void> {
	try {
		const { replayed } = await post<{ replayed: number }>("/dead-letters/replay", body);
		toast(`${count(replayed)} ${replayed === 1 ? "alert is" : "alerts are"} on the way again`);
	} catch (error) {
		toast((error as Error).message);
		throw error;
	}
}

/** The dead letters of one output, loaded when they are opened. */
function lettersBox(name: string): { element: HTMLDetailsElement; update(dead: number): void } {
	const summary = h("summary", {});
	const list = h("ol", { class: "letters" });
	const more = h("div", { class: "actions" });
	const element: HTMLDetailsElement = h("details", { class: "dead", hidden: true }, summary, list, more);
	let known = -1;
	let looks = 0; // that many more times the list is read again: what was replayed is soon delivered

	function replayed(): void {
		looks = 5;
		void load();
	}

	async function load(after = 0): Promise<void> {
		try {
			const page = await get<{ letters: Letter[]; more: number }>(`/dead-letters?output=${encodeURIComponent(name)}&limit=${LETTERS}&after=${after}`);
			replace(list, ...page.letters.map((letter) => letterRow(letter, replayed)),
				page.letters.length ? null : h("li", { class: "muted" }, "None is left here; those that were replayed are on their way."));
			replace(more, !page.letters.length ? null :
				h("button", { type: "button", class: "button", onclick: () => void replay({ output: name }).then(replayed, () => undefined) }, "Replay all"),
				page.more ? h("button", { type: "button", class: "button", onclick: () => void load(page.more) }, "Next") : null,
				after ? h("button", { type: "button", class: "button", onclick: () => void load() }, "From the start") : null);
		} catch (error) {
			replace(list, h("li", { class: "wrong" }, (error as Error).message));
		}
	}

	element.addEventListener("toggle", () => {
		if (element.open)
			void load();
	});
	return {
		element,
		update(dead: number) {
			element.hidden = dead === 0;
			summary.textContent = `${count(dead)} dead ${dead === 1 ? "letter" : "letters"}`;
			if (element.open && ((known >= 0 && known !== dead) || looks-- > 0))
				void load();
			known = dead;
		},
	};
}

function cardOf(name: string): Card {
	const badge = h("span", { class: "badge" });
	const type = h("span", { class: "muted" });
	const help = h("p", { class: "state-help" });
	const [lagBox, lag] = figure("waiting");
	const [oldestBox, oldest] = figure("oldest");
	const [deliveredBox, delivered] = figure("delivered");
	const [suppressedBox, suppressed] = figure("suppressed");
	const [deadBox, dead] = figure("dead");
	const note = h("p", { class: "note-text" });
	const last = h("p", { class: "muted" });
	const letters = lettersBox(name);
	const kick = h("button", { type: "button", class: "button small" }, "Try now");

	kick.addEventListener("click", () => {
		post(`/outputs/${encodeURIComponent(name)}/kick`).then(() => toast(`${name} is tried now`), (error: Error) => toast(error.message));
	});
	const element = h("section", { class: "card", "aria-label": `Output ${name}` },
		h("header", {}, h("h2", {}, value(name)), type, h("span", { class: "spacer" }), badge),
		h("div", { class: "card-help" }, help, kick),
		h("dl", { class: "figures" }, lagBox, oldestBox, deliveredBox, suppressedBox, deadBox),
		note, last, letters.element);

	return {
		element,
		update(output: Output) {
			const look = STATES[output.state] ?? STATES.idle;
			const stuck = output.state === "backoff" || output.state === "hold";

			element.className = `card ${look.step}`;
			badge.className = `badge ${look.step}`;
			badge.textContent = look.word;
			type.textContent = output.type;
			help.textContent = output.state === "idle" && output.dead > 0 ? "Nothing waits, but not everything could be delivered: see the dead letters." : stuck ? `${look.help} Next try ${output.next_try_seconds > 0 ? `in ${duration(output.next_try_seconds)}` : "now"}.` : look.help;
			kick.hidden = !stuck;
			lag.textContent = count(output.lag);
			oldest.textContent = output.lag ? duration(output.oldest_seconds) : "–";
			delivered.textContent = count(output.delivered);
			suppressed.textContent = count(output.suppressed);
			dead.textContent = count(output.dead);
			dead.classList.toggle("some", output.dead > 0);
			replace(note);
			if (output.note)
				add(note, h("span", { class: "muted" }, stuck ? "Last failure: " : "Last failure, since recovered: "), value(output.note));
			last.textContent = `${output.last_delivered ? `Last delivery ${ago(output.last_delivered)}` : "No delivery yet"} · ${count(output.attempts)} attempts, ${count(output.failures)} failed · up to ${output.concurrency} at once`;
			letters.update(output.dead);
		},
	};
}

export function outputsPage(main: HTMLElement): Page {
	const cards = new Map<string, Card>();
	const grid = h("div", { class: "cards" });
	const problem = h("div", { "aria-live": "polite" }, h("p", { class: "muted loading" }, "Loading outputs…"));
	const closing = new AbortController();
	let timer = 0;

	function show(outputs: Output[]): void {
		const names = new Set(outputs.map((output) => output.name));

		for (const [name, card] of cards)
			if (!names.has(name)) {
				card.element.remove();
				cards.delete(name);
			}
		for (const output of outputs) {
			let card = cards.get(output.name);
			if (!card) {
				card = cardOf(output.name);
				cards.set(output.name, card);
				grid.append(card.element);
			}
			card.update(output);
		}
		replace(problem, outputs.length ? null : state("No outputs", "Nothing is delivered anywhere until the configuration names an output."));
	}

	async function refresh(): Promise<void> {
		try {
			if (!document.hidden)
				show((await get<{ outputs: Output[] }>("/outputs", closing.signal)).outputs);
		} catch (error) {
			if (!closing.signal.aborted)
				replace(problem, h("p", { class: "wrong", role: "alert" }, `Not up to date: ${(error as Error).message}`));
		}
		if (!closing.signal.aborted)
			timer = window.setTimeout(() => void refresh(), EVERY_MS);
	}

	setKeys([]);
	replace(main, h("h1", { class: "page-title" }, "Outputs"), problem, grid);
	void refresh();
	return {
		close() {
			closing.abort();
			clearTimeout(timer);
		},
	};
}
