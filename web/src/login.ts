// Logging in: with the admin token, or a one-time token in the address behind #, which never leaves
// the browser by itself and is taken out of the address at once.
import { ApiError, post } from "./api";
import { h } from "./dom";

export async function logIn(token: string): Promise<void> {
	await post("/login", { token });
}

/** The token of an address that ends in #token=…, or null. */
export function tokenFromAddress(): string | null {
	const match = /^#token=([^&]+)$/.exec(location.hash);

	if (!match?.[1])
		return null;
	history.replaceState(null, "", location.pathname + location.search);
	return decodeURIComponent(match[1]);
}

export function loginPage(wrong: string, then: () => void): HTMLElement {
	const message = h("p", { class: "wrong", role: "alert" }, wrong);
	const input = h("input", {
		type: "password", id: "token", name: "token", required: true, autocomplete: "current-password",
		spellcheck: "false", autocapitalize: "off",
	});
	const button = h("button", { type: "submit", class: "button primary" }, "Log in");

	async function submit(event: Event): Promise<void> {
		event.preventDefault();
		button.disabled = true;
		message.textContent = "";
		try {
			await logIn(input.value.trim());
			input.value = "";
			then();
		} catch (error) {
			const status = error instanceof ApiError ? error.status : 0;
			message.textContent = status === 401 ? "This is not the token." : (error as Error).message;
			input.select();
		} finally {
			button.disabled = false;
		}
	}

	queueMicrotask(() => input.focus());
	return h("form", { class: "login", onsubmit: (event: Event) => void submit(event) },
		h("img", { src: "/icon.svg", alt: "", width: 44, height: 44 }),
		h("h1", {}, "Tocsin"),
		h("input", { type: "text", name: "username", autocomplete: "username", value: "admin", hidden: true }),
		h("label", { for: "token" }, "Token"),
		input, message, button,
		h("p", { class: "muted hint" }, "The admin token stands in ", h("code", {}, "admin.token"),
			" in the hub’s data directory. A one-time token works here, too."));
}
