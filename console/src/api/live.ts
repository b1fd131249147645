// The live overview. The browser resumes the stream by the last position it
// saw (`Last-Event-ID`); an event older than what is shown is dropped, so the
// page never goes back in time. Silence longer than the keep-alive is loss.
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { API_BASE } from "./client";
import type { Overview } from "./types";

const SILENCE_MS = 20_000;
const RETRY_MS = 3_000;

export type Stream = { state: "connecting" } | { state: "live" } | { state: "lost"; since: Date };

export function useOverviewStream(): Stream {
  const client = useQueryClient();
  const [stream, setStream] = useState<Stream>({ state: "connecting" });

  useEffect(() => {
    let source: EventSource;
    let heard = new Date();
    let retry: ReturnType<typeof setTimeout> | undefined;

    const lost = () => setStream((now) => (now.state === "lost" ? now : { state: "lost", since: heard }));
    const alive = () => {
      heard = new Date();
      setStream((now) => (now.state === "live" ? now : { state: "live" }));
    };
    const open = () => {
      source = new EventSource(`${API_BASE}/overview/events`);
      source.addEventListener("overview", (event) => {
        alive();
        const next = JSON.parse(event.data) as Overview;
        client.setQueryData<Overview>(["overview"], (shown) =>
          shown && shown.position > next.position ? shown : next,
        );
      });
      source.addEventListener("ping", alive);
      source.onerror = () => {
        lost();
        // The browser gives up for good on an HTTP error; asking again is then ours.
        if (source.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY_MS);
      };
    };

    open();
    const watch = setInterval(() => {
      if (Date.now() - heard.getTime() > SILENCE_MS) lost();
    }, 1_000);
    return () => {
      source.close();
      clearInterval(watch);
      clearTimeout(retry);
    };
  }, [client]);

  return stream;
}
