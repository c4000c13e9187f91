// The HTTP API. Errors carry the server's own words and the status.

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function send(method, path, token, body) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(`/v1/${path}`, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new ApiError(0, "The server does not answer.");
  }
  if (answer.ok) return answer;
  const text = await answer.text();
  let detail = text;
  try {
    detail = JSON.parse(text).detail;
  } catch {
    // an error page of something between us: its text is the best there is
  }
  throw new ApiError(answer.status, detail);
}

async function call(method, path, token, body) {
  const text = await (await send(method, path, token, body)).text();
  return text ? JSON.parse(text) : undefined;
}

export const logIn = (name, password) => call("POST", "login", "", { name, password });
export const logOut = (token) => call("POST", "logout", token);
export const lobby = () => call("GET", "lobby");
export const rules = (table) => call("GET", `rules?table=${table}`);
export const session = (token) => call("GET", "session", token);
export const acknowledge = (token) => call("POST", "session/acknowledge", token);
export const ownLimits = (token) => call("GET", "limits", token);
export const setLimit = (token, kind, id, amount) => call("PUT", `limits/${kind}`, token, { id, amount });
export const leave = (token, how, id, untilMs) =>
  call("POST", how, token, { id, until_unix_ns: Math.round(untilMs) * 1e6 });
export const withdraw = (token, id, amountMinor) => call("POST", "withdrawals", token, { id, amount_minor: amountMinor });
export const statement = (token, fromMs, before) =>
  call("GET", `statement?from_unix_ns=${fromMs}000000${before ? `&before=${before}` : ""}`, token);
export const statementFile = (token, fromMs) =>
  send("GET", `statement.csv?from_unix_ns=${fromMs}000000`, token).then((answer) => answer.blob());
export const operate = (method, path, token, body) => call(method, `admin/${path}`, token, body);
export const place = (token, table, avoid = "", avoidEdge = "") =>
  call("POST", "placement", token, { table, avoid, avoid_edge: avoidEdge });
