// The list of alerts: newest first, live, filtered, one line each, opened in place.
import { get } from "./api";
import { detail, filterButton } from "./detail";
import { h, replace, state, time, value } from "./dom";
import { FilterName, Filters, filtersFrom, isEmpty, query } from "./filters";
import { setKeys } from "./keys";
import { Live, LiveState, live } from "./live";
import type { Page } from "./main";
import { asText, count, printable, step } from "./text";
import { Alert, AlertPage, Entry } from "./types";

const ROWS_MAX = 500;     // in the page; beyond it the far end goes
const WAITING_MAX = 500;  // kept while paused
const PAGE = 100;
const SCROLLED = 120;     // px; below it the list counts as being at its top

const LEVELS = ["", "critical", "error", "warning", "notice", "informational"];
const LEVEL_NAMES = ["All priorities", "Critical and above", "Error and above", "Warning and above", "Notice and above", "Informational and above"];

/** Rules print time and priority first, and often their own name: all have a column here. */
function shortOutput(alert: Alert): string {
	const rule = asText(alert.rule);
	const output = asText(alert.output).replace(/^\d\d:\d\d:\d\d\.\d{3,9}: [A-Z][a-z]+ /, "");

	return rule && output.startsWith(rule) && output.length > rule.length ? output.slice(rule.length).trimStart() : output;
}

export function alertsPage(main: HTMLElement): Page {
	const closing = new AbortController();
	let loading = new AbortController();
	let filters: Filters = {};
	let stream: Live | null = null;
	let streamState: LiveState = "connecting";
	let waiting: Entry[] = [];
	let missed = 0;
	let older = 0;             // where "load older" goes on, 0: nothing older
	let atHead = true;         // the first row is the newest there is
	let held = false;          // paused by hand
	let drawing = 0;
	let typing = 0;
	const open = new Map<number, AbortController>();

	const search = h("input", {
		type: "search", id: "q", placeholder: "Search text", "aria-label": "Search in alerts", autocomplete: "off", spellcheck: "false", maxlength: 400,
	});
	const level = h("select", { id: "priority", "aria-label": "Priority" },
		...LEVELS.map((name, i) => h("option", { value: name }, LEVEL_NAMES[i] ?? "")));
	const chips = h("div", { class: "chips", "aria-label": "Filters" });
	const liveButton = h("button", { type: "button", class: "live", "aria-pressed": "true", onclick: () => hold(!held) });
	const news = h("button", { type: "button", class: "news", hidden: true, onclick: showNews });
	const list = h("ol", { class: "alerts", "aria-label": "Alerts, newest first" });
	const end = h("div", { class: "end" });
	const head = h("div", { class: "line head", "aria-hidden": "true" },
		...["", "Time", "Priority", "Host", "Rule", "Output", ""].map((name) => h("span", {}, name)));

	// --- filters ---

	function setFilter(name: FilterName, text: string): void {
		navigate({ ...filters, [name]: text });
	}

	function navigate(next: Filters): void {
		history.pushState(null, "", `/${query(next)}`);
		void reload();
	}

	function searchNow(): void {
		clearTimeout(typing);
		if (search.value === (filters.q ?? ""))
			return;
		history.replaceState(null, "", `/${query({ ...filters, q: search.value })}`);
		void reload();
	}

	function showFilters(): void {
		search.value = filters.q ?? "";
		const wanted = (filters.priority ?? "").toLowerCase();
		if (!LEVELS.includes(wanted))
			level.append(h("option", { value: wanted }, `${wanted} and above`));
		level.value = wanted;
		const named: [FilterName, string][] = [["rule", "rule"], ["hostname", "host"], ["source", "source"], ["incident", "incident"]];
		replace(chips, ...named.filter(([name]) => filters[name]).map(([name, label]) =>
			h("button", { type: "button", class: "chip", title: "Remove this filter", onclick: () => navigate({ ...filters, [name]: "" }) },
				h("span", { class: "muted" }, `${label} `), value(filters[name] ?? ""), h("span", { class: "cross", "aria-label": "remove" }, "×"))),
			isEmpty(filters) ? null : h("button", { type: "button", class: "plain", onclick: () => navigate({}) }, "Clear all"));
	}

	// --- rows ---

	function toggle(row: HTMLElement, entry: Entry): void {
		const button = row.querySelector<HTMLElement>(".toggle");
		const opened = open.get(entry.seq);

		if (opened) {
			opened.abort();
			open.delete(entry.seq);
			row.querySelector(".detail")?.remove();
		} else {
			const controller = new AbortController();
			open.set(entry.seq, controller);
			row.append(detail(entry, setFilter, controller.signal));
		}
		row.classList.toggle("opened", !opened);
		button?.setAttribute("aria-expanded", String(!opened));
		settle();
	}

	function fold(entry: Entry): HTMLElement | null {
		if (entry.change === "opened" || !entry.incident)
			return null;
		const text = entry.change === "repeat" ? `×${count(entry.count)}` : `${entry.change} · ${count(entry.count)}`;
		return h("span", { class: "fold", title: `Incident ${entry.incident}: ${entry.change}, ${count(entry.count)} so far` }, text);
	}

	/** What a sensor has done about the call: denied, killed, frozen; would deny ..., or why not. */
	function response(entry: Entry): HTMLElement | null {
		const fields = entry.alert.output_fields ?? {};
		const result = asText(fields["respond.result"]);

		if (!result)
			return null;
		const done = ["denied", "killed", "frozen"].includes(result);
		return h("span", { class: `badge ${done ? "good" : "note"}`, title: printable(`The sensor's response (${asText(fields["respond.action"])}): ${result}`) }, value(result));
	}

	function output(entry: Entry): HTMLElement {
		const out = value(shortOutput(entry.alert), "out");
		const mark = response(entry);

		if (mark)
			out.prepend(mark, " ");
		return out;
	}

	function rowOf(entry: Entry): HTMLElement {
		const alert = entry.alert;
		const priority = asText(alert.priority) || "?";
		const row: HTMLElement = h("li", { class: `row ${step(priority)}`, "data-seq": entry.seq });
		const onToggle = (event: Event): void => {
			event.stopPropagation();
			toggle(row, entry);
		};
		const filter = (name: FilterName, text: string | undefined, name_: string): HTMLElement => {
			const cell = text ? filterButton(name, text, setFilter, name_) : h("span", { class: name_ });
			if (text)
				cell.tabIndex = -1; // the keyboard reaches the same filter in the opened alert
			return cell;
		};

		row.append(h("div", { class: "line", onclick: (event: Event) => { if (!window.getSelection()?.toString()) onToggle(event); } },
			h("button", { type: "button", class: "toggle", tabindex: -1, "aria-expanded": "false", "aria-label": printable(`${priority}: ${asText(alert.rule)} on ${asText(alert.hostname)}`), onclick: onToggle }),
			time(alert.time ?? entry.received, "when"),
			h("button", { type: "button", class: "link pri", tabindex: -1, title: printable(`Show ${priority} and above`), onclick: (event: Event) => { event.stopPropagation(); setFilter("priority", priority.toLowerCase()); } },
				h("span", { class: `badge ${step(priority)}` }, value(priority))),
			filter("hostname", alert.hostname, "host"),
			filter("rule", alert.rule, "rule"),
			output(entry),
			fold(entry)));
		return row;
	}

	function forget(row: Element | null): void {
		const seq = Number((row as HTMLElement | null)?.dataset.seq);

		open.get(seq)?.abort();
		open.delete(seq);
		row?.remove();
	}

	/** New rows go on top; what is too many leaves at the bottom and can be loaded again. */
	function prepend(entries: Entry[]): void {
		const fresh = entries.slice(-ROWS_MAX).reverse().map(rowOf);

		if (!fresh.length)
			return;
		list.prepend(...fresh);
		while (list.childElementCount > ROWS_MAX) {
			forget(list.lastElementChild);
			older = Number((list.lastElementChild as HTMLElement | null)?.dataset.seq ?? 0);
		}
		showEnd("");
		rove(null);
	}

	// --- live ---

	function isPaused(): boolean {
		return held || open.size > 0 || !atHead || window.scrollY > SCROLLED;
	}

	function settle(): void {
		if (!isPaused())
			showNews();
		showLive();
	}

	function showLive(): void {
		const paused = isPaused();
		const word = streamState === "lost" ? "Reconnecting" : paused ? "Paused" : streamState === "live" ? "Live" : "Connecting";
		const total = waiting.length + missed;

		liveButton.dataset.state = streamState === "lost" ? "lost" : paused ? "paused" : streamState;
		liveButton.setAttribute("aria-pressed", String(!held));
		liveButton.title = held ? "Go on (p)" : "Hold new alerts back (p)";
		replace(liveButton, h("span", { class: "dot", "aria-hidden": "true" }), word);
		news.hidden = total === 0 && atHead;
		news.textContent = !atHead && total === 0 ? "Back to the newest" : `${count(total)} new ${total === 1 ? "alert" : "alerts"}`;
	}

	function hold(on: boolean): void {
		held = on;
		settle();
	}

	function draw(): void {
		drawing = 0;
		if (!isPaused()) {
			const entries = waiting;
			waiting = [];
			prepend(entries);
		}
		showLive();
	}

	function onEntry(entry: Entry): void {
		waiting.push(entry);
		if (waiting.length > WAITING_MAX) {
			waiting.shift();
			missed++;
		}
		// Many arrive at once: drawn a few times a second.
		if (!drawing)
			drawing = window.setTimeout(draw, 120);
	}

	function onGap(positions: number): void {
		missed += positions;
		showLive();
	}

	function showNews(): void {
		// More came than is kept: the rows would have a hole, so the list starts anew.
		if (!atHead || missed > 0) {
			history.replaceState(null, "", `/${query(filters)}`);
			window.scrollTo({ top: 0 });
			void reload();
			return;
		}
		const entries = waiting;
		waiting = [];
		prepend(entries);
		if (window.scrollY > SCROLLED)
			window.scrollTo({ top: 0 });
		showLive();
	}

	// --- loading ---

	function showEnd(problem: string): void {
		if (problem)
			replace(end, h("p", { class: "wrong", role: "alert" }, problem), h("button", { type: "button", class: "button", onclick: () => void (list.childElementCount ? loadOlder() : reload()) }, "Try again"));
		else if (older)
			replace(end, h("button", { type: "button", class: "button older", onclick: () => void loadOlder() }, list.childElementCount ? "Load older" : "Search further back"));
		else if (list.childElementCount)
			replace(end, h("p", { class: "muted" }, "No older alerts."));
		else if (isEmpty(filters))
			replace(end, state("All quiet", "No alert has come in yet. The next one appears here by itself."));
		else
			replace(end, state("Nothing matches", "No alert in the journal passes these filters; new ones that do appear here.",
				h("button", { type: "button", class: "button", onclick: () => navigate({}) }, "Clear all filters")));
	}

	async function loadOlder(): Promise<void> {
		const signal = loading.signal;

		end.querySelector("button")?.setAttribute("disabled", "");
		try {
			const page = await get<AlertPage>(`/alerts${query(filters, { limit: PAGE, before: older })}`, signal);
			const fresh = page.alerts.map(rowOf);

			list.append(...fresh);
			older = page.more;
			while (list.childElementCount > ROWS_MAX) {
				forget(list.firstElementChild);
				atHead = false; // the newest left: live goes on only after going back to them
			}
			showEnd("");
			rove(null);
			showLive();
		} catch (error) {
			if (!signal.aborted)
				showEnd((error as Error).message);
		}
	}

	async function reload(): Promise<void> {
		const at = Number(new URLSearchParams(location.search).get("at")) || 0;

		filters = filtersFrom(location.search);
		loading.abort();
		loading = new AbortController();
		const signal = loading.signal;
		stream?.close();
		stream = null;
		for (const controller of open.values())
			controller.abort();
		open.clear();
		waiting = [];
		missed = 0;
		older = 0;
		atHead = at === 0;
		replace(list);
		replace(end, h("p", { class: "muted loading", "aria-live": "polite" }, "Loading alerts…"));
		showFilters();
		try {
			const page = await get<AlertPage>(`/alerts${query(filters, at ? { limit: PAGE, before: at + 1 } : { limit: PAGE })}`, signal);
			list.append(...page.alerts.map(rowOf));
			older = page.more;
			showEnd("");
			rove(null);
			const first = list.querySelector<HTMLElement>(".row");
			if (at && first && Number(first.dataset.seq) === at)
				first.querySelector<HTMLElement>(".toggle")?.click();
			stream = live(filters, page.last, onEntry, onGap, (now) => {
				streamState = now;
				showLive();
			});
		} catch (error) {
			if (!signal.aborted)
				showEnd((error as Error).message);
		}
		showLive();
	}

	// --- keyboard: one row is in the order of Tab; j and k move it ---

	function rove(row: Element | null): void {
		const now = list.querySelector(".toggle[tabindex='0']");
		const next = row?.querySelector(".toggle") ?? now ?? list.querySelector(".toggle");

		if (now && now !== next)
			now.setAttribute("tabindex", "-1");
		next?.setAttribute("tabindex", "0");
	}

	function move(by: number): void {
		const now = document.activeElement?.closest(".row");
		const next = !now ? list.firstElementChild : by > 0 ? now.nextElementSibling : now.previousElementSibling;
		const button = next?.querySelector<HTMLElement>(".toggle");

		if (!next || !button)
			return;
		rove(next);
		button.focus({ preventScroll: true });
		next.querySelector(".line")?.scrollIntoView({ block: "nearest" });
	}

	function escape(): void {
		const row = document.activeElement?.closest<HTMLElement>(".row.opened") ?? list.querySelector<HTMLElement>(".row.opened");

		if (document.activeElement instanceof HTMLInputElement || document.activeElement instanceof HTMLSelectElement) {
			document.activeElement.blur();
		} else if (row) {
			const button = row.querySelector<HTMLElement>(".toggle");
			button?.click();
			button?.focus();
		}
	}

	setKeys([
		{ key: "/", help: "search", press: () => search.focus() },
		{ key: "j", help: "next alert", press: () => move(1) },
		{ key: "k", help: "previous alert", press: () => move(-1) },
		{ key: "Enter", help: "open or close the alert", press: () => undefined },
		{ key: "Esc", help: "close", press: escape },
		{ key: "p", help: "pause or go on", press: () => hold(!held) },
	]);

	search.addEventListener("input", () => {
		clearTimeout(typing);
		typing = window.setTimeout(searchNow, 350);
	});
	search.addEventListener("keydown", (event) => {
		if (event.key === "Enter")
			searchNow();
	});
	level.addEventListener("change", () => navigate({ ...filters, priority: level.value }));
	window.addEventListener("scroll", () => settle(), { passive: true, signal: closing.signal });
	list.addEventListener("focusin", (event) => rove((event.target as Element).closest(".row")));

	replace(main,
		h("div", { class: "bar", role: "search" }, search, level, liveButton, chips),
		h("h1", { class: "visually-hidden" }, "Alerts"),
		h("div", { class: "sheet" }, head, list), end, news);
	void reload();

	return {
		close() {
			closing.abort();
			loading.abort();
			stream?.close();
			clearTimeout(typing);
			clearTimeout(drawing);
			for (const controller of open.values())
				controller.abort();
		},
	};
}
