// What the API says; openapi.yaml describes it.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Alert {
	uuid?: string;
	time?: string;
	rule?: string;
	priority?: string;
	source?: string;
	hostname?: string;
	output?: string;
	tags?: Json;
	output_fields?: { [key: string]: Json };
	[key: string]: Json | undefined;
}

export interface Entry {
	seq: number;
	received: string;
	change: "opened" | "repeat" | "ongoing" | "resolved";
	incident: number;
	count: number;
	alert: Alert;
}

export interface Delivery {
	output: string;
	state: "delivered" | "pending" | "dead" | "suppressed";
	reason?: "route" | "priority" | "repeat" | "change" | "silence";
	attempts: number;
	at?: string;
	note?: string;
}

export interface EntryDetail extends Entry {
	deliveries: Delivery[];
}

export interface AlertPage {
	alerts: Entry[];
	more: number;
	last: number;
}

export interface Output {
	name: string;
	type: string;
	state: "idle" | "working" | "backoff" | "hold";
	lag: number;
	oldest_seconds: number;
	delivered: number;
	suppressed: number;
	dead: number;
	replaying: number;
	attempts: number;
	failures: number;
	concurrency: number;
	next_try_seconds: number;
	last_delivered: string | null;
	note: string;
}

export interface Letter {
	id: number;
	output: string;
	seq: number;
	at: string;
	attempts: number;
	note: string;
	alert: Alert | null;
}

export interface Sensor {
	id: string;
	boot: string;
	hostname: string;
	seq: number;
	gaps: number;
	seen: string;
	status: Json;
}

export interface Rule {
	name: string;
	priority: string;
	enabled: boolean;
	source: string;
	description: string;
	file: string;
	line: number;
	tags: string[];
}

export interface RulesState {
	[key: string]: Json;
	loaded: number;
	enabled: number;
	warnings: number;
	version: string;
	since: string;
	current: boolean; // the files as they are, are in force
	reloads: number;
	reloads_failed: number;
	errors: string[];
}

export interface Status {
	version: string;
	started: string;
	uptime_seconds: number;
	hostname: string;
	journal: { first: number; last: number; waiting_bytes: number; healthy: boolean };
	[key: string]: Json | undefined;
}
