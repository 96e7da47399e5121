// The rules in force, and whether the files still are what is in force.
import { get, post } from "./api";
import { h, replace, time, toast, value } from "./dom";
import { setKeys } from "./keys";
import type { Page } from "./main";
import { count, step } from "./text";
import { Rule, RulesState, Status } from "./types";

const EVERY_MS = 3000;
const SHOWN_MAX = 1000; // rows in the page

function stateCard(rules: RulesState, again: () => void): HTMLElement {
	const button = h("button", { type: "button", class: "button small" }, "Load again");

	button.addEventListener("click", () => {
		button.disabled = true;
		post("/rules/reload").then(again, (error: Error) => toast(error.message));
	});
	return h("section", { class: rules.current ? "card" : "card severe" },
		h("header", {}, h("h2", {}, "Rules"),
			h("span", { class: `badge ${rules.current ? "good" : "severe"}` }, rules.current ? "in force" : "the files do not load")),
		h("div", { class: "card-help" }, h("span", {}, rules.current
			? "A change of a rules file is in force within two seconds."
			: "The rules from before stay in force until the files are mended."), button),
		h("dl", { class: "facts" },
			h("dt", {}, "loaded"), h("dd", {}, `${count(rules.loaded)}, ${count(rules.enabled)} of them enabled`),
			h("dt", {}, "since"), h("dd", {}, time(rules.since)),
			h("dt", {}, "version"), h("dd", {}, value(rules.version || "none")),
			h("dt", {}, "reloads"), h("dd", {}, `${count(rules.reloads)}, ${count(rules.reloads_failed)} of them failed`)),
		rules.errors.length ? h("pre", { tabindex: "0", "aria-label": "What is wrong" }, ...rules.errors.flatMap((line) => [value(line), "\n"])) : null);
}

function ruleRow(rule: Rule): HTMLElement {
	return h("tr", { class: rule.enabled ? "" : "muted" },
		h("th", { scope: "row", title: rule.description }, value(rule.name)),
		h("td", {}, h("span", { class: `badge ${step(rule.priority)}` }, rule.priority)),
		h("td", {}, rule.enabled ? "enabled" : "disabled"), h("td", {}, value(rule.source)),
		h("td", { class: "wide" }, ...rule.tags.map((tag) => h("span", { class: "tag" }, value(tag)))),
		h("td", { class: "muted wide" }, value(`${rule.file}:${rule.line}`)));
}

function has(rule: Rule, words: string[]): boolean {
	const text = [rule.name, rule.priority, rule.source, rule.description, ...rule.tags].join(" ").toLowerCase();

	return words.every((word) => text.includes(word));
}

export function rulesPage(main: HTMLElement): Page {
	const problem = h("div", { "aria-live": "polite" });
	const card = h("div", {}, h("p", { class: "muted loading" }, "Loading…"));
	const search = h("input", { type: "search", class: "search", placeholder: "Find a rule by name, tag, source …", "aria-label": "Find a rule" });
	const table = h("div", {});
	const closing = new AbortController();
	let rules: Rule[] = [];
	let version = "";
	let timer = 0;

	function showTable(): void {
		const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
		const found = rules.filter((rule) => has(rule, words));

		if (!found.length) {
			replace(table, h("p", { class: "muted" }, rules.length ? "No rule has these words." : "No rules are configured: alerts of other engines pass through, sensors’ events raise none."));
			return;
		}
		replace(table, h("p", { class: "muted" }, found.length > SHOWN_MAX ? `${count(found.length)} rules, the first ${count(SHOWN_MAX)} shown` : `${count(found.length)} rules`),
			h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Rules" }, h("table", { class: "rules" },
				h("thead", {}, h("tr", {}, ...["Rule", "Priority", "State", "Source", "Tags", "Place"].map((name) => h("th", { scope: "col" }, name)))),
				h("tbody", {}, ...found.slice(0, SHOWN_MAX).map(ruleRow)))));
	}

	async function refresh(): Promise<void> {
		clearTimeout(timer);
		try {
			if (!document.hidden) {
				const state = (await get<Status>("/status", closing.signal)).rules as RulesState;

				replace(card, stateCard(state, () => void refresh()));
				if (state.since !== version) {
					rules = (await get<{ rules: Rule[] }>("/rules", closing.signal)).rules;
					version = state.since;
					showTable();
				}
				replace(problem);
			}
		} catch (error) {
			if (!closing.signal.aborted)
				replace(problem, h("p", { class: "wrong", role: "alert" }, `Not up to date: ${(error as Error).message}`));
		}
		if (!closing.signal.aborted)
			timer = window.setTimeout(() => void refresh(), EVERY_MS);
	}

	search.addEventListener("input", showTable);
	setKeys([]);
	replace(main, h("h1", { class: "page-title" }, "Rules"), problem, card, h("section", { class: "card finder" }, search, table));
	void refresh();
	return {
		close() {
			closing.abort();
			clearTimeout(timer);
		},
	};
}
