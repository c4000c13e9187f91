// The HTTP API. Errors carry the server's own words and the status.

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function call(method, path, token, body) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(`/v1/${path}`, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new ApiError(0, "The server does not answer.");
  }
  const text = await answer.text();
  if (answer.ok) return text ? JSON.parse(text) : undefined;
  let detail = text;
  try {
    detail = JSON.parse(text).detail;
  } catch {
    // an error page of something between us: its text is the best there is
  }
  throw new ApiError(answer.status, detail);
}

export const logIn = (name, password) => call("POST", "login", "", { name, password });
export const logOut = (token) => call("POST", "logout", token);
export const lobby = () => call("GET", "lobby");
export const rules = (table) => call("GET", `rules?table=${table}`);
export const place = (token, table, avoid = "", avoidEdge = "") =>
  call("POST", "placement", token, { table, avoid, avoid_edge: avoidEdge });
