// One alert, opened: what happened, in which process, where it was delivered to, and the raw text.
import { get } from "./api";
import { add, copy, h, replace, time, value } from "./dom";
import { FilterName } from "./filters";
import { asText, count, printable } from "./text";
import { Alert, Delivery, Entry, EntryDetail, Json } from "./types";

export type OnFilter = (name: FilterName, value: string) => void;

const REASONS: Record<string, string> = {
	route: "no route leads here",
	priority: "below the minimum priority",
	repeat: "folded into its incident",
	change: "an incident's note; this output takes every alert",
	silence: "silenced",
};

const STATES: Record<Delivery["state"], string> = {
	delivered: "good", pending: "note", dead: "severe", suppressed: "quiet",
};

/** "init › sshd › bash › touch", oldest ancestor first; null when the event names no process. */
function ancestry(fields: { [key: string]: Json }): HTMLElement | null {
	const name = (key: string): string => (typeof fields[key] === "string" ? (fields[key] as string) : "");
	const chain: [string, string][] = [[name("proc.name"), asText(fields["proc.pid"])],
		[name("proc.pname") || name("proc.aname[1]"), asText(fields["proc.ppid"] ?? fields["proc.apid[1]"])]];

	for (let level = 2; level < 16; level++)
		chain.push([name(`proc.aname[${level}]`), asText(fields[`proc.apid[${level}]`])]);
	while (chain.length && !chain[chain.length - 1]?.[0])
		chain.pop();
	if (!chain.length)
		return null;
	return h("ol", { class: "ancestry", "aria-label": "Process ancestry, oldest first" },
		...chain.reverse().map(([process, pid]) => h("li", {}, value(process || "?"),
			pid && pid !== "null" ? h("span", { class: "muted" }, ` ${pid}`) : null)));
}

/** A value that filters by itself when it is clicked. */
export function filterButton(name: FilterName, text: string, onFilter: OnFilter, className = ""): HTMLElement {
	return h("button", {
		type: "button", class: `link ${className}`, title: `Show only ${name === "q" ? "alerts with" : name} ${printable(text)}`,
		onclick: (event: Event) => {
			event.stopPropagation();
			onFilter(name, text);
		},
	}, value(text));
}

function fieldsTable(fields: { [key: string]: Json }, onFilter: OnFilter): HTMLElement {
	const rows = Object.entries(fields).map(([key, field]) => {
		const text = asText(field);
		return h("tr", {}, h("th", { scope: "row" }, value(key)),
			h("td", {}, text === "" || field === null ? h("span", { class: "muted" }, field === null ? "unknown" : "empty")
				: filterButton("q", text, onFilter)));
	});

	if (!rows.length)
		return h("p", { class: "muted" }, "This alert carries no fields.");
	return h("table", { class: "fields" }, h("tbody", {}, ...rows));
}

function deliveryRow(delivery: Delivery): HTMLElement {
	const why = delivery.reason ? REASONS[delivery.reason] ?? delivery.reason : delivery.note ?? "";

	return h("tr", {}, h("th", { scope: "row" }, value(delivery.output)),
		h("td", {}, h("span", { class: `badge ${STATES[delivery.state]}` }, delivery.state)),
		h("td", { class: "num" }, delivery.attempts ? `${delivery.attempts >= 255 ? "255+" : delivery.attempts} ${delivery.attempts === 1 ? "attempt" : "attempts"}` : ""),
		h("td", { class: "why" }, why ? value(why) : null),
		h("td", {}, delivery.at ? time(delivery.at, "when") : null));
}

function showDeliveries(box: HTMLElement, deliveries: Delivery[]): void {
	if (!deliveries.length)
		replace(box, h("p", { class: "muted" }, "No outputs are configured."));
	else
		replace(box, h("table", { class: "deliveries" }, h("tbody", {}, ...deliveries.map(deliveryRow))));
}

function facts(entry: Entry, onFilter: OnFilter): HTMLElement {
	const alert = entry.alert;
	const list = h("dl", { class: "facts" });
	const fact = (name: string, ...content: (Node | string)[]): void =>
		add(list, h("dt", {}, name), h("dd", {}, ...content));

	if (alert.time)
		fact("happened", time(alert.time));
	fact("received", time(entry.received));
	if (alert.source)
		fact("source", filterButton("source", alert.source, onFilter));
	if (alert.hostname)
		fact("host", filterButton("hostname", alert.hostname, onFilter));
	if (alert.rule)
		fact("rule", filterButton("rule", alert.rule, onFilter));
	if (Array.isArray(alert.tags) && alert.tags.length)
		fact("tags", ...alert.tags.map((tag) => filterButton("q", asText(tag), onFilter, "tag")));
	if (entry.incident)
		fact("incident", filterButton("incident", String(entry.incident), onFilter),
			h("span", { class: "muted" }, entry.count > 1 ? ` ${entry.change}, ${count(entry.count)} so far` : ` ${entry.change}`));
	fact("position", String(entry.seq));
	return list;
}

/** Line ends of our own indentation are no stranger's text: they stay line ends. */
function raw(alert: Alert): HTMLElement {
	const lines = JSON.stringify(alert, null, 2).split("\n");

	return h("details", { class: "raw" }, h("summary", {}, "Raw JSON"),
		h("pre", { tabindex: "0" }, ...lines.flatMap((line) => [value(line), "\n"])));
}

export function detail(entry: Entry, onFilter: OnFilter, signal: AbortSignal): HTMLElement {
	const deliveries = h("div", { "aria-live": "polite" }, h("p", { class: "muted" }, "Loading…"));
	const fields = entry.alert.output_fields ?? {};
	const link = `${location.origin}/?at=${entry.seq}`;

	get<EntryDetail>(`/alerts/${entry.seq}`, signal).then((found) => showDeliveries(deliveries, found.deliveries), (error: Error) => {
		if (!signal.aborted)
			replace(deliveries, h("p", { class: "wrong" }, `Deliveries cannot be shown: ${error.message}`));
	});
	return h("div", { class: "detail", role: "region", "aria-label": `Details of alert ${entry.seq}` },
		h("p", { class: "output-text" }, value(asText(entry.alert.output))),
		ancestry(fields),
		h("div", { class: "detail-columns" },
			h("section", {}, h("h3", {}, "Fields"), fieldsTable(fields, onFilter)),
			h("section", {}, h("h3", {}, "Deliveries"), deliveries, h("h3", {}, "Alert"), facts(entry, onFilter))),
		h("div", { class: "actions" },
			h("button", { type: "button", class: "button", onclick: () => void copy(JSON.stringify(entry.alert)) }, "Copy JSON"),
			h("button", { type: "button", class: "button", onclick: () => void copy(link) }, "Copy link")),
		raw(entry.alert));
}
