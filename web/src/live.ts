// The live stream: server-sent events. The browser reconnects by itself and says where it left off;
// when it gives up (the hub answered with an error), we look again after a while.
import { get } from "./api";
import { Filters, query } from "./filters";
import { Entry, Status } from "./types";

export type LiveState = "connecting" | "live" | "lost";

export interface Live {
	close(): void;
}

const AGAIN_MS = 3000;

export function live(filters: Filters, after: number, onEntry: (entry: Entry) => void, onGap: (missed: number) => void, onState: (state: LiveState) => void): Live {
	let source: EventSource | null = null;
	let last = after;
	let timer = 0;
	let closed = false;

	function open(): void {
		const opened = new EventSource(`/api/v1/stream${query(filters, { after: last })}`);

		source = opened;
		onState("connecting");
		opened.onopen = () => onState("live");
		opened.addEventListener("alert", (event: MessageEvent<string>) => {
			const entry = JSON.parse(event.data) as Entry;
			last = Math.max(last, entry.seq);
			onEntry(entry);
		});
		opened.addEventListener("gap", (event: MessageEvent<string>) => {
			const gap = JSON.parse(event.data) as { from: number; to: number };
			last = Math.max(last, gap.to);
			onGap(gap.to - gap.from + 1);
		});
		opened.onerror = () => {
			onState("lost");
			if (opened.readyState !== EventSource.CLOSED)
				return;
			// EventSource does not say why; a plain request tells an ended session from a hub that is away.
			timer = window.setTimeout(() => {
				get<Status>("/status").then(reopen, reopen);
			}, AGAIN_MS);
		};
	}

	function reopen(): void {
		if (!closed)
			open();
	}

	open();
	return {
		close() {
			closed = true;
			clearTimeout(timer);
			source?.close();
		},
	};
}
