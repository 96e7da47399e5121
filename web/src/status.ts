// The hub itself: version, journal, sensors, and the configuration in use.
import { get, getText } from "./api";
import { add, Child, h, replace, value } from "./dom";
import { setKeys } from "./keys";
import type { Page } from "./main";
import { ago, asText, count, duration } from "./text";
import { Json, Sensor, Status } from "./types";

const EVERY_MS = 5000;
const SENSORS_MAX = 200; // in the page
const SILENT_S = 120;

type Row = [string, Child];

function facts(title: string, rows: Row[]): HTMLElement {
	return h("section", { class: "card" }, h("h2", {}, title),
		h("dl", { class: "facts" }, ...rows.flatMap(([name, content]) => [h("dt", {}, name), h("dd", {}, content)])));
}

function row(name: string, json: Json): Row {
	return [name.replace(/_/g, " "), value(typeof json === "number" ? count(json) : asText(json))];
}

function isObject(json: Json | undefined): json is { [key: string]: Json } {
	return json !== null && typeof json === "object" && !Array.isArray(json);
}

function titled(name: string): string {
	if (name.length <= 3)
		return name.toUpperCase();
	return name.charAt(0).toUpperCase() + name.slice(1).replace(/_/g, " ");
}

function showStatus(box: HTMLElement, status: Status): void {
	const { version, started, uptime_seconds, hostname, journal, ...more } = status;
	const kept = journal.last >= journal.first && journal.last > 0 ? journal.last - journal.first + 1 : 0;

	// What the hub adds of its own accord: a card for each object, a row here for the rest.
	const plain = Object.entries(more).filter(([, json]) => json !== undefined && !isObject(json) && !Array.isArray(json));
	const objects = Object.entries(more).filter((entry): entry is [string, { [key: string]: Json }] => isObject(entry[1]));

	replace(box,
		facts("Hub", [["version", version], ["host", value(hostname)], ["up for", duration(uptime_seconds)],
			["started", value(new Date(started).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" }))], ...plain.map(([name, json]) => row(name, json as Json))]),
		facts("Journal", [
			["state", h("span", { class: `badge ${journal.healthy ? "good" : "severe"}` }, journal.healthy ? "writing" : "failing")],
			["alerts kept", count(kept)],
			["positions", `${count(journal.first)} to ${count(journal.last)}`],
			["waiting for the disk", `${count(journal.waiting_bytes)} bytes`],
		]),
		...objects.map(([name, members]) => facts(titled(name), Object.entries(members).filter(([, json]) => !Array.isArray(json)).map(([key, json]) => row(key, json)))));
}

/** Whether the sensor runs the rules that are in force here; nothing for one that has its own. */
function rulesOf(sensor: Sensor, policy: string): HTMLElement | string {
	const told = isObject(sensor.status) ? sensor.status.policy : undefined;

	if (!isObject(told))
		return "";
	if (told.current !== true)
		return h("span", { class: "badge severe", title: asText(told.error) }, "do not load");
	return told.version === policy ? h("span", { class: "badge good" }, "current")
		: h("span", { class: "badge bad", title: asText(told.error) || "It has not fetched the newest yet." }, "behind");
}

function sensorRow(sensor: Sensor, policy: string): HTMLElement {
	const silent = (Date.now() - Date.parse(sensor.seen)) / 1000 > SILENT_S;

	return h("tr", {}, h("th", { scope: "row" }, value(sensor.hostname || sensor.id)),
		h("td", {}, h("span", { class: `badge ${silent ? "bad" : "good"}` }, silent ? "silent" : "reporting")),
		h("td", {}, rulesOf(sensor, policy)), h("td", {}, ago(sensor.seen)), h("td", { class: "num" }, count(sensor.seq)),
		h("td", { class: "num" }, sensor.gaps ? h("strong", { class: "wrong" }, count(sensor.gaps)) : "0"),
		h("td", { class: "muted wide" }, value(sensor.id)));
}

function showSensors(box: HTMLElement, sensors: Sensor[], policy: string): void {
	if (!sensors.length) {
		replace(box, h("p", { class: "muted" }, "No sensor has reported yet. Events that come without a sensor’s identity, such as Falco’s, are taken all the same."));
		return;
	}
	replace(box, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Sensors" }, h("table", { class: "sensors" },
		h("thead", {}, h("tr", {}, ...["Host", "State", "Rules", "Seen", "Events", "Missing", "Id"].map((name) => h("th", { scope: "col" }, name)))),
		h("tbody", {}, ...sensors.slice(0, SENSORS_MAX).map((sensor) => sensorRow(sensor, policy))))));
	if (sensors.length > SENSORS_MAX)
		add(box, h("p", { class: "muted" }, `and ${count(sensors.length - SENSORS_MAX)} more, seen longer ago`));
}

function configBox(): HTMLElement {
	const text = h("pre", { tabindex: "0" }, "Loading…");
	const element: HTMLDetailsElement = h("details", { class: "raw card" }, h("summary", {}, "Configuration in use"), text);

	element.addEventListener("toggle", () => {
		if (element.open)
			getText("/config").then((config) => replace(text, ...config.split("\n").flatMap((line) => [value(line), "\n"])),
				(error: Error) => replace(text, error.message));
	});
	return element;
}

export function statusPage(main: HTMLElement): Page {
	const problem = h("div", { "aria-live": "polite" });
	const hub = h("div", { class: "cards small" }, h("p", { class: "muted loading" }, "Loading…"));
	const sensors = h("div", {});
	const closing = new AbortController();
	let timer = 0;

	async function refresh(): Promise<void> {
		try {
			if (!document.hidden) {
				const status = await get<Status>("/status", closing.signal);

				showStatus(hub, status);
				showSensors(sensors, (await get<{ sensors: Sensor[] }>("/sensors", closing.signal)).sensors,
					isObject(status.rules) ? asText(status.rules.policy) : "");
				replace(problem);
			}
		} catch (error) {
			if (!closing.signal.aborted)
				replace(problem, h("p", { class: "wrong", role: "alert" }, `Not up to date: ${(error as Error).message}`));
		}
		if (!closing.signal.aborted)
			timer = window.setTimeout(() => void refresh(), EVERY_MS);
	}

	setKeys([]);
	replace(main, h("h1", { class: "page-title" }, "Status"), problem, hub,
		h("section", { class: "card" }, h("h2", {}, "Sensors"), sensors), configBox(),
		h("p", { class: "muted" }, h("a", { href: "/api/v1/openapi.yaml" }, "The API’s description (OpenAPI)")));
	void refresh();
	return {
		close() {
			closing.abort();
			clearTimeout(timer);
		},
	};
}
