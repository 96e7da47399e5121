// Making elements. Text reaches the page only as text nodes; there is no way here to hand over markup.
import { moment, pieces } from "./text";

export type Child = Node | string | null | undefined | false;

interface Attributes {
	class?: string;
	title?: string | undefined;
	[name: string]: string | number | boolean | ((event: any) => void) | undefined;
}

/** h("button", { class: "x", onclick: f }, "text", node) */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
	const element = document.createElement(tag);

	for (const [name, value] of Object.entries(attributes)) {
		if (typeof value === "function")
			element.addEventListener(name.slice(2), value);
		else if (value === true)
			element.setAttribute(name, "");
		else if (value !== false && value !== undefined)
			element.setAttribute(name, String(value));
	}
	add(element, ...children);
	return element;
}

export function add(parent: Node, ...children: Child[]): void {
	for (const child of children)
		if (typeof child === "string")
			parent.appendChild(document.createTextNode(child));
		else if (child)
			parent.appendChild(child);
}

export function replace(parent: Element, ...children: Child[]): void {
	parent.replaceChildren();
	add(parent, ...children);
}

/** A stranger's text: isolated from the direction of what is around it, hidden characters named. */
export function value(text: string, className = ""): HTMLElement {
	const element = h("bdi", className ? { class: className } : {});

	for (const piece of pieces(text))
		add(element, piece.escaped ? h("span", { class: "esc" }, piece.text) : piece.text);
	return element;
}

export function time(text: string | undefined, className = ""): HTMLElement {
	const at = moment(text);

	if (!at)
		return h("span", { class: className }, text ?? "");
	return h("time", { class: className, datetime: at.iso, title: at.utc },
		at.day ? h("span", { class: "day" }, at.day, " ") : null, at.clock, h("span", { class: "millis" }, at.millis));
}

let toastTimer = 0;

export function toast(text: string): void {
	const element = document.getElementById("toast");

	if (!element)
		return;
	element.textContent = text;
	element.classList.add("shown");
	clearTimeout(toastTimer);
	toastTimer = window.setTimeout(() => element.classList.remove("shown"), 4000);
}

export async function copy(text: string): Promise<void> {
	try {
		await navigator.clipboard.writeText(text);
		toast("Copied");
	} catch {
		toast("The browser does not allow copying here");
	}
}

/** The designed states of a page without content. */
export function state(title: string, detail: string, ...more: Child[]): HTMLElement {
	return h("div", { class: "state" }, h("p", { class: "state-title" }, title), h("p", {}, detail), ...more);
}
