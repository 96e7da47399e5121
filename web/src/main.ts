// The page: header, views by address, the login when the hub asks for one.
import { alertsPage } from "./alerts";
import { get, post, whenUnauthorized } from "./api";
import { h, replace } from "./dom";
import { listenForKeys, setKeys, showHelp } from "./keys";
import { logIn, loginPage, tokenFromAddress } from "./login";
import { outputsPage } from "./outputs";
import { rulesPage } from "./rules";
import { statusPage } from "./status";
import { RulesState, Status } from "./types";

export interface Page {
	close(): void;
}

// Incidents and silences get their places between Alerts and Outputs.
const VIEWS: { path: string; name: string; open: (main: HTMLElement) => Page }[] = [
	{ path: "/", name: "Alerts", open: alertsPage },
	{ path: "/outputs", name: "Outputs", open: outputsPage },
	{ path: "/rules", name: "Rules", open: rulesPage },
	{ path: "/status", name: "Status", open: statusPage },
];

const CHECK_MS = 15000;

const header = document.getElementById("top") as HTMLElement;
const main = document.getElementById("main") as HTMLElement;
const trouble = h("a", { class: "badge severe", href: "/rules", hidden: true, onclick: (event: MouseEvent) => go(event, "/rules") });
let page: Page | null = null;
let note = "";

function leave(): void {
	page?.close();
	page = null;
	setKeys([]);
	replace(main);
}

function showLogin(): void {
	if (main.querySelector("form.login") && !note)
		return;
	leave();
	header.hidden = true;
	document.title = "Log in · Tocsin";
	main.append(loginPage(note, show));
	note = "";
}

function go(event: MouseEvent, path: string): void {
	if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0)
		return;
	event.preventDefault();
	history.pushState(null, "", path);
	show();
}

async function logOut(): Promise<void> {
	await post("/logout").catch(() => undefined);
	showLogin();
}

function showHeader(current: string): void {
	header.hidden = false;
	replace(header,
		h("a", { class: "brand", href: "/", onclick: (event: MouseEvent) => go(event, "/") },
			h("img", { src: "/icon.svg", alt: "", width: 22, height: 22 }), h("span", {}, "Tocsin")),
		h("nav", { "aria-label": "Views" }, ...VIEWS.map((view) =>
			h("a", {
				href: view.path, "aria-current": view.path === current ? "page" : undefined,
				onclick: (event: MouseEvent) => go(event, view.path),
			}, view.name))),
		h("span", { class: "spacer" }), trouble,
		h("button", { type: "button", class: "icon", title: "Keyboard (?)", "aria-label": "Keyboard help", onclick: showHelp }, "?"),
		h("button", { type: "button", class: "plain", onclick: () => void logOut() }, "Log out"));
}

/** What must be seen on every page: that the rules in force are not those of the files. */
async function check(): Promise<void> {
	const rules = page && !document.hidden ? await get<Status>("/status").then((status) => status.rules as RulesState, () => null) : null;

	if (rules) {
		trouble.hidden = rules.current;
		replace(trouble, "Rules do not load");
	}
}

function show(): void {
	const view = VIEWS.find((one) => one.path === location.pathname) ?? VIEWS[0];

	if (!view)
		return;
	leave();
	showHeader(view.path);
	document.title = `${view.name} · Tocsin`;
	page = view.open(main);
	void check();
}

async function start(): Promise<void> {
	const token = tokenFromAddress();

	if (token !== null) {
		// A used-up link is no harm while the browser is still logged in: shown only with the login.
		await logIn(token).catch(() => {
			note = "This link was used before, or its time is over.";
		});
	}
	const session = await get<{ active: boolean }>("/session").catch(() => ({ active: true }));
	if (session.active)
		show();
	else
		showLogin();
}

whenUnauthorized(showLogin);
listenForKeys();
// A login link that is pasted while the page is open comes this way, too.
window.addEventListener("popstate", () => {
	if (location.hash.startsWith("#token="))
		void start();
	else
		show();
});
// A page that the browser only puts aside must not keep its stream open.
window.addEventListener("pagehide", leave);
window.addEventListener("pageshow", (event) => {
	if (event.persisted)
		show();
});
window.setInterval(() => void check(), CHECK_MS);
void start();
