// The keyboard: one listener, one table; pages put their own keys in while they are shown.
import { h } from "./dom";

export interface Key {
	key: string;
	help: string;
	press(): void;
}

let pageKeys: Key[] = [];

export function setKeys(keys: Key[]): void {
	pageKeys = keys;
}

function isTyping(target: EventTarget | null): boolean {
	return target instanceof HTMLElement && (target.matches("input, textarea, select") || target.isContentEditable);
}

export function showHelp(): void {
	const rows = [...pageKeys, { key: "?", help: "this help", press: showHelp }];
	const close = h("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Close");
	const dialog: HTMLDialogElement = h("dialog", { class: "help", "aria-labelledby": "help-title" },
		h("h2", { id: "help-title" }, "Keyboard"),
		h("dl", { class: "keys" }, ...rows.flatMap((row) => [h("dt", {}, h("kbd", {}, row.key)), h("dd", {}, row.help)])),
		close);

	if (document.querySelector("dialog[open]"))
		return;
	dialog.addEventListener("close", () => dialog.remove());
	dialog.addEventListener("click", (event) => {
		if (event.target === dialog)
			dialog.close();
	});
	document.body.append(dialog);
	dialog.showModal();
}

export function listenForKeys(): void {
	document.addEventListener("keydown", (event) => {
		if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]"))
			return;
		if (isTyping(event.target) && event.key !== "Escape")
			return;
		if (event.key === "?") {
			event.preventDefault();
			showHelp();
			return;
		}
		const found = pageKeys.find((key) => (key.key === "Esc" ? "Escape" : key.key) === event.key);
		// Enter belongs to the focused button itself.
		if (!found || event.key === "Enter")
			return;
		event.preventDefault();
		found.press();
	});
}
