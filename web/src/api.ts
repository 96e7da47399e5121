// Requests to the hub. The session is a cookie that scripts cannot read; a 401 shows the login.

export class ApiError extends Error {
	constructor(readonly status: number, message: string) {
		super(message);
	}
}

let onUnauthorized = (): void => undefined;

export function whenUnauthorized(then: () => void): void {
	onUnauthorized = then;
}

async function problemOf(response: Response): Promise<string> {
	try {
		const problem = (await response.json()) as { detail?: unknown };
		if (typeof problem.detail === "string")
			return problem.detail;
	} catch {
		// no problem document: a proxy's own page
	}
	return `HTTP ${response.status}`;
}

async function request(path: string, init: RequestInit): Promise<Response> {
	let response: Response;

	try {
		response = await fetch(`/api/v1${path}`, { ...init, credentials: "same-origin" });
	} catch (error) {
		if (error instanceof DOMException && error.name === "AbortError")
			throw error;
		throw new ApiError(0, "the hub does not answer");
	}
	if (!response.ok) {
		const error = new ApiError(response.status, await problemOf(response));
		if (response.status === 401 && path !== "/login")
			onUnauthorized();
		throw error;
	}
	return response;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
	return (await (await request(path, signal ? { signal } : {})).json()) as T;
}

export async function getText(path: string): Promise<string> {
	return (await request(path, {})).text();
}

export async function post<T>(path: string, body: object = {}): Promise<T> {
	const response = await request(path, {
		method: "POST",
		headers: { "Content-Type": "application/json", "X-Tocsin": "1" },
		body: JSON.stringify(body),
	});

	return (await response.json()) as T;
}
