// One typed client for the control API. An answer outside 2xx, or none at all,
// becomes a `Failure`, so that pages have a single kind of thing to explain.
import createClient from "openapi-fetch";
import type { paths } from "./schema";
import type { Problem } from "./types";

export const API_BASE = "/api/v1";

export const api = createClient<paths>({ baseUrl: API_BASE, credentials: "same-origin" });

export class Failure extends Error {
  readonly status: number;
  readonly problem: Problem | null;

  constructor(status: number, problem: Problem | null) {
    super(problem?.message ?? `status ${status}`);
    this.name = "Failure";
    this.status = status;
    this.problem = problem;
  }

  /** No key, or a session that ended: the person has to sign in. */
  get needsSignIn(): boolean {
    return this.status === 401;
  }

  /** The server was not reached at all. */
  get unreachable(): boolean {
    return this.status === 0;
  }
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** Returns the body of a good answer and throws a `Failure` for any other. */
export async function taken<T>(answering: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await answering;
  } catch (cause) {
    // A body that is no JSON also lands here; both mean no usable answer came.
    if (cause instanceof Failure) throw cause;
    throw new Failure(0, null);
  }
  if (answer.data !== undefined) return answer.data;
  throw new Failure(answer.response.status, problemOf(answer.error));
}

function problemOf(body: unknown): Problem | null {
  if (typeof body !== "object" || body === null || !("error" in body)) return null;
  const error = (body as { error: unknown }).error;
  return typeof error === "object" && error !== null ? (error as Problem) : null;
}
