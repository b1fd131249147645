// Every read of the control API as a hook. Keys start with the resource name,
// so that signing in or out can forget them all at once.
import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, Failure, taken } from "./client";
import type { Health, Statement } from "./types";

export const PAGE_LENGTH = 50;
const UNCOVERED_MS = 1_000;

export function useSession() {
  return useQuery({ queryKey: ["session"], queryFn: () => taken(api.GET("/session")), staleTime: 60_000 });
}

/** A platform that has stopped says so with status 503 and the same body. */
async function health(): Promise<Health> {
  const answer = await api.GET("/health").catch(() => null);
  if (!answer) throw new Failure(0, null);
  const body: unknown = answer.data ?? answer.error;
  if (typeof body === "object" && body !== null && "status" in body) return body as Health;
  throw new Failure(answer.response.status, null);
}

export function useHealth() {
  return useQuery({
    queryKey: ["health"],
    queryFn: health,
    refetchInterval: 5_000,
  });
}

export function useLog() {
  return useQuery({ queryKey: ["log"], queryFn: () => taken(api.GET("/log")) });
}

export function useOverview() {
  return useQuery({
    queryKey: ["overview"],
    queryFn: () => taken(api.GET("/overview")),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function useCatalog() {
  return useQuery({ queryKey: ["catalog"], queryFn: () => taken(api.GET("/catalog")), staleTime: 60_000 });
}

export function useReceipt(id: string) {
  return useQuery({
    queryKey: ["receipt", id],
    queryFn: () => taken(api.GET("/receipts/{id}", { params: { path: { id } } })),
    // Nothing of a receipt changes but the checkpoint that comes to cover it.
    refetchInterval: ({ state: { data } }) =>
      data && data.position >= data.checkpoint_position ? UNCOVERED_MS : false,
  });
}

export function useReceipts(account: string | null) {
  return useInfiniteQuery({
    queryKey: ["receipts", account],
    queryFn: ({ pageParam }) =>
      taken(
        api.GET("/receipts", {
          params: {
            query: {
              limit: PAGE_LENGTH,
              ...(account ? { account } : {}),
              ...(pageParam ? { cursor: pageParam } : {}),
            },
          },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.next,
    placeholderData: keepPreviousData,
  });
}

export function useAccounts() {
  return useQuery({
    queryKey: ["accounts"],
    queryFn: () => taken(api.GET("/accounts", { params: { query: { limit: 200 } } })),
  });
}

export function useAccount(id: string) {
  return useQuery({
    queryKey: ["account", id],
    queryFn: () => taken(api.GET("/accounts/{id}", { params: { path: { id } } })),
  });
}

export interface Period {
  from: string | null;
  to: string | null;
}

export function useStatement(id: string, { from, to }: Period) {
  return useInfiniteQuery({
    queryKey: ["statement", id, from, to],
    queryFn: async ({ pageParam }) => {
      const page = await taken(
        api.GET("/accounts/{id}/statement", {
          params: {
            path: { id },
            query: {
              limit: PAGE_LENGTH,
              ...(from ? { from } : {}),
              ...(to ? { to } : {}),
              ...(pageParam ? { cursor: pageParam } : {}),
            },
          },
        }),
      );
      // The document also offers the whole as CSV, as text; that is asked for by another link.
      return page as Statement;
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.next,
    placeholderData: keepPreviousData,
  });
}

/** Opens or closes a session and forgets what the other one could see. */
export function useSessionChange() {
  const client = useQueryClient();
  return {
    open: async (key: string) => {
      const session = await taken(api.POST("/session", { body: { key } }));
      client.clear();
      client.setQueryData(["session"], session);
    },
    close: async () => {
      await api.DELETE("/session");
      client.clear();
    },
  };
}
