// Values as people read them. Whatever an event holds may be hostile: characters that reorder, hide or
// imitate other text are shown by their number, so that a file name cannot pose as something else.

// Control characters, bidirectional and invisible format characters, and the private-use characters
// U+EF80–U+EFFF in which the hub carries bytes that are not UTF-8.
const HIDDEN =
	/[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\uef80-\uefff\u{e0000}-\u{e0fff}]/gu;

function named(character: string): string {
	const code = character.codePointAt(0) ?? 0;

	if (code === 0x0a)
		return "\\n";
	if (code === 0x09)
		return "\\t";
	if (code === 0x0d)
		return "\\r";
	if (code >= 0xef80 && code <= 0xefff)
		return `\\x${(code - 0xef00).toString(16)}`;
	if (code < 0xa0)
		return `\\x${code.toString(16).padStart(2, "0")}`;
	return `\\u{${code.toString(16)}}`;
}

export interface Piece {
	text: string;
	escaped: boolean;
}

/** The value cut into what is shown as it is and what is shown by its number. */
export function pieces(value: string): Piece[] {
	const found: Piece[] = [];
	let at = 0;

	for (const match of value.matchAll(HIDDEN)) {
		const hidden = match[0] ?? "";
		const from = match.index ?? at;

		if (from > at)
			found.push({ text: value.slice(at, from), escaped: false });
		found.push({ text: named(hidden), escaped: true });
		at = from + hidden.length;
	}
	if (at < value.length)
		found.push({ text: value.slice(at), escaped: false });
	return found;
}

/** The same as plain text, for titles and labels. */
export function printable(value: string): string {
	return pieces(value).map((piece) => piece.text).join("");
}

export function asText(value: unknown): string {
	if (typeof value === "string")
		return value;
	return value === undefined ? "" : JSON.stringify(value);
}

const PRIORITIES = ["emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"];

/** One of four steps by colour; the word always stands beside it. */
export function step(priority: string | undefined): "severe" | "bad" | "note" | "quiet" {
	const level = PRIORITIES.indexOf((priority ?? "").toLowerCase());

	if (level < 0 || level > 5)
		return "quiet";
	return level <= 2 ? "severe" : level <= 4 ? "bad" : "note";
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "2-digit", month: "short" });

export interface Moment {
	day: string;
	clock: string;
	millis: string;
	utc: string;
	iso: string;
}

/** A time in the viewer's zone, and in UTC for the title. Null when it is no time. */
export function moment(text: string | undefined): Moment | null {
	const date = new Date(text ?? "");

	if (text === undefined || Number.isNaN(date.getTime()))
		return null;
	return {
		day: date.toDateString() === new Date().toDateString() ? "" : day.format(date),
		clock: clock.format(date),
		millis: `.${String(date.getMilliseconds()).padStart(3, "0")}`,
		utc: `${text} (UTC)`,
		iso: date.toISOString(),
	};
}

/** "12 s", "4 min", "3 h", "2 d" */
export function duration(seconds: number): string {
	if (seconds < 1)
		return seconds > 0 ? "< 1 s" : "0 s";
	if (seconds < 120)
		return `${Math.round(seconds)} s`;
	if (seconds < 7200)
		return `${Math.round(seconds / 60)} min`;
	if (seconds < 172800)
		return `${Math.round(seconds / 3600)} h`;
	return `${Math.round(seconds / 86400)} d`;
}

export function ago(text: string | null | undefined): string {
	const then = Date.parse(text ?? "");

	return Number.isNaN(then) ? "never" : `${duration(Math.max(0, (Date.now() - then) / 1000))} ago`;
}

const thousands = new Intl.NumberFormat(undefined);

export function count(value: number): string {
	return thousands.format(value);
}
