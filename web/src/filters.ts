// Which alerts are shown. The filter lives in the address, so every view can be shared.

export const FILTER_NAMES = ["priority", "rule", "hostname", "source", "incident", "q"] as const;

export type FilterName = (typeof FILTER_NAMES)[number];
export type Filters = Partial<Record<FilterName, string>>;

export function filtersFrom(search: string): Filters {
	const parameters = new URLSearchParams(search);
	const filters: Filters = {};

	for (const name of FILTER_NAMES) {
		const value = parameters.get(name);
		if (value)
			filters[name] = value;
	}
	return filters;
}

export function query(filters: Filters, more: Record<string, string | number> = {}): string {
	const parameters = new URLSearchParams();

	for (const name of FILTER_NAMES) {
		const value = filters[name];
		if (value)
			parameters.set(name, value);
	}
	for (const [name, value] of Object.entries(more))
		parameters.set(name, String(value));
	const text = parameters.toString();
	return text ? `?${text}` : "";
}

export function isEmpty(filters: Filters): boolean {
	return FILTER_NAMES.every((name) => !filters[name]);
}
