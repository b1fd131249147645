// The live overview. Each event is the whole of it, and the first comes as soon
// as the stream is opened, so nothing has to be caught up on after a loss. An
// event older than what is shown is dropped and the page never goes back in
// time; time and not position decides, because a demo that starts over begins a
// new log. An event comes every second though nothing is new: silence is loss.
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { API_BASE } from "./client";
import type { Overview } from "./types";

const SILENCE_MS = 5_000;
const RETRY_MS = 3_000;

export type Stream = { state: "connecting" } | { state: "live" } | { state: "lost"; since: Date };

/** Follows the overview once `on`: a page that may not read it must not ask again and again. */
export function useOverviewStream(on: boolean): Stream {
  const client = useQueryClient();
  const [stream, setStream] = useState<Stream>({ state: "connecting" });

  useEffect(() => {
    if (!on) return;
    let source: EventSource;
    let heard = new Date();
    let opened = heard;
    let retry: ReturnType<typeof setTimeout> | undefined;

    const lost = () => setStream((now) => (now.state === "lost" ? now : { state: "lost", since: heard }));
    const alive = () => {
      heard = new Date();
      setStream((now) => (now.state === "live" ? now : { state: "live" }));
    };
    const open = () => {
      clearTimeout(retry);
      opened = new Date();
      source = new EventSource(`${API_BASE}/overview/events`);
      source.addEventListener("overview", (event) => {
        alive();
        const next = JSON.parse(event.data) as Overview;
        client.setQueryData<Overview>(["overview"], (shown) =>
          shown && Date.parse(shown.at) > Date.parse(next.at) ? shown : next,
        );
      });
      source.onerror = () => {
        lost();
        // The browser gives up for good on an HTTP error; asking again is then ours.
        if (source.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY_MS);
      };
    };

    open();
    const watch = setInterval(() => {
      if (Date.now() - Math.max(heard.getTime(), opened.getTime()) <= SILENCE_MS) return;
      lost();
      source.close();
      open();
    }, 1_000);
    return () => {
      source.close();
      clearInterval(watch);
      clearTimeout(retry);
    };
  }, [client, on]);

  return stream;
}
